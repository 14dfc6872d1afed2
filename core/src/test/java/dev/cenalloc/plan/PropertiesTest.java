// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Attachment;
import dev.cenalloc.BufferBusyException;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Choice;
import dev.cenalloc.IncompatibleConstraintsException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout.Plane;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What holds for all devices and heaps, tried with many at random. The seed is in the message. */
class PropertiesTest {
    private static final int ROUNDS = 300;
    private static final List<PixelFormat> FORMATS = List.of(PixelFormat.R8, PixelFormat.NV12, PixelFormat.YUV420);

    private static Cenalloc open() throws CenallocException {
        var kernel = new FakeKernel();
        for (String heap : List.of("system", "reserved", "vendor", "protected,video", "system_cc_shared", "udmabuf")) {
            kernel.heap(heap, 4 << 20);
        }
        return kernel.open();
    }

    private static Device device(SplittableRandom random, int number) {
        Device device = Device.of("d" + number, RandomConstraints.next(random), "random");
        return random.nextInt(8) == 0 ? device.behindIommu() : device;
    }

    /** One that may give way. */
    private static Device yieldingDevice(SplittableRandom random, int number) {
        Device device = device(random, number);
        while (random.nextInt(3) == 0) {
            device = device.or(RandomConstraints.next(random));
        }
        return random.nextInt(4) == 0 ? device.optional() : device;
    }

    /** Attaches devices at random; those that are refused are not there. */
    private static void attachSome(SharedBuffer buffer, SplittableRandom random) {
        for (int i = random.nextInt(6); i > 0; i--) {
            try {
                buffer.attach(device(random, i));
            } catch (CenallocException e) {
                // Refused.
            }
        }
    }

