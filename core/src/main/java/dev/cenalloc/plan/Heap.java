package dev.cenalloc.plan;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One source of memory, by what is known of it: a name and properties. A value; it holds nothing open. The heaps of this
 * machine are those of a {@code Cenalloc}, which allocates from them; a heap made here serves to plan for another machine.
 */
public final class Heap {
    /** What a heap refuses beyond its properties. Called by any number of threads. */
    @FunctionalInterface
    public interface Refusal {
        /**
         * {@return why the heap has no memory for these constraints, in words; empty if it has} It is asked only of heaps
         * that suit as far as their properties tell, so it can only refuse.
         *
         * @param constraints those of all devices, merged
         * @param size in bytes
         */
        Optional<String> of(Constraints constraints, long size);
    }

    private static final Refusal NONE = (constraints, size) -> Optional.empty();

    private final String name;
    private final @Nullable Path path;
    private final HeapProperties properties;
    private final boolean accessible;
    private final Refusal refusal;
    private final String pool;
    private final Set<String> substitutes;

    private Heap(String name, @Nullable Path path, HeapProperties properties, boolean accessible, Refusal refusal) {
        if (name.isBlank()) {
            throw new IllegalArgumentException("name must not be blank");
        }
        this.name = name;
        this.path = path;
        this.properties = Objects.requireNonNull(properties, "properties");
        this.accessible = accessible;
        this.refusal = Objects.requireNonNull(refusal, "refusal");
        this.pool = HeapProperties.pool(name);
        this.substitutes =
                properties.substitutes().stream().map(HeapProperties::pool).collect(Collectors.toUnmodifiableSet());
    }

    /**
     * {@return a heap with the properties that its name stands for}
     *
     * @param name of a node in {@code /dev/dma_heap}, such as {@code "system"}; see {@link HeapProperties#of}
     * @throws IllegalArgumentException if the name is blank
     */
    public static Heap of(String name) {
        return of(name, HeapProperties.of(name));
    }

    /**
     * {@return a heap with other properties}
     *
     * @param name what plans and constraints call it
     * @param properties what is known of its memory
     * @throws IllegalArgumentException if the name is blank
     */
    public static Heap of(String name, HeapProperties properties) {
        return new Heap(name, null, properties, true, NONE);
    }

    /**
     * {@return this heap with its device node}
     *
     * @param node the node
     * @param accessible whether this process may open it
     */
    public Heap withNode(Path node, boolean accessible) {
        return new Heap(name, Objects.requireNonNull(node, "node"), properties, accessible, refusal);
    }

    /**
     * {@return this heap with something that it refuses}
     *
     * @param more asked when a plan is made
     */
    public Heap withRefusal(Refusal more) {
        return new Heap(name, path, properties, accessible, more);
    }

    /** {@return the name: that of the node, {@code udmabuf}, {@code udmabuf-huge}, or the one it was registered with} */
    public String name() {
        return name;
    }

    /** {@return the device node, if it is one} */
    public Optional<Path> path() {
        return Optional.ofNullable(path);
    }

    /** {@return what is known of its memory} */
    public HeapProperties properties() {
        return properties;
    }

    /** {@return whether this process could open the node when the heaps were listed} */
    public boolean isAccessible() {
        return accessible;
    }

    /** {@return the name that stands for all names of this memory; see {@link HeapProperties#pool}} */
    public String pool() {
        return pool;
    }

    /** The pools that it can replace by itself: see {@link Substitutes}. */
    Set<String> substitutes() {
        return substitutes;
    }

    /** What its source refuses; a source that throws refuses. */
    Optional<Objection> refusal(Constraints merged, long size) {
        try {
            return refusal.of(merged, size).map(reason -> new Objection(Objection.Cause.REFUSED, reason));
        } catch (RuntimeException e) {
            return Optional.of(new Objection(Objection.Cause.REFUSED, "its source failed to answer: " + e));
        }
    }

    /** Two heaps are equal if nothing tells them apart; two that were registered are equal only if they are the same. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Heap that
                && name.equals(that.name)
                && Objects.equals(path, that.path)
                && accessible == that.accessible
                && properties.equals(that.properties)
                && refusal.equals(that.refusal);
    }

    @Override
    public int hashCode() {
        return name.hashCode();
    }

    @Override
    public String toString() {
        return name;
    }
}
