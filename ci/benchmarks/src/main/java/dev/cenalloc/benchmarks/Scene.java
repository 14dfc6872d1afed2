// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.benchmarks;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * So many devices and so many heaps of a made-up machine: no two devices and no two heaps are alike, half of the
 * devices list the heaps they allow, and some heaps, several if there are many, suit everyone.
 */
final class Scene implements AutoCloseable {
    /** A frame of 1920 x 1080 pixels of 4 bytes. */
    static final long SIZE = 1920L * 1080 * 4;

    private final Cenalloc cenalloc = Cenalloc.open();
    private final int heaps;

    /** Heaps of this machine, if it has any, are there in addition. */
    Scene(int heaps) throws CenallocException {
        this.heaps = heaps;
        for (int i = 0; i < heaps; i++) {
            cenalloc.register(name(i), heap(i), _ -> {
                throw new UnsupportedOperationException("there are only plans here");
            });
        }
    }

    Cenalloc cenalloc() {
        return cenalloc;
    }

    /** Every second heap is contiguous, every eighth protected; they differ in what decides the order, too. */
    private static HeapProperties heap(int i) {
        HeapProperties properties = HeapProperties.UNKNOWN
                .withContiguous(isContiguous(i) ? Trait.YES : Trait.NO)
                .withCpuMappable(Trait.YES)
                .withPages(Trait.YES)
                .withCached(i % 3 == 0 ? Trait.YES : Trait.NO)
                .withCoherent(i % 5 == 0 ? Trait.YES : Trait.NO)
                .withScarce(i % 4 == 0 ? Trait.YES : Trait.NO)
                .withOnlyWhenNamed(i % 6 == 4)
                .withProtected(i % 8 == 7)
                .withScore(10 + i)
                .withPlace("numa" + i % 2);
        if (i % 4 == 2) {
            properties = properties.withHighestAddress("pci", (1L << 32) - 1 + ((long) i << 20));
        }
        return i % 3 == 1 ? properties.withMaxSize(SIZE << i % 7) : properties;
    }

    private static boolean isContiguous(int i) {
        return i % 2 == 0;
    }

    /** Made anew each time, as when it is read from a file: equal names are not the same object. */
    private static String name(int i) {
        return "vendor-heap-" + i;
    }

    private static Set<String> names(int heaps, IntPredicate which) {
        return IntStream.range(0, heaps).filter(which).mapToObj(Scene::name).collect(Collectors.toSet());
    }

    List<Device> devices(int count) {
        var devices = new ArrayList<Device>(count);
        for (int i = 0; i < count; i++) {
            Device device = Device.of("device-" + i, constraints(i), "the data sheet of its kind");
            devices.add(i % 5 == 4 ? device.behindIommu() : device);
        }
        return devices;
    }

    /** The same, but that the last one wants two things that no heap has. */
    List<Device> conflictingDevices(int count) {
        List<Device> devices = devices(count);
        Constraints conflict = Constraints.NONE.contiguous().onlyHeaps(names(heaps + 2, heap -> !isContiguous(heap)));
        devices.set(count - 1, Device.of("misfit", conflict, "an error in its data sheet"));
        return devices;
    }

    private Constraints constraints(int i) {
        Constraints some = Constraints.NONE.maxSize(SIZE * (4 + i)).pitchAlignment(i % 4 == 0 ? 48 : 16L << i % 5);
        some = switch (i % 8) {
            // Those with lists: all heaps, all but one, or all but one and some that are not here.
            case 0 -> some.contiguous().baseAlignment(256L << i % 4).onlyHeaps(names(heaps, _ -> true));
            case 2 -> some.onlyHeaps(names(heaps, heap -> heap != i % 32)).minPitch(64L + i);
            case 4 -> some.contiguous().minSize(4096L * i).onlyHeaps(names(heaps, heap -> heap != 1 + i / 2));
            case 6 ->
                some.onlyHeaps(names(heaps + i / 8, heap -> heap != 1 + i % 32)).buffers(i);
            case 1 -> some.maxSegments(16 + i).maxSegmentSize(16L << 20).cpuRead();
            case 3 -> some.segmentBoundary(1L << (24 + i % 8)).highestAddress("pci", (1L << (32 + i % 8)) - 1);
            case 5 -> some.offsetAlignment(1L << i % 8).pages().near(Set.of("numa" + i % 2, "numa2"));
            default -> some.cpuWrite().coherent().usage(Usage.CPU_HEAVY).maxPitch((1L << 20) + i);
        };
        return i % 3 == 0 ? some.with(Field.ACCEPTS_PROTECTED) : some;
    }

    @Override
    public void close() {
        cenalloc.close();
    }
}
