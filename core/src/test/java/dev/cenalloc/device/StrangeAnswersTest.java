// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.AbstractList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Drivers that repeat themselves, never end, or contradict themselves within one answer. */
class StrangeAnswersTest {
    private static final Path NODE = Path.of("/dev/video7");
    private static final int YUYV = PixelFormat.YUYV.v4l2Fourcc().orElseThrow();
    private static final int XR24 = PixelFormat.XR24.v4l2Fourcc().orElseThrow();
    private static final int[] VGA = {640, 480};

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);
    private final FakeCamera camera = FakeCamera.capturing(kernel, FakeCamera::anything);

    private StrangeAnswersTest() {
        kernel.device(NODE.toString(), camera);
    }

    @AfterEach
    void everythingIsGivenBack() {
        assertEquals(0, kernel.openFiles());
        assertEquals(64 << 20, kernel.free());
    }

    private Port port() throws CenallocException {
        try (var cenalloc = kernel.open()) {
            return Probe.of(cenalloc, NODE).produces().orElseThrow();
        }
    }

    private static Layout layout(PixelFormat format, int width, int height) {
        return Demand.ofImage(new Image(format, width, height), 0)
                .layout(Constraints.NONE)
                .orElseThrow();
    }

    private CenallocException refusal(Layout layout) {
        String before = camera.state();
        var e = assertThrows(CenallocException.class, () -> {
            try (var cenalloc = kernel.open()) {
                Probe.of(cenalloc, NODE).device(layout);
            }
        });
        assertEquals(before, camera.state());
        assertEquals(Errno.EINVAL, e.errno());
        assertFalse(e.isFromKernel(), e::reason);
        return e;
    }

    private static <T> List<T> list(int size, IntFunction<T> entry) {
        return new AbstractList<>() {
            @Override
            public T get(int index) {
                return entry.apply(index);
            }

            @Override
            public int size() {
                return size;
            }
        };
    }

    private static List<Sizes> sizes(Port port, PixelFormat format) {
        return port.images().stream()
                .filter(range -> range.format() == format)
                .map(ImageRange::sizes)
                .toList();
    }

    // ---- repetitions ----

    @Test
    void aRepeatedSizeDoesNotEndTheList() throws Exception {
        camera.sizes = List.of(VGA, VGA, new int[] {1280, 720}, VGA, new int[] {1920, 1080});
        Port port = port();
        for (PixelFormat format : List.of(PixelFormat.YUYV, PixelFormat.XR24)) {
            assertEquals(List.of(Sizes.of(640, 480), Sizes.of(1280, 720), Sizes.of(1920, 1080)), sizes(port, format));
        }
        assertEquals(List.of(), port.doubts());
    }

    @Test
    void aRepeatedRateDoesNotEndTheList() throws Exception {
        camera.sizes = List.<int[]>of(VGA);
        camera.rates = List.of(5, 5, 30, 5, 15);
        Port port = port();
        assertEquals(
                List.of(Rates.of(FrameRate.of(5)), Rates.of(FrameRate.of(30)), Rates.of(FrameRate.of(15))),
                port.images().getFirst().rates());
        assertEquals(List.of(), port.doubts());
    }

    @Test
    void aRepeatedFormatDoesNotEndTheList() throws Exception {
        int other = 0x47504A4D; // MJPG
        camera.fourccs = List.of(other, YUYV, YUYV, other, XR24, YUYV);
        Port port = port();
        assertEquals(
                List.of(PixelFormat.YUYV, PixelFormat.XR24),
                port.images().stream().map(ImageRange::format).distinct().toList());
        assertEquals(4, port.images().size(), "two sizes of each");
        assertEquals(List.of(), port.doubts());
    }

    @Test
    void aDriverThatRepeatsItselfForEverIsToldAndEnds() throws Exception {
        camera.repeats = true;
        Port port = port();
        assertEquals(List.of(Sizes.of(640, 480)), sizes(port, PixelFormat.YUYV));
        assertEquals(
                List.of(Rates.of(FrameRate.of(30))), port.images().getFirst().rates());
        assertTrue(camera.asked < 1000, () -> camera.asked + " requests");
        assertEquals(
                List.of(
                        "the list of formats repeats itself without end; it is taken to have 1 entry",
                        "the list of sizes of YUYV repeats itself without end; it is taken to have 1 entry",
                        "the list of rates of YUYV 640x480 repeats itself without end; it is taken to have 1 entry"),
                port.doubts());
    }

    @ParameterizedTest
    @ValueSource(strings = {"formats", "sizes", "rates", "sizes and rates", "all"})
    void aMillionEntriesAreToldAndEnd(String what) throws Exception {
        boolean all = what.equals("all");
        if (all || what.equals("formats")) {
            camera.fourccs = list(1_000_000, i -> i == 0 ? YUYV : 0x7000_0000 + i);
        }
        if (all || what.contains("sizes")) {
            camera.sizes = list(1_000_000, i -> new int[] {i + 16, 480});
        }
        if (all || what.contains("rates")) {
            camera.rates = list(1_000_000, i -> i + 1);
        }
        Port port = port();
        assertTrue(camera.asked <= 70_000, () -> camera.asked + " requests");
        assertTrue(port.images().size() > 0);
        assertTrue(
                port.doubts().stream().anyMatch(doubt -> doubt.contains("more than 1024 entries")),
                () -> port.doubts().toString());
        assertTrue(port.doubts().size() <= 17, () -> port.doubts().toString());
    }

    @Test
    void whatIsStrangeIsToldInTheAgreementAndInARefusal() throws Exception {
        camera.sizes = List.of(new int[] {0, 480}, VGA);
        Port display = Port.of(
                Device.of("display", Constraints.NONE, "test"), List.of(new ImageRange(PixelFormat.XR24, Sizes.ANY)));
        Port encoder = Port.of(
                Device.of("encoder", Constraints.NONE, "test"), List.of(new ImageRange(PixelFormat.NV12, Sizes.ANY)));
        try (var cenalloc = kernel.open()) {
            Port port = Probe.of(cenalloc, NODE).produces().orElseThrow();
            String explained = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port, display))
                    .explain();
            assertTrue(
                    explained.contains(
                            "doubt of fake platform:fake: it lists the size 0x480 of XR24, which is left out"),
                    explained);
            var e = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port, encoder)));
            assertTrue(e.reason().contains("it lists the size 0x480"), e::reason);
        }
    }

    // ---- sizes and rates that cannot be ----

    @ParameterizedTest
    @CsvSource({"0, 480, 0x480", "640, 0, 640x0", "-2147483648, 480, 2147483648x480", "640, -1, 640x4294967295"})
    void aSizeThatCannotBeIsLeftOutAndTold(int width, int height, String told) throws Exception {
        camera.sizes = List.of(new int[] {width, height}, VGA);
        Port port = port();
        assertEquals(List.of(Sizes.of(640, 480)), sizes(port, PixelFormat.YUYV));
        assertEquals(
                List.of(
                        "it lists the size " + told + " of YUYV, which is left out",
                        "it lists the size " + told + " of XR24, which is left out"),
                port.doubts());
    }

    @Test
    void ofADriverThatListsNoSizeThatCanBeTheLimitsAreAsked() throws Exception {
        camera.sizes = list(2000, i -> new int[] {0, i});
        Port port = port();
        assertEquals(4096, sizes(port, PixelFormat.YUYV).getFirst().maxWidth());
        assertTrue(camera.asked < 5000, () -> camera.asked + " requests");
        assertEquals(17, port.doubts().size());
        assertEquals("and more of that kind", port.doubts().getLast());
    }

    @ParameterizedTest
    @CsvSource({
        "'0,1920,2,0,1080,2', 'up to 1919x1079 in steps of 2x2', ''",
        "'16,0,2,16,1080,2', '', 'from 16x16 to 0x1080'",
        "'16,8,2,16,1080,2', '', 'from 16x16 to 8x1080'",
        "'16,1920,2,32,16,2', '', 'from 16x32 to 1920x16'",
        "'16,-2147483648,2,16,1080,2', '', 'from 16x16 to 2147483648x1080'",
        "'-1,1920,2,16,1080,2', '', 'from 4294967295x16 to 1920x1080'",
        "'16,1920,0,16,1080,0', '16x16 to 1920x1080', ''"
    })
    void aRangeThatCannotBeIsLeftOutAndTold(String numbers, String range, String told) throws Exception {
        camera.range = List.of(numbers.split(",", -1)).stream()
                .mapToInt(Integer::parseInt)
                .toArray();
        Port port = port();
        Sizes sizes = sizes(port, PixelFormat.YUYV).getFirst();
        if (told.isEmpty()) {
            assertEquals(List.of(), port.doubts());
            assertEquals(range, sizes.toString());
        } else {
            assertTrue(
                    port.doubts().getFirst().contains(told), () -> port.doubts().toString());
            assertEquals(4096, sizes.maxWidth(), "what it makes of the largest request");
        }
    }

    @Test
    void anIntervalThatCannotBeIsLeftOutAndTold() throws Exception {
        camera.sizes = List.<int[]>of(VGA);
        camera.rates = List.of(0, 30);
        Port port = port();
        assertEquals(
                List.of(Rates.of(FrameRate.of(30))), port.images().getFirst().rates());
        assertTrue(
                port.doubts().getFirst().contains("an interval of 1/0 seconds"),
                () -> port.doubts().toString());
        camera.numerator = 0;
        camera.rates = List.of(30);
        Port without = port();
        assertEquals(List.of(Rates.ANY), without.images().getFirst().rates());
        String told = without.doubts().toString();
        assertTrue(told.contains("an interval of 0/30 seconds"), told);
    }

    @Test
    void anIntervalHasAllOfTheKernels32Bits() throws Exception {
        camera.sizes = List.<int[]>of(VGA);
        camera.numerator = -1; // 4294967295
        camera.rates = List.of(-1);
        assertEquals(
                List.of(Rates.of(FrameRate.of(1))), port().images().getFirst().rates());
    }

    // ---- what it takes ----

    @Test
    void aDriverWithoutDmaBufsIsToLendItsOwnMemory() {
        camera.importing = false;
        var e = assertThrows(CenallocException.class, () -> {
            try (var cenalloc = kernel.open()) {
                Probe.of(cenalloc, NODE).device(layout(PixelFormat.XR24, 640, 480));
            }
        });
        assertEquals(
                "fake platform:fake takes no dma-bufs: VIDIOC_REQBUFS gave EINVAL on /dev/video7. To do: let it lend its"
                        + " own memory",
                e.getMessage());
        assertTrue(e.isFromKernel());
    }

    @Test
    void aDriverThatGrantsNothingIsNotSaidToHaveFailed() {
        camera.most = 0;
        try (var cenalloc = kernel.open()) {
            String detail = Probe.of(cenalloc, NODE)
                    .device(layout(PixelFormat.XR24, 640, 480))
                    .detail();
            assertTrue(detail.contains("system (answer to VIDIOC_REQBUFS: ENOMEM)"), detail);
            assertFalse(detail.contains("VIDIOC_REQBUFS gave"), detail);
        } catch (CenallocException e) {
            throw new AssertionError(e);
        }
    }

    // ---- contradictions in a format ----

    private static Consumer<MemorySegment> sizeImage(long bytes) {
        return format -> v4l2_pix_format.sizeimage(v4l2_format.fmt.pix(format), (int) bytes);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 640 * 480, 1_228_799})
    void aBufferThatDoesNotHoldTheImageIsRefused(long bytes) {
        camera.tried = sizeImage(bytes);
        var e = refusal(layout(PixelFormat.XR24, 640, 480));
        assertTrue(
                e.reason()
                        .contains(
                                "XR24 640x480 has " + bytes + " bytes, and its lines, 2560 bytes apart, have 1228800"),
                e::reason);
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 31, (1L << 32) - 1})
    void aBufferThatIsAbsurdlyLargeIsRefused(long bytes) {
        camera.tried = sizeImage(bytes);
        assertTrue(refusal(layout(PixelFormat.XR24, 640, 480)).reason().contains("has " + bytes + " bytes, more than"));
    }

    @Test
    void moreRoomThanTheImageNeedsIsTold() throws Exception {
        camera.tried = sizeImage(8 << 20);
        camera.settled = camera.tried;
        try (var cenalloc = kernel.open()) {
            var device = Probe.of(cenalloc, NODE).device(layout(PixelFormat.XR24, 640, 480));
            assertEquals(Constraints.NONE.minSize(8 << 20), device.declared().orElseThrow());
            assertTrue(device.detail().contains("the driver lays it out with"), device::detail);
        }
    }

    @Test
    void linesThatDoNotHoldThePixelsAreRefused() {
        camera.tried = format -> v4l2_pix_format.bytesperline(v4l2_format.fmt.pix(format), 2559);
        assertTrue(refusal(layout(PixelFormat.XR24, 640, 480))
                .reason()
                .contains("lines of XR24 640x480 are 2559 bytes apart, and they have 2560"));
        camera.tried = format -> v4l2_pix_format.bytesperline(v4l2_format.fmt.pix(format), 0);
        assertTrue(refusal(layout(PixelFormat.YUYV, 640, 480))
                .reason()
                .contains("lines of YUYV 640x480 are 0 bytes apart, and they have 1280"));
    }

    @Test
    void linesOfHalfAnAddressSpaceAreRefused() {
        camera.tried = format -> v4l2_pix_format.bytesperline(v4l2_format.fmt.pix(format), 1 << 31);
        assertTrue(refusal(layout(PixelFormat.XR24, 640, 480)).reason().contains("2147483648 bytes apart"));
    }

    @Test
    void whatIsSetIsLookedAtToo() {
        camera.settled = sizeImage(4096);
        assertTrue(refusal(layout(PixelFormat.XR24, 640, 480)).reason().contains("has 4096 bytes"));
        camera.settled = format -> v4l2_pix_format.width(v4l2_format.fmt.pix(format), 320);
        assertTrue(refusal(layout(PixelFormat.XR24, 640, 480))
                .reason()
                .contains("tells that it has XR24 640x480, and sets XR24 320x480"));
    }

    @Test
    void whatIsListedAndNotHadIsTold() {
        camera.tried = format -> v4l2_pix_format.height(v4l2_format.fmt.pix(format), 240);
        var e = refusal(layout(PixelFormat.XR24, 640, 480));
        assertEquals("the nearest that it has: XR24 640x240, though it lists XR24 640x480", e.remedy());
        assertEquals(
                "the nearest that it has: XR24 4096x240",
                refusal(layout(PixelFormat.XR24, 5000, 480)).remedy());
    }

    @Test
    void aContradictionInOneSizeLeavesTheOthers() throws Exception {
        camera.tried = format -> {
            MemorySegment pixels = v4l2_format.fmt.pix(format);
            if (v4l2_pix_format.width(pixels) == 640) {
                v4l2_pix_format.sizeimage(pixels, 0);
            }
        };
        try (var cenalloc = kernel.open()) {
            Port port = Probe.of(cenalloc, NODE).produces().orElseThrow();
            Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port));
            assertEquals(new Image(PixelFormat.XR24, 320, 240), agreement.image());
            assertTrue(agreement.explain().contains("640x480 has 0 bytes"), agreement::explain);
        }
    }

    @Test
    void eachBufferOfAnImageIsLookedAt() {
        var planar = FakeCamera.multiplanar(kernel, FakeCamera::anything);
        kernel.device(NODE.toString(), planar);
        planar.tried = format -> v4l2_plane_pix_format.sizeimage(
                v4l2_pix_format_mplane.plane_fmt(v4l2_format.fmt.pix_mp(format), 1), 640 * 480 - 1);
        var image = new Image(PixelFormat.NV16M, 640, 480);
        var second = Demand.ofImage(image, 1).layout(Constraints.NONE).orElseThrow();
        try (var cenalloc = kernel.open()) {
            var e = assertThrows(
                    CenallocException.class, () -> Probe.of(cenalloc, NODE).device(second));
            assertTrue(e.reason().contains("has 307199 bytes, and its lines, 640 bytes apart, have 307200"), e::reason);
        }
    }
}
