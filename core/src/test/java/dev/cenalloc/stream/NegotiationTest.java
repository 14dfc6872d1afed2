// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.stream.ImageConflict.Aspect;
import dev.cenalloc.text.Unwrapped;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NegotiationTest {
    private static final Constraints NONE = Constraints.NONE;
    private static final Sizes VGA = Sizes.of(640, 480);
    private static final Sizes HD = Sizes.of(1280, 720);
    private static final Sizes SCREEN = Sizes.upTo(1920, 1080);
    private static final FrameRate NTSC = new FrameRate(30_000, 1_001);

    private static ImageRange range(PixelFormat format, Sizes sizes, Rates... rates) {
        return rates.length == 0 ? new ImageRange(format, sizes) : new ImageRange(format, sizes, rates);
    }

    private static Rates at(long rate) {
        return Rates.of(FrameRate.of(rate));
    }

    private static Rates upTo(long rate) {
        return Rates.upTo(FrameRate.of(rate));
    }

    private static Port port(String name, ImageRange... images) {
        return port(Device.of(name, NONE, "test"), images);
    }

    private static Port port(Device device, ImageRange... images) {
        return Port.of(device, List.of(images));
    }

    private static Port port(String name, PixelFormat... formats) {
        return port(
                name,
                Arrays.stream(formats).map(format -> range(format, VGA, at(30))).toArray(ImageRange[]::new));
    }

    private static Cenalloc open(String... heaps) {
        var kernel = new FakeKernel();
        for (String heap : heaps) {
            kernel.heap(heap, 64 << 20);
        }
        return kernel.open();
    }

    private static Agreement agree(ImageRequest request, Port... ports) throws CenallocException {
        var kernel = new FakeKernel().heap("system", 64 << 20).heap("reserved", 64 << 20);
        try (var cenalloc = kernel.open()) {
            Agreement agreement = Agreement.negotiate(cenalloc, request, List.of(ports));
            assertEquals(List.of(), kernel.calls, "declared devices ask nothing of the kernel");
            return agreement;
        }
    }

    private static String images(ImageRequest request, Port... ports) throws CenallocException {
        Agreement agreement = agree(request, ports);
        return agreement.image() + " at " + agreement.rate();
    }

    private static String images(Port... ports) throws CenallocException {
        return images(ImageRequest.ANY, ports);
    }

    private static NoCommonImageException refusal(ImageRequest request, Port... ports) {
        return assertThrows(NoCommonImageException.class, () -> agree(request, ports));
    }

    private static ImageConflict conflict(ImageRequest request, Port... ports) {
        NoCommonImageException e = refusal(request, ports);
        ImageConflict conflict = e.conflict().orElseThrow();
        assertEquals(Errno.EINVAL, e.errno());
        assertEquals(List.of(), e.rejected());
        assertTrue(Unwrapped.of(e.getMessage()).startsWith(conflict + " (negotiate: EINVAL). To do: "), e::getMessage);
        return conflict;
    }

    private static ImageConflict conflict(Port... ports) {
        return conflict(ImageRequest.ANY, ports);
    }

    // ---- formats ----

    @Test
    void theMostColourThenTheFewestBytesThenOneBufferThenTheProducersOrder() throws Exception {
        PixelFormat[] all = PixelFormat.values();
        var order = new ArrayList<PixelFormat>();
        // In the producer's order: as they are declared, but UYVY before YUYV.
        var left = new ArrayList<>(List.of(all));
        left.remove(PixelFormat.UYVY);
        left.add(left.indexOf(PixelFormat.YUYV), PixelFormat.UYVY);
        while (!left.isEmpty()) {
            PixelFormat[] still = left.toArray(PixelFormat[]::new);
            PixelFormat best = agree(ImageRequest.ANY, port("camera", still), port("display", still))
                    .image()
                    .format();
            order.add(best);
            assertTrue(left.remove(best), best::name);
        }
        assertEquals(
                """
                XR30 AR30 RG24 NV24 YUV444 YUV444M XR24 XB24 AR24 AB24
                RG16 R16 UYVY YUYV NV16 NV61 YUV422 NV16M NV61M YUV422M
                NV15 P010 NV12 NV21 YUV420 YVU420 SBGGR12P SGBRG12P SGRBG12P SRGGB12P
                NV12M NV21M YUV420M YVU420M SBGGR12 SGBRG12 SGRBG12 SRGGB12 SBGGR10P SGBRG10P
                SGRBG10P SRGGB10P SBGGR10 SGBRG10 SGRBG10 SRGGB10 R8 SBGGR8 SGBRG8 SGRBG8
                SRGGB8
                """.strip().replace('\n', ' '),
                String.join(" ", order.stream().map(PixelFormat::name).toList()));
    }

    @Test
    void aRequestedFormatIsTheOnlyOne() throws Exception {
        Port camera = port("camera", PixelFormat.XR24, PixelFormat.R8);
        Port display = port("display", PixelFormat.XR24, PixelFormat.R8, PixelFormat.NV12);
        assertEquals("R8 640x480 at 30", images(ImageRequest.ANY.format(PixelFormat.R8), camera, display));
        ImageConflict conflict = conflict(ImageRequest.ANY.format(PixelFormat.NV12), camera, display);
        assertEquals("no format in common: NV12 is requested; camera gives XR24, R8", conflict.toString());
        assertEquals(Aspect.FORMAT, conflict.aspect());
        assertEquals(List.of(camera), conflict.ports());
        assertEquals(PixelFormat.NV12, conflict.request().orElseThrow().format().orElseThrow());
    }

    // ---- alpha ----

    @Test
    void aConsumerWithoutAlphaIgnoresThatOfTheProducer() throws Exception {
        Agreement agreement = agree(
                ImageRequest.ANY,
                port("camera", PixelFormat.AR24),
                port("display", PixelFormat.XR24, PixelFormat.RG16));
        assertEquals(PixelFormat.XR24, agreement.image().format());
        assertTrue(
                agreement.explain().contains("\n  alpha: camera gives it as AR24, and no device reads the alpha\n"),
                agreement::explain);
        // Each device is told of it in its own words.
        assertEquals(
                PixelFormat.AR24,
                agreement
                        .layoutsIn(List.of(PixelFormat.AR24), true)
                        .getFirst()
                        .image()
                        .format());
        assertEquals(agreement.layouts(), agreement.layoutsIn(List.of(PixelFormat.AR24, PixelFormat.XR24), true));
        assertEquals(agreement.layouts(), agreement.layoutsIn(List.of(PixelFormat.AR24), false), "it might blend");
        // A request for the format without alpha is met, too; one for alpha is not.
        Port camera = port("camera", PixelFormat.AB24);
        Port display = port("display", PixelFormat.XB24);
        assertEquals("XB24 640x480 at 30", images(ImageRequest.ANY.format(PixelFormat.XB24), camera, display));
        assertEquals(
                Aspect.FORMAT,
                conflict(ImageRequest.ANY.format(PixelFormat.AB24), camera, display)
                        .aspect());
    }

    @Test
    void theDeviceIsAskedInItsOwnFormat() throws Exception {
        var asked = new ArrayList<String>();
        Port camera = Port.of("camera", List.of(range(PixelFormat.AR24, VGA)), layout -> {
            asked.add("camera " + layout.image());
            return Device.of("camera", NONE, "test");
        });
        Port display = Port.of("display", List.of(range(PixelFormat.XR24, VGA)), layout -> {
            asked.add("display " + layout.image());
            return Device.of("display", NONE, "test");
        });
        agree(ImageRequest.ANY, camera, display);
        assertEquals(List.of("camera AR24 640x480", "display XR24 640x480"), asked);
    }

    @Test
    void alphaThatNobodyAskedForIsLeftOut() throws Exception {
        Port camera = port("camera", PixelFormat.AR24, PixelFormat.XR24);
        Port display = port("display", PixelFormat.AR24, PixelFormat.XR24);
        Agreement opaque = agree(ImageRequest.ANY, camera, display);
        assertEquals(PixelFormat.XR24, opaque.image().format());
        assertTrue(opaque.explain().contains("format: without the alpha of AR24\n"), opaque::explain);
        assertFalse(opaque.explain().contains("  alpha: "), opaque::explain);
        Agreement blended = agree(ImageRequest.ANY.format(PixelFormat.AR24), camera, display);
        assertEquals(PixelFormat.AR24, blended.image().format());
        assertTrue(
                blended.explain()
                        .contains("\n  alpha: that of camera reaches display: a device that blends lets through what is"
                                + " below\n"),
                blended::explain);
    }

    @Test
    void undefinedAlphaReachesNoDeviceThatMayBlend() throws Exception {
        Port camera = port("camera", PixelFormat.XR24);
        Port overlay = port("overlay", PixelFormat.AR24);
        NoCommonImageException refusal = refusal(ImageRequest.ANY, camera, overlay);
        assertEquals(
                "no format in common: camera gives XR24; overlay takes AR24; where overlay wants alpha, camera leaves"
                        + " undefined bits",
                refusal.conflict().orElseThrow().toString());
        assertTrue(refusal.remedy().contains("Port.ignoringAlpha()"), refusal::remedy);
        Agreement stated = agree(ImageRequest.ANY, camera, overlay.ignoringAlpha());
        assertEquals(PixelFormat.XR24, stated.image().format());
        assertTrue(
                stated.explain()
                        .contains(
                                "\n  alpha: overlay takes it as AR24, is said to ignore alpha, and finds undefined\n"),
                stated::explain);
        assertEquals(
                PixelFormat.AR24,
                stated.layoutsIn(List.of(PixelFormat.AR24), false)
                        .getFirst()
                        .image()
                        .format());
        // It helps only where alpha is the matter.
        assertEquals(
                "no format in common: camera gives NV12; overlay takes AR24",
                conflict(port("camera", PixelFormat.NV12), overlay).toString());
    }

    @Test
    void sizesOfTheFormatWithAlphaCount() {
        Port camera = port("camera", range(PixelFormat.AR24, VGA, at(30)));
        Port display = port("display", range(PixelFormat.XR24, HD, at(30)));
        ImageConflict conflict = conflict(camera, display);
        assertEquals(Aspect.SIZE, conflict.aspect());
        assertEquals("no size in common: camera gives AR24 640x480; display takes XR24 1280x720", conflict.toString());
    }

    // ---- formats that only some know ----

    @Test
    void whoDefinesAFormatIsTold() throws Exception {
        assertEquals(
                "no format in common: camera gives SRGGB10P: only V4L2 defines it; display takes XR30: only DRM defines"
                        + " it, XR24",
                conflict(port("camera", PixelFormat.SRGGB10P), port("display", PixelFormat.XR30, PixelFormat.XR24))
                        .toString());
        Agreement agreement = agree(
                ImageRequest.ANY,
                port("camera", PixelFormat.SRGGB10P, PixelFormat.R8),
                port("display", PixelFormat.XR30, PixelFormat.R8));
        assertTrue(
                agreement.explain().contains("not SRGGB10P (not offered by display; only V4L2 defines it)"),
                agreement::explain);
    }

    @Test
    void formatsLeftOutAreNamed() throws Exception {
        Port camera = port("camera", PixelFormat.YUYV).withOtherFormats(List.of("MJPG", "H264"));
        Port display = port("display", PixelFormat.YUYV).withOtherFormats(List.of("XV30"));
        String explained = agree(ImageRequest.ANY, camera, display).explain();
        assertTrue(
                explained.endsWith(
                        "\n  left out: MJPG, H264 of camera, unknown here\n  left out: XV30 of display, unknown"
                                + " here"),
                explained);
        Device nowhere = Device.of("nowhere", NONE.onlyHeaps(List.of("none")), "test");
        NoCommonImageException refusal =
                refusal(ImageRequest.ANY, camera, port(nowhere, range(PixelFormat.YUYV, VGA, at(30))));
        assertTrue(refusal.reason().contains("; left out: MJPG, H264 of camera, unknown here"), refusal::reason);
    }

    @Test
    void aModifierMatchesOnlyItsEqual() {
        Port linear = port("camera", PixelFormat.XR24);
        Port tiled = port("gpu", new ImageRange(PixelFormat.XR24, 0x101, VGA, List.of(at(30))));
        Port other = port("display", new ImageRange(PixelFormat.XR24, 0x102, VGA, List.of(at(30))));
        ImageConflict conflict = conflict(linear, tiled);
        assertEquals(
                "no modifier in common: camera gives XR24 linear; gpu takes XR24 with modifier 0x101",
                conflict.toString());
        assertEquals(Aspect.MODIFIER, conflict.aspect());
        assertEquals(Aspect.MODIFIER, conflict(tiled, other).aspect());
        // Equal ones match, and this library cannot lay them out.
        ImageRejection rejection =
                refusal(ImageRequest.ANY, tiled, tiled).rejected().getFirst();
        assertEquals(0x101, rejection.image().modifier());
        assertTrue(rejection.reason().contains("only a device that knows the modifier"), rejection::reason);
    }

    @Test
    void aLinearArrangementComesBeforeOthersOfTheFormat() throws Exception {
        var tiled = new ImageRange(PixelFormat.XR24, 0x101, HD, List.of(at(30)));
        Port camera = port("camera", tiled, range(PixelFormat.XR24, VGA, at(30)));
        assertEquals("XR24 640x480 at 30", images(camera, camera));
    }

    @Test
    void planesInBuffersOfTheirOwnHaveAPlanEach() throws Exception {
        Device encoder = Device.of("encoder", NONE.pitchAlignment(128).contiguous(), "test");
        Agreement agreement = agree(
                ImageRequest.ANY,
                port("camera", PixelFormat.YUV420M),
                port(encoder, range(PixelFormat.YUV420M, SCREEN)));
        assertEquals(3, agreement.plans().size());
        assertEquals(640, agreement.layout(0).planes().getFirst().pitch());
        assertEquals(384, agreement.layout(2).planes().getFirst().pitch());
        assertEquals(encoder, agreement.devices(1).getLast());
        for (Plan plan : agreement.plans()) {
            assertEquals("reserved", plan.candidates().getFirst().name());
        }
        assertThrows(IllegalStateException.class, agreement::layout);
        assertThrows(IllegalStateException.class, agreement::devices);
        assertThrows(IndexOutOfBoundsException.class, () -> agreement.layout(3));
        // NV12 and NV12M are not the same.
        ImageConflict conflict = conflict(port("a", PixelFormat.NV12), port("b", PixelFormat.NV12M));
        assertEquals(Aspect.FORMAT, conflict.aspect());
        assertEquals(
                "no format in common: a gives NV12; b takes NV12M; NV12M is NV12 with a buffer for each plane, and no"
                        + " device here takes the one as the other",
                conflict.toString());
    }

    @Test
    void whatOneBufferCannotHaveIsSaidOfThatBuffer() {
        Device half = Device.of("half", NONE.maxPitch(320), "test");
        ImageRejection rejection = refusal(ImageRequest.ANY, port(half, range(PixelFormat.YUV420M, VGA)))
                .rejected()
                .getFirst();
        assertEquals("buffer 0: half needs a pitch of at most 320 bytes (test)", rejection.reason());
        assertEquals(1, rejection.plans().size());
    }

    // ---- sizes ----

    @Test
    void theLargestCommonSize() throws Exception {
        assertEquals(
                "XR24 1280x720 at 30",
                images(
                        port(
                                "camera",
                                range(PixelFormat.XR24, VGA, at(30)),
                                range(PixelFormat.XR24, Sizes.of(3840, 2160), at(30)),
                                range(PixelFormat.XR24, HD, at(30))),
                        port("display", range(PixelFormat.XR24, SCREEN, upTo(60)))));
    }

    @Test
    void aSizeAtTheRateComesBeforeALargerOne() throws Exception {
        Port camera = port(
                "camera",
                range(PixelFormat.XR24, HD, at(10)),
                range(PixelFormat.XR24, VGA, at(30)),
                range(PixelFormat.XR24, Sizes.of(320, 240), at(60)));
        Port display = port("display", range(PixelFormat.XR24, SCREEN, upTo(75)));
        assertEquals("XR24 640x480 at 30", images(camera, display));
        assertEquals("XR24 1280x720 at 10", images(ImageRequest.ANY.rate(FrameRate.of(5)), camera, display));
        assertEquals("XR24 320x240 at 60", images(ImageRequest.ANY.rate(FrameRate.of(31)), camera, display));
        // None reaches it.
        assertEquals("XR24 1280x720 at 10", images(ImageRequest.ANY.rate(FrameRate.of(61)), camera, display));
        assertEquals("XR24 1280x720 at 10", images(ImageRequest.ANY.size(1280, 720), camera, display));
    }

    @Test
    void stepsAreKept() throws Exception {
        // 16 + 32k and 24k meet at 48, 144 and so on; heights at multiples of 6.
        assertEquals(
                "R8 624x480 at 30",
                images(
                        port("a", range(PixelFormat.R8, new Sizes(16, 640, 32, 2, 480, 2))),
                        port("b", range(PixelFormat.R8, new Sizes(24, 800, 24, 3, 600, 3)))));
        ImageConflict conflict = conflict(
                port("a", range(PixelFormat.R8, new Sizes(16, 640, 16, 16, 480, 16))),
                port("b", range(PixelFormat.R8, new Sizes(8, 640, 16, 16, 480, 16))));
        assertEquals(
                "no size in common: a gives R8 16x16 to 640x480 in steps of 16x16;"
                        + " b takes R8 8x16 to 632x480 in steps of 16x16",
                conflict.toString());
        assertEquals(Aspect.SIZE, conflict.aspect());
    }

    @Test
    void ofEqualAreasTheProducersFirstThenTheWider() throws Exception {
        Sizes upright = Sizes.of(480, 640);
        Port any = port("any", range(PixelFormat.R8, SCREEN));
        assertEquals(
                "R8 480x640 at 30",
                images(port("a", range(PixelFormat.R8, upright, at(30)), range(PixelFormat.R8, VGA, at(30))), any));
        assertEquals(
                "R8 640x480 at 30",
                images(any, port("a", range(PixelFormat.R8, upright, at(30)), range(PixelFormat.R8, VGA, at(30)))));
    }

    @Test
    void aRequestedSizeIsTheOnlyOne() throws Exception {
        Port camera = port("camera", range(PixelFormat.XR24, VGA, at(30)));
        Port display = port("display", range(PixelFormat.XR24, SCREEN));
        assertEquals("XR24 640x480 at 30", images(ImageRequest.ANY.size(640, 480), camera, display));
        assertEquals("XR24 320x200 at 30", images(ImageRequest.ANY.size(320, 200), display));
        assertEquals(
                "no size in common: 641x480 is requested; camera gives XR24 640x480",
                conflict(ImageRequest.ANY.size(641, 480), camera, display).toString());
        assertThrows(IllegalArgumentException.class, () -> ImageRequest.ANY.size(0, 480));
    }

    /** Wider ones are lower: each pair of ranges of two ports has other sizes in common. */
    private static Port manyRanges(String name) {
        return Port.of(
                Device.of(name, NONE, "test"),
                IntStream.range(0, 100)
                        .mapToObj(i -> range(PixelFormat.XR24, new Sizes(16, 1600 + i, 1, 16, 1700 - i, 1), upTo(60)))
                        .toList());
    }

    /** Three ports of 100 ranges each have a million combinations. */
    @Test
    void ofVeryManyRangesInCommonTheLargestAreLookedAt() throws Exception {
        Port camera = manyRanges("camera");
        Port scaler = manyRanges("scaler");
        Port display = manyRanges("display");
        var kind = new Overlap.Kind(PixelFormat.XR24, Image.LINEAR);
        var two = Overlap.of(kind, ImageRequest.ANY, List.of(camera, scaler), camera);
        assertFalse(two.isWhole());
        assertEquals(Overlap.MOST, two.overlaps().size());
        assertEquals(1650 * 1650, two.overlaps().getFirst().area());
        assertEquals("XR24 1650x1650 at 60", images(camera, scaler, display));
        // What is in common can then be among the rest: that is told.
        Port narrow = port("narrow", range(PixelFormat.XR24, Sizes.of(1700, 8), at(30)));
        assertTrue(
                conflict(camera, scaler, display, narrow).toString().contains("only the 1024 with the largest sizes"));
    }

    @Test
    void aSizeThatNobodyLimitsHasToBeRequested() throws Exception {
        Port any = port("any", range(PixelFormat.R8, Sizes.ANY));
        ImageRejection rejection =
                refusal(ImageRequest.ANY, any, any).rejected().getFirst();
        assertEquals("no device limits the size", rejection.reason());
        assertEquals("R8 64x64 at 30", images(ImageRequest.ANY.size(64, 64), any, any));
        // More than 2^63 bytes.
        int most = Integer.MAX_VALUE - 65_536;
        rejection = refusal(ImageRequest.ANY, port("huge", range(PixelFormat.XR24, Sizes.of(most, most))))
                .rejected()
                .getFirst();
        assertTrue(rejection.reason().contains("more than 2^63"), rejection::reason);
    }

    // ---- rates ----

    @Test
    void theNearestRateAboveThenBelow() throws Exception {
        Port camera = port(
                "camera",
                range(PixelFormat.R8, VGA, at(15), Rates.of(NTSC), new Rates(FrameRate.of(40), FrameRate.of(50))));
        Port display = port("display", range(PixelFormat.R8, SCREEN, upTo(60)));
        assertEquals("R8 640x480 at 50", images(camera, display));
        assertEquals("R8 640x480 at 15", images(ImageRequest.ANY.rate(FrameRate.of(15)), camera, display));
        assertEquals("R8 640x480 at 29.97", images(ImageRequest.ANY.rate(FrameRate.of(16)), camera, display));
        assertEquals("R8 640x480 at 29.97", images(ImageRequest.ANY.rate(NTSC), camera, display));
        assertEquals("R8 640x480 at 40", images(ImageRequest.ANY.rate(FrameRate.of(30)), camera, display));
        assertEquals("R8 640x480 at 45", images(ImageRequest.ANY.rate(FrameRate.of(45)), camera, display));
        assertEquals("R8 640x480 at 50", images(ImageRequest.ANY.rate(FrameRate.of(60)), camera, display));
    }

    @Test
    void televisionReaches30UnlessExactly30IsRequested() throws Exception {
        Port camera = port("camera", range(PixelFormat.R8, HD, Rates.of(NTSC)), range(PixelFormat.R8, VGA, at(30)));
        assertEquals("R8 1280x720 at 29.97", images(camera));
        assertEquals("R8 640x480 at 30", images(ImageRequest.ANY.rate(FrameRate.of(30)), camera));
        ImageConflict conflict = conflict(
                port("camera", range(PixelFormat.R8, VGA, Rates.of(NTSC))),
                port("sink", range(PixelFormat.R8, VGA, Rates.of(new FrameRate(2_997, 100)))));
        assertEquals(
                "no rate in common: camera gives R8 640x480 at 29.97 (30000/1001); sink takes R8 640x480 at 29.97",
                conflict.toString());
        assertEquals(Aspect.RATE, conflict.aspect());
    }

    @Test
    void withoutAnyLimitItIs30OrTheNearest() throws Exception {
        assertEquals("R8 640x480 at 30", images(port("a", range(PixelFormat.R8, VGA))));
        Rates fast = new Rates(FrameRate.of(50), Rates.ANY.max());
        assertEquals("R8 640x480 at 50", images(port("a", range(PixelFormat.R8, VGA, fast))));
    }

    @Test
    void aRateCountsOnlyAtItsSize() {
        Port camera = port("camera", range(PixelFormat.R8, VGA, at(30)), range(PixelFormat.R8, HD, at(10)));
        Port sink = port("sink", range(PixelFormat.R8, VGA, at(10)), range(PixelFormat.R8, HD, at(30)));
        assertEquals(
                "no rate in common: camera gives R8 640x480 at 30, 1280x720 at 10;"
                        + " sink takes R8 640x480 at 10, 1280x720 at 30",
                conflict(camera, sink).toString());
    }

    // ---- which devices conflict ----

    @Test
    void bystandersAreNotNamed() {
        Port camera = port("vivid-000", PixelFormat.YUYV, PixelFormat.NV12);
        Port scaler = port("scaler", PixelFormat.values());
        Port display = port("vkms", PixelFormat.XR24, PixelFormat.RG16);
        ImageConflict conflict = conflict(scaler, camera, scaler, display);
        assertEquals("no format in common: vivid-000 takes YUYV, NV12; vkms takes XR24, RG16", conflict.toString());
        assertEquals(List.of(camera, display), conflict.ports());
        assertTrue(conflict.request().isEmpty());
        assertEquals(
                "no format in common: vivid-000 gives YUYV, NV12; vkms takes XR24, RG16",
                conflict(ImageRequest.ANY.format(PixelFormat.NV16), camera, scaler, display)
                        .toString());
    }

    @Test
    void threeMayBeNeeded() {
        assertEquals(
                "no format in common: a gives R8, NV12; b takes NV12, XR24; c takes XR24, R8",
                conflict(
                                port("a", PixelFormat.R8, PixelFormat.NV12),
                                port("b", PixelFormat.NV12, PixelFormat.XR24),
                                port("c", PixelFormat.XR24, PixelFormat.R8))
                        .toString());
    }

    @Test
    void onlyFormatsInCommonAreNamedIfTheSizesConflict() {
        assertEquals(
                "no size in common: a gives XR24 640x480; b takes XR24 1280x720",
                conflict(
                                port(
                                        "a",
                                        range(PixelFormat.YUYV, HD),
                                        range(PixelFormat.XR24, VGA, at(30), at(15)),
                                        range(PixelFormat.XR24, VGA, at(60))),
                                port("b", range(PixelFormat.XR24, HD), range(PixelFormat.NV12, HD)))
                        .toString());
    }

    @Test
    void aDeviceWithoutFormatsIsNamed() {
        Port silent = port("silent", new ImageRange[0]);
        ImageConflict conflict = conflict(port("camera", PixelFormat.XR24), silent, port("display", PixelFormat.R8));
        assertEquals("silent offers no format", conflict.toString());
        assertEquals(List.of(silent), conflict.ports());
        assertEquals(
                "silent offers no format",
                conflict(ImageRequest.ANY.format(PixelFormat.R8), silent).toString());
    }

    @Test
    void nobodyIsNoNegotiation() {
        assertThrows(IllegalArgumentException.class, () -> agree(ImageRequest.ANY));
    }

    // ---- memory ----

    @Test
    void theFirstFormatWithMemoryWins() throws Exception {
        // XR24 has lines of 2560 bytes, YUYV of 1280.
        Device display = Device.of("display", NONE.maxPitch(2000), "its data sheet");
        Agreement agreement = agree(
                ImageRequest.ANY,
                port("camera", PixelFormat.XR24, PixelFormat.YUYV, PixelFormat.R8),
                port(
                        display,
                        range(PixelFormat.XR24, SCREEN, upTo(60)),
                        range(PixelFormat.YUYV, SCREEN),
                        range(PixelFormat.RG24, SCREEN),
                        range(PixelFormat.R8, SCREEN)));
        assertEquals("""
                YUYV 640x480 at 30 frames a second, from camera to display
                  format: more colour than R8
                  size: the only one in common
                  rate: the only one in common at this size
                  not RG24 (not offered by camera)
                  not XR24 640x480 at 30 (display needs a pitch of at most 2000 bytes (its data sheet))""", agreement.explain());
        assertEquals(agreement.explain(), agreement.toString());
        assertEquals(display, agreement.devices().getLast());
        assertEquals(1280, agreement.layout().planes().getFirst().pitch());
        assertEquals(
                "system", agreement.plans().getFirst().candidates().getFirst().name());
    }

    @Test
    void withoutMemoryEveryReasonIsKept() throws Exception {
        Device camera = Device.of("camera", NONE.contiguous(), "its data sheet");
        Device display = Device.of("display", NONE.onlyHeaps(Set.of("system")), "its driver");
        ImageRange[] images = {range(PixelFormat.R8, VGA, at(30)), range(PixelFormat.XR24, VGA, at(30))};
        NoCommonImageException e = refusal(ImageRequest.ANY, port(camera, images), port(display, images));
        assertEquals(
                "no memory suits the images in common:"
                        + " XR24, R8 640x480 at 30 (camera needs contiguous memory (its data sheet); display needs"
                        + " memory of the heap system (its driver)) (negotiate: EINVAL). To do: leave one of the devices out, or copy"
                        + " between two buffers",
                Unwrapped.of(e.getMessage()));
        assertTrue(e.conflict().isEmpty());
        assertEquals(
                List.of(PixelFormat.XR24, PixelFormat.R8),
                e.rejected().stream().map(one -> one.image().format()).toList());
        Conflict conflict = e.rejected().getFirst().plans().getLast().conflict().orElseThrow();
        assertEquals(2, conflict.statements().size());
        try (var none = open()) {
            var without = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(none, ImageRequest.ANY, List.of(port("a", images))));
            assertEquals("there is no heap", without.rejected().getFirst().reason());
            assertTrue(without.remedy().contains("CONFIG_DMABUF_HEAPS"), without::remedy);
        }
        try (var none = open();
                var scattered = open("system")) {
            for (Cenalloc machine : List.of(none, scattered)) {
                var lacking = assertThrows(
                        NoCommonImageException.class,
                        () -> Agreement.negotiate(machine, ImageRequest.ANY, List.of(port(camera, images))));
                // One device alone: to leave it out would be no remedy.
                assertFalse(lacking.remedy().contains("leave one"), lacking::remedy);
                String heap = machine.heaps().isEmpty() ? "CONFIG_DMABUF_HEAPS" : "cma=128M";
                assertTrue(lacking.remedy().contains(heap), lacking::remedy);
            }
        }
        try (var vendor = open("vendor")) {
            var unasked = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(vendor, ImageRequest.ANY, List.of(port("a", images))));
            assertEquals(
                    "not vendor (used only when a device names it)",
                    unasked.rejected().getFirst().reason());
        }
    }

    @Test
    void aConverterTakesPartTwiceAndIsAttachedOnce() throws Exception {
        Device converter = Device.of("vim2m", NONE.contiguous(), "test");
        Agreement agreement = agree(
                ImageRequest.ANY,
                port("camera", PixelFormat.XR24),
                port(converter, range(PixelFormat.XR24, SCREEN)),
                // The same, said again.
                port(Device.of("vim2m", NONE.contiguous(), "test"), range(PixelFormat.XR24, SCREEN)),
                port("display", PixelFormat.XR24));
        assertEquals(
                List.of("camera", "vim2m", "display"),
                agreement.devices().stream().map(Device::name).toList());
        assertTrue(
                agreement.explain().startsWith("XR24 640x480 at 30 frames a second, from camera to vim2m, display\n"));
        // What it needs at both ends counts, if that is not the same.
        Agreement both = agree(
                ImageRequest.ANY,
                port(converter, range(PixelFormat.XR24, VGA)),
                port(Device.of("vim2m", NONE.pitchAlignment(1024), "test"), range(PixelFormat.XR24, VGA)));
        assertEquals("reserved", both.plans().getFirst().candidates().getFirst().name());
        assertEquals(3072, both.layout().planes().getFirst().pitch());
        assertEquals(2, both.devices().size());
    }

    @Test
    void theDevicesOfAnAgreementCanBeAttached() throws Exception {
        var kernel = new FakeKernel().heap("system", 64 << 20);
        Port port = port("camera", PixelFormat.XR24);
        try (var cenalloc = kernel.open()) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY, List.of(port, port, port("display", PixelFormat.XR24)));
            try (var buffer = cenalloc.create(agreement.image())) {
                for (Device device : agreement.devices()) {
                    buffer.attach(device);
                }
                assertEquals(agreement.layout(), buffer.layout().orElseThrow());
            }
        }
    }

    // ---- devices that are asked ----

    private static Port asked(String name, Port.Terms terms, PixelFormat... formats) {
        return Port.of(
                name,
                Arrays.stream(formats).map(format -> range(format, VGA, at(30))).toList(),
                terms);
    }

    @Test
    void theyAreAskedAgainIfTheirAnswersChangeTheLayout() throws Exception {
        var pitches = new ArrayList<Long>();
        Port camera = asked(
                "camera",
                layout -> {
                    pitches.add(layout.planes().getFirst().pitch());
                    return Device.of("camera", NONE, "asked " + pitches.size() + " times");
                },
                PixelFormat.XR24);
        Port display = port(Device.of("display", NONE.pitchAlignment(1024), "test"), range(PixelFormat.XR24, VGA));
        Agreement agreement = agree(ImageRequest.ANY, camera, display);
        assertEquals(List.of(2560L, 3072L), pitches);
        assertEquals(3072, agreement.layout().planes().getFirst().pitch());
        // The last answer counts.
        assertEquals("asked 2 times", agreement.devices().getFirst().detail());
        // If nothing changes, once is enough.
        pitches.clear();
        agree(ImageRequest.ANY, camera);
        assertEquals(List.of(2560L), pitches);
    }

    @Test
    void itIsTheLastLayoutThatMemoryIsSoughtFor() throws Exception {
        // Of lines without padding it takes no memory that is here, but of others.
        Port picky = asked(
                "picky",
                layout -> Device.of(
                        "picky",
                        layout.planes().getFirst().pitch() == 2560 ? NONE.onlyHeaps(Set.of("elsewhere")) : NONE,
                        "test"),
                PixelFormat.XR24);
        Port display = port(Device.of("display", NONE.pitchAlignment(1024), "test"), range(PixelFormat.XR24, VGA));
        assertEquals("XR24 640x480 at 30", images(picky, display));
    }

    @Test
    void answersThatNeverSettleAreSaidToBeSuch() {
        Port greedy = asked(
                "greedy",
                layout -> Device.of(
                        "greedy", NONE.minPitch(layout.planes().getFirst().pitch() + 1), "test"),
                PixelFormat.XR24);
        ImageRejection rejection = refusal(ImageRequest.ANY, greedy).rejected().getFirst();
        assertEquals(
                "the devices ask for another layout in each of 4 rounds, at last for XR24 640x480:"
                        + " 480 lines at a pitch of 2564 bytes from byte 0",
                rejection.reason());
        assertEquals(List.of(), rejection.plans());
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EINVAL, Errno.EBUSY, Errno.ENOMEM, Errno.ENOTTY})
    void aRefusalRulesTheFormatOut(int errno) throws Exception {
        Port camera = asked(
                "camera",
                layout -> {
                    if (layout.image().format() == PixelFormat.XR24) {
                        throw CenallocException.of(errno, "VIDIOC_S_FMT", layout.size());
                    }
                    return Device.undeclared("camera");
                },
                PixelFormat.XR24,
                PixelFormat.R8);
        Agreement agreement = agree(ImageRequest.ANY, camera);
        assertEquals(PixelFormat.R8, agreement.image().format());
        assertTrue(
                agreement.explain().contains("\n  format: the only one in common with memory that suits all\n")
                        && agreement.explain().contains("\n  not XR24 640x480 at 30 (camera refuses: ")
                        && agreement.explain().contains("VIDIOC_S_FMT"),
                agreement::explain);
    }

    @Test
    void aDeviceThatTakesNoHeapsMemoryIsNotGone() throws Exception {
        Port camera = asked(
                "camera",
                layout -> {
                    if (layout.image().format() == PixelFormat.XR24) {
                        throw new NoSuitableHeapException(
                                "trial import", Path.of("/dev/video0"), 1, "it takes none", "");
                    }
                    return Device.undeclared("camera");
                },
                PixelFormat.XR24,
                PixelFormat.R8);
        assertEquals("R8 640x480 at 30", images(camera));
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EACCES, Errno.EPERM, Errno.ENOENT, Errno.ENODEV})
    void aDeviceOutOfReachEndsIt(int errno) {
        var gone = CenallocException.of(errno, "open", -1);
        Port camera = asked(
                "camera",
                _ -> {
                    throw gone;
                },
                PixelFormat.XR24,
                PixelFormat.R8);
        assertSame(gone, assertThrows(CenallocException.class, () -> agree(ImageRequest.ANY, camera)));
    }

    // ---- smaller sizes ----

    @Test
    void aSmallerSizeIsTriedIfTheLargestHasNoMemory() throws Exception {
        Port camera = port("camera", range(PixelFormat.XR24, Sizes.of(4608, 2592)), range(PixelFormat.XR24, HD));
        Port display = port(
                Device.of("display", Constraints.NONE.maxPitch(16_384), "driver"), range(PixelFormat.XR24, Sizes.ANY));
        assertEquals("""
                XR24 1280x720 at 30 frames a second, from camera to display
                  format: the only one in common
                  size: the largest that was tried for which there is memory; there is none for 4608x2592
                  rate: no device sets a limit; the nearest to the usual 30
                  not XR24 4608x2592 at 30 (display needs a pitch of at most 16384 bytes (driver))""", agree(ImageRequest.ANY, camera, display).explain());
    }

    @Test
    void ofARangeTheSizesOfVideoStandardsAreTried() throws Exception {
        Port camera = port("camera", range(PixelFormat.XR24, new Sizes(16, 8000, 16, 16, 6000, 8)));
        Port gpu = port(
                Device.of("gpu", Constraints.NONE.maxSize(4_000_000), "driver"), range(PixelFormat.XR24, Sizes.ANY));
        assertEquals("XR24 1280x720 at 30", images(camera, gpu));
    }

    @Test
    void anotherFormatOfTheLargestSizeComesBeforeASmallerSize() throws Exception {
        Port camera =
                port("camera", range(PixelFormat.XR24, HD), range(PixelFormat.XR24, VGA), range(PixelFormat.YUYV, HD));
        Port display = port(
                Device.of("display", Constraints.NONE.maxPitch(4096), "driver"),
                range(PixelFormat.XR24, Sizes.ANY),
                range(PixelFormat.YUYV, Sizes.ANY));
        assertEquals("YUYV 1280x720 at 30", images(camera, display));
    }

    @Test
    void noSmallerSizeIsTriedIfNoSizeCanHaveMemory() {
        Port camera = port(
                Device.of("camera", Constraints.NONE.contiguous(), "driver"),
                range(PixelFormat.XR24, HD),
                range(PixelFormat.XR24, VGA));
        Port gpu = port(
                Device.of("gpu", Constraints.NONE.onlyHeaps(Set.of("system")), "driver"),
                range(PixelFormat.XR24, Sizes.ANY));
        assertEquals(1, refusal(ImageRequest.ANY, camera, gpu).rejected().size());
    }

    // ---- explanations ----

    @Test
    void aCameraAndADisplay() throws Exception {
        Port camera = port(
                "vivid-000",
                range(PixelFormat.YUYV, HD, at(30)),
                range(PixelFormat.XB24, HD, at(10)),
                range(PixelFormat.XB24, VGA, at(30), at(15)),
                range(PixelFormat.XR24, HD, at(10)),
                range(PixelFormat.XR24, VGA, at(30), at(15)));
        Port display = port(
                "vkms",
                range(PixelFormat.RG24, VGA, upTo(60)),
                range(PixelFormat.XR24, SCREEN, upTo(60)),
                range(PixelFormat.XB24, SCREEN, upTo(60)),
                range(PixelFormat.YUYV, SCREEN, upTo(60)));
        assertEquals("""
                XB24 640x480 at 30 frames a second, from vivid-000 to vkms
                  format: more colour than YUYV, listed before XR24 by vivid-000
                  size: the largest in common that reaches a rate of 29.97; 1280x720 does not
                  rate: the highest in common at this size
                  not RG24 (not offered by vivid-000)""", agree(ImageRequest.ANY, camera, display).explain());
        assertEquals(
                """
                XR24 1280x720 at 10 frames a second, from vivid-000 to vkms
                  format: as requested
                  size: as requested
                  rate: the nearest to the requested 25, which is not reached at this size""",
                agree(ImageRequest.ANY.format(PixelFormat.XR24).size(1280, 720).rate(FrameRate.of(25)), camera, display)
                        .explain());
        assertEquals(
                """
                YUYV 1280x720 at 30 frames a second, from vivid-000
                  format: as requested
                  size: the only one in common
                  rate: the nearest above the requested 25, which not all have at this size""",
                agree(ImageRequest.ANY.format(PixelFormat.YUYV).rate(FrameRate.of(25)), camera)
                        .explain());
    }

    @Test
    void formatsThatAllHaveWithoutASizeInCommon() throws Exception {
        assertEquals(
                """
                XR24 640x480 at 30 frames a second, from a to b
                  format: more colour than R8
                  size: the largest in common
                  rate: no device sets a limit; the nearest to the usual 30
                  not RG24 (no size in common: a gives RG24 1280x720; b takes RG24 up to 640x480)""",
                agree(
                                ImageRequest.ANY,
                                port(
                                        "a",
                                        range(PixelFormat.RG24, HD),
                                        range(PixelFormat.XR24, SCREEN),
                                        range(PixelFormat.R8, SCREEN)),
                                port(
                                        "b",
                                        range(PixelFormat.RG24, Sizes.upTo(640, 480)),
                                        range(PixelFormat.XR24, Sizes.upTo(640, 480)),
                                        range(PixelFormat.R8, SCREEN)))
                        .explain());
        assertEquals(
                """
                R8 1280x720 at 15 frames a second, from a
                  format: the only one in common
                  size: the largest in common; none reaches a rate of 29.97
                  rate: the only one in common at this size""",
                agree(
                                ImageRequest.ANY,
                                port("a", range(PixelFormat.R8, VGA, at(20)), range(PixelFormat.R8, HD, at(15))))
                        .explain());
    }

    @Test
    void aWishIsAValueThatReadsWell() {
        ImageRequest request =
                ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480).rate(NTSC);
        assertEquals("XR24 640x480 at 29.97 (30000/1001)", request.toString());
        assertEquals("anything", ImageRequest.ANY.toString());
        assertEquals("anything at 30", ImageRequest.ANY.rate(FrameRate.of(30)).toString());
        assertEquals(VGA, request.size().orElseThrow());
        assertTrue(
                ImageRequest.ANY.format().isEmpty() && ImageRequest.ANY.rate().isEmpty());
    }

    // ---- messages ----

    /**
     * Every format a camera may have, with what a trial says of each: the size and the image differ, the reason does
     * not.
     */
    @Test
    void oneReasonForAllFormatsIsToldOnce() {
        PixelFormat[] formats = Arrays.stream(PixelFormat.values())
                .filter(format -> format.buffers() == 1)
                .toArray(PixelFormat[]::new);
        Port camera = asked(
                "camera",
                layout -> {
                    throw new CenallocException(
                            Errno.EINVAL,
                            "VIDIOC_QBUF",
                            Path.of("/dev/video0"),
                            layout.size(),
                            "camera refuses all memory, tried with " + layout.image() + " in " + layout.size()
                                    + " bytes",
                            "let it export memory of its own");
                },
                formats);
        NoCommonImageException e = refusal(ImageRequest.ANY, camera);
        assertEquals(formats.length, e.rejected().size());
        String message = Unwrapped.of(e.getMessage());
        assertEquals(1, message.split("camera refuses all memory", -1).length - 1, message);
        assertEquals(1, message.split("To do:", -1).length - 1, message);
        assertTrue(message.endsWith(". To do: let it export memory of its own"), message);
        assertTrue(message.length() < 300 + Arrays.toString(formats).length(), message);
        for (PixelFormat format : formats) {
            assertTrue(message.contains(format.toString()), message);
        }
    }

    @Test
    void aLongReasonIsCutInTheMessageAndKeptInTheRejection() {
        Port camera = asked(
                "camera",
                layout -> {
                    throw new CenallocException(Errno.EINVAL, "VIDIOC_QBUF", null, -1, "no ".repeat(1000), "");
                },
                PixelFormat.XR24);
        NoCommonImageException e = refusal(ImageRequest.ANY, camera);
        assertTrue(String.valueOf(e.getMessage()).length() < 600, e::getMessage);
        assertTrue(e.rejected().getFirst().reason().length() > 3000);
    }

    @Test
    void aDeviceOfUnknownMemoryIsNamedInTheAgreement() throws Exception {
        Port busy =
                port(Device.undeclared("camera", "nothing is known: the device is in use"), range(PixelFormat.R8, VGA));
        Port display = port("display", range(PixelFormat.R8, VGA));
        Agreement agreement = agree(ImageRequest.ANY, busy, display);
        assertEquals(
                List.of("camera"),
                agreement.unknown().stream().map(Device::name).toList());
        assertTrue(
                agreement
                        .explain()
                        .endsWith(
                                "\n  unknown memory of camera: nothing is known: the device is in use; the memory that was"
                                        + " chosen is a guess for it, and it may refuse it"),
                agreement::explain);
        assertEquals(List.of(), agree(ImageRequest.ANY, display, display).unknown());
    }

    @Test
    void aPortNamesItsFirstFormats() {
        assertEquals(
                "camera: XR24, RG24",
                port("camera", PixelFormat.XR24, PixelFormat.RG24).toString());
        assertEquals("camera: no format", port("camera", new ImageRange[0]).toString());
        String all = port("camera", PixelFormat.values()).toString();
        assertTrue(all.matches("camera: \\w+, \\w+, \\w+, \\w+ and \\d+ more formats"), all);
    }
}
