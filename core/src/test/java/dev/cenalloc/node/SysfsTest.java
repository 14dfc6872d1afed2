// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.OnEachKernel;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What sysfs tells of a device, and which of several descriptions counts. */
@OnEachKernel
class SysfsTest {
    private static final Kernel KERNEL = LinuxKernel.instance();

    @TempDir
    private Path sysfs = Path.of("");

    private void file(String name, String content) throws Exception {
        Files.writeString(sysfs.resolve(name), content + "\n");
    }

    @Test
    void aDeviceTellsItsReachItsNodeAndItsIommu() throws Exception {
        Path bus = Files.createDirectory(sysfs.resolve("pci"));
        Files.createSymbolicLink(sysfs.resolve("subsystem"), bus);
        file("dma_mask_bits", "32");
        file("numa_node", "1");
        Device device = Sysfs.device(KERNEL, "gpu", sysfs);
        assertEquals(Map.of("pci", 0xffff_ffffL), device.constraints().highestAddresses());
        assertEquals(Set.of("numa1"), device.constraints().near().orElseThrow());
        assertEquals(Origin.SYSFS, device.origin());
        assertFalse(device.isBehindIommu());

        Files.createDirectory(sysfs.resolve("iommu_group"));
        file("iommu_group/type", "identity");
        assertFalse(Sysfs.device(KERNEL, "gpu", sysfs).isBehindIommu(), "it lets addresses pass as they are");
        file("iommu_group/type", "DMA-FQ");
        Device behind = Sysfs.device(KERNEL, "gpu", sysfs);
        assertTrue(behind.isBehindIommu());
        assertEquals(Map.of(), behind.constraints().highestAddresses());
        assertTrue(behind.toString().contains("not needed behind its IOMMU"), behind::toString);
    }

    @Test
    void linksToHeapsAreFollowed() throws Exception {
        Path heaps = Files.createDirectories(sysfs.resolve("virtual/dma_heap"));
        Files.createDirectory(heaps.resolve("system"));
        Files.createDirectory(heaps.resolve("reserved"));
        Files.createSymbolicLink(sysfs.resolve("dma_heap"), Path.of("virtual/dma_heap/system"));
        Files.createSymbolicLink(sysfs.resolve("dma_heap1"), Path.of("virtual/dma_heap/reserved"));
        Files.createSymbolicLink(sysfs.resolve("dma_heap2"), Path.of("virtual/dma_heap/gone"));
        file("dma_heap_attribute", "no link");
        assertEquals(
                Set.of("system", "default_cma_region"),
                Sysfs.device(KERNEL, "camera", sysfs)
                        .constraints()
                        .allowedHeaps()
                        .orElseThrow());
    }

    @Test
    void nothingKnownIsNothingDeclared() throws Exception {
        file("dma_mask_bits", "64");
        file("numa_node", "-1");
        assertTrue(Sysfs.device(KERNEL, "x", sysfs).declared().isEmpty());
        file("dma_mask_bits", "rubbish");
        assertTrue(Sysfs.device(KERNEL, "x", sysfs).declared().isEmpty());
        assertThrows(MissingDeviceException.class, () -> Sysfs.device(KERNEL, "x", sysfs.resolve("no such")));
    }

    /** Without a limit that was there, memory is taken that the device does not reach. */
    @ParameterizedTest
    @ValueSource(strings = {"", "dma_mask_bits", "numa_node", "iommu_group/type", "driver", "subsystem", "dma_heap"})
    void aQuestionThatFailedIsNoAnswer(String name) throws Exception {
        Path device = Path.of("/sys/dev/char/81:0/device");
        Path asked = device.resolve(name);
        var kernel = new FakeKernel()
                .file(device + "/dma_mask_bits", "32\n")
                .file(device + "/numa_node", "1\n")
                .file(device + "/iommu_group/type", "identity\n")
                .file("/sys/bus/pci/name", "")
                .file("/sys/bus/pci/drivers/some/name", "")
                .file("/sys/devices/virtual/dma_heap/reserved/dev", "")
                .link(device + "/subsystem", "/sys/bus/pci")
                .link(device + "/driver", "/sys/bus/pci/drivers/some")
                .link(device + "/dma_heap", "/sys/devices/virtual/dma_heap/reserved");
        String all = Sysfs.device(kernel, "gpu", device) + " "
                + Sysfs.driver(kernel, device).orElseThrow();
        assertTrue(all.contains("heaps [reserved]"), all);
        for (int errno : List.of(Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE, Errno.EFAULT)) {
            kernel.refuse(asked, errno);
            var e = assertThrows(
                    CenallocException.class,
                    () -> System.out.println(Sysfs.device(kernel, "gpu", device) + " " + Sysfs.driver(kernel, device)));
            assertEquals(errno, e.errno());
            assertEquals(asked, e.path().orElseThrow());
            kernel.permit(asked);
        }
        assertEquals(
                all,
                Sysfs.device(kernel, "gpu", device) + " "
                        + Sysfs.driver(kernel, device).orElseThrow());
    }

    @Test
    void theMostTrustedSourceCounts() {
        Device unknown = Device.undeclared("camera");
        Device kernel = Device.of("camera", Constraints.NONE.near(List.of("numa0")), Origin.SYSFS, "sysfs");
        Device trial = Device.of("camera", Constraints.NONE, Origin.TRIAL_IMPORT, "it took scattered memory");
        // A table of uses, as an administrator writes it, is a profile.
        Device profile = Device.of("camera", Constraints.NONE.onlyHeaps(Set.of("reserved")), Origin.PROFILE, "table");
        Device stated = Device.of("camera", Constraints.NONE.contiguous(), "its data sheet");
        assertEquals(stated, Device.mostTrusted(List.of(unknown, kernel, trial, profile, stated)));
        assertEquals(profile, Device.mostTrusted(List.of(unknown, kernel, trial, profile)));
        assertEquals(trial, Device.mostTrusted(List.of(unknown, kernel, trial)));
        assertEquals(kernel, Device.mostTrusted(List.of(unknown, kernel)));
        assertEquals(unknown, Device.mostTrusted(List.of(unknown)));
        assertThrows(IllegalArgumentException.class, () -> Device.mostTrusted(List.of()));
    }
}
