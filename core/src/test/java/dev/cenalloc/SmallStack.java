// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** Runs tests near the end of the stack. Stateless. */
public final class SmallStack {
    private static final long BYTES = 512 << 10;

    private SmallStack() {}

    /** What runs. */
    public interface Action {
        void run() throws Exception;
    }

    /** In a thread with a small stack. */
    public static void with(Action action) throws Exception {
        var task = new FutureTask<Void>(() -> {
            action.run();
            return null;
        });
        new Thread(null, task, "small stack", BYTES).start();
        try {
            task.get();
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        }
    }

    /** So many calls deeper. */
    public static void deep(int calls, Action action) throws Exception {
        if (calls > 0) {
            deep(calls - 1, action);
        } else {
            action.run();
        }
    }

    /** As many calls as there is room for, as the compilers have made them by now. */
    public static int deepest() throws Exception {
        int least = 1;
        int most = 1_000_000;
        while (least < most) {
            int middle = (least + most + 1) / 2;
            try {
                deep(middle, () -> {});
                least = middle;
            } catch (StackOverflowError e) {
                most = middle - 1;
            }
        }
        return least;
    }
}
