// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;

/**
 * A fault that the kernel injects into a call of the thread that made this: where it allocates memory, or copies from
 * or to the caller. Source: {@code Documentation/fault-injection}. The JVM's other threads are not hit. For that one
 * thread; to be closed.
 */
public final class InjectedFault implements AutoCloseable {
    private static final Path DEBUG = Path.of("/sys/kernel/debug");

    /** More than can be injected: the kernel counts each kind down from here. */
    private static final long MOST = 1_000_000_000;

    private static final Map<String, Map<String, String>> KINDS = Map.of(
            "failslab",
            Map.of("ignore-gfp-wait", "N"),
            "fail_page_alloc",
            Map.of("ignore-gfp-wait", "N", "ignore-gfp-highmem", "N", "min-order", "0"),
            "fail_usercopy",
            Map.of());

    private final FileChannel channel;
    private final ByteBuffer answer = ByteBuffer.allocateDirect(32);
    private boolean isArmed;
    private boolean wasHit;

    private InjectedFault(FileChannel channel) {
        this.channel = channel;
    }

    public static InjectedFault ofThisThread() throws IOException {
        for (var kind : KINDS.entrySet()) {
            Path directory = DEBUG.resolve(kind.getKey());
            for (var setting : kind.getValue().entrySet()) {
                Files.writeString(directory.resolve(setting.getKey()), setting.getValue());
            }
            Files.writeString(directory.resolve("verbose"), "0");
            Files.writeString(directory.resolve("times"), Long.toString(MOST));
        }
        // In the directory of the thread that opens it.
        return new InjectedFault(FileChannel.open(
                Path.of("/proc/thread-self/fail-nth"), StandardOpenOption.READ, StandardOpenOption.WRITE));
    }

    /** Has the n-th place fail, counted from 1, that this thread comes to from now on. */
    void arm(int n) throws IOException {
        wasHit = false;
        isArmed = true;
        write(n);
    }

    /** Ends it, unless it has ended already. */
    public void disarm() throws IOException {
        if (!isArmed) {
            return;
        }
        isArmed = false;
        try {
            answer.clear();
            int length = channel.read(answer, 0);
            byte[] text = new byte[length];
            answer.flip().get(text);
            // The kernel counts down to 0, where it fails.
            wasHit = new String(text, StandardCharsets.US_ASCII).strip().startsWith("0");
        } catch (IOException e) {
            return; // it hit this very read, and with that it has ended
        }
        if (!wasHit) {
            try {
                write(0);
            } catch (IOException e) {
                write(0); // as before
            }
        }
    }

    /** Whether it hit a call between {@link #arm} and {@link #disarm}. */
    boolean wasHit() {
        return wasHit;
    }

    private void write(int n) throws IOException {
        channel.write(ByteBuffer.wrap(Integer.toString(n).getBytes(StandardCharsets.US_ASCII)), 0);
    }

    /** How many faults of each kind there were since this was made. */
    Map<String, Long> kinds() throws IOException {
        var kinds = new TreeMap<String, Long>();
        for (String kind : KINDS.keySet()) {
            long left = Long.parseLong(
                    Files.readString(DEBUG.resolve(kind).resolve("times")).strip());
            kinds.put(kind, MOST - left);
        }
        return kinds;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
