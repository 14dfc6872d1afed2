// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.json.Profile;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What a plan says of memory before any is tried, against what the kernel then does: for all pairs of devices, some
 * images, and all memory there is. The plan knows what the shipped profile says of each device, and how its driver lays
 * the image out (VIDIOC_TRY_FMT). Then the devices are offered one buffer of the memory, with the layout of the plan.
 * V4L2 devices queue it, start their streams and keep it attached while the others, and the DRM devices, are offered
 * it.
 */
@RequiresDevices
class PredictionDeviceTest {
    private static final List<PixelFormat> FORMATS =
            List.of(PixelFormat.XR24, PixelFormat.RG16, PixelFormat.YUYV, PixelFormat.NV12, PixelFormat.NV12M);

    /** Width and height; one odd. */
    private static final int[][] SIZES = {{640, 480}, {1280, 720}, {641, 481}};

    private final Cenalloc cenalloc;
    private final List<Participant> devices = new ArrayList<>();
    private final List<Memory> heaps = new ArrayList<>();

    /** What was predicted, and what the kernel did. */
    private final Map<String, Integer> counts = new TreeMap<>();

    private final List<String> disagreements = new ArrayList<>();

    PredictionDeviceTest() throws Exception {
        cenalloc = Cenalloc.open();
    }

    @BeforeEach
    void open() throws Exception {
        MachineProfile machine = Boards.ofMachine(cenalloc, List.of());
        assertEquals(
                List.of("test-drivers"),
                machine.profiles().stream().map(Profile::name).toList(),
                machine::toString);
        for (DeviceInfo info : Devices.list(cenalloc)) {
            devices.add(Participant.open(cenalloc, machine, info));
        }
        for (Heap heap : cenalloc.heaps()) {
            heaps.add(Memory.of(cenalloc, heap));
        }
    }

    @AfterEach
    void close() throws Exception {
        for (Memory heap : heaps) {
            heap.close();
        }
        for (Participant device : devices) {
            device.close();
        }
        cenalloc.close();
    }

    /** Found by the drivers, of which one serves two kinds of hardware. */
    @Test
    void theProfileOfThisMachineIsUsed() {
        List<Participant> known = devices.stream()
                .filter(device -> device.profile().origin() == Origin.PROFILE)
                .toList();
        assertEquals(
                Set.of("vivid", "vim2m", "vkms", "vgem"),
                Set.copyOf(known.stream().map(Participant::driver).toList()));
        for (Participant device : known) {
            boolean contiguous = device.name().startsWith("vivid platform:vivid-001");
            assertEquals(contiguous, device.profile().constraints().says(Field.MAX_SEGMENTS), device::toString);
            assertTrue(device.profile().detail().startsWith("profile test-drivers"), device.profile()::detail);
        }
    }

    @Test
    @Tag("bochs")
    void ofACardThatNoProfileDescribesNothingIsDeclared() {
        assertEquals(
                List.of("bochs-drm"),
                devices.stream()
                        .filter(device -> device.profile().declared().isEmpty())
                        .map(Participant::driver)
                        .toList());
    }

    @Test
    void whatAPlanSaysTheKernelDoes() throws Exception {
        devices.forEach(System.out::println);
        heaps.forEach(memory ->
                System.out.println(memory.heap() + ": " + memory.heap().properties()));
        long start = System.nanoTime();
        for (PixelFormat format : FORMATS) {
            for (int[] size : SIZES) {
                for (int buffer = 0; buffer < format.buffers(); buffer++) {
                    predict(Demand.ofImage(new Image(format, size[0], size[1]), buffer));
                }
            }
        }
        counts.forEach((what, count) -> System.out.println(what + ": " + count));
        disagreements.forEach(System.out::println);
        int suiting = count(Trait.YES, true);
        int unsuitable = count(Trait.NO, false);
        int unknown = count(Trait.UNKNOWN, true) + count(Trait.UNKNOWN, false);
        System.out.printf(
                "%d agreements, %d disagreements, %d unknown, in %d ms%n",
                suiting + unsuitable, disagreements.size(), unknown, (System.nanoTime() - start) / 1_000_000);
        assertEquals(List.of(), disagreements);
        // So that it does not pass by knowing nothing.
        assertTrue(suiting >= 2000 && unsuitable >= 500, counts::toString);
    }

