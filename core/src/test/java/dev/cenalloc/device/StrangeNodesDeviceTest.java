// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Nodes that are not what they seem: each is passed over or told, nothing is left open, and the next run works. */
@RequiresDevices
class StrangeNodesDeviceTest {
    private StreamRun devices = new StreamRun(Path.of(""), Path.of(""), Path.of(""));
    private MachineState before = new MachineState("", 0, List.of());

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        devices = StreamRun.find();
        // What is opened once for all, by the class loader and others.
        devices.direct(LinuxKernel.instance(), StreamRun::showSome);
        before = MachineState.now();
    }

    @AfterEach
    void theNextRunWorks() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        before.assertSame("at the end");
    }

    private static void makeNode(Path node, String device) throws Exception {
        var command = new ArrayList<>(List.of("mknod", node.toString()));
        command.addAll(List.of(device.split(" ")));
        assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor());
    }

    /** Other devices under the names of cameras and displays are passed over, and told when they are asked for. */
    @ParameterizedTest
    @ValueSource(strings = {"c 1 3", "c 1 5", "p"})
    void nodesThatAreNoneArePassedOver(String device) throws Exception {
        var camera = Path.of("/dev/video63");
        var card = Path.of("/dev/dri/card63");
        try (var cenalloc = Cenalloc.open()) {
            List<DeviceInfo> all = Devices.list(cenalloc);
            makeNode(camera, device);
            makeNode(card, device);
            assertEquals(all, Devices.list(cenalloc));
            assertEquals(devices, StreamRun.find());
            devices.direct(LinuxKernel.instance(), StreamRun::showSome);
            assertNoDevice(camera, () -> Camera.open(cenalloc, camera));
            assertNoDevice(camera, () -> Converter.open(cenalloc, camera));
            assertNoDevice(card, () -> Display.open(cenalloc, card));
            var none = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, camera.toString()));
            assertTrue(none.toString().contains("/dev/video63 is neither a V4L2 nor a DRM device"), none::toString);
        } finally {
            Files.deleteIfExists(camera);
            Files.deleteIfExists(card);
        }
        before.assertSame("with strange nodes");
    }

    private static void assertNoDevice(Path node, Executable open) {
        var refused = assertThrows(CenallocException.class, open);
        assertEquals(Errno.ENOTTY, refused.errno());
        assertEquals(node, refused.path().orElseThrow());
    }

    /** Nodes with the numbers of cameras and cards, behind which there is no device, are told with the reason. */
    @Test
    void nodesWithoutADeviceAreTold() throws Exception {
        var camera = Path.of("/dev/video63");
        var card = Path.of("/dev/dri/card63");
        try (var cenalloc = Cenalloc.open()) {
            int count = Devices.list(cenalloc).size();
            makeNode(camera, "c 81 250");
            makeNode(card, "c 226 63");
            List<DeviceInfo> all = Devices.list(cenalloc);
            assertEquals(count + 2, all.size());
            for (Path node : List.of(camera, card)) {
                DeviceInfo info = all.stream()
                        .filter(one -> one.node().equals(node))
                        .findFirst()
                        .orElseThrow();
                String reason = info.reason().orElseThrow();
                assertTrue(reason.contains("open") && reason.contains(node.toString()), reason);
            }
            assertEquals(devices, StreamRun.find());
            for (Executable open :
                    List.<Executable>of(() -> Camera.open(cenalloc, camera), () -> Display.open(cenalloc, card))) {
                var refused = assertThrows(CenallocException.class, open);
                assertEquals("open", refused.call());
            }
        } finally {
            Files.deleteIfExists(camera);
            Files.deleteIfExists(card);
        }
        before.assertSame("with nodes without a device");
    }

    @Test
    void aDeviceInTheWrongPlaceIsTold() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            assertWrong("a converter", () -> Camera.open(cenalloc, devices.converter()));
            assertWrong("a camera", () -> Converter.open(cenalloc, devices.camera()));
            assertNoDevice(devices.camera(), () -> Display.open(cenalloc, devices.camera()));
            assertNoDevice(devices.display(), () -> Camera.open(cenalloc, devices.display()));
            for (Executable search : List.<Executable>of(
                    () -> Devices.camera(cenalloc, "vim2m"),
                    () -> Devices.converter(cenalloc, "vivid-000"),
                    () -> Devices.camera(cenalloc, devices.converter().toString()),
                    () -> Devices.converter(cenalloc, devices.camera().toString()),
                    () -> Devices.display(cenalloc, devices.camera().toString()))) {
                var none = assertThrows(NoSuchDeviceException.class, search);
                assertTrue(
                        none.toString().contains("a camera") || none.toString().contains("a converter"),
                        none::toString);
            }
        }
        before.assertSame("with devices in the wrong place");
    }

    private static void assertWrong(String what, Executable open) {
        var wrong = assertThrows(CenallocException.class, open);
        assertEquals(Errno.EINVAL, wrong.errno());
        assertTrue(wrong.toString().contains("is " + what), wrong::toString);
    }
}
