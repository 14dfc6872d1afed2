// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.benchmarks;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.DeviceProfile;
import dev.cenalloc.json.Profile;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.util.ArrayList;
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
import org.openjdk.jmh.annotations.Warmup;

/** How long the decision takes for devices of a real board, with what the shipped profile says of them. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 3, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 10, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls the setup before anything else
public class BoardBenchmark {
    private static final List<String> ROLES = List.of("camera", "npu", "display");
    private static final Image IMAGE = new Image(PixelFormat.NV12, 1920, 1080);

    /** Those of the kernel, and the memory of the NPU, which takes no other. */
    static final int HEAPS = 3;

    static final int DEVICES = 3;

    private final List<Device> devices = new ArrayList<>();
    private final List<Heap> heaps =
            new ArrayList<>(List.of(Heap.of(HeapProperties.SYSTEM), Heap.of(HeapProperties.DEFAULT_CMA)));

    /** Reads the profile. */
    @Setup
    public void setUp() {
        Profile board = Boards.named("rk3588");
        for (String role : ROLES) {
            DeviceProfile device = board.find(role).getFirst();
            devices.add(device.device());
            device.memory().ifPresent(heaps::add);
        }
        Plan plan = board();
        if (plan.candidates().isEmpty() || devices.size() != DEVICES || heaps.size() != HEAPS) {
            throw new IllegalStateException("this is meant to be solvable: " + plan);
        }
    }

    /** Plans a frame of camera, NPU and display. */
    @Benchmark
    public Plan board() {
        return Plan.of(Demand.ofImage(IMAGE), devices, heaps);
    }
}
