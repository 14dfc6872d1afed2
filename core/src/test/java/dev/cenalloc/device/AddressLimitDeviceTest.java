// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A machine with memory above 4 GiB, and a camera that reaches 32 bits of addresses: vivid with contiguous memory. What
 * a plan says of its heaps, against what the kernel copies (swiotlb). Part of ci/soak, on a machine with 4 GiB: {@code
 * -Dcenalloc.addresses=1000} for so many buffers of each heap.
 */
@RequiresDevices
@Tag("soak") // needs a machine with more memory than the others
class AddressLimitDeviceTest {
    private static final long REACH = 0xffff_ffffL;

    /** Memory that the kernel has set aside to copy through, and uses now, in pieces. */
    private static final Path COPIES = Path.of("/sys/kernel/debug/swiotlb/io_tlb_used");

    private final long seed = Long.getLong("cenalloc.seed", 13);
    private final Random random = new Random(seed);
    private final int buffers = Integer.getInteger("cenalloc.addresses", 50);

    private static long copies() throws Exception {
        return Long.parseLong(Files.readString(COPIES).strip());
    }

    private record Outcome(int straight, int copied, int refused) {}

    /** Offers the camera buffers of a heap, each of which it holds when the copies are counted. */
    private Outcome offer(Cenalloc cenalloc, Participant camera, Heap heap) throws Exception {
        int straight = 0;
        int copied = 0;
        int refused = 0;
        for (int i = 0; i < buffers; i++) {
            var image = new Image(PixelFormat.R8, 32 * (2 + random.nextInt(6)), 16 * (1 + random.nextInt(16)));
            Layout least = Demand.ofImage(image, 0).layout(Constraints.NONE).orElseThrow();
            Layout layout = Demand.ofImage(image, 0)
                    .layout(camera.wants(least).orElseThrow())
                    .orElseThrow();
            long before = copies();
            try (DmaBuf buffer = cenalloc.allocate(heap, layout.size())) {
                boolean taken = camera.takes(layout, buffer);
                if (!taken) {
                    refused++;
                } else if (copies() > before) {
                    copied++;
                } else {
                    straight++;
                }
                camera.giveBack();
            }
            assertEquals(before, copies(), "copies that stay");
        }
        var outcome = new Outcome(straight, copied, refused);
        System.out.println(heap + ": " + outcome + ", seed " + seed);
        return outcome;
    }

    @Test
    void whatAPlanSaysOfAddressesIsWhatTheKernelDoes() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            Heap system = cenalloc.heap("system");
            Heap reserved = cenalloc.heap("reserved");
            assertTrue(
                    system.properties().highestAddress().orElse(0) > REACH,
                    () -> "this machine has no memory above 4 GiB (ci/vm --memory 4G): " + system.properties());
            MachineProfile machine = Boards.ofMachine(cenalloc, List.of());
            DeviceInfo info = Devices.list(cenalloc).stream()
                    .filter(device -> device.node().toString().startsWith("/dev/video")
                            && device.name().contains("vivid-001"))
                    .findFirst()
                    .orElseThrow();
            try (Participant camera = Participant.open(cenalloc, machine, info)) {
                assertEquals(
                        REACH,
                        camera.profile().constraints().highestAddresses().get("ram"),
                        () -> "what the profile says: " + camera.profile());
                for (Heap heap : List.of(system, reserved)) {
                    // The camera's limit alone: without its other ones, scattered memory would do.
                    Device reaching =
                            Device.of("camera", Constraints.NONE.highestAddress("ram", REACH), "the profile's limit");
                    Plan plan = cenalloc.plan(4096, List.of(reaching));
                    Outcome outcome = offer(cenalloc, camera, heap);
                    switch (plan.suitability(heap)) {
                        case YES -> assertEquals(0, outcome.copied, plan::explain);
                        case NO -> {
                            assertEquals(0, outcome.straight, plan::explain);
                            assertTrue(outcome.copied > 0, "the kernel copies, and tells nobody");
                        }
                        case UNKNOWN -> fail("root can know where the memory lies: " + plan.explain());
                    }
                }
            }
            memoryOfItsOwnIsWithinItsReach(cenalloc, info.node());
        }
    }

    private static void memoryOfItsOwnIsWithinItsReach(Cenalloc cenalloc, Path node) throws Exception {
        try (var camera = Camera.open(cenalloc, node)) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    ImageRequest.ANY.size(320, 180),
                    List.of(Port.of(
                            Device.of("camera", Constraints.NONE, "its own memory"),
                            camera.exports().images())));
            camera.configure(agreement);
            long before = copies();
            try (Ring ring = camera.lend(agreement, 4)) {
                camera.start();
                for (int i = 0; i < 2 * ring.size(); i++) {
                    camera.next(Duration.ofSeconds(60)).close();
                    assertEquals(before, copies());
                }
                camera.stop();
            }
        }
    }
}
