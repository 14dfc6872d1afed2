// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.Traces;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.Writeback;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.ImageConflict.Aspect;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A camera of NV12M, two buffers, and a display of NV12: vivid and vkms, which takes NV12 since Linux 6.16. A picture
 * from two buffers is the same as one from a copy in one buffer, in every pixel. As it comes, vkms reads both planes
 * from the first buffer: see ci/kernel.7.2.patch.
 */
@RequiresDevices
class PlanesApartDeviceTest {
    private static final Duration SECONDS = Duration.ofSeconds(10);
    private static final Image IMAGE = new Image(PixelFormat.NV12M, 640, 480);

    private int files;
    private String buffers = "";

    @BeforeEach
    void count() throws Exception {
        files = Traces.openFiles();
        buffers = Traces.dmaBufs();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        assertEquals(files, Traces.openFiles());
        assertEquals(buffers, Traces.dmaBufs());
    }

    private static ImageRequest request(PixelFormat format) {
        return ImageRequest.ANY.format(format).size(IMAGE.width(), IMAGE.height());
    }

    /** The planes one after the other, and what the display makes of them. */
    private record Shown(ByteBuffer planes, IntBuffer picture) {}

    @Test
    void twoBuffersAreOnePicture() throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            Path card = Devices.display(cenalloc, "vkms");
            Shown apart;
            try (var camera = Camera.open(cenalloc, Devices.camera(cenalloc, "vivid-002"));
                    var display = Display.open(cenalloc, card)) {
                boolean takes = display.port().images().stream().anyMatch(range -> range.format() == PixelFormat.NV12);
                if (!takes) {
                    var e = assertThrows(
                            NoCommonImageException.class,
                            () -> Agreement.negotiate(
                                    cenalloc, request(IMAGE.format()), List.of(camera.port(), display.port())));
                    assertEquals(Aspect.FORMAT, e.conflict().orElseThrow().aspect());
                    return;
                }
                apart = ofCamera(cenalloc, camera, display);
            }
            assertTrue(Arrays.stream(apart.picture.array()).distinct().count() > 6, "colour bars");
            try (var display = Display.open(cenalloc, card, request(PixelFormat.NV12))) {
                assertArrayEquals(apart.picture.array(), Pictures.ofPlanes(display, apart.planes));
            }
        }
    }

    private static Shown ofCamera(Cenalloc cenalloc, Camera camera, Display display) throws Exception {
        Agreement agreement =
                Agreement.negotiate(cenalloc, request(IMAGE.format()), List.of(camera.port(), display.port()));
        System.out.println(agreement.explain() + "\n" + agreement.plans());
        assertEquals(IMAGE, agreement.image());
        camera.configure(agreement);
        try (Ring ring = Ring.allocate(cenalloc, agreement, 4)) {
            assertEquals(2, ring.buffers(0).size());
            camera.use(ring);
            display.use(ring);
            Writeback writeback = display.writeback().orElseThrow();
            camera.start();
            for (int i = 0; i < 5; i++) {
                display.show(camera.next(SECONDS));
            }
            Frame frame = camera.next(SECONDS);
            ByteBuffer planes = Pictures.planes(frame);
            int[] seen;
            try (Frame picture = writeback.capture(frame, SECONDS)) {
                seen = Pictures.colours(picture);
            }
            camera.stop();
            return new Shown(planes, IntBuffer.wrap(seen));
        }
    }
}
