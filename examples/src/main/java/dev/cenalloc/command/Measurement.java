// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;

/**
 * What a frame costs once everything is compiled. The loop itself does nothing for the sake of being measured: the
 * kernel counts its system calls, the virtual machine its allocation.
 *
 * @param systemCalls by name, over all counted frames; empty where the kernel does not count for this user
 * @param countedFrames over how many frames they were counted
 * @param javaBytes what the loop allocated on the Java heap while the measured frames were shown
 */
record Measurement(Map<String, Long> systemCalls, long countedFrames, long javaBytes) {
    /** Frames shown before measuring: at its 127th call a method handle is compiled for good. */
    static final int WARM_UP = 140;
    /** Frames shown after the tracing was set up, which takes a moment in which frames are missed. */
    private static final int SETTLE = 30;

    /** As {@link #of(Pipeline, long, long)}, for as long as it takes. */
    static Measurement of(Pipeline pipeline, long frames) throws IOException, InterruptedException {
        return of(pipeline, frames, Long.MAX_VALUE);
    }

    /**
     * Runs the pipeline on a thread of its own, and returns when the frames were shown, the time for them is over or it
     * was stopped.
     */
    static Measurement of(Pipeline pipeline, long frames, long nanos) throws IOException, InterruptedException {
        var warm = new CountDownLatch(1);
        var counting = new CountDownLatch(1);
        var shown = new CountDownLatch(1);
        var counted = new CountDownLatch(1);
        var tid = new long[1];
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        var loop = new FutureTask<>(() -> {
            try {
                tid[0] = SystemCalls.currentThread();
                pipeline.run(WARM_UP);
                warm.countDown();
                counting.await();
                pipeline.run(SETTLE);
                long before = threads.getCurrentThreadAllocatedBytes();
                pipeline.run(frames, nanos);
                return threads.getCurrentThreadAllocatedBytes() - before;
            } finally {
                warm.countDown();
                shown.countDown();
                counted.await();
            }
        });
        Thread thread = Thread.ofPlatform().name("frames").start(loop);
        Map<String, Long> counts = Map.of();
        boolean complete = false;
        try {
            warm.await();
            Optional<SystemCalls> calls = SystemCalls.ofThread(tid[0]);
            counting.countDown();
            shown.await();
            if (calls.isPresent()) {
                try (SystemCalls open = calls.get()) {
                    counts = open.counts();
                }
            }
            complete = true;
        } finally {
            if (!complete) {
                pipeline.stop();
                counting.countDown();
            }
            counted.countDown();
            thread.join();
        }
        try {
            return new Measurement(counts, SETTLE + pipeline.shown(), loop.get());
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException cause ? cause : new IOException(e.getCause());
        }
    }

    double systemCallsPerFrame() {
        return (double) systemCalls.values().stream().mapToLong(Long::longValue).sum() / countedFrames;
    }

    double perFrame(String systemCall) {
        return (double) systemCalls.getOrDefault(systemCall, 0L) / countedFrames;
    }

    @Override
    public String toString() {
        return systemCalls.keySet().stream()
                .filter(name -> perFrame(name) >= 0.01)
                .map(name -> "%s %.2f".formatted(name, perFrame(name)))
                .collect(Collectors.joining(", ", "%.2f (".formatted(systemCallsPerFrame()), ")"));
    }
}
