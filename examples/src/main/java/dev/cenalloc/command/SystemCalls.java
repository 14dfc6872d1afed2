// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Counts the system calls of one thread by the kernel's own tracepoint, {@code raw_syscalls:sys_enter}, in a tracing
 * instance of its own, which closing removes. The thread that is counted does not notice.
 */
final class SystemCalls implements AutoCloseable {
    private static final Path TRACING = Path.of("/sys/kernel/tracing");
    private static final Pattern LINE = Pattern.compile("id: (?:sys_)?(\\S+) .*hitcount:\\s+(\\d+)");

    private final Path instance;
    private final String trigger;

    private SystemCalls(Path instance, String trigger) {
        this.instance = instance;
        this.trigger = trigger;
    }

    /** Begins to count, or is empty where the kernel cannot or this user may not. */
    static Optional<SystemCalls> ofThread(long tid) {
        Path instance = TRACING.resolve("instances/cenalloc-" + tid);
        try {
            Files.createDirectory(instance);
            var calls = new SystemCalls(instance, "hist:keys=id.syscall if common_pid == " + tid);
            calls.write(calls.trigger);
            return Optional.of(calls);
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** The kernel's number for the calling thread. */
    static long currentThread() throws IOException {
        Path link = Files.readSymbolicLink(Path.of("/proc/thread-self"));
        return Long.parseLong(String.valueOf(link.getFileName()));
    }

    /** The calls since the beginning, by name. */
    Map<String, Long> counts() throws IOException {
        var counts = new TreeMap<String, Long>();
        for (String line : Files.readAllLines(event("hist"))) {
            var matcher = LINE.matcher(line);
            if (matcher.find()) {
                counts.merge(matcher.group(1), Long.parseLong(matcher.group(2)), Long::sum);
            }
        }
        return counts;
    }

    private Path event(String file) {
        return instance.resolve("events/raw_syscalls/sys_enter").resolve(file);
    }

    private void write(String text) throws IOException {
        Files.writeString(event("trigger"), text, StandardOpenOption.WRITE);
    }

    @Override
    public void close() throws IOException {
        write("!" + trigger);
        Files.deleteIfExists(instance);
    }
}
