// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.fuzz;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.device.ProbeFuzz;
import dev.cenalloc.gstreamer.CapsFuzz;
import dev.cenalloc.gstreamer.SinkFuzz;
import dev.cenalloc.gstreamer.SourceFuzz;
import dev.cenalloc.json.ConstraintsFuzz;
import dev.cenalloc.json.ProfileFuzz;
import dev.cenalloc.node.drm.CardFuzz;
import dev.cenalloc.share.ReceiverFuzz;
import dev.cenalloc.share.SenderFuzz;
import dev.cenalloc.wayland.WindowFuzz;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** Where ci/fuzz enters: all targets by their names, as Jazzer calls one. */
public final class Fuzz {
    static final Map<String, FuzzTarget> TARGETS = new TreeMap<>(Map.of(
            "caps", new CapsFuzz(),
            "card", new CardFuzz(),
            "constraints", new ConstraintsFuzz(),
            "probe", new ProbeFuzz(),
            "profile", new ProfileFuzz(),
            "receiver", new ReceiverFuzz(),
            "sender", new SenderFuzz(),
            "sink", new SinkFuzz(),
            "source", new SourceFuzz(),
            "window", new WindowFuzz()));

    /** What reading an input of a few thousand bytes may allocate in the Java heap, with the fake kernel. */
    static final long MOST_BYTES = 64 << 20;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static FuzzTarget chosen = target("caps");

    private Fuzz() {}

    /** Called by Jazzer, with a name. Loads classes, so that the time for an input is that of the reader. */
    public static void fuzzerInitialize(String[] names) throws Exception {
        chosen = target(names[0]);
        for (byte[] seed : chosen.seeds()) {
            boolean _ = chosen.read(seed);
        }
    }

    /** Called by Jazzer. */
    public static void fuzzerTestOneInput(byte[] input) throws Exception {
        boolean _ = read(chosen, input);
    }

    static FuzzTarget target(String name) {
        return Objects.requireNonNull(TARGETS.get(name), () -> name + " is none of " + TARGETS.keySet());
    }

    static boolean read(FuzzTarget target, byte[] input) throws Exception {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        boolean taken = target.read(input);
        if (THREADS.getCurrentThreadAllocatedBytes() - before > MOST_BYTES) {
            // Classes that are loaded are instrumented, which allocates: only the second time tells.
            before = THREADS.getCurrentThreadAllocatedBytes();
            boolean _ = target.read(input);
            long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
            if (allocated > MOST_BYTES) {
                throw new AssertionError(input.length + " bytes made the reader allocate " + allocated);
            }
        }
        return taken;
    }

    /**
     * Prints the names; with {@code --seeds}, a name and a directory, writes the seeds of that target there; with
     * {@code --read}, a name and a file, reads that input.
     */
    public static void main(String[] arguments) throws Exception {
        switch (arguments.length == 0 ? "" : arguments[0]) {
            case "--seeds" -> write(target(arguments[1]).seeds(), Path.of(arguments[2]));
            case "--read" -> {
                boolean taken = read(target(arguments[1]), Files.readAllBytes(Path.of(arguments[2])));
                System.out.println(taken ? "taken" : "refused");
            }
            default -> TARGETS.keySet().forEach(System.out::println);
        }
    }

    private static void write(List<byte[]> seeds, Path directory) throws IOException {
        for (int i = 0; i < seeds.size(); i++) {
            Files.write(directory.resolve("seed-" + i), seeds.get(i));
        }
    }
}
