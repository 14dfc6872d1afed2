// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Real drivers agree on images and memory, with nothing declared. */
@RequiresDevices
class NegotiationDeviceTest {
    private final Cenalloc cenalloc;

    NegotiationDeviceTest() throws Exception {
        cenalloc = Cenalloc.open();
    }

    @AfterEach
    void close() {
        cenalloc.close();
    }

    private Probe find(String name) throws Exception {
        return ProbeDeviceTest.find(cenalloc, name, false);
    }

    private static Set<String> names(List<Device> devices) {
        return devices.stream().map(Device::name).collect(Collectors.toSet());
    }

    @Test
    void cameraAndDisplayAgree() throws Exception {
        Port camera = find("vivid platform:vivid-000").produces().orElseThrow();
        Port display = find("vkms").consumes().orElseThrow();
        Agreement agreement = Agreement.negotiate(
                cenalloc, ImageRequest.ANY.size(640, 480).rate(FrameRate.of(30)), List.of(camera, display));
        System.out.println(agreement.explain());
        assertEquals("XR24 640x480", agreement.image().toString());
        assertEquals(FrameRate.of(30), agreement.rate());
        assertEquals(640 * 4, agreement.layout().planes().getFirst().pitch());
        assertEquals(
                "system", agreement.plans().getFirst().candidates().getFirst().name());
        assertEquals(Set.of(camera.name(), display.name()), names(agreement.devices()));
        // With no wish at all.
        Agreement best = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera, display));
        System.out.println(best.explain());
        assertEquals(PixelFormat.XR24, best.image().format());
        assertTrue(best.rate().compareTo(FrameRate.of(25)) > 0, best::toString);
    }

    @Test
    void whoNeedsContiguousMemoryGetsIt() throws Exception {
        Agreement agreement = Agreement.negotiate(
                cenalloc,
                ImageRequest.ANY.format(PixelFormat.RG16).size(640, 480),
                List.of(
                        find("vivid platform:vivid-001").produces().orElseThrow(),
                        find("vkms").consumes().orElseThrow()));
        assertEquals(
                "reserved", agreement.plans().getFirst().candidates().getFirst().name());
    }

    @Test
    void threeDevicesAgreeOnOnePoolOfBuffers() throws Exception {
        Probe converter = find("vim2m");
        Agreement agreement = Agreement.negotiate(
                cenalloc,
                ImageRequest.ANY,
                List.of(
                        find("vivid platform:vivid-001").produces().orElseThrow(),
                        converter.consumes().orElseThrow(),
                        converter.produces().orElseThrow(),
                        find("vkms").consumes().orElseThrow()));
        System.out.println(agreement.explain());
        assertEquals(PixelFormat.RG16, agreement.image().format());
        assertEquals(3, agreement.devices().size(), agreement::toString);
        assertEquals(
                "reserved", agreement.plans().getFirst().candidates().getFirst().name());
    }

    @Test
    void whatNobodySharesIsToldWithWhatEachHas() throws Exception {
        var ports = List.of(
                find("vivid platform:vivid-000").produces().orElseThrow(),
                find("vkms").consumes().orElseThrow());
        var format = assertThrows(
                NoCommonImageException.class,
                () -> Agreement.negotiate(cenalloc, ImageRequest.ANY.format(PixelFormat.NV12), ports));
        assertTrue(format.toString().contains("vkms") && format.toString().contains("XR24"), format.toString());
        var size = assertThrows(
                NoCommonImageException.class,
                () -> Agreement.negotiate(cenalloc, ImageRequest.ANY.size(641, 481), ports));
        assertTrue(size.toString().contains("vivid platform:vivid-000"), size.toString());
        System.out.println(format.getMessage() + System.lineSeparator() + size.getMessage());
    }
}
