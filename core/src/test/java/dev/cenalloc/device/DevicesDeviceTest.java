// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.device.DeviceInfo.Kind;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What is found among real devices. In the machine made for the tests: three vivid cameras, vim2m, vkms, vgem, bochs.
 */
@RequiresDevices
@SuppressWarnings("NullAway") // arguments are null on purpose, and messages are there
class DevicesDeviceTest {
    private final Cenalloc cenalloc;

    DevicesDeviceTest() throws Exception {
        cenalloc = Cenalloc.open();
    }

    @AfterEach
    void close() throws Exception {
        cenalloc.close();
        assertEquals(List.of(), openDevices());
    }

    private static List<String> openDevices() throws Exception {
        var open = new ArrayList<String>();
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            for (Path file : files.toList()) {
                try {
                    open.add(Files.readSymbolicLink(file).toString());
                } catch (NoSuchFileException e) {
                    // The directory that is being read.
                }
            }
        }
        return open.stream()
                .filter(file ->
                        file.startsWith("/dev/video") || file.startsWith("/dev/dri") || file.startsWith("/dmabuf"))
                .toList();
    }

    private String driver(Path node) throws Exception {
        return Devices.list(cenalloc).stream()
                .filter(info -> info.node().equals(node))
                .map(DeviceInfo::driver)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void everyDeviceIsListedWithItsKind() throws Exception {
        List<DeviceInfo> devices = Devices.list(cenalloc);
        devices.forEach(System.out::println);
        Map<Kind, List<String>> drivers = devices.stream()
                .collect(Collectors.groupingBy(
                        DeviceInfo::kind, Collectors.mapping(DeviceInfo::driver, Collectors.toList())));
        assertEquals(List.of("vivid", "vivid", "vivid"), drivers.get(Kind.CAMERA));
        assertEquals(List.of("vivid", "vivid"), drivers.get(Kind.OUTPUT));
        assertEquals(List.of("vim2m"), drivers.get(Kind.CONVERTER));
        assertTrue(drivers.get(Kind.DISPLAY).contains("vkms"), devices::toString);
        assertTrue(drivers.get(Kind.RENDER).contains("vgem"), devices::toString);
        assertTrue(devices.stream().allMatch(DeviceInfo::isUsable), devices::toString);
        assertEquals(
                List.of("platform:vivid-000", "platform:vivid-001", "platform:vivid-002"),
                devices.stream()
                        .filter(info -> info.kind() == Kind.CAMERA)
                        .map(DeviceInfo::bus)
                        .sorted()
                        .toList());
    }

    @Test
    void devicesAreFoundByWhatTheyAre() throws Exception {
        assertEquals("vivid", driver(Devices.camera(cenalloc)));
        assertEquals("vivid", driver(Devices.output(cenalloc)));
        assertEquals("vim2m", driver(Devices.converter(cenalloc)));
        // bochs is connected, too, and takes no dma-bufs.
        assertEquals("vkms", driver(Devices.display(cenalloc)));
    }

    @Test
    void devicesAreFoundByNameBusNodeAndLink(@TempDir Path links) throws Exception {
        Path camera = Devices.camera(cenalloc, "vivid-001");
        assertEquals(camera, Devices.camera(cenalloc, "vivid platform:vivid-001"));
        assertEquals(camera, Devices.camera(cenalloc, camera.toString()));
        Path link = Files.createSymbolicLink(links.resolve("camera"), camera);
        assertEquals(camera, Devices.camera(cenalloc, link.toString()));
        Path display = Devices.display(cenalloc, "vkms");
        assertEquals(display, Devices.display(cenalloc));
        var e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "vim2m"));
        assertTrue(e.getMessage().contains("a converter"), e::getMessage);
        e = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, display.toString()));
        assertTrue(e.getMessage().contains("is a display"), e::getMessage);
        assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "/dev/null"));
        assertThrows(MissingDeviceException.class, () -> Devices.camera(cenalloc, "/dev/video99"));
        assertThrows(CenallocException.class, () -> Devices.display(cenalloc, "nosuch"));
    }
}
