package dev.cenalloc;

import dev.cenalloc.HeapProperties.Trait;
import java.util.Collection;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What memory a device can use. Immutable. {@link #and} combines the constraints of two devices into what suits both; it
 * is commutative, associative and idempotent, and {@link #NONE} changes nothing, so the order of attaching never matters.
 *
 * <table><caption>Fields</caption>
 * <tr><th>field</th><th>merged by</th><th>kept by</th></tr>
 * <tr><td>{@link #allowedHeaps}</td><td>intersection</td><td>enforced: no other heap is tried</td></tr>
 * <tr><td>{@link #isContiguous}</td><td>or</td><td>enforced: only heaps that guarantee it are tried</td></tr>
 * </table>
 *
 * <p>Source: cenalloc RFC 1/4, the access mask and its intersection; here heaps are named and have properties.
 */
public final class Constraints {
    /** Any memory will do. */
    public static final Constraints NONE = new Constraints(null, false);

    /** The names, sorted; null is unlimited, which no set of names could say. */
    private final @Nullable Set<String> allowedHeaps;

    private final boolean contiguous;

    private Constraints(@Nullable Set<String> allowedHeaps, boolean contiguous) {
        this.allowedHeaps = allowedHeaps;
        this.contiguous = contiguous;
    }

    /** {@return these constraints, and the memory is one physically contiguous piece} */
    public Constraints contiguous() {
        return new Constraints(allowedHeaps, true);
    }

    /**
     * {@return these constraints, and the memory comes from one of these heaps} Naming a heap that the library knows
     * nothing about is the way to use it.
     *
     * @param names names of nodes in {@code /dev/dma_heap}, at least one; all names of the default CMA pool mean that pool
     * @throws IllegalArgumentException if there is no name, or if these and the heaps allowed before have none in common
     */
    public Constraints onlyHeaps(Collection<String> names) {
        if (names.isEmpty()) {
            throw new IllegalArgumentException("name at least one heap; Constraints.NONE allows all");
        }
        var merged = and(new Constraints(Set.copyOf(names), false));
        if (merged.isImpossible()) {
            throw new IllegalArgumentException("none of " + names + " is among the heaps allowed before");
        }
        return merged;
    }

    /**
     * {@return what suits a device with these constraints and one with those} May be {@link #isImpossible()}.
     *
     * @param other the constraints of the other device
     */
    public Constraints and(Constraints other) {
        Set<String> both = allowedHeaps;
        if (both == null) {
            both = other.allowedHeaps;
        } else if (other.allowedHeaps != null) {
            both = new TreeSet<>(both);
            both.removeIf(name -> !other.allowsHeap(name));
            // The same pool under another name: the other side's spelling of it is in both, too.
            for (String name : other.allowedHeaps) {
                if (allowsHeap(name)) {
                    both.add(name);
                }
            }
        }
        return new Constraints(both, contiguous || other.contiguous);
    }

    /** {@return the heaps allowed, by name; empty if all are} */
    public Optional<Set<String>> allowedHeaps() {
        return Optional.ofNullable(allowedHeaps).map(Set::copyOf);
    }

    /** {@return whether the memory must be one physically contiguous piece} */
    public boolean isContiguous() {
        return contiguous;
    }

    /**
     * {@return whether no heap at all can satisfy these, on any machine} The allowed heaps of two devices have none in
     * common, or all that are left are known to give scattered memory where it must be contiguous.
     */
    public boolean isImpossible() {
        return allowedHeaps != null
                && allowedHeaps.stream()
                        .allMatch(name -> contiguous && HeapProperties.of(name).contiguous() == Trait.NO);
    }

    /** {@return whether a heap of this name is allowed, under this or another name of its pool} */
    boolean allowsHeap(String name) {
        return allowedHeaps == null || namesHeap(name);
    }

    /** {@return whether the heap is allowed by name, not just for want of a list} */
    boolean namesHeap(String name) {
        return allowedHeaps != null
                && allowedHeaps.stream().anyMatch(allowed -> HeapProperties.samePool(allowed, name));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Constraints that
                && contiguous == that.contiguous
                && allowedHeaps().equals(that.allowedHeaps());
    }

    @Override
    public int hashCode() {
        return allowedHeaps().hashCode() * 2 + (contiguous ? 1 : 0);
    }

    @Override
    public String toString() {
        String heaps = allowedHeaps == null
                ? ""
                : allowedHeaps.stream().sorted().collect(Collectors.joining(", ", "only heaps {", "}"));
        if (!contiguous) {
            return heaps.isEmpty() ? "any memory" : heaps;
        }
        return heaps.isEmpty() ? "contiguous memory" : "contiguous memory, " + heaps;
    }
}