    private static long size(SplittableRandom random) {
        return 1 + random.nextLong(1L << random.nextInt(1, 18));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void attachAndDetachIsNothing(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        int attached = 0;
        try (var cenalloc = open()) {
            for (int i = 0; i < ROUNDS; i++) {
                try (var buffer = cenalloc.create(size(random))) {
                    attachSome(buffer, random);
                    Plan before = buffer.plan();
                    String shown = buffer.explain();
                    try (var _ = buffer.attach(device(random, 99))) {
                        attached++;
                    } catch (IncompatibleConstraintsException e) {
                        continue;
                    }
                    assertEquals(before, buffer.plan(), "seed " + seed + ", round " + i);
                    assertEquals(shown, buffer.explain(), "seed " + seed + ", round " + i);
                }
            }
        }
        assertTrue(attached > ROUNDS / 4, "it was tried: " + attached);
    }

    @ParameterizedTest
    @ValueSource(longs = {4, 5, 6})
    void aRefusedAttachChangesNothing(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        int refused = 0;
        try (var cenalloc = open()) {
            for (int i = 0; i < ROUNDS; i++) {
                try (var buffer = cenalloc.create(size(random))) {
                    attachSome(buffer, random);
                    Plan plan = buffer.plan();
                    if (random.nextBoolean()
                            && !plan.candidates().isEmpty()
                            && !plan.constraints().flag(Field.PROTECTED)
                            && plan.size().orElse(0) < 1 << 20) {
                        buffer.map(Direction.READ).close();
                    }
                    Plan before = buffer.plan();
                    List<Attachment> attachments = buffer.attachments();
                    String shown = cenalloc.dump();
                    Device device = device(random, 99);
                    try {
                        buffer.attach(device);
                    } catch (IncompatibleConstraintsException | BufferBusyException e) {
                        refused++;
                        assertEquals(before, buffer.plan(), "seed " + seed + ", round " + i);
                        assertEquals(attachments, buffer.attachments(), "seed " + seed + ", round " + i);
                        assertEquals(shown, cenalloc.dump(), "seed " + seed + ", round " + i);
                        assertThrows(CenallocException.class, () -> buffer.attach(device), "nor is it forgotten");
                    }
                }
            }
        }
        assertTrue(refused > ROUNDS / 20, "it was tried: " + refused);
    }

    @ParameterizedTest
    @ValueSource(longs = {7, 8, 9})
    void theOrderOfDevicesDoesNotMatter(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        try (var cenalloc = open()) {
            for (int i = 0; i < ROUNDS; i++) {
                var devices = new ArrayList<Device>();
                for (int n = random.nextInt(6); n >= 0; n--) {
                    devices.add(device(random, n));
                }
                long size = size(random);
                Plan plan = cenalloc.plan(size, devices);
                Collections.shuffle(devices, new Random(random.nextLong()));
                Plan other = cenalloc.plan(size, devices);
                String message = "seed " + seed + ", round " + i + ": " + devices;
                assertEquals(plan.candidates(), other.candidates(), message);
                assertEquals(plan.constraints(), other.constraints(), message);
                assertEquals(plan.size(), other.size(), message);
                assertEquals(plan.isSatisfiable(), other.isSatisfiable(), message);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {10, 11, 12})
    void oneMoreDeviceNeverMakesAnythingPossible(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        int infeasible = 0;
        try (var cenalloc = open()) {
            for (int i = 0; i < ROUNDS; i++) {
                var devices = new ArrayList<Device>();
                for (int n = random.nextInt(5); n >= 0; n--) {
                    devices.add(device(random, n));
                }
                long size = size(random);
                boolean before = cenalloc.plan(size, devices).isSatisfiable();
                devices.add(device(random, 99));
                if (!before) {
                    infeasible++;
                    assertTrue(
                            !cenalloc.plan(size, devices).isSatisfiable(),
                            "seed " + seed + ", round " + i + ": " + devices);
                }
            }
        }
        assertTrue(infeasible > ROUNDS / 20, "it was tried: " + infeasible);
    }

    @ParameterizedTest
    @ValueSource(longs = {13, 14})
    void aConflictIsOneAndNoneOfItCanBeSpared(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        int conflicts = 0;
        try (var cenalloc = open()) {
            for (int i = 0; i < ROUNDS; i++) {
                var devices = new ArrayList<Device>();
                for (int n = random.nextInt(5); n >= 0; n--) {
                    devices.add(device(random, n));
                }
                long size = size(random);
                Plan plan = cenalloc.plan(size, devices);
                if (plan.isSatisfiable()) {
                    continue;
                }
                String message = "seed " + seed + ", round " + i + ": " + devices;
                List<Statement> statements = plan.conflict().orElseThrow().statements();
                conflicts++;
                assertTrue(!suffices(cenalloc, size, statements), message + " conflict? " + statements);
                for (Statement spared : statements) {
                    var rest = new ArrayList<>(statements);
                    rest.remove(spared);
                    assertTrue(
                            suffices(cenalloc, size, rest),
                            message + ": " + spared + " can be spared of " + statements);
                }
            }
        }
        assertTrue(conflicts > ROUNDS / 20, "it was tried: " + conflicts);
    }

    @ParameterizedTest
    @ValueSource(longs = {15, 16, 17})
    void whoeverIsAttachedCanUseTheMemory(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        int late = 0;
        int moved = 0;
        try (var cenalloc = open()) {
            for (int i = 0; i < ROUNDS; i++) {
                PixelFormat format = FORMATS.get(random.nextInt(FORMATS.size()));
                try (var buffer =
                        cenalloc.create(new Image(format, 1 + random.nextInt(2000), 1 + random.nextInt(100)))) {
                    String message = "seed " + seed + ", round " + i;
                    for (int n = 0; n < 8; n++) {
                        Device device = yieldingDevice(random, n);
                        try {
                            if (n == 3 && buffer.plan().size().orElse(Long.MAX_VALUE) < 1 << 20) {
                                buffer.map(Direction.READ).close();
                            }
                            if (n > 3 && random.nextBoolean()) {
                                boolean used = buffer.choice().isPresent();
                                buffer.relocate(device);
                                moved += used ? 1 : 0;
                            } else {
                                buffer.attach(device);
                                late += n > 3 ? 1 : 0;
                            }
                        } catch (CenallocException e) {
                            // Refused: then it is not there.
                        }
                        assertAllSuited(buffer, message);
                    }
                }
            }
        }
        assertTrue(late > ROUNDS / 10 && moved > ROUNDS / 10, late + " came late, " + moved + " with a move");
    }

    /** That the memory which is there is what those say who are not left out. */
    private static void assertAllSuited(SharedBuffer buffer, String message) {
        Choice choice = buffer.choice().orElse(null);
        if (choice == null) {
            return;
        }
        List<Plane> planes = buffer.layout().orElseThrow().planes();
        for (Attachment attachment : buffer.attachments()) {
            Device device = attachment.device();
            boolean suited = attachment.isLeftOut();
            for (int i = 0; i < device.alternatives().size(); i++) {
                Constraints constraints = device.choosing(i).constraints();
                suited |=
                        Suitability.objection(constraints, choice.plan().size().orElseThrow(), choice.heap())
                                        .isEmpty()
                                && planes.stream().allMatch(plane -> isSuited(plane, constraints))
                                && choice.plan().size().orElseThrow()
                                        <= constraints.number(Field.MAX_SIZE).orElse(Long.MAX_VALUE);
            }
            assertTrue(suited, () -> message + ": " + device + " cannot use it: " + buffer.explain());
        }
    }

    private static boolean isSuited(Plane plane, Constraints constraints) {
        return plane.pitch() % constraints.number(Field.PITCH_ALIGNMENT).orElse(1) == 0
                && plane.pitch() <= constraints.number(Field.MAX_PITCH).orElse(Long.MAX_VALUE)
                && plane.pitch() >= constraints.number(Field.MIN_PITCH).orElse(0)
                && plane.offset() % constraints.number(Field.OFFSET_ALIGNMENT).orElse(1) == 0;
    }

    /** Whether some heap satisfies the statements and nothing else. */
    private static boolean suffices(Cenalloc cenalloc, long size, List<Statement> statements) {
        var parts = new ArrayList<Constraints>();
        parts.add(Constraints.NEUTRAL);
        statements.forEach(one -> parts.add(one.device().constraints().only(one.field())));
        Device all = Device.of("all", Constraints.merge(parts), "test");
        return cenalloc.plan(size, List.of(all)).isSatisfiable();
    }
}
