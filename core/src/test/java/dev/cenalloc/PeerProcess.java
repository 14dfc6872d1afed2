// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Another program, which a test talks to. What it prints is read all the time, so that it never waits for the test. It
 * is killed when the time limit has passed, and by {@link #close}, with the processes that it started.
 */
public final class PeerProcess implements AutoCloseable {
    /** Long enough for any program on an emulated processor. */
    public static final Duration LIMIT = Duration.ofMinutes(2);

    private final String name;
    private final Process process;
    private final CompletableFuture<Void> reader;

    /** Guarded by itself, which is notified of each line and of the end. */
    private final List<String> output = new ArrayList<>();

    private boolean ended;
    private int next;

    private PeerProcess(String name, Process process) {
        this.name = name;
        this.process = process;
        this.reader = CompletableFuture.runAsync(
                this::read, Thread.ofPlatform().daemon().name("output of " + name)::start);
    }

    /**
     * Skips the test where this machine lacks the program. In the machine made for the tests nothing is skipped: a
     * program that is missing there makes the test fail.
     */
    public static void assumeProgram(String program) {
        assumeTrue(RequiresHeap.Condition.isRequired() || isHere(program), () -> "no program " + program + " here");
    }

    private static boolean isHere(String program) {
        for (String directory : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1)) {
            if (Files.isExecutable(Path.of(directory, program))) {
                return true;
            }
        }
        return false;
    }

    public static PeerProcess start(String... command) throws IOException {
        return start(Map.of(), command);
    }

    /** With variables that are added to this process's own environment. */
    public static PeerProcess start(Map<String, String> variables, String... command) throws IOException {
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(variables);
        Process process = builder.start();
        process.onExit().orTimeout(LIMIT.toSeconds(), TimeUnit.SECONDS).exceptionally(_ -> process.destroyForcibly());
        return new PeerProcess(command[0], process);
    }

    private void read() {
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                add(line);
            }
        } catch (IOException e) {
            add("the output cannot be read: " + e);
        }
        synchronized (output) {
            ended = true;
            output.notifyAll();
        }
    }

    private void add(String line) {
        synchronized (output) {
            output.add(line);
            output.notifyAll();
        }
    }

    public long pid() {
        return process.pid();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    /** The next line that it prints, to either output; fails if it ends before, or is killed. */
    public String line() throws InterruptedException {
        synchronized (output) {
            while (next == output.size() && !ended) {
                output.wait();
            }
            if (next == output.size()) {
                fail("no further line of " + this);
            }
            return output.get(next++);
        }
    }

    /** The next line that has the text; those before it are passed over. */
    public String lineWith(String text) throws InterruptedException {
        String line = line();
        while (!line.contains(text)) {
            line = line();
        }
        return line;
    }

    /** Waits for its end, which must be that of a program without failures, after the lines that were read. */
    public void endsWell() {
        assertEquals(0, status(), this::toString);
        synchronized (output) {
            assertEquals(List.of(), output.subList(next, output.size()), this::toString);
        }
    }

    /** Waits for its end. A program that was killed has 128 and the number of the signal. */
    public int status() {
        reader.join();
        return process.onExit().join().exitValue();
    }

    /** Ends it at once. What it printed before can still be read. */
    public void kill() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().onExit().join();
    }

    @Override
    public void close() throws IOException {
        kill();
        reader.join();
        process.getOutputStream().close();
    }

    /** Its name, and all that it has printed. */
    @Override
    public String toString() {
        synchronized (output) {
            return name + ", which printed:\n" + String.join("\n", output);
        }
    }
}
