// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.plan.HeapProperties.Trait;

/**
 * The table of the heaps whose names tell their properties: the kernel reports nothing else of a heap. Stateless.
 *
 * <p>Source: {@code Documentation/userspace-api/dma-buf-heaps.rst}, and the names that the CMA heap had before 6.17.
 */
final class KnownHeaps {
    private static final HeapProperties ORDINARY = HeapProperties.UNKNOWN
            .withCpuMappable(Trait.YES)
            .withPages(Trait.YES)
            .withCached(Trait.YES)
            .withOnlyWhenNamed(false);
    private static final HeapProperties SYSTEM =
            ORDINARY.withContiguous(Trait.NO).withScarce(Trait.NO).withScore(100);
    private static final HeapProperties CMA =
            ORDINARY.withContiguous(Trait.YES).withScarce(Trait.YES).withScore(50);
    // After the system heap: it needs in addition a file, a list of its pages and a mapping for each importer.
    private static final HeapProperties UDMABUF = SYSTEM.withScore(80);
    // Huge pages are reserved at boot, for other programs too.
    private static final HeapProperties UDMABUF_HUGE =
            UDMABUF.withScarce(Trait.YES).withOnlyWhenNamed(true);
    private static final HeapProperties DECRYPTED = SYSTEM.withDecrypted(true).withOnlyWhenNamed(true);
    private static final HeapProperties PROTECTED = HeapProperties.UNKNOWN
            .withCpuMappable(Trait.NO)
            .withPages(Trait.NO)
            .withScarce(Trait.YES)
            .withProtected(true);

    private KnownHeaps() {}

    /** As {@link HeapProperties#of}. */
    static HeapProperties of(String name) {
        return switch (pool(name)) {
            case HeapProperties.SYSTEM -> SYSTEM;
            case HeapProperties.DEFAULT_CMA -> CMA;
            case "system_cc_shared" -> DECRYPTED;
            case HeapProperties.UDMABUF -> UDMABUF;
            case HeapProperties.UDMABUF_HUGE -> UDMABUF_HUGE;
            default -> name.startsWith("protected,") ? PROTECTED : HeapProperties.UNKNOWN;
        };
    }

    /** As {@link HeapProperties#ofExporter}. */
    static HeapProperties ofExporter(String name) {
        return switch (name) {
            // videobuf2-dma-contig.c allocates with dma_alloc_attrs: contiguous for a device without an IOMMU.
            case "videobuf2_dma_contig", "videobuf2-dma-contig" -> CMA;
            case "videobuf2_dma_sg", "videobuf2-dma-sg", "videobuf2_vmalloc", "videobuf2-vmalloc" -> SYSTEM;
            default -> of(name);
        };
    }

    /** As {@link HeapProperties#pool}. */
    static String pool(String name) {
        return preference(name) > 0 ? HeapProperties.DEFAULT_CMA : name;
    }

    /** The order among the names of one pool; lower is preferred. */
    static int preference(String name) {
        return switch (name) {
            case "linux,cma" -> 1;
            case "reserved" -> 2;
            case "default-pool" -> 3;
            default -> 0;
        };
    }
}
