package dev.cenalloc.plan;

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
 * What is known of a heap's memory. Immutable; methods that begin with {@code with} return a changed copy. For the heaps
 * that the kernel's documentation names it comes from a table, {@link #of}: names are ids, and the kernel tells nothing
 * else about a heap. For a heap that a program registers, it says so itself.
 *
 * <p>Source: {@code Documentation/userspace-api/dma-buf-heaps.rst}, and the names that the CMA heap had before 6.17.
 */
public final class HeapProperties {
    /** Whether something holds. */
    public enum Trait {
        /** It does. */
        YES,
        /** It does not. */
        NO,
        /** Nothing is known. */
        UNKNOWN
    }

    /** The name of the system heap. */
    public static final String SYSTEM = "system";
    /** The official name of the default CMA pool, since 6.17. */
    public static final String DEFAULT_CMA = "default_cma_region";

    /** Our name for udmabuf over ordinary pages. */
    public static final String UDMABUF = "udmabuf";
    /** Our name for udmabuf over huge pages. */
    public static final String UDMABUF_HUGE = "udmabuf-huge";

    private static final int HIGHEST_SCORE = 999;

    /** Of a heap that nothing is known about: used only when a device names it. What a registered heap starts from. */
    public static final HeapProperties UNKNOWN = new HeapProperties();

