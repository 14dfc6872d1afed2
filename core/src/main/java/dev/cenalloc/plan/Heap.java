// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.text.Printable;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The description of a source of memory: its name and properties. A value that holds nothing open. A {@code Cenalloc}
 * lists the heaps of this machine and allocates from them. A heap made here is for plans of other machines.
 */
public final class Heap {
    /** Refuses requests that the properties of a heap allow. Must be thread-safe. */
    @FunctionalInterface
    public interface Refusal {
        /**
         * {@return why the heap has no memory for these constraints, as text; empty if it has} Called only if the
         * properties of the heap satisfy the constraints, so it can only refuse.
         *
         * @param constraints the merged constraints of all devices
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
    private final long pageSize;
    private final String pool;
    private final Set<String> substitutes;
    private final boolean replacesOthers;

    private Heap(
            String name,
            String pool,
            @Nullable Path path,
            HeapProperties properties,
            boolean accessible,
            Refusal refusal,
            long pageSize) {
        this.name = Arguments.name(name, "name");
        this.path = path;
        this.properties = Objects.requireNonNull(properties, "properties");
        this.accessible = accessible;
        this.refusal = Objects.requireNonNull(refusal, "refusal");
        this.pageSize = pageSize;
        this.pool = pool;
        this.substitutes =
                properties.substitutes().stream().map(HeapProperties::pool).collect(Collectors.toUnmodifiableSet());
        this.replacesOthers = !substitutes.isEmpty() || !pool.equals(HeapProperties.pool(name));
    }

    /**
     * {@return a heap with the properties of a known dma-heap}
     *
     * @param name the name of a node in {@code /dev/dma_heap}, such as {@code "system"}; see {@link HeapProperties#of}
     * @throws IllegalArgumentException if the name is blank
     */
    public static Heap of(String name) {
        return of(name, HeapProperties.of(name));
    }

    /**
     * {@return a heap with given properties}
     *
     * @param name the name in plans and constraints
     * @param properties the properties of its memory
     * @throws IllegalArgumentException if the name is blank
     */
    public static Heap of(String name, HeapProperties properties) {
        return new Heap(name, HeapProperties.pool(name), null, properties, true, NONE, Demand.PAGE);
    }

    /**
     * {@return a copy with a device node}
     *
     * @param node the path of the node
     * @param accessible whether this process may open it
     */
    public Heap withNode(Path node, boolean accessible) {
        return new Heap(name, pool, Objects.requireNonNull(node, "node"), properties, accessible, refusal, pageSize);
    }

    /**
     * {@return a copy with other properties}
     *
     * @param other what is known of its memory
     */
    public Heap withProperties(HeapProperties other) {
        return new Heap(name, pool, path, Objects.requireNonNull(other, "other"), accessible, refusal, pageSize);
    }

    /**
     * {@return a copy that is another name for the memory of a pool} A device that allows the heap by its name or by
     * the pool's allows both.
     *
     * @param official the name of the pool, such as {@link HeapProperties#DEFAULT_CMA}
     * @throws IllegalArgumentException if the name is blank
     */
    public Heap withPool(String official) {
        if (Objects.requireNonNull(official, "official").isBlank()) {
            throw new IllegalArgumentException("official must not be blank");
        }
        return new Heap(name, HeapProperties.pool(official), path, properties, accessible, refusal, pageSize);
    }

    /**
     * {@return a copy on a machine with pages of another size}
     *
     * @param bytes the size of a page in bytes, a power of two from 4096
     * @throws IllegalArgumentException if it is not
     */
    public Heap withPageSize(long bytes) {
        if (bytes < Demand.PAGE || Long.bitCount(bytes) != 1) {
            throw new IllegalArgumentException("bytes must be a power of two from " + Demand.PAGE + ", not " + bytes);
        }
        return new Heap(name, pool, path, properties, accessible, refusal, bytes);
    }

    /**
     * {@return a copy that can refuse requests}
     *
     * @param more called when a plan is made
     */
    public Heap withRefusal(Refusal more) {
        return new Heap(name, pool, path, properties, accessible, Objects.requireNonNull(more, "more"), pageSize);
    }

    /** {@return the name: of the node, {@code udmabuf}, {@code udmabuf-huge}, or the name of a registered heap} */
    public String name() {
        return name;
    }

    /** {@return the path of the device node; empty for a heap without one} */
    public Optional<Path> path() {
        return Optional.ofNullable(path);
    }

    /** {@return the properties of its memory} */
    public HeapProperties properties() {
        return properties;
    }

    /** {@return whether this process could open the node when the heaps were listed} */
    public boolean isAccessible() {
        return accessible;
    }

    /**
     * {@return the size of a page of the machine that the heap is of, in bytes} Scattered memory may fall into as many
     * pieces as it has pages, and begins at one. For a heap of this machine it is the size of the running kernel, such
     * as 16384 or 65536 on some aarch64 kernels. For a heap made for another machine, 4096 is assumed, the smallest:
     * what suits with it suits with larger pages.
     */
    public long pageSize() {
        return pageSize;
    }

    /** {@return the official name of the pool of memory; see {@link HeapProperties#pool}} */
    public String pool() {
        return pool;
    }

    /** Whether naming another heap may allow this one, or its own name a pool that it does not tell. */
    boolean replacesOthers() {
        return replacesOthers;
    }

    /** The pools that this heap can replace: see {@link Substitutes}. */
    Set<String> substitutes() {
        return substitutes;
    }

    /** The answer of the source. A source that throws refuses. */
    Optional<Objection> refusal(Constraints merged, long size) {
        try {
            return refusal.of(merged, size).map(reason -> new Objection(Objection.Cause.REFUSED, reason));
        } catch (RuntimeException e) {
            return Optional.of(new Objection(Objection.Cause.REFUSED, "its source failed to answer: " + e));
        }
    }

    /**
     * Two heaps are equal if all parts are equal. Registered heaps are equal only if their sources are the same object.
     */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Heap that
                && name.equals(that.name)
                && pool.equals(that.pool)
                && Objects.equals(path, that.path)
                && accessible == that.accessible
                && pageSize == that.pageSize
                && properties.equals(that.properties)
                && refusal.equals(that.refusal);
    }

    @Override
    public int hashCode() {
        return name.hashCode();
    }

    /** {@return the name, with control characters escaped} */
    @Override
    public String toString() {
        return Printable.of(name);
    }
}
