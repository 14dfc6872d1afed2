// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.benchmarks;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** How long the decision takes. Needs no heap of the kernel. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 10, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 200, timeUnit = TimeUnit.MILLISECONDS)
public class SolverBenchmark {
    /** Devices that some heap suits. */
    @State(Scope.Benchmark)
    @SuppressWarnings("NullAway.Init") // JMH calls the setup before anything else
    public static class Matrix {
        /** How many. */
        @Param({"1", "2", "4", "8", "16", "32", "64"})
        public int devices;

        /** How many. */
        @Param({"1", "2", "4", "8", "16", "32"})
        public int heaps;

        private Scene scene;
        private List<Device> all;

        /** Makes them. */
        @Setup
        public void setUp() throws CenallocException {
            scene = new Scene(heaps);
            all = scene.devices(devices);
            Plan plan = scene.cenalloc().plan(Scene.SIZE, all);
            if (plan.candidates().isEmpty()) {
                throw new IllegalStateException("this is meant to be solvable: " + plan);
            }
        }

        /** Closes the heaps. */
        @TearDown
        public void tearDown() {
            scene.close();
        }
    }

    /** 64 devices and 32 heaps: what needs to be known at one size only. */
    @State(Scope.Benchmark)
    @SuppressWarnings("NullAway.Init") // as above
    public static class Largest {
        static final int DEVICES = 64;
        static final int HEAPS = 32;

        private Scene scene;
        private List<Device> conflicting;
        private Device last;
        private SharedBuffer buffer;

        /** Makes them, and attaches all but one. */
        @Setup
        public void setUp() throws CenallocException {
            scene = new Scene(HEAPS);
            conflicting = scene.conflictingDevices(DEVICES);
            List<Device> devices = scene.devices(DEVICES);
            last = devices.removeLast();
            buffer = scene.cenalloc().create(Scene.SIZE);
            for (Device device : devices) {
                buffer.attach(device);
            }
            if (findConflict(this).isEmpty()) {
                throw new IllegalStateException("this is meant to conflict");
            }
        }

        /** Closes buffer and heaps. */
        @TearDown
        public void tearDown() {
            buffer.close();
            scene.close();
        }
    }

    /** Solves. */
    @Benchmark
    public Plan plan(Matrix matrix) {
        return matrix.scene.cenalloc().plan(Scene.SIZE, matrix.all);
    }

    /** Solves in vain, and finds the smallest set of statements that conflict. */
    @Benchmark
    public Optional<Conflict> conflict(Largest largest) {
        return findConflict(largest);
    }

    private static Optional<Conflict> findConflict(Largest largest) {
        Cenalloc cenalloc = largest.scene.cenalloc();
        return cenalloc.plan(Scene.SIZE, largest.conflicting).conflict();
    }

    /** Attaches the last device to a buffer that has all others, and detaches it. */
    @Benchmark
    public void attach(Largest largest) throws CenallocException {
        largest.buffer.attach(largest.last).close();
    }
}
