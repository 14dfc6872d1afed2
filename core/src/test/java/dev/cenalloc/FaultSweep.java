// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Has the kernel fail at the first place of an operation, then at the second, and so on until the operation comes to its
 * end before. After each fault nothing may be left, the exception must be a documented one, and the next run must give
 * what the first one gave. For one thread; to be closed.
 */
public final class FaultSweep implements AutoCloseable {
    /** What is tried. */
    public interface Operation {
        /**
         * Runs it from the first open to the last close.
         *
         * @param fault may be disarmed in the middle, to see what the fault left behind in an object
         * @return what it found out
         */
        String run(InjectedFault fault) throws Exception;
    }

    /** What must be the same after each run. */
    public interface State {
        void check(String when) throws Exception;
    }

    /** About how many places of an operation a pass tries at most. */
    private static final int PLACES = 500;

    /** How many places are tried even if there is no time. */
    private static final int FEWEST = 5;

    private static final Duration BETWEEN_TABLES = Duration.ofMinutes(5);

    private static final class Tally {
        final Operation operation;
        final State state;
        final boolean isExact;
        String good = "";
        int next = 1;
        int places;
        int passes;
        long injected;
        long unnoticed;
        long nanos;
        final Map<String, Integer> told = new TreeMap<>();

        Tally(Operation operation, State state, boolean isExact) {
            this.operation = operation;
            this.state = state;
            this.isExact = isExact;
        }
    }

    private final InjectedFault fault;
    private final Map<String, Tally> tallies = new LinkedHashMap<>();
    private final Random random;
    private final List<String> wrong = new ArrayList<>();

    /** Of the thread that calls this. */
    public FaultSweep(long seed) throws IOException {
        fault = InjectedFault.ofThisThread();
        random = new Random(seed);
        System.out.println("seed " + seed);
    }

    /** An operation that ends with an exception if a fault hits it, or has the same result as without. */
    public void add(String name, State state, Operation operation) {
        tallies.put(name, new Tally(operation, state, true));
    }

    /** An operation whose result may be another if a fault hits it: it tells of the fault, or takes another way. */
    public void addWithOtherWays(String name, State state, Operation operation) {
        tallies.put(name, new Tally(operation, state, false));
    }

    /** Some places of each operation: the first ones, and ever fewer of the later ones, for as long as there is time. */
    public void some(Duration each) throws Exception {
        warm();
        for (var one : tallies.entrySet()) {
            Tally tally = one.getValue();
            while (tally.passes == 0 && (tally.injected < FEWEST || tally.nanos < each.toNanos())) {
                step(one.getKey(), tally);
            }
        }
        report();
    }

    /**
     * A number of faults, and at least one pass over each operation, which have equal shares of the time. A pass tries
     * every place of a short operation. Of one with many places, such as one for each page of a large buffer, it tries
     * some, other ones in each pass.
     */
    public void all(long faults) throws Exception {
        warm();
        long told = System.nanoTime();
        while (injected() < faults || tallies.values().stream().anyMatch(tally -> tally.passes == 0)) {
            var one = tallies.entrySet().stream()
                    .min((a, b) -> Long.compare(a.getValue().nanos, b.getValue().nanos))
                    .orElseThrow();
            step(one.getKey(), one.getValue());
            if (System.nanoTime() - told > BETWEEN_TABLES.toNanos()) {
                told = System.nanoTime();
                print();
            }
        }
        report();
    }

    private long injected() {
        return tallies.values().stream().mapToLong(tally -> tally.injected).sum();
    }

    /** Loads all classes that an operation needs, which a fault must not hit. */
    private void warm() throws Exception {
        for (var one : tallies.entrySet()) {
            Tally tally = one.getValue();
            tally.operation.run(fault);
            tally.good = tally.operation.run(fault);
        }
        for (var one : tallies.entrySet()) {
            one.getValue().state.check(one.getKey() + " before any fault");
        }
    }

    private void step(String name, Tally tally) throws Exception {
        long begin = System.nanoTime();
        int n = tally.next;
        tally.next += 1 + random.nextInt(tally.passes == 0 ? tally.next : 1 + 2 * tally.places / PLACES);
        String what = name + ", fault at place " + n;
        String result = "";
        Throwable thrown = null;
        fault.arm(n);
        try {
            result = tally.operation.run(fault);
        } catch (Throwable e) {
            thrown = e;
        }
        fault.disarm();
        if (!fault.wasHit()) {
            tally.next = 1;
            tally.places = Math.max(tally.places, n - 1);
            tally.passes++;
        } else {
            tally.injected++;
        }
        try {
            check(what, tally, result, thrown);
        } catch (AssertionError e) {
            wrong.add(e.getMessage() + (thrown == null ? "" : "; it threw " + thrown));
            if (thrown != null && !isDocumented(thrown)) {
                thrown.printStackTrace(System.out);
            }
        }
        tally.nanos += System.nanoTime() - begin;
    }

    private void check(String what, Tally tally, String result, @Nullable Throwable thrown) throws Exception {
        if (thrown == null) {
            tally.unnoticed += fault.wasHit() ? 1 : 0;
            if (tally.isExact || !fault.wasHit()) {
                assertEquals(tally.good, result, what);
            }
        } else {
            tally.told.merge(words(thrown), 1, Integer::sum);
            assertTrue(fault.wasHit(), what + " was not hit");
            assertTrue(isDocumented(thrown), what + " is not told by a documented exception");
        }
        tally.state.check(what);
        String next;
        try {
            next = tally.operation.run(fault);
        } catch (Exception e) {
            throw new AssertionError(what + ": the next run threw " + e, e);
        }
        assertEquals(tally.good, next, what + ", and the run after it");
    }

    /** One of the library's with what failed and why; or of a file; or of malloc. */
    private static boolean isDocumented(Throwable thrown) {
        return switch (thrown) {
            case CenallocException e ->
                !e.call().isBlank() && e.errno() > 0 && !e.remedy().isBlank();
            case IOException _ -> true;
            case OutOfMemoryError _ -> true;
            default -> false;
        };
    }

    private static String words(Throwable thrown) {
        return thrown instanceof CenallocException e
                ? e.call() + " " + e.errnoName()
                : Objects.requireNonNull(thrown).getClass().getSimpleName();
    }

    private void report() throws IOException {
        print();
        assertEquals(List.of(), wrong, () -> String.join("\n", wrong));
        assertTrue(injected() > 0, "something was injected");
    }

    private void print() throws IOException {
        System.out.printf(
                "%-30s %8s %7s %9s %9s %7s %s%n",
                "operation", "places", "passes", "injected", "unnoticed", "s", "told");
        tallies.forEach((name, tally) -> System.out.printf(
                "%-30s %8d %7d %9d %9d %7.1f %s%n",
                name, tally.places, tally.passes, tally.injected, tally.unnoticed, tally.nanos / 1e9, tally.told));
        System.out.println("injected " + injected() + ": " + fault.kinds());
        System.out.println(wrong.size() + " wrong" + wrong);
    }

    @Override
    public void close() throws IOException {
        fault.close();
    }
}
