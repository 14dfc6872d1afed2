// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.benchmarks;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Demand;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/** How long it takes to lend a buffer of a pool and give it back, by 1 to 8 threads, each with one of 16 buffers. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 3, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 10, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls the setup before anything else
public class PoolBenchmark {
    private Cenalloc cenalloc;
    private Pool pool;
    private int calls;
    private FakeKernel kernel;

    /** Allocates the pool, on a kernel that counts calls. */
    @Setup
    public void setUp() throws CenallocException {
        kernel = new FakeKernel().heap("system", 1 << 20);
        cenalloc = kernel.open();
        pool = Pool.allocate(cenalloc, Demand.ofBytes(4096), List.of(), 16);
        calls = kernel.calls.size();
    }

    /** Checks that the kernel was asked nothing. */
    @TearDown
    public void tearDown() {
        if (kernel.calls.size() != calls) {
            throw new IllegalStateException(
                    "lending made system calls: " + kernel.calls.subList(calls, kernel.calls.size()));
        }
        pool.close();
        cenalloc.close();
    }

    private int lend() throws CenallocException, InterruptedException {
        try (PoolBuffer buffer = pool.lend("benchmark", Duration.ZERO)) {
            return buffer.index();
        }
    }

    /** One thread. */
    @Benchmark
    @Threads(1)
    public int lend1() throws CenallocException, InterruptedException {
        return lend();
    }

    /** Two threads. */
    @Benchmark
    @Threads(2)
    public int lend2() throws CenallocException, InterruptedException {
        return lend();
    }

    /** Four threads. */
    @Benchmark
    @Threads(4)
    public int lend4() throws CenallocException, InterruptedException {
        return lend();
    }

    /** Eight threads. */
    @Benchmark
    @Threads(8)
    public int lend8() throws CenallocException, InterruptedException {
        return lend();
    }
}
