// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * Something that another process does to this one, or to the machine, all the time; and the kernel of this machine, of
 * which it counts calls. Counts are for any thread; to be closed.
 */
public final class Disturbance implements AutoCloseable {
    /** What is done. */
    public enum Kind {
        /** Signals interrupt the system calls of the thread that began it. */
        SIGNALS,
        /** The clock of the machine is set an hour forward, and back. */
        CLOCK_STEPS,
        /** This process is stopped and continued, as a machine does that is suspended. */
        PAUSES
    }

    /** Of SIGRTMAX - 2, in the mask of caught signals. */
    private static final long HANDLED = 1L << (64 - 2 - 1);

    private static final String MICROS = "500";

    private final boolean countsCalls;
    private final Map<String, LongAdder> interrupted = new ConcurrentHashMap<>();
    private final Map<Long, LongAdder> requests = new ConcurrentHashMap<>();
    private final LongAdder rounds = new LongAdder();
    private final Process sender;

    private Disturbance(boolean countsCalls, List<String> command) throws IOException {
        this.countsCalls = countsCalls;
        sender = new ProcessBuilder(command)
                .redirectError(countsCalls ? ProcessBuilder.Redirect.INHERIT : ProcessBuilder.Redirect.DISCARD)
                .start();
        Thread.ofPlatform().daemon().start(this::read);
    }

    /** Begins. */
    public static Disturbance begin(Kind kind) throws Exception {
        String pid = Long.toString(ProcessHandle.current().pid());
        return switch (kind) {
            case SIGNALS -> {
                checkHandler();
                Path thread = Files.readSymbolicLink(Path.of("/proc/thread-self")); // PID/task/TID
                yield new Disturbance(
                        true,
                        List.of(
                                System.getProperty("cenalloc.peer.c"),
                                "storm",
                                pid,
                                String.valueOf(thread.getFileName()),
                                MICROS));
            }
            case CLOCK_STEPS -> repeated("date -s '+1 hour'; sleep 0.05; date -s '-1 hour'");
            case PAUSES -> repeated("kill -STOP " + pid + "; sleep 0.05; kill -CONT " + pid);
        };
    }

    private static Disturbance repeated(String command) throws IOException {
        return new Disturbance(
                false,
                List.of(
                        "bash",
                        "-c",
                        "while read -r -t 0.05; [ $? -gt 128 ]; do { " + command + "; } >&2; echo; done"));
    }

    /** Java ends system calls of its own threads with this signal, whose handler is installed without SA_RESTART. */
    private static void checkHandler() throws IOException {
        ServerSocketChannel.open(StandardProtocolFamily.UNIX).close(); // installs it, if it is the first channel
        String caught = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("SigCgt:"))
                .map(line -> line.substring(7).strip())
                .findFirst()
                .orElseThrow();
        assertTrue((Long.parseUnsignedLong(caught, 16) & HANDLED) != 0, "Java handles SIGRTMAX - 2: " + caught);
    }

    private void read() {
        try (BufferedReader lines = sender.inputReader()) {
            while (lines.readLine() != null) {
                rounds.increment();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The kernel of this machine. */
    public Kernel kernel() {
        return (Kernel) Proxy.newProxyInstance(
                Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, (_, method, arguments) -> {
                    try {
                        Object result = method.invoke(LinuxKernel.instance(), arguments);
                        count(method.getName(), arguments, result);
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    private void count(String method, Object[] arguments, Object result) {
        String call = method.equals("repeatableIoctl") ? "ioctl" : method;
        if (result instanceof Number number && number.longValue() == -Errno.EINTR) {
            interrupted.computeIfAbsent(call, _ -> new LongAdder()).increment();
        } else if (call.equals("ioctl") && result instanceof Integer number && number >= 0) {
            requests.computeIfAbsent((Long) arguments[1], _ -> new LongAdder()).increment();
        }
    }

    /**
     * How often it came, so far: of signals how many calls of the kernel's method failed with EINTR, else how often it
     * was done.
     */
    public long count(String call) {
        return countsCalls ? interrupted.getOrDefault(call, new LongAdder()).sum() : rounds.sum();
    }

    /** As {@link #count(String)}, of all calls. */
    public long count() {
        return countsCalls
                ? interrupted.values().stream().mapToLong(LongAdder::sum).sum()
                : rounds.sum();
    }

    /** How many ioctls of a request succeeded. */
    public long succeeded(long request) {
        return requests.getOrDefault(request, new LongAdder()).sum();
    }

    /** Ends it, and says what it did. */
    @Override
    public void close() throws IOException {
        sender.getOutputStream().close();
        assertEquals(0, sender.onExit().join().exitValue(), "the process that disturbs");
        System.out.println(countsCalls ? "interrupted " + interrupted : "disturbed " + rounds + " times");
    }
}
