package dev.cenalloc;

import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Plan;
import java.util.List;

/** How the memory of a buffer was found. Immutable. */
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

    /** Of a buffer that came with its memory: nobody chose. */
    static Choice adopted(Heap heap, Plan plan) {
        return new Choice(heap, plan, List.of(), true);
    }

    /** {@return whether the buffer came with its memory, so that nothing was chosen} */
    public boolean isAdopted() {
        return adopted;
    }

    /** {@return where the memory comes from} */
    public Heap heap() {
        return heap;
    }

    /** {@return what the choice was made by} */
    public Plan plan() {
        return plan;
    }

    /** {@return the better heaps that had no memory, in the order tried} */
    public List<Attempt> failed() {
        return failed;
    }

    /** {@return why this heap, in one sentence} */
    public String reason() {
        return (adopted ? "the buffer came with this memory" : plan.reason(heap))
                + (failed.isEmpty() ? "" : "; out of memory: " + failed);
    }

    /** {@return the whole of it in words, in lines: the plan, what was tried in vain, and what was chosen} */
    public String explain() {
        if (adopted) {
            return plan.requestedSize() + " bytes that came from " + heap.name() + '.';
        }
        var text = new StringBuilder(plan.explain());
        for (Attempt attempt : failed) {
            text.append("\nTried ").append(attempt);
        }
        return text.append("\nChosen: ").append(heap.name()).append('.').toString();
    }

    @Override
    public String toString() {
        return heap.name() + ": " + reason();
    }
}
