// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.IncompatibleConstraintsException;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No line of an explanation or a message is wider than 200 columns, whatever devices take part. */
class LineWidthTest {
    private static final int COLUMNS = 200;
    private static final int SIZE = 1920 * 1080 * 4;
    private static final List<ImageRange> IMAGES = Arrays.stream(PixelFormat.values())
            .map(format -> new ImageRange(format, ImageRange.Sizes.upTo(4096, 4096)))
            .toList();

    private static void check(String text) {
        text.lines().forEach(line -> assertTrue(line.length() <= COLUMNS, () -> line.length() + " columns: " + line));
    }

    private static List<String> boards() {
        return Boards.names();
    }

    @ParameterizedTest
    @MethodSource("boards")
    void ofEachRoleOfABoard(String board) throws Exception {
        var devices = new ArrayList<Device>();
        for (Role role : Role.values()) {
            Boards.named(board).find(role.word()).stream()
                    .map(DeviceProfile::device)
                    .forEach(devices::add);
        }
        try (var cenalloc = new FakeKernel()
                .heap("system", 64 << 20)
                .heap("reserved", 64 << 20)
                .open()) {
            for (int i = 0; i < devices.size(); i++) {
                for (Device other : devices.subList(i + 1, devices.size())) {
                    together(cenalloc, List.of(devices.get(i), other));
                }
            }
            together(cenalloc, devices);
        }
    }

    private static void together(Cenalloc cenalloc, List<Device> devices) throws Exception {
        Plan plan = cenalloc.plan(SIZE, devices);
        check(plan.explain());
        List<Port> ports =
                devices.stream().map(device -> Port.of(device, IMAGES)).toList();
        try {
            check(Agreement.negotiate(cenalloc, ImageRequest.ANY, ports).explain());
        } catch (CenallocException e) {
            check(String.valueOf(e.getMessage()));
        }
        try (var buffer = cenalloc.create(SIZE)) {
            for (Device device : devices) {
                buffer.attach(device);
            }
            buffer.dmaBuf();
            check(buffer.explain());
            check(cenalloc.dump());
        } catch (CenallocException e) {
            check(String.valueOf(e.getMessage()));
        }
    }

    /** As of a camera with dozens of formats that have no name here. */
    @Test
    void ofFormatsWithoutAName() throws Exception {
        List<String> others = IntStream.range(0, 60)
                .mapToObj(number -> "F%03d".formatted(number))
                .toList();
        Device any = Device.of("camera", Constraints.NONE, "test");
        Device none = Device.of("display", Constraints.NONE.onlyHeaps(List.of("no-such")), "test");
        Port camera = Port.of(any, IMAGES).withOtherFormats(others);
        try (var cenalloc = new FakeKernel().heap("system", 64 << 20).open()) {
            Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera));
            check(agreement.explain());
            assertTrue(agreement.explain().contains("  left out: F000, F001, "), agreement::explain);
            assertTrue(
                    agreement.explain().matches("(?s).* and \\d+ more of camera, unknown here.*"), agreement::explain);
            var refused = assertThrows(
                    CenallocException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera, Port.of(none, IMAGES))));
            check(String.valueOf(refused.getMessage()));
            assertTrue(refused.reason().contains("left out: F000, F001, "), refused::reason);
        }
    }

    @Test
    void ofManyDevicesInConflict() {
        try (var cenalloc = new FakeKernel().heap("system", 64 << 20).open();
                var buffer = cenalloc.create(SIZE)) {
            var e = assertThrows(IncompatibleConstraintsException.class, () -> {
                for (int i = 1; i < 9; i++) {
                    // Each pair of neighbours leaves one heap more out.
                    int number = i;
                    List<String> allowed = IntStream.range(0, 9)
                            .filter(heap -> heap != number)
                            .mapToObj(heap -> "a-heap-with-a-long-name-" + heap)
                            .toList();
                    buffer.attach(Device.of("device " + i, Constraints.NONE.onlyHeaps(allowed), "its data sheet"));
                }
                buffer.attach(Device.of(
                        "the last", Constraints.NONE.onlyHeaps(List.of("a-heap-with-a-long-name-3")), "its sheet"));
            });
            check(String.valueOf(e.getMessage()));
        }
    }
}
