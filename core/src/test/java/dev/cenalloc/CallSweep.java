// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.CallErrnos;
import dev.cenalloc.kernel.Interposed;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/**
 * Each call that an operation makes fails in turn: with every errno that it may give, then with an {@link Error}; and
 * the stack ends at each depth. After each fault the exception is a documented one that names the errno, nothing is
 * left, and the next run, with the same objects, gives what it gives without a fault. {@code -Dcenalloc.sweep=WORDS}
 * leaves out the operations whose names have not these words.
 */
public abstract class CallSweep {
    /** So many runs in a row without an overflow are the end of a sweep of the stack. */
    private static final int ENOUGH = 3;

    /** Frames of about 100 bytes from one depth to the next. */
    private static final int STEP = Integer.getInteger("cenalloc.sweep.step", 3);

    /** What is swept. */
    protected abstract List<? extends Scene.Maker> operations();

    /** Whether an operation may have a result of its own after a fault, other than an exception: it tells of it there. */
    protected boolean tells(Scene.Maker operation, String result, String call, int errno) {
        return !CallErrnos.isPassing(call, errno) || result.contains(Errno.name(errno));
    }

    /** Whether an exception may have another errno than the call that failed. */
    protected boolean isOfIts(Scene.Maker operation, CenallocException e, String call, int errno) {
        return false;
    }

    private interface Check {
        void run(Scene.Maker operation) throws Exception;
    }

    private Stream<DynamicTest> each(Check check) {
        String words = System.getProperty("cenalloc.sweep", "");
        return operations().stream()
                .filter(operation -> operation.name().contains(words))
                .map(operation -> DynamicTest.dynamicTest(operation.name(), () -> check.run(operation)));
    }

    /** A run without faults, and one after it. */
    private record Reference(List<String> calls, String result, String second) {
        /** How many calls of the same name are before one. */
        int before(int place) {
            return Collections.frequency(calls.subList(0, place), calls.get(place));
        }

        static Reference of(Scene.Maker operation) throws Exception {
            // Classes are loaded by it, which takes time, and after some time a question is asked again.
            try (Scene warm = operation.scene()) {
                warm.calls().forget();
                warm.run();
            }
            try (Scene scene = operation.scene()) {
                scene.calls().forget();
                String result = scene.run();
                List<String> calls = scene.calls().calls();
                assertEquals(result, scene.run(), operation.name() + ": the second run");
                return new Reference(calls, result, scene.state());
            }
        }
    }

    // ---- errnos ----

    @TestFactory
    Stream<DynamicTest> everyErrnoOfEveryCall() {
        return each(operation -> {
            Reference reference = Reference.of(operation);
            var outcomes = new Outcomes(operation.name() + " errnos", reference.calls.size());
            for (int call = 0; call < reference.calls.size(); call++) {
                for (int errno : CallErrnos.of(reference.calls.get(call))) {
                    int place = call;
                    outcomes.add(
                            operation.name() + ", call " + call + " " + reference.calls.get(call) + ", "
                                    + Errno.name(errno),
                            () -> fail(operation, reference, place, errno));
                }
            }
            outcomes.end();
        });
    }

    private String fail(Scene.Maker operation, Reference reference, int place, int errno) throws Exception {
        try (Scene scene = operation.scene()) {
            scene.calls().fail(reference.calls.get(place), reference.before(place), errno);
            String outcome = "survived";
            try {
                String result = scene.run();
                assertTrue(
                        result.equals(reference.result) || tells(operation, result, reference.calls.get(place), errno),
                        () -> "it gives " + result + " in place of " + reference.result);
            } catch (CenallocException e) {
                outcome = "told";
                assertTrue(
                        e.errno() == errno || isOfIts(operation, e, reference.calls.get(place), errno),
                        () -> "another errno: " + e);
                assertTrue(!e.call().isBlank() && !e.remedy().isBlank(), () -> "no call or no remedy: " + e);
            }
            outcome = scene.calls().wasHit() ? outcome : "not made";
            again(scene, reference, CallErrnos.isPassing(reference.calls.get(place), errno));
            return outcome;
        }
    }

    /** The same operation works as if nothing had been; what an errno says for ever may have been remembered. */
    private static void again(Scene scene, Reference reference, boolean isPassing) throws Exception {
        scene.calls().forget();
        String result = scene.run();
        if (isPassing) {
            assertEquals(reference.result, result, "the next run");
        }
        assertEquals(reference.second, scene.state(), "what is there after the next run");
    }

    // ---- errors ----