    private static final HeapProperties ORDINARY = UNKNOWN.withCpuMappable(Trait.YES)
            .withPages(Trait.YES)
            .withCached(Trait.YES)
            .withOnlyWhenNamed(false);
    private static final HeapProperties SYSTEM_HEAP =
            ORDINARY.withContiguous(Trait.NO).withScarce(Trait.NO).withScore(100);
    private static final HeapProperties CMA =
            ORDINARY.withContiguous(Trait.YES).withScarce(Trait.YES).withScore(50);
    // Behind the system heap: a file, a list of its pages and a mapping for each importer more.
    private static final HeapProperties UDMABUF_HEAP = SYSTEM_HEAP.withScore(80);
    // Huge pages are set aside at boot, for others as well.
    private static final HeapProperties UDMABUF_HUGE_HEAP =
            UDMABUF_HEAP.withScarce(Trait.YES).withOnlyWhenNamed(true);
    private static final HeapProperties DECRYPTED =
            SYSTEM_HEAP.withDecrypted(true).withOnlyWhenNamed(true);
    private static final HeapProperties PROTECTED = UNKNOWN.withCpuMappable(Trait.NO)
            .withPages(Trait.NO)
            .withScarce(Trait.YES)
            .withProtected(true);

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
                place,
                substitutes);
    }

    /**
     * {@return the properties of the dma-heap with this name}
     *
     * @param name the name of a node in {@code /dev/dma_heap}
     */
    public static HeapProperties of(String name) {
        return switch (pool(name)) {
            case SYSTEM -> SYSTEM_HEAP;
            case DEFAULT_CMA -> CMA;
            case "system_cc_shared" -> DECRYPTED;
            case UDMABUF -> UDMABUF_HEAP;
            case UDMABUF_HUGE -> UDMABUF_HUGE_HEAP;
            default -> name.startsWith("protected,") ? PROTECTED : UNKNOWN;
        };
    }

    /**
     * {@return what is known of memory by the name of its exporter, as the kernel tells it of any dma-buf} The memory of a
     * heap has the heap's name. Some drivers export memory whose kind their name tells.
     *
     * @param name {@code exp_name} of a dma-buf
     */
    public static HeapProperties ofExporter(String name) {
        return switch (name) {
            // videobuf2-dma-contig.c allocates with dma_alloc_attrs: contiguous for a device without an IOMMU.
            case "videobuf2_dma_contig", "videobuf2-dma-contig" -> CMA;
            case "videobuf2_dma_sg", "videobuf2-dma-sg", "videobuf2_vmalloc", "videobuf2-vmalloc" -> SYSTEM_HEAP;
            default -> of(name);
        };
    }

    /**
     * {@return what stands for all names of one pool: the official name of the default CMA pool for its older names, any
     * other name for itself} Before 6.17 the node had the name of its region, and a legacy option adds a second node with
     * that name.
     *
     * @param name the name of a heap
     */
    public static String pool(String name) {
        return switch (name) {
            case "linux,cma", "reserved", "default-pool" -> DEFAULT_CMA;
            default -> name;
        };
    }

    /** Among the names of one pool: lower is preferred. */
    static int preference(String name) {
        return switch (name) {
            case "linux,cma" -> 1;
            case "reserved" -> 2;
            case "default-pool" -> 3;
            default -> 0;
        };
    }

    /** {@return whether the memory is physically contiguous} */
    public Trait contiguous() {
        return contiguous;
    }

    /** {@return a copy with this}
     *
     * @param is whether the memory is physically contiguous */
    public HeapProperties withContiguous(Trait is) {
        return with(copy -> copy.contiguous = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether the CPU can map it} */
    public Trait cpuMappable() {
        return cpuMappable;
    }

    /** {@return a copy with this}
     *
     * @param is whether the CPU can map the memory */
    public HeapProperties withCpuMappable(Trait is) {
        return with(copy -> copy.cpuMappable = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether the memory has pages that the kernel keeps account of} */
    public Trait pages() {
        return pages;
    }

    /** {@return a copy with this}
     *
     * @param has whether the memory has pages that the kernel keeps account of */
    public HeapProperties withPages(Trait has) {
        return with(copy -> copy.pages = Objects.requireNonNull(has, "has"));
    }

    /** {@return whether the CPU caches it} */
    public Trait cached() {
        return cached;
    }

    /** {@return a copy with this}
     *
     * @param is whether the CPU caches the memory */
    public HeapProperties withCached(Trait is) {
        return with(copy -> copy.cached = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether devices and the CPU see each other's writes without cache work} */
    public Trait coherent() {
        return coherent;
    }

    /** {@return a copy with this}
     *
     * @param is whether devices and the CPU see each other's writes without cache work */
    public HeapProperties withCoherent(Trait is) {
        return with(copy -> copy.coherent = Objects.requireNonNull(is, "is"));
    }

    /** {@return whether it is set aside in a small amount, so that it is left to those who need it} */
    public Trait scarce() {
        return scarce;
    }

    /** {@return a copy with this}
     *
     * @param is whether the memory is set aside in a small amount */
    public HeapProperties withScarce(Trait is) {
        return with(copy -> copy.scarce = Objects.requireNonNull(is, "is"));
    }

    /**
     * {@return whether it is used only when a device names it} So are protected memory, memory shared with the host, huge
     * pages, and heaps that nothing is known about.
     */
    public boolean onlyWhenNamed() {
        return onlyWhenNamed;
    }

    /** {@return a copy with this}
     *
     * @param is whether the heap is used only when a device names it */
    public HeapProperties withOnlyWhenNamed(boolean is) {
        return with(copy -> copy.onlyWhenNamed = is);
    }

    /** {@return whether the memory is protected: only for devices that accept it, never for the CPU} */
    public boolean isProtected() {
        return isProtected;
    }

    /** {@return a copy with this}
     *
     * @param is whether the memory is protected */
    public HeapProperties withProtected(boolean is) {
        return with(copy -> copy.isProtected = is);
    }

    /** {@return whether the host of a confidential machine can read the memory: only for devices that accept that} */
    public boolean isDecrypted() {
        return decrypted;
    }

    /** {@return a copy with this}
     *
     * @param is whether the host of a confidential machine can read the memory */
    public HeapProperties withDecrypted(boolean is) {
        return with(copy -> copy.decrypted = is);
    }

    /** {@return bytes in one buffer at most, empty if nothing is known to limit it} */
    public OptionalLong maxSize() {
        return maxSize == Constraints.UNLIMITED ? OptionalLong.empty() : OptionalLong.of(maxSize);
    }

    /** {@return a copy with this}
     *
     * @param bytes in one buffer at most, at least 1; {@link Constraints#UNLIMITED} for no limit */
    public HeapProperties withMaxSize(long bytes) {
        if (bytes <= 0) {
            throw new IllegalArgumentException("a heap's buffers have at least 1 byte, not " + bytes);
        }
        return with(copy -> copy.maxSize = bytes);
    }

    /** {@return how good a choice it is among those that are equally plentiful; higher is tried first} */
    public int score() {
        return score;
    }

    /** {@return a copy with this}
     *
     * @param better from 0 to 999; the system heap has 100, udmabuf 80, CMA 50 */
    public HeapProperties withScore(int better) {
        if (better < 0 || better > HIGHEST_SCORE) {
            throw new IllegalArgumentException("a score is from 0 to 999, not " + better);
        }
        return with(copy -> copy.score = better);
    }

    /** {@return the address space in which the memory's {@link #highestAddress()} is known} */
    public Optional<String> addressSpace() {
        return Optional.ofNullable(space);
    }

    /** {@return the highest address of any of its memory in {@link #addressSpace()}, empty if unknown} */
    public OptionalLong highestAddress() {
        return space == null ? OptionalLong.empty() : OptionalLong.of(highestAddress);
    }

    /** {@return a copy with this}
     *
     * @param addressSpace the name of the address space
     * @param address that no byte of the memory lies above */
    public HeapProperties withHighestAddress(String addressSpace, long address) {
        if (address < 0) {
            throw new IllegalArgumentException("an address is below 2^63, not " + Long.toUnsignedString(address));
        }
        Objects.requireNonNull(addressSpace, "addressSpace");
        return with(copy -> {
            copy.space = addressSpace;
            copy.highestAddress = address;
        });
    }

    /** {@return where it is, such as {@code "numa0"}; empty if unknown} */
    public Optional<String> place() {
        return Optional.ofNullable(place);
    }

    /** {@return a copy with this}
     *
     * @param where it is, such as {@code "numa0"} */
    public HeapProperties withPlace(String where) {
        return with(copy -> copy.place = Objects.requireNonNull(where, "where"));
    }

    /**
     * {@return the heaps that this one can stand in for} Whoever allows one of those allows this one, too: it is as good in
     * every way. Followed from heap to heap.
     */
    public Set<String> substitutes() {
        return substitutes;
    }

    /** {@return a copy with this}
     *
     * @param heaps names of heaps whose memory this one's can replace for any device */
    public HeapProperties withSubstitutes(Set<String> heaps) {
        return with(copy -> copy.substitutes = Set.copyOf(heaps));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof HeapProperties that && values().equals(that.values());
    }

    @Override
    public int hashCode() {
        return values().hashCode();
    }

    /** {@return what is known, in words, such as {@code "contiguous, CPU-mappable, scarce"}} */
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
        if (place != null) {
            words.add("near " + place);
        }
        if (onlyWhenNamed) {
            words.add("used only when named");
        }
        return words.isEmpty() ? "nothing known" : String.join(", ", words);
    }

    private static void say(List<String> words, Trait trait, String yes, String no) {
        if (trait != Trait.UNKNOWN) {
            words.add(trait == Trait.YES ? yes : no);
        }
    }
}