    private int count(Trait suits, boolean taken) {
        return counts.getOrDefault(key(suits, taken), 0);
    }

    private static String key(Trait suits, boolean taken) {
        String plan = switch (suits) {
            case YES -> "suits";
            case NO -> "does not suit";
            case UNKNOWN -> "unknown";
        };
        return "plan: " + plan + ", kernel: " + (taken ? "takes" : "refuses");
    }

    /** A device, and how it wants an image. */
    private record Wish(Participant device, Constraints layout) {
        Device planned(@Nullable Participant owner) {
            return device == owner ? Device.of(device.name(), layout, "the memory is its own") : device.planned(layout);
        }
    }

    /** Two devices with an image, and the plan for memory that neither of them owns. */
    private record Pair(Wish first, Wish second, Demand demand, Plan plan) {
        static Pair of(Wish first, Wish second, Demand demand) {
            return new Pair(first, second, demand, plan(first, second, demand, null));
        }

        private static Plan plan(Wish first, Wish second, Demand demand, @Nullable Participant owner) {
            return Plan.of(demand, List.of(first.planned(owner), second.planned(owner)), List.of());
        }

        /** Before anything is tried. */
        Trait suitability(Memory memory) {
            Participant owner = memory.owner();
            Plan ofMemory = owner != null && has(owner) ? plan(first, second, demand, owner) : plan;
            assertEquals(plan.layout(), ofMemory.layout());
            return ofMemory.suitability(memory.heap());
        }

        Participant one() {
            return first.device;
        }

        Participant other() {
            return second.device;
        }

        boolean has(Participant device) {
            return one() == device || other() == device;
        }

        @Override
        public String toString() {
            return one().name() + " and " + other().name();
        }
    }

    private void predict(Demand demand) throws Exception {
        Layout least = demand.layout(Constraints.NONE).orElseThrow();
        var able = new ArrayList<Wish>();
        for (Participant device : devices) {
            device.wants(least).ifPresent(layout -> able.add(new Wish(device, layout)));
        }
        var pairs = new LinkedHashMap<Layout, List<Pair>>();
        for (int i = 0; i < able.size(); i++) {
            for (int j = i + 1; j < able.size(); j++) {
                Pair pair = Pair.of(able.get(i), able.get(j), demand);
                pairs.computeIfAbsent(pair.plan.layout().orElseThrow(), _ -> new ArrayList<>())
                        .add(pair);
            }
        }
        int all = devices.size() * (devices.size() - 1) / 2;
        counts.merge("no such image at one of them", all - able.size() * (able.size() - 1) / 2, Integer::sum);
        System.out.printf("%s: %d devices, %d layouts%n", demand, able.size(), pairs.size());
        for (var entry : pairs.entrySet()) {
            compare(entry.getKey(), entry.getValue());
        }
    }

    private void compare(Layout layout, List<Pair> pairs) throws Exception {
        for (Memory heap : heaps) {
            compare(layout, pairs, heap);
        }
        for (Participant owner : devices) {
            boolean able = pairs.stream().anyMatch(pair -> pair.has(owner));
            try (Memory own = owner.memory(layout, able)) {
                if (own != null && own.isLucky()) {
                    counts.merge("memory contiguous by luck, not offered", 1, Integer::sum);
                } else if (own != null) {
                    compare(layout, pairs, own);
                }
            }
        }
    }

    private void compare(Layout layout, List<Pair> pairs, Memory memory) throws Exception {
        var predictions = new LinkedHashMap<Pair, Trait>();
        pairs.forEach(pair -> predictions.put(pair, pair.suitability(memory)));
        var taking = new HashSet<Participant>();
        try {
            for (Participant device : devices) {
                if (pairs.stream().anyMatch(pair -> pair.has(device))
                        && (memory.isLentBy(device) || device.takes(layout, memory.buffer()))) {
                    taking.add(device);
                }
            }
        } finally {
            for (Participant device : devices) {
                device.giveBack();
            }
        }
        predictions.forEach((pair, suits) -> {
            boolean taken = taking.contains(pair.one()) && taking.contains(pair.other());
            String key = key(suits, taken);
            counts.merge(key, 1, Integer::sum);
            if (suits == (taken ? Trait.NO : Trait.YES)) {
                disagreements.add(pair + ", " + layout.image() + ", " + memory.heap() + ": " + key);
            }
        });
    }
}
