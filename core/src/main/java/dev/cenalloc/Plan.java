package dev.cenalloc;

import dev.cenalloc.HeapProperties.Trait;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The result of solving: which heaps to try, in order, and what became of the others. A value; making one asks nothing
 * of the kernel and needs no device node.
 *
 * @param size the size of the buffer in bytes
 * @param devices the participants
 * @param constraints their constraints, merged
 * @param candidates the heaps that satisfy everyone, best first; empty if there is none
 * @param rejected the other heaps, each with the reason
 */
public record Plan(
        long size, List<Device> devices, Constraints constraints, List<Heap> candidates, List<Rejection> rejected) {
    /**
     * A heap that is not a candidate.
     *
     * @param heap the heap
     * @param reason why not, in words
     */
    public record Rejection(Heap heap, String reason) {
        @Override
        public String toString() {
            return heap.name() + " (" + reason + ")";
        }
    }

    /** Copies the lists. */
    public Plan {
        devices = List.copyOf(devices);
        candidates = List.copyOf(candidates);
        rejected = List.copyOf(rejected);
    }

    /** Merges what the devices say and sorts the heaps by it. */
    static Plan solve(long size, List<Device> devices, List<Heap> heaps) {
        Constraints merged = merge(devices);
        var candidates = new ArrayList<Heap>();
        var rejected = new ArrayList<Rejection>();
        // Plentiful memory first: scarce memory is left to those who need it. Then the official name of a pool.
        var order = Comparator.<Heap>comparingInt(heap -> heap.properties().scarce() == Trait.NO ? 0 : 1)
                .thenComparingInt(heap -> HeapProperties.preference(heap.name()))
                .thenComparing(Heap::name);
        for (Heap heap : heaps.stream().sorted(order).toList()) {
            String reason = objection(heap, merged, devices);
            if (reason.isEmpty()) {
                reason = candidates.stream()
                        .filter(other -> HeapProperties.samePool(other.name(), heap.name()))
                        .map(other -> "another name of the pool of " + other.name())
                        .findFirst()
                        .orElse("");
            }
            if (reason.isEmpty()) {
                candidates.add(heap);
            } else {
                rejected.add(new Rejection(heap, reason));
            }
        }
        return new Plan(size, devices, merged, candidates, rejected);
    }

    static Constraints merge(List<Device> devices) {
        return devices.stream().map(Device::constraints).reduce(Constraints.NONE, Constraints::and);
    }

    /** Why a heap is not a candidate; empty if it is. */
    private static String objection(Heap heap, Constraints merged, List<Device> devices) {
        if (merged.allowsHeap(heap.name()) && heap.properties().onlyWhenNamed() && !merged.namesHeap(heap.name())) {
            return "used only when a device names it";
        }
        return mismatch(heap, devices);
    }

    /** Why memory of a heap does not suit the devices, and which; empty if it does. */
    static String mismatch(Heap heap, List<Device> devices) {
        String forbid = who(devices, device -> !device.constraints().allowsHeap(heap.name()));
        if (!forbid.isEmpty()) {
            return "not among the heaps that " + forbid + " allows";
        }
        String contiguous = who(devices, device -> device.constraints().isContiguous());
        if (!contiguous.isEmpty() && heap.properties().contiguous() != Trait.YES) {
            return (heap.properties().contiguous() == Trait.NO
                            ? "its memory is scattered"
                            : "may give scattered memory")
                    + " and " + contiguous + " needs it contiguous";
        }
        return "";
    }

    private static String who(List<Device> devices, Predicate<Device> says) {
        return devices.stream().filter(says).map(Device::name).distinct().collect(Collectors.joining(", "));
    }

    /**
     * {@return why this heap was, or would be, chosen, in one sentence}
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if it is not
     */
    public String reason(Heap heap) {
        if (!candidates.contains(heap)) {
            throw new IllegalArgumentException(heap.name() + " is not a candidate of this plan");
        }
        var narrowing = devices.stream()
                .filter(device -> !device.constraints().equals(Constraints.NONE))
                .map(Device::toString)
                .toList();
        if (!narrowing.isEmpty()) {
            return String.join("; ", narrowing);
        }
        return heap.properties().scarce() == Trait.NO
                ? "every device takes any memory, and this is plentiful"
                : "every device takes any memory, and there is no plentiful kind here";
    }

    /** {@return the whole of it in words: who asks for what, which heaps will be tried, why the others are not} */
    public String explain() {
        var text = new StringBuilder().append(size).append(" bytes for ");
        text.append(
                devices.isEmpty()
                        ? "no device (unconstrained)"
                        : devices.stream().map(Device::toString).collect(Collectors.joining("; ")));
        text.append(". Together: ").append(constraints).append(". To try: ");
        text.append(
                candidates.isEmpty()
                        ? "no heap"
                        : candidates.stream().map(Heap::name).collect(Collectors.joining(", ")));
        if (!rejected.isEmpty()) {
            text.append(". Not: ")
                    .append(rejected.stream().map(Rejection::toString).collect(Collectors.joining(", ")));
        }
        return text.append('.').toString();
    }
}
