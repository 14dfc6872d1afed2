// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Buffers from elsewhere that hold an image in a layout, or a number of bytes. */
class AdoptedImageTest {
    private static final Layout FRAME = Layout.of(new Image(PixelFormat.XR24, 1920, 1080));

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void everythingIsGivenBack() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
    }

    private SharedBuffer adopt(long size, @Nullable Demand holds) throws CenallocException {
        return cenalloc.adopt(kernel.foreignDmaBuf("system", size, false), holds, null);
    }

    private static Device device(Constraints constraints) {
        return Device.of("gpu", constraints, "EGL");
    }

    @Test
    void devicesAreCheckedAgainstTheLayoutThatItHas() throws Exception {
        try (var buffer = adopt(8_388_608, Demand.ofLayout(FRAME))) {
            assertEquals(Optional.of(FRAME), buffer.layout());
            assertEquals(FRAME.size(), buffer.requestedSize());
            var wide = assertThrows(
                    BufferBusyException.class,
                    () -> buffer.attach(
                            device(Constraints.NONE.pitchAlignment(1024).minPitch(8192))));
            assertTrue(wide.toString().contains("a pitch of 7680 bytes"), wide::toString);
            for (Constraints refused : List.of(
                    Constraints.NONE.lineAlignment(16),
                    Constraints.NONE.extraLines(100_000),
                    Constraints.NONE.maxPitch(7679))) {
                assertThrows(BufferBusyException.class, () -> buffer.attach(device(refused)), refused::toString);
            }
            buffer.attach(device(Constraints.NONE
                    .pitchAlignment(512)
                    .maxPitch(7680)
                    .lineAlignment(8)
                    .maxSize(FRAME.size())));
        }
    }

    /** As V4L2 has it: it fills the buffer from its first byte on. */
    @Test
    void anImageThatBeginsLaterIsNotForADeviceThatIsToldNoOffset() throws Exception {
        var later = new Layout(
                new Image(PixelFormat.XR24, 1920, 1080), 0, List.of(new Layout.Plane(4096, 7680, 1080)), 8_298_496);
        try (var buffer = adopt(8_388_608, Demand.ofLayout(later))) {
            var e = assertThrows(BufferBusyException.class, () -> buffer.attach(device(Constraints.NONE.gapless())));
            assertTrue(e.toString().contains("it has a gap before a plane"), e::toString);
            buffer.attach(device(Constraints.NONE.offsetAlignment(4096)));
        }
    }

    @Test
    void anImageOfAnyModifierCanBeHeld() throws Exception {
        Image tiled = new Image(PixelFormat.XR24, 1920, 1080, 1L << 56 | 1);
        var layout = new Layout(tiled, 0, List.of(new Layout.Plane(0, 7680, 1088)), 7680 * 1088);
        try (var buffer = adopt(8_388_608, Demand.ofLayout(layout))) {
            assertEquals(Optional.of(layout), buffer.layout());
            buffer.attach(device(Constraints.NONE.pitchAlignment(128)));
        }
    }

    @Test
    void wholePagesOfMemoryDoNotCountAsBytes() throws Exception {
        Device codec = device(Constraints.NONE.maxSize(3_110_400));
        try (var known = adopt(3_112_960, Demand.ofBytes(3_110_400));
                var unknown = adopt(3_112_960, null)) {
            known.attach(codec);
            assertEquals(3_112_960, unknown.requestedSize());
            assertThrows(BufferBusyException.class, () -> unknown.attach(codec), "it may hold as much");
        }
    }

    @Test
    void aBufferThatIsTooSmallIsRefusedAndClosed() {
        int fd = kernel.foreignDmaBuf("system", 4096, false);
        var e = assertThrows(CenallocException.class, () -> cenalloc.adopt(fd, Demand.ofLayout(FRAME), null));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.toString().contains("the dma-buf has 4096 bytes"), e::toString);
        assertEquals(0, kernel.openFiles());
    }

    /** As a GPU's exporter answers. */
    @ParameterizedTest
    @CsvSource({"ENOTSUPP", "ENODEV", "ENXIO", "EINVAL"})
    void memoryOfADeviceIsToldByItsExporterAndName(String errno) throws Exception {
        int fd = kernel.foreignDmaBuf("nv_dmabuf", 1 << 20, false);
        try (var buffer = cenalloc.adopt(fd)) {
            buffer.name("tensor");
            assertTrue(
                    buffer.explain().contains("adopted, from nv_dmabuf, an exporter of whose memory nothing is known"),
                    buffer::explain);
            kernel.failCall(0, (int) Errno.class.getField(errno).get(null));
            var e = assertThrows(CenallocException.class, () -> buffer.map(Direction.READ));
            kernel.failNoCall();
            assertEquals(errno, e.errnoName());
            assertTrue(
                    e.reason()
                            .startsWith("the CPU cannot map the memory of nv_dmabuf, which is called 'tensor': that is"
                                    + " memory of a device, or protected"),
                    e::reason);
            assertTrue(e.reason().endsWith("mmap gave " + errno + " for 1048576 bytes"), e::reason);
            // It is used as before, and described, it is told from what nothing is known of.
            buffer.attach(device(Constraints.NONE));
        }
        cenalloc.describe("nv_dmabuf", HeapProperties.UNKNOWN.withCpuMappable(HeapProperties.Trait.NO));
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("nv_dmabuf", 1 << 20, false))) {
            assertTrue(buffer.explain().contains("adopted, from nv_dmabuf."), buffer::explain);
            assertThrows(BufferBusyException.class, () -> buffer.attach(Device.cpu(Direction.READ)));
        }
    }

    /** The kernel may refuse to tell of the descriptor too. */
    @Test
    void withoutProcTheRefusalIsTheSame() throws Exception {
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("nv_dmabuf", 1 << 20, false))) {
            DmaBuf dmaBuf = buffer.dmaBuf();
            kernel.failCall(0, Errno.ENOTSUPP);
            kernel.atCall(1, () -> kernel.failCall(-1, Errno.ENOENT));
            var e = assertThrows(CenallocException.class, () -> dmaBuf.map(Direction.READ));
            assertTrue(e.reason().startsWith("the CPU cannot map the memory: that is memory of a device"), e::reason);
        }
    }
}