    @TestFactory
    Stream<DynamicTest> anErrorAtEveryCall() {
        return each(operation -> {
            Reference reference = Reference.of(operation);
            var outcomes = new Outcomes(operation.name() + " errors", reference.calls.size());
            for (int call = 0; call < reference.calls.size(); call++) {
                for (boolean isAfter : new boolean[] {false, true}) {
                    for (Error error : List.of(new OutOfMemoryError("test"), new StackOverflowError("test"))) {
                        int place = call;
                        outcomes.add(
                                operation.name() + ", " + (isAfter ? "after" : "before") + " call " + call + " "
                                        + reference.calls.get(call) + ", "
                                        + error.getClass().getSimpleName(),
                                () -> fail(operation, reference, place, error, isAfter));
                    }
                }
            }
            outcomes.end();
        });
    }

    private static String fail(Scene.Maker operation, Reference reference, int place, Error error, boolean isAfter)
            throws Exception {
        try (Scene scene = operation.scene()) {
            scene.calls().fail(reference.calls.get(place), reference.before(place), error, isAfter);
            String outcome = "survived";
            try {
                scene.run();
            } catch (Error e) {
                outcome = "told";
                assertSame(error, e);
            }
            outcome = scene.calls().wasHit() ? outcome : isAfter ? "not possible" : "not made";
            again(scene, reference, true);
            return outcome;
        }
    }

    // ---- the stack ----

    @Tag("soak") // where a call overflows depends on what the compilers have done meanwhile
    @TestFactory
    Stream<DynamicTest> anEndOfTheStackAtEveryDepth() {
        return each(operation -> SmallStack.with(() -> {
            Reference reference = Reference.of(operation);
            var outcomes = new Outcomes(operation.name() + " depths", 0);
            // Its classes are loaded now; a class whose initialisation overflows could not be used any more.
            try (var servant = new Interposed.Servant()) {
                // Again if a compiler has made the frames smaller after the depth was measured.
                for (int i = 0; i < 10 && !outcomes.has("told"); i++) {
                    sweep(operation, reference, servant, outcomes);
                }
            }
            outcomes.end();
        }));
    }

    private static void sweep(Scene.Maker operation, Reference reference, Interposed.Servant servant, Outcomes outcomes)
            throws Exception {
        int deepest = SmallStack.deepest();
        int without = 0;
        for (int less = 0; without < ENOUGH; less += STEP) {
            int depth = deepest - less;
            var outcome = new AtomicReference<>("");
            outcomes.add(operation.name() + ", " + less + " frames before the end", () -> {
                outcome.set(overflow(operation, reference, depth, servant));
                return outcome.get();
            });
            without = outcome.get().equals("survived") ? without + 1 : 0;
        }
    }

    private static String overflow(Scene.Maker operation, Reference reference, int depth, Interposed.Servant servant)
            throws Exception {
        try (Scene scene = operation.scene()) {
            scene.calls().onStackOfItsOwn(servant);
            scene.prepare();
            boolean overflown = false;
            try {
                SmallStack.deep(depth, () -> assertEquals(reference.result, scene.operate()));
            } catch (StackOverflowError e) {
                overflown = true;
            }
            scene.finish();
            again(scene, reference, true);
            return overflown ? "told" : "survived";
        }
    }

    // ---- what came of it ----

    private interface Fault {
        String inject() throws Exception;
    }

    /** Collects what is wrong, so that one run tells all of it. */
    private static final class Outcomes {
        private final String name;
        private final int calls;
        private final long begin = System.nanoTime();
        private final Map<String, Integer> counts = new TreeMap<>();
        private final List<String> wrong = new ArrayList<>();
        private @Nullable Throwable first;

        Outcomes(String name, int calls) {
            this.name = name;
            this.calls = calls;
        }

        void add(String what, Fault fault) {
            String outcome;
            try {
                outcome = fault.inject();
            } catch (Throwable e) {
                outcome = "wrong";
                wrong.add(what + ": " + e);
                first = first == null ? e : first;
            }
            counts.merge(outcome, 1, Integer::sum);
        }

        boolean has(String outcome) {
            return counts.containsKey(outcome);
        }

        void end() {
            System.out.printf(
                    "%-44s %5d calls %7d faults %6.1f s %s%n",
                    name,
                    calls,
                    counts.values().stream().mapToInt(Integer::intValue).sum(),
                    (System.nanoTime() - begin) / 1e9,
                    counts);
            if (!wrong.isEmpty()) {
                throw new AssertionError(
                        wrong.size() + " wrong:\n" + String.join("\n", wrong), Objects.requireNonNull(first));
            }
            assertTrue(counts.getOrDefault("told", 0) > 0, () -> name + ": nothing was told of, " + counts);
        }
    }
}
