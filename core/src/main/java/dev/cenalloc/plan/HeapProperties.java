// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The properties of a heap's memory. Immutable; methods that begin with {@code with} return a changed copy. The kernel
 * reports only the name of a heap, so {@link #of} has a table of the names in the kernel's documentation. A program
 * that registers a heap states its properties.
 */
public final class HeapProperties {
    /** Whether memory has a property. */
    public enum Trait {
        /** All of it has the property. */
        YES,
        /** It does not have the property. */
        NO,
        /** It is not known. */
        UNKNOWN
    }

    /** The name of the system heap. */
    public static final String SYSTEM = "system";
    /** The official name of the default CMA pool, since 6.17. */
    public static final String DEFAULT_CMA = "default_cma_region";

    /** The name of udmabuf with ordinary pages in this library. */
    public static final String UDMABUF = "udmabuf";
    /** The name of udmabuf with huge pages in this library. */
    public static final String UDMABUF_HUGE = "udmabuf-huge";

    private static final int HIGHEST_SCORE = 999;

    /**
     * The properties of an unknown heap: used only when a device names it. The start for the properties of a registered
     * heap.
     */
    public static final HeapProperties UNKNOWN = new HeapProperties();

    private Trait contiguous = Trait.UNKNOWN;
    private Trait cpuMappable = Trait.UNKNOWN;
    private Trait pages = Trait.UNKNOWN;
    private Trait cached = Trait.UNKNOWN;
    private Trait coherent = Trait.UNKNOWN;
    private Trait scarce = Trait.UNKNOWN;
    private boolean onlyWhenNamed = true;
    private boolean isProtected;
    private boolean decrypted;
    private long maxSize = Constraints.UNLIMITED;
    private int score;
    private @Nullable String space;
    private long highestAddress;
    private @Nullable String boundSpace;
    private long addressBound;
    private @Nullable String place;
    private Set<String> substitutes = Set.of();

    private HeapProperties() {}

    private HeapProperties with(Consumer<HeapProperties> change) {
        var copy = new HeapProperties();
        copy.contiguous = contiguous;
        copy.cpuMappable = cpuMappable;
        copy.pages = pages;
        copy.cached = cached;
        copy.coherent = coherent;
        copy.scarce = scarce;
        copy.onlyWhenNamed = onlyWhenNamed;
        copy.isProtected = isProtected;
        copy.decrypted = decrypted;
        copy.maxSize = maxSize;
        copy.score = score;
        copy.space = space;
        copy.highestAddress = highestAddress;
        copy.boundSpace = boundSpace;
        copy.addressBound = addressBound;
        copy.place = place;
        copy.substitutes = substitutes;
        change.accept(copy);
        return copy;
    }

    private List<Object> values() {
        return Arrays.asList(
                contiguous,
                cpuMappable,
                pages,
                cached,
                coherent,
                scarce,
                onlyWhenNamed,
                isProtected,
                decrypted,
                maxSize,
                score,
                space,
                highestAddress,
                boundSpace,
                addressBound,
                place,
                substitutes);
    }

    /**
     * {@return the properties of the dma-heap with this name}
     *
     * @param name the name of a node in {@code /dev/dma_heap}; an unknown name has {@link #UNKNOWN}
     */
    public static HeapProperties of(String name) {
        return KnownHeaps.of(Objects.requireNonNull(name, "name"));
    }

    /**
     * {@return the properties of memory by the name of its exporter, which the kernel reports for every dma-buf} A heap
     * exports its memory under its own name. The exporter names of some drivers identify the kind of memory.
     *
     * @param name {@code exp_name} of a dma-buf
     */
    public static HeapProperties ofExporter(String name) {
        return KnownHeaps.ofExporter(Objects.requireNonNull(name, "name"));
    }

    /**
     * {@return the official name of a pool: for the older names of the default CMA pool {@link #DEFAULT_CMA}, for any
     * other name the name itself} Before Linux 6.17 the node had the name of its region. A legacy option adds a second
     * node with that name.
     *
     * @param name the name of a heap
     */
    public static String pool(String name) {
        return KnownHeaps.pool(Objects.requireNonNull(name, "name"));
    }

    /** {@return whether the memory is physically contiguous} */
    public Trait contiguous() {
        return contiguous;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the memory is physically contiguous
     */
    public HeapProperties withContiguous(Trait is) {
        return with(copy -> copy.contiguous = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether the CPU can map the memory} */
    public Trait cpuMappable() {
        return cpuMappable;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the CPU can map the memory
     */
    public HeapProperties withCpuMappable(Trait is) {
        return with(copy -> copy.cpuMappable = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether the memory consists of pages that the kernel manages ({@code struct page})} */
    public Trait pages() {
        return pages;
    }

    /**
     * {@return a copy with another value}
     *
     * @param has whether the memory consists of pages that the kernel manages
     */
    public HeapProperties withPages(Trait has) {
        return with(copy -> copy.pages = Objects.requireNonNull(has, "has"));
    }

    /** {@return whether the CPU caches the memory} */
    public Trait cached() {
        return cached;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the CPU caches the memory
     */
    public HeapProperties withCached(Trait is) {
        return with(copy -> copy.cached = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether devices and the CPU see each other's writes without cache maintenance} */
    public Trait coherent() {
        return coherent;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether devices and the CPU see each other's writes without cache maintenance
     */
    public HeapProperties withCoherent(Trait is) {
        return with(copy -> copy.coherent = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether the amount is small, so that the memory is kept for devices that need it} */
    public Trait scarce() {
        return scarce;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the amount is small
     */
    public HeapProperties withScarce(Trait is) {
        return with(copy -> copy.scarce = Objects.requireNonNull(is, "is"));
    }

    /**
     * {@return whether the heap is used only when a device names it} This holds for protected memory, memory that the
     * host can read, huge pages, and unknown heaps.
     */
    public boolean onlyWhenNamed() {
        return onlyWhenNamed;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the heap is used only when a device names it
     */
    public HeapProperties withOnlyWhenNamed(boolean is) {
        return with(copy -> copy.onlyWhenNamed = is);
    }

    /** {@return whether the memory is protected: only devices that accept it can use it, and never the CPU} */
    public boolean isProtected() {
        return isProtected;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the memory is protected
     */
    public HeapProperties withProtected(boolean is) {
        return with(copy -> copy.isProtected = is);
    }

    /**
     * {@return whether the host of a confidential virtual machine can read the memory: only devices that accept that
     * use it}
     */
    public boolean isDecrypted() {
        return decrypted;
    }

    /**
     * {@return a copy with another value}
     *
     * @param is whether the host of a confidential virtual machine can read the memory
     */
    public HeapProperties withDecrypted(boolean is) {
        return with(copy -> copy.decrypted = is);
    }

    /** {@return the largest size of a buffer in bytes; empty if no limit is known} */
    public OptionalLong maxSize() {
        return maxSize == Constraints.UNLIMITED ? OptionalLong.empty() : OptionalLong.of(maxSize);
    }

    /**
     * {@return a copy with another value}
     *
     * @param bytes the largest size of a buffer, at least 1; {@link Constraints#UNLIMITED} for no limit
     * @throws IllegalArgumentException if {@code bytes} is not positive
     */
    public HeapProperties withMaxSize(long bytes) {
        if (bytes <= 0) {
            throw new IllegalArgumentException("the largest size of a buffer must be at least 1 byte, not " + bytes);
        }
        return with(copy -> copy.maxSize = bytes);
    }

    /** {@return the rank among heaps that are equally plentiful, from 0 to 999; higher is tried first} */
    public int score() {
        return score;
    }

    /**
     * {@return a copy with another value}
     *
     * @param better from 0 to 999; the system heap has 100, udmabuf 80, CMA 50
     * @throws IllegalArgumentException if the score is out of range
     */
    public HeapProperties withScore(int better) {
        if (better < 0 || better > HIGHEST_SCORE) {
            throw new IllegalArgumentException("a score must be from 0 to 999, not " + better);
        }
        return with(copy -> copy.score = better);
    }

    /** {@return the address space of {@link #highestAddress()}; empty if that is unknown} */
    public Optional<String> addressSpace() {
        return Optional.ofNullable(space);
    }

    /** {@return the highest address of the memory in {@link #addressSpace()}; empty if unknown} */
    public OptionalLong highestAddress() {
        return space == null ? OptionalLong.empty() : OptionalLong.of(highestAddress);
    }

    /**
     * {@return a copy with another value}
     *
     * @param addressSpace the name of the address space, such as {@code "pci"}
     * @param address the highest address of any byte of the memory, at least 0
     * @throws IllegalArgumentException if the address is negative
     */
    public HeapProperties withHighestAddress(String addressSpace, long address) {
        Objects.requireNonNull(addressSpace, "addressSpace");
        checkAddress(address);
        return with(copy -> {
            copy.space = addressSpace;
            copy.highestAddress = address;
        });
    }

    /**
     * {@return a copy of whose memory is known that no byte lies above an address} It may lie anywhere below, which
     * {@link #withHighestAddress} would not leave open: a device that reaches the address reaches the memory, and one
     * that does not may reach it all the same.
     *
     * @param addressSpace the name of the address space, such as {@code "ram"}
     * @param address the highest address that the memory may have, at least 0
     * @throws IllegalArgumentException if the address is negative
     */
    public HeapProperties withAddressBound(String addressSpace, long address) {
        Objects.requireNonNull(addressSpace, "addressSpace");
        checkAddress(address);
        return with(copy -> {
            copy.boundSpace = addressSpace;
            copy.addressBound = address;
        });
    }

    /**
     * {@return the highest address that the memory may have, in the address space of {@link #addressBoundSpace}; empty
     * if none is known}
     */
    public OptionalLong addressBound() {
        return boundSpace == null ? OptionalLong.empty() : OptionalLong.of(addressBound);
    }

    /** {@return the address space of {@link #addressBound}; empty if none is known} */
    public Optional<String> addressBoundSpace() {
        return Optional.ofNullable(boundSpace);
    }

    /** Whether all of the memory is within reach of a device. */
    Trait isWithin(String addressSpace, long reach) {
        if (addressSpace.equals(space)) {
            return highestAddress <= reach ? Trait.YES : Trait.NO;
        }
        return addressSpace.equals(boundSpace) && addressBound <= reach ? Trait.YES : Trait.UNKNOWN;
    }

    private static void checkAddress(long address) {
        if (address < 0) {
            throw new IllegalArgumentException("an address must be below 2^63, not " + Long.toUnsignedString(address));
        }
    }

    /** {@return the place of the memory, such as {@code "numa0"}; empty if unknown} */
    public Optional<String> place() {
        return Optional.ofNullable(place);
    }

    /**
     * {@return a copy with another value}
     *
     * @param where the place of the memory, such as {@code "numa0"}
     * @throws IllegalArgumentException if it is blank
     */
    public HeapProperties withPlace(String where) {
        Arguments.name(where, "where");
        return with(copy -> copy.place = where);
    }

    /**
     * {@return the heaps that this heap can replace} A device that allows one of those heaps also allows this one. A
     * substitute of a substitute counts too.
     */
    public Set<String> substitutes() {
        return substitutes;
    }

    /**
     * {@return a copy with another value}
     *
     * @param heaps names of heaps whose memory this heap's memory can replace for any device
     * @throws IllegalArgumentException if one is blank
     */
    public HeapProperties withSubstitutes(Set<String> heaps) {
        Set<String> names = Set.copyOf(Arguments.copy(heaps, "heaps"));
        if (names.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException("heaps must not have a blank name");
        }
        return with(copy -> copy.substitutes = names);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof HeapProperties that && values().equals(that.values());
    }

    @Override
    public int hashCode() {
        return values().hashCode();
    }

    /** {@return the known properties as text, such as {@code "contiguous, CPU-mappable, scarce"}} */
    @Override
    public String toString() {
        var words = new ArrayList<String>();
        say(words, contiguous, "contiguous", "scattered");
        say(words, cpuMappable, "CPU-mappable", "not CPU-mappable");
        say(words, cached, "cached", "uncached");
        say(words, coherent, "coherent", "not coherent");
        say(words, scarce, "scarce", "plentiful");
        if (isProtected) {
            words.add("protected");
        }
        if (decrypted) {
            words.add("shared with the host");
        }
        maxSize().ifPresent(bytes -> words.add("at most " + bytes + " bytes a buffer"));
        highestAddress()
                .ifPresent(address -> words.add("addresses up to 0x" + Long.toHexString(address) + " in " + space));
        addressBound()
                .ifPresent(
                        address -> words.add("no address above 0x" + Long.toHexString(address) + " in " + boundSpace));
        if (place != null) {
            words.add("near " + place);
        }
        if (onlyWhenNamed) {
            words.add("used only when named");
        }
        return words.isEmpty() ? "nothing known" : Printable.of(String.join(", ", words));
    }

    private static void say(List<String> words, Trait trait, String yes, String no) {
        if (trait != Trait.UNKNOWN) {
            words.add(trait == Trait.YES ? yes : no);
        }
    }
}
