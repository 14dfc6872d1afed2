// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static dev.cenalloc.plan.Constraints.NONE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.TestContext;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.Layout.Plane;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.image.PixelFormat.Sampling;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LayoutTest {
    /** The smallest layout that suits. */
    private static Layout layout(Image image, int buffer, Constraints constraints) {
        Layout layout = Demand.ofImage(image, buffer)
                .layout(constraints)
                .orElseThrow(() -> new IllegalArgumentException("no layout of " + image + " suits " + constraints));
        if (layout.size() > constraints.number(Field.MAX_SIZE).orElse(Long.MAX_VALUE)) {
            throw new IllegalArgumentException("too large");
        }
        return layout;
    }

    private static final PixelFormat[] FORMATS = PixelFormat.values();

    /**
     * Sizes by the kernel's documents. Planar: pixfmt-yuv-planar.rst, "the chroma plane contains half the number of
     * lines" and its 4x4 samples, whose bytes can be counted (24 of NV12 and YUV420, 32 of NV16). Packed:
     * pixfmt-packed-yuv.rst, two pixels in 32 bits; pixfmt-rgb.rst. Odd sizes: pixfmt-v4l2.rst, rounded up to a
     * multiple of the scale factor.
     */
    @ParameterizedTest
    @CsvSource({
        "XR24, 640, 480, 1228800, 0/2560/480",
        "XB24, 640, 480, 1228800, 0/2560/480",
        "RG16, 640, 480, 614400, 0/1280/480",
        "RG24, 641, 3, 5769, 0/1923/3",
        "R8, 1000, 480, 480000, 0/1000/480",
        "YUYV, 640, 480, 614400, 0/1280/480",
        "UYVY, 640, 480, 614400, 0/1280/480",
        "NV12, 4, 4, 24, 0/4/4 16/4/2",
        "NV16, 4, 4, 32, 0/4/4 16/4/4",
        "YUV420, 4, 4, 24, 0/4/4 16/2/2 20/2/2",
        "NV12, 640, 480, 460800, 0/640/480 307200/640/240",
        "NV16, 640, 480, 614400, 0/640/480 307200/640/480",
        "YUV420, 640, 480, 460800, 0/640/480 307200/320/240 384000/320/240",
        "NV12, 1920, 1080, 3110400, 0/1920/1080 2073600/1920/540",
        // Odd ones.
        "XR24, 3, 3, 36, 0/12/3",
        "YUYV, 3, 3, 24, 0/8/3",
        "NV12, 3, 3, 24, 0/4/4 16/4/2",
        "NV16, 3, 3, 24, 0/4/3 12/4/3",
        "YUV420, 3, 3, 24, 0/4/4 16/2/2 20/2/2",
        "YUV420, 1, 1, 6, 0/2/2 4/1/1 5/1/1",
        "NV24, 3, 3, 27, 0/3/3 9/6/3",
        "YUV422, 3, 3, 24, 0/4/3 12/2/3 18/2/3",
        "YUV444, 3, 3, 27, 0/3/3 9/3/3 18/3/3",
        "P010, 3, 3, 48, 0/8/4 32/8/2",
        "R16, 3, 3, 18, 0/6/3",
        // Four samples in five bytes; of the chroma two pairs in five bytes.
        "NV15, 4, 2, 15, 0/5/2 10/5/1",
        "NV15, 1920, 1080, 3888000, 0/2400/1080 2592000/2400/540",
        "NV15, 1, 1, 15, 0/5/2 10/5/1",
        "NV15, 5, 3, 60, 0/10/4 40/10/2",
        "NV15, 1922, 2, 7215, 0/2405/2 4810/2405/1",
        // Bayer: the pattern repeats after two pixels, and is stored for any number of them.
        "SBGGR8, 3, 3, 9, 0/3/3",
        "SRGGB10, 3, 3, 18, 0/6/3",
        "SRGGB10P, 4, 1, 5, 0/5/1",
        "SRGGB10P, 641, 3, 2415, 0/805/3",
        "SGRBG10P, 1, 1, 5, 0/5/1",
        "SGBRG12P, 641, 3, 2889, 0/963/3",
        "SBGGR12P, 1, 1, 3, 0/3/1",
        "SBGGR12, 641, 3, 3846, 0/1282/3",
    })
    void asTheKernelsDocumentsHaveIt(PixelFormat format, int width, int height, long size, String planes) {
        Layout layout = layout(new Image(format, width, height), 0, NONE);
        assertEquals(planes, planes(layout));
        assertEquals(size, layout.size());
        assertTrue(layout.isGapless());
    }

    private static String planes(Layout layout) {
        var text = new ArrayList<String>();
        layout.planes().forEach(plane -> text.add(plane.offset() + "/" + plane.pitch() + "/" + plane.lines()));
        return String.join(" ", text);
    }

    @ParameterizedTest
    @CsvSource({
        "NV12M, 0, 3, 3, 0/4/4",
        "NV12M, 1, 640, 480, 0/640/240",
        "NV16M, 1, 640, 480, 0/640/480",
        "YUV420M, 0, 640, 480, 0/640/480",
        "YUV420M, 1, 640, 480, 0/320/240",
        "YUV420M, 2, 640, 480, 0/320/240",
    })
    void planesInBuffersOfTheirOwnBeginAtZero(PixelFormat format, int buffer, int width, int height, String plane) {
        Layout layout = layout(new Image(format, width, height), buffer, NONE);
        assertEquals(plane, planes(layout));
        assertEquals(buffer, layout.buffer());
        assertEquals(layout.planes().getFirst().size(), layout.size());
    }

    @Test
    void theFirstPlaneMakesTheOthersAligned() {
        // Alone, a luma pitch of 640 would do; half of it is no multiple of 128.
        Constraints aligned = NONE.pitchAlignment(128);
        assertEquals("0/640/480 307200/640/240", planes(layout(new Image(PixelFormat.NV12, 640, 480), 0, aligned)));
        assertEquals(
                "0/768/480 368640/384/240 460800/384/240",
                planes(layout(new Image(PixelFormat.YUV420, 640, 480), 0, aligned)));
        // In a buffer of its own, the chroma plane follows no other.
        assertEquals("0/384/240", planes(layout(new Image(PixelFormat.YUV420M, 640, 480), 1, aligned)));
        assertEquals("0/640/480", planes(layout(new Image(PixelFormat.YUV420M, 640, 480), 0, aligned)));
        // Alignments need not be powers of two, and chroma comes in pairs: not 645.
        assertEquals(
                "0/660/480 316800/660/240",
                planes(layout(new Image(PixelFormat.NV12, 640, 480), 0, NONE.pitchAlignment(15))));
    }

    @Test
    void packedSamplesArePaddedByBytes() {
        // Drivers align the pitch of NV15 and of packed Bayer images as any other, not in blocks of five bytes.
        assertEquals(
                "0/2432/1080 2626560/2432/540",
                planes(layout(new Image(PixelFormat.NV15, 1920, 1080), 0, NONE.pitchAlignment(64))));
        assertEquals(
                "0/832/480", planes(layout(new Image(PixelFormat.SRGGB10P, 641, 480), 0, NONE.pitchAlignment(32))));
        assertEquals("0/11/2 22/11/1", planes(layout(new Image(PixelFormat.NV15, 8, 2), 0, NONE.minPitch(11))));
        // Chroma pairs of whole bytes stay whole: 642 and not 641, 1284 and not 1282.
        assertEquals("0/642/1 642/642/1", planes(layout(new Image(PixelFormat.NV16, 2, 1), 0, NONE.minPitch(641))));
        assertEquals("0/1284/2 2568/1284/1", planes(layout(new Image(PixelFormat.P010, 2, 2), 0, NONE.minPitch(1281))));
        assertEquals("0/641/1 641/1282/1", planes(layout(new Image(PixelFormat.NV24, 2, 1), 0, NONE.minPitch(641))));
    }

    @Test
    void limitsCountForEveryPlane() {
        var image = new Image(PixelFormat.YUV420, 640, 480);
        assertEquals(
                1024, layout(image, 0, NONE.minPitch(512)).planes().getFirst().pitch());
        assertThrows(IllegalArgumentException.class, () -> layout(image, 0, NONE.maxPitch(639)));
        assertThrows(
                IllegalArgumentException.class,
                () -> layout(image, 0, NONE.minPitch(512).maxPitch(1023)));
        assertThrows(IllegalArgumentException.class, () -> layout(image, 0, NONE.maxSize(460_799)));
        assertEquals(460_800, layout(image, 0, NONE.maxSize(460_800)).size());
        assertEquals(500_000, layout(image, 0, NONE.minSize(500_000)).size());
        // Where the memory begins is another matter than how long it is.
        assertEquals(
                500_000,
                layout(image, 0, NONE.baseAlignment(65_536).minSize(500_000)).size());
    }

    @Test
    void alignedOffsetsLeaveGapsThatAreTold() {
        Layout layout = layout(new Image(PixelFormat.YUV420, 100, 10), 0, NONE.offsetAlignment(4096));
        assertEquals("0/100/10 4096/50/5 8192/50/5", planes(layout));
        assertEquals(8442, layout.size());
        assertFalse(layout.isGapless());
        assertFalse(
                new Layout(layout.image(), 0, List.of(new Plane(1, 1, 1), new Plane(2, 1, 1), new Plane(3, 1, 1)), 9)
                        .isGapless());
    }

    @Test
    void onePitchForAllPlanesIsThatOfTheWidest() {
        var image = new Image(PixelFormat.YUV420, 640, 480);
        assertEquals("0/640/480 307200/640/240 460800/640/240", planes(layout(image, 0, NONE.equalPitches())));
        // As with no such rule, the narrow planes are aligned, too: another device may need that.
        assertEquals(
                "0/768/480 368640/768/240 552960/768/240",
                planes(layout(image, 0, NONE.equalPitches().pitchAlignment(128))));
        assertEquals(
                "0/1280/4 5120/1280/4", planes(layout(new Image(PixelFormat.NV24, 640, 4), 0, NONE.equalPitches())));
        // Two planes of 4:2:0 have one pitch anyway.
        var two = new Image(PixelFormat.NV12, 642, 480);
        Constraints padded = NONE.pitchAlignment(64);
        assertEquals(
                layout(two, 0, padded), layout(two, 0, padded.equalPitches().proportionalPitches()));
        assertThrows(
                IllegalArgumentException.class,
                () -> layout(image, 0, NONE.equalPitches().maxPitch(639)));
        assertEquals("0/640/480", planes(layout(new Image(PixelFormat.YUV420M, 640, 480), 0, NONE.equalPitches())));
    }

    @Test
    void onePitchAndPitchesThatFollowFromTheFirstConflict() throws Exception {
        var image = new Image(PixelFormat.YUV420, 640, 480);
        try (var cenalloc = TestContext.open(new FakeKernel().heap("system", 1 << 30), Path.of("/dev/dma_heap"))) {
            var devices = List.of(
                    Device.of("bystander", NONE.pitchAlignment(64), "test"),
                    Device.of("display", NONE.equalPitches(), "test"),
                    Device.of("camera", NONE.proportionalPitches().gapless(), "V4L2"));
            Plan plan = cenalloc.plan(image, devices);
            assertEquals(
                    "display needs one pitch for all planes (test); camera needs pitches that follow from that of the"
                            + " first plane (V4L2)",
                    plan.conflict().orElseThrow().toString());
            assertTrue(cenalloc.plan(new Image(PixelFormat.NV12, 640, 480), devices)
                    .isSatisfiable());
            assertTrue(cenalloc.plan(460_800, devices).isSatisfiable(), "bytes have no planes");
            // Of the same devices, another conflict is told as such.
            Constraints both = NONE.equalPitches().and(NONE.proportionalPitches());
            assertEquals(
                    "no one pitch for all planes of YUV420, which follows from that of the first, suits every device",
                    Demand.ofImage(image).contradiction(both).orElseThrow());
            for (PixelFormat format : List.of(PixelFormat.NV12, PixelFormat.YUV420)) {
                assertEquals(
                        "no pitch, or no offset of a plane, suits every device",
                        Demand.ofImage(new Image(format, 640, 480))
                                .contradiction(both.and(NONE.maxPitch(600)))
                                .orElseThrow());
            }
        }
    }

    @Test
    void withoutGapsThePitchGrowsUntilPlanesAreAligned() {
        var hd = new Image(PixelFormat.NV12, 1920, 1080);
        Constraints pages = NONE.offsetAlignment(4096);
        assertEquals("0/1920/1080 2076672/1920/540", planes(layout(hd, 0, pages)));
        Layout without = layout(hd, 0, pages.gapless());
        assertEquals("0/2048/1080 2211840/2048/540", planes(without));
        assertTrue(without.isGapless());
        assertEquals(0, without.planes().get(1).offset() % 4096);
        // It need not grow if the planes are aligned already.
        var vga = new Image(PixelFormat.NV12, 640, 480);
        assertEquals(layout(vga, 0, NONE), layout(vga, 0, pages.gapless()));
        // Of three planes, the second must end at such a place, too.
        Layout three = layout(
                new Image(PixelFormat.YUV420, 100, 10),
                0,
                NONE.offsetAlignment(64).gapless());
        assertEquals("0/128/10 1280/64/5 1600/64/5", planes(three));
        assertThrows(
                IllegalArgumentException.class,
                () -> layout(hd, 0, pages.gapless().maxPitch(2047)));
    }

    @Test
    void theLinesAndPitchOfAGivenLayoutAreChecked() {
        var image = new Image(PixelFormat.R8, 4, 6);
        var bare = new Layout(image, 0, List.of(new Plane(0, 4, 6)), 32);
        var below = new Layout(image, 0, List.of(new Plane(8, 4, 6)), 32);
        for (Constraints kept : List.of(
                NONE.minPitch(4),
                NONE.maxPitch(4),
                NONE.pitchAlignment(4),
                NONE.lineAlignment(3),
                NONE.extraLines(2))) {
            assertEquals(Optional.empty(), Suitability.objection(kept, bare), kept::toString);
        }
        for (Constraints broken : List.of(NONE.minPitch(5), NONE.maxPitch(3), NONE.pitchAlignment(3))) {
            assertEquals(
                    "it has a pitch of 4 bytes",
                    Suitability.objection(broken, bare).orElseThrow());
        }
        assertEquals(
                "it has 6 lines",
                Suitability.objection(NONE.lineAlignment(8), bare).orElseThrow());
        // Two lines lie before: six or eight of them.
        assertEquals(Optional.empty(), Suitability.objection(NONE.lineAlignment(8), below));
        assertEquals(Optional.empty(), Suitability.objection(NONE.lineAlignment(6), below));
        assertEquals(
                "it has 6 lines",
                Suitability.objection(NONE.lineAlignment(5), below).orElseThrow());
        assertEquals(
                "it has no memory for 3 lines behind the last",
                Suitability.objection(NONE.extraLines(3), bare).orElseThrow());
        assertEquals(
                "it has no memory for 1 line behind the last",
                Suitability.objection(NONE.extraLines(1), below).orElseThrow());
    }

    @Test
    void whatAGivenLayoutHasIsChecked() {
        var image = new Image(PixelFormat.YUV420, 4, 4);
        var equal = new Layout(image, 0, List.of(new Plane(0, 4, 4), new Plane(16, 4, 2), new Plane(24, 4, 2)), 32);
        var later = new Layout(image, 0, List.of(new Plane(8, 4, 4), new Plane(24, 2, 2), new Plane(28, 2, 2)), 32);
        assertFalse(equal.hasProportionalPitches());
        assertTrue(later.hasProportionalPitches());
        assertEquals(Optional.empty(), Suitability.objection(NONE.equalPitches().gapless(), equal));
        assertEquals(
                "its planes have pitches of 4, 4, 4 bytes, which do not follow from the first",
                Suitability.objection(NONE.proportionalPitches(), equal).orElseThrow());
        assertEquals(Optional.empty(), Suitability.objection(NONE.proportionalPitches(), later));
        assertEquals(
                "its planes have pitches of 4, 2, 2 bytes",
                Suitability.objection(NONE.equalPitches(), later).orElseThrow());
        assertEquals(
                "it has a gap before a plane",
                Suitability.objection(NONE.gapless(), later).orElseThrow());
        // A plane that begins later is a gap, of a single plane, too; unless whole lines and pixels lie before it.
        var single = new Layout(new Image(PixelFormat.R8, 4, 4), 0, List.of(new Plane(4098, 4, 4)), 4114);
        var below = new Layout(new Image(PixelFormat.R8, 4, 4), 0, List.of(new Plane(4096, 4, 4)), 4112);
        assertEquals(Optional.empty(), Suitability.objection(NONE.gapless().topMargin(1024), below));
        assertEquals(
                "it has 1024 lines before the image",
                Suitability.objection(NONE.topMargin(1025), below).orElseThrow());
        assertEquals(
                "it has 0 columns before the image",
                Suitability.objection(NONE.leftMargin(1), below).orElseThrow());
        assertTrue(Suitability.objection(NONE.gapless(), single).isPresent());
        assertTrue(single.hasProportionalPitches());
        var tiled = new Image(PixelFormat.NV12, 4, 4, 1L << 56);
        assertFalse(
                new Layout(tiled, 0, List.of(new Plane(0, 4, 4), new Plane(16, 4, 2)), 24).hasProportionalPitches());
        // Products beyond 2^63 are compared in full.
        long half = 1L << 61;
        assertFalse(new Layout(
                        new Image(PixelFormat.YUV420, 1, 1),
                        0,
                        List.of(new Plane(0, half, 1), new Plane(half, half, 1), new Plane(2 * half, half, 1)),
                        Long.MAX_VALUE)
                .hasProportionalPitches());
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 0", "-1, 1", "1, -1", "-2147483648, -2147483648"})
    void anImageHasPixels(int width, int height) {
        assertThrows(IllegalArgumentException.class, () -> new Image(PixelFormat.NV12, width, height));
    }

    @ParameterizedTest
    @EnumSource
    void theLargestImagesAreCountedOrRefused(PixelFormat format) {
        int most = Integer.MAX_VALUE;
        for (int buffer = 0; buffer < format.buffers(); buffer++) {
            List<Sampling> planes =
                    format.buffers() == 1 ? format.planes() : format.planes().subList(buffer, buffer + 1);
            for (int[] size : new int[][] {{most, 1}, {1, most}, {most, most}}) {
                BigInteger bytes = planes.stream()
                        .map(plane -> bytes(format, plane, size[0], size[1]))
                        .reduce(BigInteger.ZERO, BigInteger::add);
                var image = new Image(format, size[0], size[1]);
                int of = buffer;
                if (bytes.bitLength() < Long.SIZE) {
                    assertEquals(
                            bytes, BigInteger.valueOf(layout(image, of, NONE).size()), image::toString);
                } else {
                    assertThrows(IllegalArgumentException.class, () -> layout(image, of, NONE), image::toString);
                }
            }
        }
        Constraints huge = NONE.pitchAlignment(1L << 62);
        assertThrows(IllegalArgumentException.class, () -> layout(new Image(format, 1, 3), 0, huge));
    }

    /** Whole blocks of all planes of a format, of a plane. */
    private static BigInteger bytes(PixelFormat format, Sampling plane, long width, long height) {
        long across = format.planes().stream().mapToInt(Sampling::width).max().orElseThrow();
        long down = format.planes().stream().mapToInt(Sampling::vertical).max().orElseThrow();
        return BigInteger.valueOf(Math.ceilDiv(width, across) * across / plane.width() * plane.bytes())
                .multiply(BigInteger.valueOf(Math.ceilDiv(height, down) * down / plane.vertical()));
    }

    @Test
    void whatCannotBeLaidOutIsRefused() throws Exception {
        var tiled = new Image(PixelFormat.XR24, 64, 64, 0x0100_0000_0000_0001L);
        assertTrue(tiled.toString().endsWith("with modifier 0x100000000000001"), tiled::toString);
        var apart = new Image(PixelFormat.NV12M, 64, 64);
        try (var cenalloc = TestContext.open(new FakeKernel(), Path.of("/dev/dma_heap"))) {
            for (var refused : List.of(
                    assertThrows(IllegalArgumentException.class, () -> layout(tiled, 0, NONE)),
                    assertThrows(IllegalArgumentException.class, () -> cenalloc.create(tiled)),
                    assertThrows(IllegalArgumentException.class, () -> cenalloc.plan(tiled, List.of())))) {
                assertTrue(String.valueOf(refused.getMessage()).contains("0x100000000000001"), refused::toString);
            }
            assertThrows(IllegalArgumentException.class, () -> cenalloc.create(apart));
            assertThrows(IllegalArgumentException.class, () -> cenalloc.plan(apart, List.of()));
            for (int buffer : new int[] {-1, 2, Integer.MAX_VALUE}) {
                assertThrows(IllegalArgumentException.class, () -> cenalloc.create(Demand.ofImage(apart, buffer)));
                assertThrows(
                        IllegalArgumentException.class, () -> cenalloc.plan(Demand.ofImage(apart, buffer), List.of()));
                assertThrows(IllegalArgumentException.class, () -> layout(apart, buffer, NONE));
            }
            try (var chroma = cenalloc.create(Demand.ofImage(apart, 1))) {
                assertEquals("0/64/32", planes(chroma.layout().orElseThrow()));
                assertEquals(64 * 32, chroma.requestedSize());
            }
            try (var bytes = cenalloc.create(100)) {
                assertTrue(bytes.layout().isEmpty());
            }
        }
    }

    @Test
    void aLayoutFromElsewhereIsChecked() {
        var image = new Image(PixelFormat.NV12, 4, 4);
        var luma = new Plane(0, 4, 4);
        var chroma = new Plane(16, 4, 2);
        assertEquals(layout(image, 0, NONE), new Layout(image, 0, List.of(luma, chroma), 24));
        for (List<Plane> planes : List.of(
                List.<Plane>of(),
                List.of(luma),
                List.of(luma, chroma, new Plane(24, 1, 1)),
                List.of(chroma, luma),
                List.of(luma, new Plane(15, 4, 2)),
                List.of(luma, new Plane(17, 4, 2)))) {
            assertThrows(IllegalArgumentException.class, () -> new Layout(image, 0, planes, 24), planes::toString);
        }
        assertThrows(IllegalArgumentException.class, () -> new Layout(image, 1, List.of(luma, chroma), 24));
        // A modifier may add planes, of compression for instance.
        var tiled = new Image(PixelFormat.NV12, 4, 4, 1L << 56);
        assertEquals(
                3,
                new Layout(tiled, 0, List.of(luma, chroma, new Plane(24, 1, 1)), 25)
                        .planes()
                        .size());
        assertThrows(IllegalArgumentException.class, () -> new Plane(-1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new Plane(0, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> new Plane(0, 1, 0));
        assertThrows(IllegalArgumentException.class, () -> new Plane(0, 1L << 32, 1L << 31));
        assertThrows(IllegalArgumentException.class, () -> new Plane(0, 1L << 40, 1L << 40));
        assertThrows(IllegalArgumentException.class, () -> new Plane(1, 1, Long.MAX_VALUE));
    }

    @Test
    void offsetsConflictWithALimitOfTheSize() throws Exception {
        var kernel = new FakeKernel();
        kernel.heap("system", 1 << 30);
        try (var cenalloc = TestContext.open(kernel, Path.of("/dev/dma_heap"))) {
            var devices = List.of(
                    Device.of("bystander", NONE.pitchAlignment(64), "test"),
                    Device.of("pages", NONE.offsetAlignment(1 << 20), "test"),
                    Device.of("small", NONE.maxSize(500_000), "test"));
            Plan inVain = cenalloc.plan(new Image(PixelFormat.NV12, 640, 480), devices);
            assertEquals(
                    List.of("pages", "small"),
                    inVain.conflict().orElseThrow().statements().stream()
                            .map(statement -> statement.device().name())
                            .toList());
            assertTrue(cenalloc.plan(460_800, devices).isSatisfiable(), "bytes have no planes");
        }
    }

    // ---- of any layout ----

    private record Case(Image image, int buffer, List<Device> devices) {
        static Case next(SplittableRandom random) {
            PixelFormat format = FORMATS[random.nextInt(FORMATS.length)];
            var image = new Image(format, random.nextInt(1, 3000), random.nextInt(1, 2000));
            var devices = new ArrayList<Device>();
            // Below a margin the pitch is a multiple of every alignment: of few, so that there is one.
            boolean margins = random.nextInt(4) == 0;
            for (int n = random.nextInt(1, 5); n > 0; n--) {
                Constraints said = NONE;
                for (Field field : List.of(
                        Field.PITCH_ALIGNMENT,
                        Field.OFFSET_ALIGNMENT,
                        Field.MIN_PITCH,
                        Field.LEFT_MARGIN,
                        Field.TOP_MARGIN,
                        Field.MIN_SIZE,
                        Field.BASE_ALIGNMENT)) {
                    if (random.nextInt(3) == 0) {
                        boolean any = field == Field.PITCH_ALIGNMENT || field == Field.MIN_PITCH;
                        if (margins || (field != Field.LEFT_MARGIN && field != Field.TOP_MARGIN)) {
                            int most = margins ? 200 : 2000;
                            said = said.with(
                                    field, any ? random.nextInt(1, most) : 1L << random.nextInt(margins ? 9 : 16));
                        }
                    }
                }
                devices.add(Device.of("device" + n, said, "test"));
            }
            return new Case(image, random.nextInt(format.buffers()), devices);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 20261123})
    void everyPlaneSuitsEveryDevice(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        try (var cenalloc = TestContext.open(new FakeKernel(), Path.of("/dev/dma_heap"))) {
            for (int i = 0; i < 3_000; i++) {
                Case one = Case.next(random);
                Plan plan = cenalloc.plan(Demand.ofImage(one.image, one.buffer), one.devices);
                Layout layout = plan.layout().orElseThrow();
                assertEquals(plan.size().orElseThrow(), layout.size());
                assertEquals(layout, layout(one.image, one.buffer, plan.constraints()));
                long end = 0;
                for (int p = 0; p < layout.planes().size(); p++) {
                    Plane plane = layout.planes().get(p);
                    var sampling = (one.image.format().buffers() == 1
                                    ? one.image.format().planes()
                                    : one.image.format().planes().subList(one.buffer, one.buffer + 1))
                            .get(p);
                    assertTrue(plane.offset() >= end, one::toString);
                    long columns = layout.leftMargin() / sampling.width();
                    long lines = layout.topMargin() / sampling.vertical();
                    end = plane.end() - columns * sampling.bytes();
                    assertTrue(plane.offset() >= lines * plane.pitch() + columns * sampling.bytes(), one::toString);
                    assertTrue(plane.pitch() / sampling.bytes() * sampling.width() >= one.image.width(), one::toString);
                    assertTrue(plane.lines() * sampling.vertical() >= one.image.height(), one::toString);
                    for (Device device : one.devices) {
                        Constraints said = device.constraints();
                        assertEquals(0, plane.pitch() % said.raw(Field.PITCH_ALIGNMENT), one::toString);
                        assertEquals(0, plane.offset() % said.raw(Field.OFFSET_ALIGNMENT), one::toString);
                        assertTrue(plane.pitch() >= said.raw(Field.MIN_PITCH), one::toString);
                        assertEquals(Optional.empty(), Suitability.objection(said, layout), one::toString);
                    }
                }
                assertEquals(end, layout.end());
                assertTrue(layout.size() >= end, one::toString);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {3, 4})
    void aFurtherDeviceShrinksNothingAndTheOrderDoesNotMatter(long seed) throws Exception {
        var random = new SplittableRandom(seed);
        try (var cenalloc = TestContext.open(new FakeKernel(), Path.of("/dev/dma_heap"))) {
            for (int i = 0; i < 3_000; i++) {
                Case one = Case.next(random);
                Layout before = cenalloc.plan(Demand.ofImage(one.image, one.buffer), List.of())
                        .layout()
                        .orElseThrow();
                for (int n = 1; n <= one.devices.size(); n++) {
                    Plan plan = cenalloc.plan(Demand.ofImage(one.image, one.buffer), one.devices.subList(0, n));
                    Layout after = plan.layout().orElseThrow(() -> new AssertionError(plan.toString()));
                    assertTrue(after.size() >= before.size(), one::toString);
                    for (int p = 0; p < after.planes().size(); p++) {
                        assertTrue(
                                after.planes().get(p).pitch()
                                        >= before.planes().get(p).pitch(),
                                one::toString);
                        assertTrue(
                                after.planes().get(p).offset()
                                        >= before.planes().get(p).offset(),
                                one::toString);
                        assertEquals(
                                before.planes().get(p).lines(),
                                after.planes().get(p).lines());
                    }
                    before = after;
                }
                var shuffled = new ArrayList<>(one.devices);
                Collections.shuffle(shuffled, new Random(random.nextLong()));
                assertEquals(
                        before,
                        cenalloc.plan(Demand.ofImage(one.image, one.buffer), shuffled)
                                .layout()
                                .orElseThrow(),
                        one::toString);
            }
        }
    }

    // ---- lines ----

    @Test
    void codecsStoreWholeBlocksOfLines() {
        var hd = new Image(PixelFormat.NV12, 1920, 1080);
        Layout coded =
                Demand.ofImage(hd).layout(Constraints.NONE.lineAlignment(16)).orElseThrow();
        assertEquals(1088, coded.storedLines());
        assertEquals(1920 * 1088, coded.planes().get(1).offset());
        assertEquals(544, coded.planes().get(1).lines());
        assertEquals(1080, coded.rows(0));
        // Of two devices the common multiple; even numbers for 4:2:0.
        Layout both = Demand.ofImage(hd)
                .layout(Constraints.NONE.lineAlignment(16).and(Constraints.NONE.lineAlignment(27)))
                .orElseThrow();
        assertEquals(1296, both.storedLines());
        Layout odd = Demand.ofImage(new Image(PixelFormat.NV12, 16, 15))
                .layout(Constraints.NONE.lineAlignment(5))
                .orElseThrow();
        assertEquals(20, odd.storedLines());
        assertEquals(Optional.empty(), Demand.ofImage(hd).layout(Constraints.NONE.lineAlignment(1L << 62)));
    }

    @Test
    void whatIsCopiedAreTheLinesOfTheImage() {
        var image = new Image(PixelFormat.NV12, 32, 20);
        Demand demand = Demand.ofImage(image);
        Layout tight = demand.layout(Constraints.NONE).orElseThrow();
        Layout coded = demand.layout(Constraints.NONE.lineAlignment(16)).orElseThrow();
        try (var arena = Arena.ofConfined()) {
            for (List<Layout> way : List.of(List.of(tight, coded), List.of(coded, tight))) {
                Layout from = way.getFirst();
                Layout to = way.getLast();
                MemorySegment source = arena.allocate(from.size());
                for (long i = 0; i < from.size(); i++) {
                    source.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 31 + i / 32));
                }
                MemorySegment target = arena.allocate(to.size());
                from.copy(source, to, target);
                assertEquals(from.packed(source), to.packed(target));
            }
        }
    }

    @Test
    void linesBehindTheImageAreRoomWithoutAPlane() {
        var image = new Image(PixelFormat.YUYV, 4096, 3072);
        Layout layout = Demand.ofImage(image)
                .layout(Constraints.NONE.extraLines(1).pitchAlignment(64))
                .orElseThrow();
        assertEquals(8192L * 3073, layout.size());
        assertEquals(1, layout.extraLines());
        assertEquals(3072, layout.planes().getFirst().lines());
        assertEquals(Optional.empty(), Demand.ofImage(image).layout(Constraints.NONE.extraLines(1L << 61)));
    }
}
