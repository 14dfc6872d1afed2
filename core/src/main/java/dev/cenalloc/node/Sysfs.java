// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the kernel tells of a device without being asked for memory. PCI functions tell most; platform devices, such as
 * displays and cameras of boards, next to nothing. Stateless.
 */
public final class Sysfs {
    /** Links from a device to its heaps: proposed in 2023, in no released kernel yet. */
    private static final String HEAP_LINK = "dma_heap";

    private Sysfs() {}

    public static Device device(String name, Path sysfs) throws MissingDeviceException {
        if (!Files.isDirectory(sysfs)) {
            throw new MissingDeviceException(
                    Errno.ENOENT, "opendir", sysfs, -1, "find the device below /sys/bus or /sys/class");
        }
        var facts = new ArrayList<String>();
        Constraints constraints = Constraints.NONE;
        Optional<Integer> bits = number(sysfs.resolve("dma_mask_bits"));
        // A mask of 64 bits limits nothing; 0 is a device that does no DMA.
        if (bits.isPresent() && bits.get() >= 12 && bits.get() < 63) {
            constraints = constraints.highestAddress(addressSpace(sysfs), (1L << bits.get()) - 1);
            facts.add("dma_mask_bits " + bits.get());
        }
        Optional<Integer> node = number(sysfs.resolve("numa_node"));
        if (node.isPresent() && node.get() >= 0) {
            constraints = constraints.near(List.of("numa" + node.get()));
            facts.add("numa_node " + node.get());
        }
        List<String> heaps = heaps(sysfs);
        if (!heaps.isEmpty()) {
            constraints = constraints.onlyHeaps(heaps);
            facts.add("heaps " + heaps);
        }
        // A group alone says little: it may let addresses pass as they are ("identity").
        String domain = text(sysfs.resolve("iommu_group/type"));
        boolean iommu = domain.startsWith("DMA");
        if (iommu) {
            facts.add("iommu_group " + domain);
        }
        if (facts.isEmpty()) {
            return Device.undeclared(name);
        }
        Device device = Device.of(name, constraints, Origin.SYSFS, "sysfs: " + String.join(", ", facts));
        return iommu ? device.behindIommu() : device;
    }

    /** What the bus calls a device, such as {@code 0000:00:02.0}; unlike the number of its node, that lasts. */
    public static Optional<String> place(Path sysfs) {
        try {
            return Optional.of(String.valueOf(sysfs.toRealPath().getFileName()));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** The name of the driver of a device, such as {@code uvcvideo}. */
    public static Optional<String> driver(Path sysfs) {
        return place(sysfs.resolve("driver"));
    }

    /** The bus: addresses of two devices compare only behind the same one. */
    private static String addressSpace(Path sysfs) {
        try {
            return String.valueOf(sysfs.resolve("subsystem").toRealPath().getFileName());
        } catch (IOException e) {
            return String.valueOf(sysfs.getFileName());
        }
    }

    private static List<String> heaps(Path sysfs) {
        try (var entries = Files.list(sysfs)) {
            var links = entries.filter(entry -> Files.isSymbolicLink(entry)
                            && String.valueOf(entry.getFileName()).startsWith(HEAP_LINK))
                    .sorted()
                    .toList();
            var names = new ArrayList<String>();
            for (Path link : links) {
                names.add(String.valueOf(Files.readSymbolicLink(link).getFileName()));
            }
            return names;
        } catch (IOException e) {
            return List.of();
        }
    }

    /** What is in a file; empty if it is not there. */
    private static String text(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            return "";
        }
    }

    private static Optional<Integer> number(Path file) {
        try {
            return Optional.of(Integer.parseInt(text(file)));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }
}
