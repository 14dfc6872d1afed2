package dev.cenalloc;

/**
 * What is known of a heap from its name: names are ids, and the kernel tells nothing else about a heap.
 * Source: {@code Documentation/userspace-api/dma-buf-heaps.rst}, and the names that the CMA heap had before 6.17.
 *
 * @param contiguous whether its memory is physically contiguous
 * @param cpuMappable whether the CPU can map it; protected memory cannot be
 * @param scarce whether it is set aside in a small amount, so that it is left to those who need it
 * @param onlyWhenNamed whether it is used only when a device names it: protected and shared-with-the-host memory, and
 *     heaps that nothing is known about
 * @param pool which heaps give out the same memory: equal pools are one
 */
public record HeapProperties(Trait contiguous, Trait cpuMappable, Trait scarce, boolean onlyWhenNamed, String pool) {
    /** Whether something holds. */
    public enum Trait {
        /** It does. */
        YES,
        /** It does not. */
        NO,
        /** Nothing is known. */
        UNKNOWN
    }

    private static final String DEFAULT_CMA = "default CMA";

    /**
     * {@return the properties of the heap with this name}
     *
     * @param name the name of a node in {@code /dev/dma_heap}
     */
    public static HeapProperties of(String name) {
        return switch (name) {
            case "system" -> new HeapProperties(Trait.NO, Trait.YES, Trait.NO, false, name);
            // One pool: the official name since 6.17, the region's name before that; a legacy option adds a second
            // node.
            case "default_cma_region", "linux,cma", "reserved", "default-pool" ->
                new HeapProperties(Trait.YES, Trait.YES, Trait.YES, false, DEFAULT_CMA);
            case "system_cc_shared" -> new HeapProperties(Trait.NO, Trait.YES, Trait.NO, true, name);
            default ->
                name.startsWith("protected,")
                        ? new HeapProperties(Trait.UNKNOWN, Trait.NO, Trait.YES, true, name)
                        : new HeapProperties(Trait.UNKNOWN, Trait.UNKNOWN, Trait.UNKNOWN, true, name);
        };
    }

    /** Among the names of one pool: lower is preferred. */
    static int preference(String name) {
        return switch (name) {
            case "default_cma_region" -> 0;
            case "linux,cma" -> 1;
            case "reserved" -> 2;
            default -> 3;
        };
    }

    static boolean samePool(String name, String other) {
        return name.equals(other) || of(name).pool().equals(of(other).pool());
    }
}
