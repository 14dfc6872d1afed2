// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.text.Printable;
import java.util.List;

/** The heap that the memory of a buffer came from, with the reasons. Immutable. */
public final class Choice {
    private final Heap heap;
    private final Plan plan;
    private final List<Attempt> failed;
    private final boolean adopted;

    private Choice(Heap heap, Plan plan, List<Attempt> failed, boolean adopted) {
        this.heap = heap;
        this.plan = plan;
        this.failed = List.copyOf(failed);
        this.adopted = adopted;
    }

    Choice(Heap heap, Plan plan, List<Attempt> failed) {
        this(heap, plan, failed, false);
    }

    /** For an adopted buffer: nothing was chosen. */
    static Choice adopted(Heap heap, Plan plan) {
        return new Choice(heap, plan, List.of(), true);
    }

    /** {@return whether the buffer was adopted with its memory, so that nothing was chosen} */
    public boolean isAdopted() {
        return adopted;
    }

    /** {@return the heap that the memory comes from} */
    public Heap heap() {
        return heap;
    }

    /** {@return the plan that led to the choice} */
    public Plan plan() {
        return plan;
    }

    /** {@return the better heaps that had not enough memory, in the order in which they were tried} */
    public List<Attempt> failed() {
        return failed;
    }

    /** {@return the reason for this heap, in one sentence} */
    public String reason() {
        return (adopted ? "the buffer was adopted with this memory" : plan.reason(heap))
                + (failed.isEmpty() ? "" : "; out of memory: " + failed);
    }

    /** {@return the explanation in lines: the plan, the heaps that had not enough memory, and the chosen heap} */
    public String explain() {
        if (adopted) {
            return Printable.wrapped(plan.requestedSize() + " bytes, adopted, from " + heap
                    + (heap.properties().equals(HeapProperties.UNKNOWN)
                            ? ", an exporter of whose memory nothing is known: Cenalloc.describe states it."
                            : "."));
        }
        var text = new StringBuilder(plan.explain());
        for (Attempt attempt : failed) {
            text.append("\nOut of memory: ").append(attempt.withState());
        }
        return Printable.wrapped(
                text.append("\nChosen: ").append(heap).append('.').toString());
    }

    @Override
    public String toString() {
        return heap + ": " + reason();
    }
}
