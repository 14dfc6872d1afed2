// SPDX-License-Identifier: Apache-2.0
import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.lang.management.ManagementFactory;

/** The calls of the library that calls.c makes in C (ci/compare/calls): prints the CPU time of its thread a call. */
final class Calls {
    private static final long KIB = 1024;
    private static final long MIB = 1024 * KIB;
    /** Of each call before it is measured, at least: until the compilers have nothing to do for so many. */
    private static final int WARM_UP = 10_000;
    /** So few at once that the loop around them is compiled as they are, and not interpreted when it is measured. */
    private static final int BATCH = 10;
    /** A round more means that the compilers do not come to an end, which a measurement has to say. */
    private static final int MOST_ROUNDS = 20;

    private interface Call {
        void once(long size) throws Exception;
    }

    /** What is mapped and accessed. */
    private static DmaBuf buffer;

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        try (var cenalloc = Cenalloc.open()) {
            Heap system = cenalloc.heap("system");
            Device camera = Device.of("camera", Constraints.NONE.maxSegments(64), "a test");
            Device display = Device.of("display", Constraints.NONE, "a test");
            // The larger ones by the code that the many calls of the small ones have warmed up.
            Call allocate = size -> cenalloc.allocate(system, size).close();
            measure("allocate-4K", count, WARM_UP, allocate, 4 * KIB);
            measure("allocate-1M", count / 10, 100, allocate, MIB);
            measure("allocate-8M", count / 50, 20, allocate, 8 * MIB);
            Call create = size -> {
                try (SharedBuffer created = cenalloc.create(size)) {
                    created.attach(camera);
                    created.attach(display);
                    created.dmaBuf();
                }
            };
            measure("buffer-4K", count, WARM_UP, create, 4 * KIB);
            Call map = _ -> buffer.map(Direction.READ_WRITE).close();
            buffer = cenalloc.allocate(system, 4 * KIB);
            measure("map-4K", count, WARM_UP, map, 4 * KIB);
            measure("sync", count, WARM_UP, _ -> buffer.access(Direction.READ_WRITE).close(), 4 * KIB);
            buffer.close();
            buffer = cenalloc.allocate(system, MIB);
            measure("map-1M", count / 10, 100, map, MIB);
            buffer.close();
        }
    }

    private static void measure(String name, int count, int warmUp, Call call, long size) throws Exception {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        warmUp(name, warmUp, call, size);
        long bytes = threads.getCurrentThreadAllocatedBytes();
        long before = threads.getCurrentThreadCpuTime();
        repeat(count, call, size);
        long used = threads.getCurrentThreadCpuTime() - before;
        System.out.println(
                name + " " + used / count + " " + (threads.getCurrentThreadAllocatedBytes() - bytes) / count);
    }

    private static void repeat(int count, Call call, long size) throws Exception {
        for (int i = 0; i < count; i++) {
            call.once(size);
        }
    }

    /** Calls in rounds, until the compilers did nothing in one of them. */
    private static void warmUp(String name, int count, Call call, long size) throws Exception {
        var compilers = ManagementFactory.getCompilationMXBean();
        long before;
        int rounds = 0;
        do {
            if (rounds++ == MOST_ROUNDS) {
                throw new IllegalStateException(name + ": still compiled after " + MOST_ROUNDS + " rounds");
            }
            before = compilers.getTotalCompilationTime();
            for (int i = 0; i < count; i += BATCH) {
                repeat(BATCH, call, size);
            }
            Thread.sleep(10_000); // a compiler that is at work ends it meanwhile, and only then is its time counted
        } while (compilers.getTotalCompilationTime() != before);
    }
}
