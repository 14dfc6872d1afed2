// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Assurance;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** Devices that do not reach all of the machine's memory. */
class AddressRangeTest {
    /** Zones as Linux 6.12 tells them, shortened: 2 GiB below 4 GiB, and some above, or none. */
    private static String zones(long above) {
        return """
                Node 0, zone      DMA
                  pages free     3840
                        spanned  4095
                        present  3999
                  start_pfn:           1
                Node 0, zone    DMA32
                        spanned  520192
                  start_pfn:           4096
                Node 0, zone   Normal
                        spanned  %d
                  start_pfn:           1048576
                Node 0, zone  Movable
                        spanned  0
                  start_pfn:           0
                """.formatted(above);
    }

    private static final long GIB = 1L << 30;
    private static final Device RGA = Device.of(
            "rga", Constraints.NONE.highestAddress("ram", 0xffff_ffffL), "drivers/media/platform/rockchip/rga");

    private static FakeKernel kernel(String zones) {
        return new FakeKernel()
                .heap("system", 64 << 20)
                .heap("reserved", 64 << 20)
                .heap("udmabuf", 64 << 20)
                .file("/proc/zoneinfo", zones);
    }

    private static List<String> heaps(Plan plan) {
        return plan.candidates().stream().map(Heap::name).toList();
    }

    @Test
    void scatteredMemoryBeyondItsReachIsNoCandidate() throws Exception {
        try (var cenalloc = kernel(zones(1 << 20)).open()) {
            assertEquals(
                    OptionalLong.of(8 * GIB - 1),
                    cenalloc.heap("system").properties().highestAddress());
            assertEquals(
                    OptionalLong.empty(), cenalloc.heap("reserved").properties().highestAddress());
            Plan plan = cenalloc.plan(4096, List.of(RGA));
            assertEquals(List.of("reserved"), heaps(plan));
            assertEquals(Trait.UNKNOWN, plan.suitability(cenalloc.heap("reserved")), "it may lie anywhere");
            assertTrue(plan.explain().contains("may lie beyond what rga reaches"), plan::explain);
            assertEquals(
                    List.of("system", "udmabuf", "reserved"),
                    heaps(cenalloc.plan(4096, List.of(RGA.behindIommu()))),
                    "an IOMMU maps it where the device reaches it");
            assertEquals(
                    List.of("system", "udmabuf", "reserved"),
                    heaps(cenalloc.plan(
                            4096, List.of(Device.of("pci", Constraints.NONE.highestAddress("pci", 4095), "sysfs")))),
                    "addresses of another space are not compared");
        }
    }

    /** 128 MiB, as debugfs tells root of them. */
    private static FakeKernel kernel(String directory, long firstPage) {
        return kernel(zones(1 << 20))
                .file("/sys/kernel/debug/cma/" + directory + "/base_pfn", firstPage + "\n")
                .file("/sys/kernel/debug/cma/" + directory + "/count", "32768\n");
    }

    @Test
    void whereAContiguousPoolLiesDecides() throws Exception {
        for (String directory : List.of("reserved", "cma-reserved")) {
            try (var cenalloc = kernel(directory, GIB / 4096).open()) {
                Heap reserved = cenalloc.heap("reserved");
                assertEquals(
                        OptionalLong.of(GIB + (128 << 20) - 1),
                        reserved.properties().highestAddress());
                Plan plan = cenalloc.plan(4096, List.of(RGA));
                assertEquals(Map.of(Field.HIGHEST_ADDRESS, Assurance.ENFORCED), plan.assurances(reserved));
            }
            try (var cenalloc = kernel(directory, 4 * GIB / 4096).open()) {
                Plan plan = cenalloc.plan(4096, List.of(RGA));
                assertEquals(List.of(), heaps(plan), "all of it is beyond its reach");
                assertEquals(Trait.NO, plan.suitability(cenalloc.heap("reserved")));
            }
        }
    }

    @Test
    void ofAPoolInPartsOrOfNonsenseNothingIsKnown() throws Exception {
        String parts = "/sys/kernel/debug/cma/reserved/ranges/1/base_pfn";
        String first = "/sys/kernel/debug/cma/reserved/base_pfn";
        for (FakeKernel kernel : List.of(
                kernel("reserved", 5).file(parts, "9000\n"),
                kernel("reserved", 5).file(first, ""),
                kernel("reserved", 5).file(first, "-1\n"),
                kernel("reserved", 5).file(first, "999999999999999999999\n"))) {
            try (var cenalloc = kernel.open()) {
                assertEquals(
                        OptionalLong.empty(),
                        cenalloc.heap("reserved").properties().highestAddress());
            }
        }
    }

    @Test
    void onASmallMachineEverythingIsWithinReach() throws Exception {
        try (var cenalloc = kernel(zones(0)).open()) {
            assertEquals(
                    OptionalLong.of(524_288L * 4096 - 1),
                    cenalloc.heap("udmabuf").properties().highestAddress());
            Plan plan = cenalloc.plan(4096, List.of(RGA));
            assertEquals(List.of("system", "udmabuf", "reserved"), heaps(plan));
            assertEquals(Trait.YES, plan.suitability(cenalloc.heap("reserved")));
            assertEquals(Map.of(Field.HIGHEST_ADDRESS, Assurance.ENFORCED), plan.assurances(cenalloc.heap("reserved")));
        }
    }

    @Test
    void whatTheKernelDoesNotTellIsUnknown() throws Exception {
        for (String text :
                List.of("", "Node 0\n  spanned  99999999999999999999\n", "  start_pfn: 5\n", "  spanned  7\n")) {
            try (var cenalloc = kernel(text).open()) {
                assertEquals(
                        OptionalLong.empty(),
                        cenalloc.heap("system").properties().highestAddress(),
                        text);
            }
        }
        try (var cenalloc = new FakeKernel().heap("system", 1 << 20).open()) {
            assertEquals(List.of("system"), heaps(cenalloc.plan(4096, List.of(RGA))));
        }
    }

    @Test
    void withoutAnotherHeapItIsSaid() throws Exception {
        var kernel = new FakeKernel().heap("system", 64 << 20).file("/proc/zoneinfo", zones(1 << 20));
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(4096)) {
            buffer.attach(RGA);
            var e = assertThrows(NoSuitableHeapException.class, buffer::dmaBuf);
            assertTrue(e.toString().contains("addresses up to 0xffffffff in ram"), e::toString);
        }
    }
}
