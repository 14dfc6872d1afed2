// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the kernel tells of a device without being asked for memory. PCI functions tell most; platform devices, such as
 * displays and cameras of boards, next to nothing. A question that fails by a fault that may pass, such as ENOMEM or
 * EMFILE, is no answer: it is thrown. Stateless.
 */
public final class Sysfs {
    /** Links from a device to its heaps: proposed in 2023, in no released kernel yet. */
    private static final String HEAP_LINK = "dma_heap";

    private Sysfs() {}

    /**
     * Returns a device with the constraints that its directory tells.
     *
     * @throws MissingDeviceException ENOENT: there is no such directory, as of a device that is no hardware
     * @throws CenallocException with the errno of a question that failed by a fault that may pass
     */
    public static Device device(Kernel kernel, String name, Path sysfs) throws CenallocException {
        int result = kernel.access(sysfs, Linux.F_OK);
        if (result < 0) {
            check(-result, "access", sysfs);
            throw new MissingDeviceException(
                    Errno.ENOENT, "access", sysfs, -1, "find the device below /sys/bus or /sys/class");
        }
        var facts = new ArrayList<String>();
        Constraints constraints = Constraints.NONE;
        Optional<Integer> bits = number(kernel, sysfs.resolve("dma_mask_bits"));
        // A mask of 64 bits limits nothing; 0 is a device that does no DMA.
        if (bits.isPresent() && bits.get() >= 12 && bits.get() < 63) {
            constraints = constraints.highestAddress(addressSpace(kernel, sysfs), (1L << bits.get()) - 1);
            facts.add("dma_mask_bits " + bits.get());
        }
        Optional<Integer> node = number(kernel, sysfs.resolve("numa_node"));
        if (node.isPresent() && node.get() >= 0) {
            constraints = constraints.near(List.of("numa" + node.get()));
            facts.add("numa_node " + node.get());
        }
        List<String> heaps = heaps(kernel, sysfs);
        if (!heaps.isEmpty()) {
            constraints = constraints.onlyHeaps(heaps);
            facts.add("heaps " + heaps);
        }
        // A group alone says little: it may let addresses pass as they are ("identity").
        String domain = text(kernel, sysfs.resolve("iommu_group/type"));
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
    public static Optional<String> place(Kernel kernel, Path sysfs) throws CenallocException {
        return target(kernel, sysfs).map(place -> String.valueOf(place.getFileName()));
    }

    /** The name of the driver of a device, such as {@code uvcvideo}. */
    public static Optional<String> driver(Kernel kernel, Path sysfs) throws CenallocException {
        return place(kernel, sysfs.resolve("driver"));
    }

    /** The bus: addresses of two devices compare only behind the same one. */
    private static String addressSpace(Kernel kernel, Path sysfs) throws CenallocException {
        return place(kernel, sysfs.resolve("subsystem")).orElseGet(() -> String.valueOf(sysfs.getFileName()));
    }

    private static List<String> heaps(Kernel kernel, Path sysfs) throws CenallocException {
        List<String> entries;
        try {
            entries = kernel.list(sysfs);
        } catch (IOException e) {
            check(FileException.errno(e), "opendir", sysfs);
            return List.of();
        }
        var heaps = new ArrayList<String>();
        for (String entry : entries) {
            if (entry.startsWith(HEAP_LINK)) {
                // The directory of the class has its name.
                target(kernel, sysfs.resolve(entry))
                        .filter(heap ->
                                heap.getParent() != null && heap.getParent().endsWith(HEAP_LINK))
                        .ifPresent(heap -> heaps.add(String.valueOf(heap.getFileName())));
            }
        }
        return heaps;
    }

    /** Where a link leads; empty if it is not there. */
    private static Optional<Path> target(Kernel kernel, Path link) throws CenallocException {
        try {
            return Optional.of(kernel.realPath(link));
        } catch (IOException e) {
            check(FileException.errno(e), "realpath", link);
            return Optional.empty();
        }
    }

    /** What is in a file; empty if it is not there. */
    private static String text(Kernel kernel, Path file) throws CenallocException {
        try {
            return new String(kernel.bytes(file), StandardCharsets.ISO_8859_1).strip();
        } catch (IOException e) {
            check(FileException.errno(e), "read", file);
            return "";
        }
    }

    private static void check(int errno, String call, Path path) throws CenallocException {
        if (FileException.isPassing(errno)) {
            throw CenallocException.ofCall(errno, call, path, -1);
        }
    }

    private static Optional<Integer> number(Kernel kernel, Path file) throws CenallocException {
        try {
            return Optional.of(Integer.parseInt(text(kernel, file)));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }
}
