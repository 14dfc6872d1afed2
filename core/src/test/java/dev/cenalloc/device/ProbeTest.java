// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.NoSuitableHeapException;
import dev.cenalloc.TestContext;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.drm.Scanout;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is concluded from what drivers do, on the fake kernel, and what becomes of faults. */
class ProbeTest {
    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private static final Path NODE = Path.of("/dev/video7");
    private static final Path CARD = Path.of("/dev/dri/card1");
    private static final long MEMORY = 64 << 20;
    private static final Layout FRAME = layout(PixelFormat.XR24, 640, 480);
    private static final Layout ICON = layout(PixelFormat.XR24, 64, 64);

    private static Layout layout(PixelFormat format, int width, int height) {
        return Demand.ofImage(new Image(format, width, height), 0)
                .layout(Constraints.NONE)
                .orElseThrow();
    }

    private final FakeKernel kernel = kernel();

    private static FakeKernel kernel() {
        return new FakeKernel()
                .heap("reserved", MEMORY)
                .heap("system", MEMORY)
                .heap("udmabuf", MEMORY)
                .heap("vendor", MEMORY);
    }

    private FakeCamera camera(BiFunction<String, Long, Integer> refusal) {
        var camera = FakeCamera.capturing(kernel, refusal);
        kernel.device(NODE.toString(), camera);
        return camera;
    }

    private Device probe(Path node, Layout layout) throws Exception {
        try (var cenalloc = kernel.open()) {
            return Probe.of(cenalloc, node).device(layout);
        } finally {
            assertEquals(0, kernel.openFiles());
            assertEquals(4 * MEMORY, kernel.free());
        }
    }

    @Test
    void whatTakesEverythingNeedsNothing() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        String before = camera.state();
        Device device = probe(NODE, FRAME);
        assertEquals(Constraints.NONE, device.declared().orElseThrow());
        assertEquals(Origin.TRIAL_IMPORT, device.origin());
        assertEquals(
                "on trial with XR24 640x480 in 1228800 bytes: took system, udmabuf, reserved, vendor", device.detail());
        assertEquals("fake platform:fake", device.name());
        assertEquals(before, camera.state());
        assertEquals(3, camera.held);
    }

    /** The kernel copies what the device does not reach, without a word. */
    @ParameterizedTest
    @CsvSource({"524288, ''", "1572864, '; no trial shows whether the device reaches memory above 4 GiB'"})
    void thatMemoryLiesAbove4GibIsTold(long pages, String told) throws Exception {
        camera(FakeCamera::anything);
        kernel.file(
                "/proc/zoneinfo", "Node 0, zone   Normal\n        spanned  " + pages + "\n  start_pfn:           0\n");
        assertEquals(
                "on trial with XR24 640x480 in 1228800 bytes: took system, udmabuf, reserved, vendor" + told,
                probe(NODE, FRAME).detail());
    }

    /** Where the pool of contiguous memory lies, the kernel does not tell. */
    @Test
    void ofContiguousMemoryItIsNotTold() throws Exception {
        camera((heap, _) -> heap.equals("reserved") ? 0 : Errno.EFAULT);
        kernel.file("/proc/zoneinfo", "Node 0, zone   Normal\n        spanned  1572864\n  start_pfn:           0\n");
        String detail = probe(NODE, FRAME).detail();
        assertTrue(detail.contains("took reserved; refused system") && !detail.contains("4 GiB"), detail);
    }

    @Test
    void memoryOfWhichNothingIsKnownIsNamedIfNothingElseWasTaken() throws Exception {
        FakeCamera camera = camera((heap, _) -> heap.equals("vendor") ? 0 : Errno.EFAULT);
        Device device = probe(NODE, FRAME);
        assertEquals(Constraints.NONE.onlyHeaps(List.of("vendor")), device.constraints());
        assertTrue(device.detail().contains("took vendor; refused system"), device::detail);
        assertTrue(camera.state().contains("0 buffers"), camera::state);
    }

    @Test
    void memoryOfWhichNothingIsKnownTellsNothingOfOtherMemory() throws Exception {
        FakeCamera _ = camera((heap, _) -> heap.equals("vendor") ? Errno.EFAULT : 0);
        Device device = probe(NODE, FRAME);
        assertEquals(Constraints.NONE, device.constraints());
        assertTrue(device.detail().endsWith("refused vendor (VIDIOC_QBUF gave EFAULT)"), device::detail);
    }

    @Test
    void whatRefusesScatteredMemoryNeedsContiguousMemory() throws Exception {
        FakeCamera camera = camera(FakeCamera::contiguousOnly);
        String before = camera.state();
        Device device = probe(NODE, FRAME);
        assertEquals(Constraints.NONE.contiguous(), device.declared().orElseThrow());
        assertEquals(
                "on trial with XR24 640x480 in 1228800 bytes: took reserved; refused system (VIDIOC_QBUF gave EFAULT),"
                        + " udmabuf (VIDIOC_QBUF gave EFAULT), vendor (VIDIOC_QBUF gave EFAULT)",
                device.detail().replaceAll(" but in .*?:", ""));
        assertEquals(before, camera.state());
    }

    @Test
    void aSmallImageProvesNothing() throws Exception {
        camera(FakeCamera::contiguousOnly);
        Device device = probe(NODE, ICON);
        assertEquals(Constraints.NONE.contiguous(), device.declared().orElseThrow());
        assertTrue(device.detail().contains("perhaps by luck, system (in 16384 bytes, but in"), device.detail());
    }

    @Test
    void whatWasTakenInSmallBuffersOnlyIsNotKnownToSuit() throws Exception {
        kernel.heaps.remove("reserved");
        camera(FakeCamera::contiguousOnly);
        try (var cenalloc = kernel.open()) {
            Device device = Probe.of(cenalloc, NODE).device(ICON);
            assertEquals(Origin.UNKNOWN, device.origin());
            assertTrue(device.detail().contains("perhaps by luck, system"), device.detail());
        }
    }

    @Test
    void oneHeapThatIsRefusedIsLeftOut() throws Exception {
        camera((heap, _) -> heap.equals("udmabuf") ? Errno.EINVAL : 0);
        Device device = probe(NODE, FRAME);
        assertEquals(
                Constraints.NONE.onlyHeaps(List.of("system", "reserved")),
                device.declared().orElseThrow());
    }

    @Test
    void aHeapWithoutMemoryIsNotTriedAndMayDo() throws Exception {
        kernel.heaps.put("reserved", 4096L);
        camera(FakeCamera::contiguousOnly);
        try (var cenalloc = kernel.open()) {
            Device device = Probe.of(cenalloc, NODE).device(FRAME);
            assertEquals(Constraints.NONE.contiguous(), device.declared().orElseThrow());
            assertTrue(
                    device.detail().contains("not tried: reserved (DMA_HEAP_IOCTL_ALLOC gave ENOMEM)"),
                    device.detail());
        }
    }

    @Test
    void aRefusalAtTheRealSizeCountsWithoutMemoryForLargeBuffers() throws Exception {
        kernel.heaps.put("system", 8L << 20);
        camera((heap, _) -> heap.equals("system") ? Errno.EFAULT : 0);
        try (var cenalloc = kernel.open()) {
            Device device = Probe.of(cenalloc, NODE).device(FRAME);
            assertTrue(device.detail().contains("refused system (VIDIOC_QBUF gave EFAULT)"), device.detail());
        }
    }

    @Test
    void withoutMemoryToOfferNothingIsKnown() throws Exception {
        kernel.heaps.replaceAll((_, _) -> 0L);
        FakeCamera camera = camera(FakeCamera::anything);
        String before = camera.state();
        try (var cenalloc = kernel.open()) {
            Device device = Probe.of(cenalloc, NODE).device(FRAME);
            assertEquals(Origin.UNKNOWN, device.origin());
            assertTrue(device.detail().contains("ENOMEM"), device.detail());
            kernel.heaps.replaceAll((_, _) -> MEMORY);
            assertEquals(
                    Origin.TRIAL_IMPORT,
                    Probe.of(cenalloc, NODE).device(FRAME).origin(),
                    "what is not known is not kept");
        }
        assertEquals(before, camera.state());
    }

    @Test
    void whatRefusesEverythingIsToldWithTheReasons() throws Exception {
        FakeCamera camera = camera((_, _) -> Errno.EINVAL);
        String before = camera.state();
        var e = assertThrows(NoSuitableHeapException.class, () -> probe(NODE, FRAME));
        assertEquals(Errno.ENODEV, e.errno());
        assertTrue(e.toString().contains("system (VIDIOC_QBUF gave EINVAL)"), e.toString());
        assertTrue(e.toString().contains("reserved (VIDIOC_QBUF gave EINVAL)"), e.toString());
        assertEquals(before, camera.state());
    }

    @Test
    void aDeviceInUseIsNotTouched() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.field = v4l2_h.V4L2_FIELD_NONE();
        camera.use();
        String before = camera.state();
        Device device = probe(NODE, FRAME);
        assertEquals(Origin.UNKNOWN, device.origin());
        assertTrue(device.detail().contains("VIDIOC_S_FMT gave EBUSY"), device.detail());
        assertEquals(before, camera.state());
        // With the format that it has, it is the request for buffers that is refused.
        Layout same = layout(PixelFormat.YUYV, 320, 240);
        Device again = probe(NODE, same);
        assertTrue(again.detail().contains("VIDIOC_REQBUFS gave EBUSY"), again.detail());
        assertEquals(before, camera.state());
    }

    @Test
    void aConverterIsAskedAtBothEnds() throws Exception {
        var camera = FakeCamera.converting(kernel, FakeCamera::contiguousOnly);
        kernel.device(NODE.toString(), camera);
        String before = camera.state();
        assertEquals(
                Constraints.NONE.contiguous(), probe(NODE, FRAME).declared().orElseThrow());
        assertEquals(before, camera.state());
    }

    @Test
    void imagesThatADeviceHasNotAreRefusedAndNothingIsTouched() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        String before = camera.state();
        var e = assertThrows(CenallocException.class, () -> probe(NODE, layout(PixelFormat.XR24, 5000, 10)));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.remedy().contains("XR24 4096x10"), e.remedy());
        assertEquals(before, camera.state());
    }

    @Test
    void aFormatThatCannotBePutBackIsTold() {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.changes = 1;
        var e = assertThrows(CenallocException.class, () -> probe(NODE, FRAME));
        assertTrue(e.toString().contains("YUYV 320x240, could not be put back"), e.toString());
        assertTrue(e.toString().contains("VIDIOC_S_FMT gave EINVAL"), e.toString());
    }

    @Test
    void cardsImport() throws Exception {
        for (boolean displays : new boolean[] {true, false}) {
            var card = new FakeCard(kernel, true, displays);
            kernel.device(CARD.toString(), card);
            Device device = probe(CARD, FRAME);
            assertEquals(Constraints.NONE, device.declared().orElseThrow());
            assertEquals("fake card1", device.name());
            assertEquals("{} {}", card.state());
        }
        kernel.device(CARD.toString(), new FakeCard(kernel, false, true));
        var e = assertThrows(NoSuitableHeapException.class, () -> probe(CARD, FRAME));
        assertTrue(e.toString().contains("DRM_IOCTL_PRIME_FD_TO_HANDLE gave EINVAL"), e.toString());
        assertTrue(e.remedy().contains("memory of its own"), e.remedy());
    }

    @Test
    void aResultForWantOfMemoryIsNotKept() throws Exception {
        camera(FakeCamera::anything);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            kernel.heaps.put("reserved", 0L);
            assertTrue(probe.device(FRAME).detail().contains("not tried: reserved"));
            kernel.heaps.put("reserved", MEMORY);
            assertTrue(probe.device(FRAME).detail().contains("took system, udmabuf, reserved"));
            int calls = kernel.calls.size();
            probe.device(FRAME);
            assertEquals(calls, kernel.calls.size());
        }
    }

    @Test
    void resultsAreKept() throws Exception {
        camera(FakeCamera::contiguousOnly);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            Device first = probe.device(FRAME);
            int calls = kernel.calls.size();
            assertSame(first, probe.device(FRAME));
            assertEquals(calls, kernel.calls.size());
            assertSame(first, Probe.of(cenalloc, NODE).device(FRAME), "by the device, not by the object");
            assertFalse(first.equals(probe.device(ICON)), "another size is another question");
            calls = kernel.calls.size();
            // One more heap is one more question.
            cenalloc.register(
                    "sram",
                    HeapProperties.UNKNOWN.withOnlyWhenNamed(false),
                    size -> kernel.foreignDmaBuf("vendor", size, false));
            assertTrue(probe.device(FRAME).detail().contains("sram"));
            assertTrue(kernel.calls.size() > calls);
        }
    }

    @Test
    void imagesOfTheSameKindAreConfirmedWithOneBuffer() throws Exception {
        camera(FakeCamera::contiguousOnly);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            probe.device(FRAME);
            long before = allocations();
            Device alike = probe.device(layout(PixelFormat.XR24, 720, 576));
            assertEquals(before + 1, allocations());
            assertEquals(Constraints.NONE.contiguous(), alike.declared().orElseThrow());
            assertTrue(alike.detail().startsWith("on trial with XR24 720x576 in 1658880 bytes: took reserved"));
            probe.device(layout(PixelFormat.YUYV, 720, 576));
            assertTrue(allocations() > before + 2, "another format is another question");
        }
    }

    @Test
    void whatIsNotConfirmedIsTriedAnew() throws Exception {
        camera((heap, size) -> heap.equals("system") && size == 1_658_880 ? Errno.EFAULT : 0);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            assertEquals(Constraints.NONE, probe.device(FRAME).declared().orElseThrow());
            Device other = probe.device(layout(PixelFormat.XR24, 720, 576));
            assertTrue(other.detail().contains("took system"), other.detail());
            long before = allocations();
            assertEquals(Constraints.NONE, probe.device(FRAME).declared().orElseThrow());
            assertEquals(before, allocations());
        }
    }

    private long allocations() {
        return kernel.calls.stream().filter(call -> call.equals("alloc")).count();
    }

    // ---- how the driver lays images out ----

    private Constraints pitches(FakeCamera camera) throws Exception {
        String before = camera.state();
        try {
            return probe(NODE, FRAME).declared().orElseThrow();
        } finally {
            assertEquals(before, camera.state());
        }
    }

    @Test
    void aDriverThatRoundsPitchesSaysToWhat() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.pitchMultiple = 1024;
        assertEquals(Constraints.NONE.pitchAlignment(1024), pitches(camera));
        camera.pitchMultiple = 512; // 2560 is a multiple of it
        assertEquals(Constraints.NONE.pitchAlignment(512), pitches(camera));
    }

    @Test
    void aDriverThatHasOnePitchSaysWhich() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.pitchMultiple = 0;
        assertEquals(Constraints.NONE.maxPitch(2560), pitches(camera));
        camera.linePadding = 96;
        Constraints padded = pitches(camera);
        assertEquals(Constraints.NONE.minPitch(2656).maxPitch(2656), padded);
        assertEquals(
                2656,
                Demand.ofImage(FRAME.image(), 0)
                        .layout(padded)
                        .orElseThrow()
                        .planes()
                        .getFirst()
                        .pitch());
    }

    @Test
    void aDriverThatWantsRoomBehindTheImageSaysHowMuch() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.imagePadding = 5000;
        assertEquals(Constraints.NONE.minSize(2560 * 480 + 5000), pitches(camera));
        assertTrue(probe(NODE, FRAME).detail().contains("the driver lays it out with"));
    }

    @Test
    void aDriverThatLiesAboutItsPitchIsNotBelieved() {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.pitchMultiple = 0;
        camera.linePadding = -4;
        var e = assertThrows(CenallocException.class, () -> pitches(camera));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.toString().contains("lines of XR24 640x480 are 2556 bytes apart"), e.toString());
    }

    /** What it wants at the pitch that was agreed on, not at the least. */
    @Test
    void roomBehindTheImageIsThatOfTheAgreedPitch() throws Exception {
        camera(FakeCamera::anything).imagePadding = 8192;
        try (var cenalloc = kernel.open()) {
            Port camera = Probe.of(cenalloc, NODE).produces().orElseThrow();
            Port display = Port.of(
                    Device.of("display", Constraints.NONE.pitchAlignment(1024), "test"),
                    List.of(new ImageRange(PixelFormat.XR24, ImageRange.Sizes.of(640, 480))));
            Layout agreed = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera, display))
                    .layout();
            assertEquals(3072, agreed.planes().getFirst().pitch());
            assertEquals(3072 * 480 + 8192, agreed.size());
        }
    }

    /** Of an odd width, half a group of pixels is left over, for which our layouts have room. */
    @Test
    void aDriverWhoseLinesEndWithinAGroupOfPixelsIsRefused() {
        camera(FakeCamera::anything).pitchMultiple = 0;
        var e = assertThrows(CenallocException.class, () -> probe(NODE, layout(PixelFormat.YUYV, 321, 240)));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.toString().contains("are 642 bytes apart, and they have 644"), e.toString());
    }

    @Test
    void aDriverWithoutBuffersIsNotAskedToTakeAny() throws Exception {
        camera((_, _) -> Errno.EFAULT).most = 0;
        Device device = probe(NODE, FRAME);
        assertEquals(Origin.UNKNOWN, device.origin());
        assertTrue(device.detail().contains("answer to VIDIOC_REQBUFS: ENOMEM"), device.detail());
    }

    @Test
    void aDriverThatLetsOneInAtATimeIsInUse() throws Exception {
        camera(FakeCamera::anything);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            kernel.refuse(NODE, Errno.EBUSY);
            Device device = probe.device(FRAME);
            assertEquals(Origin.UNKNOWN, device.origin());
            assertTrue(device.detail().contains("open gave EBUSY"), device.detail());
        }
    }

    @Test
    void whoLendsMemoryIsAskedForLayoutsOnly() throws Exception {
        FakeCamera camera = camera((_, _) -> Errno.EINVAL);
        camera.pitchMultiple = 1024;
        String before = camera.state();
        try (var cenalloc = kernel.open()) {
            Port lender = Probe.of(cenalloc, NODE).exports().orElseThrow();
            Agreement agreement = Agreement.negotiate(
                    cenalloc, ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480), List.of(lender));
            assertEquals(3072, agreement.layout().planes().getFirst().pitch());
            assertEquals(0, camera.held);
        }
        assertEquals(before, camera.state());
    }

    @Test
    void aCameraInUseIsNamedInTheAgreement() throws Exception {
        camera(FakeCamera::anything).use();
        try (var cenalloc = kernel.open()) {
            Port port = Probe.of(cenalloc, NODE).produces().orElseThrow();
            Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port));
            Device unknown = agreement.unknown().getFirst();
            assertEquals("fake platform:fake", unknown.name());
            assertTrue(unknown.detail().contains("the device is in use: VIDIOC_S_FMT gave EBUSY"), unknown::detail);
            assertFalse(unknown.detail().contains("To do"), unknown::detail);
        }
    }

    @Test
    void aCameraThatRefusesAllMemoryIsToldOnceForAllFormats() throws Exception {
        camera((_, _) -> Errno.EFAULT);
        try (var cenalloc = kernel.open()) {
            Port port = Probe.of(cenalloc, NODE).produces().orElseThrow();
            var e = assertThrows(
                    NoCommonImageException.class, () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port)));
            String message = String.valueOf(e.getMessage());
            assertTrue(
                    message.startsWith("no memory suits the images in common: XR24, YUYV 640x480 at 30"
                            + " (fake platform:fake takes no memory of any heap: refused"),
                    message);
            assertEquals(1, message.split("To do:", -1).length - 1, message);
            assertTrue(message.endsWith("To do: let it export memory of its own, and the others import it"), message);
        }
    }

    // ---- images ----

    @Test
    void aDriverThatListsItsFirstEntryForEverDoesNotKeepUs() throws Exception {
        camera(FakeCamera::anything).repeats = true;
        try (var cenalloc = kernel.open()) {
            assertEquals(
                    "[YUYV 640x480 at 30]",
                    Probe.of(cenalloc, NODE).produces().orElseThrow().images().toString());
        }
    }

    @Test
    void stepsOfADriverThatListsNothingAreFoundOut() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.sizes = List.of();
        camera.widthMultiple = 16;
        try (var cenalloc = kernel.open()) {
            assertEquals(
                    new ImageRange.Sizes(16, 4096, 16, 1, 4096, 1),
                    Probe.of(cenalloc, NODE)
                            .produces()
                            .orElseThrow()
                            .images()
                            .getFirst()
                            .sizes());
        }
    }

    @Test
    void aCameraTellsItsImages() throws Exception {
        camera(FakeCamera::anything);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            var rates = List.of(ImageRange.Rates.of(FrameRate.of(30)), ImageRange.Rates.of(FrameRate.of(15)));
            var large = ImageRange.Sizes.of(640, 480);
            var small = ImageRange.Sizes.of(320, 240);
            assertEquals(
                    List.of(
                            new ImageRange(PixelFormat.YUYV, Image.LINEAR, large, rates),
                            new ImageRange(PixelFormat.YUYV, Image.LINEAR, small, rates),
                            new ImageRange(PixelFormat.XR24, Image.LINEAR, large, rates),
                            new ImageRange(PixelFormat.XR24, Image.LINEAR, small, rates)),
                    probe.produces().orElseThrow().images());
            assertTrue(probe.consumes().isEmpty());
        }
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void aDriverThatListsNothingIsAskedForItsLimits() throws Exception {
        FakeCamera camera = camera(FakeCamera::anything);
        camera.sizes = List.of();
        camera.rates = List.of();
        try (var cenalloc = kernel.open()) {
            assertEquals(
                    List.of(
                            new ImageRange(PixelFormat.YUYV, ImageRange.Sizes.upTo(4096, 4096)),
                            new ImageRange(PixelFormat.XR24, ImageRange.Sizes.upTo(4096, 4096))),
                    Probe.of(cenalloc, NODE).produces().orElseThrow().images());
        }
    }

    @Test
    void aDriverWithoutFormatsIsToldOf() throws Exception {
        for (List<Integer> formats : List.of(List.<Integer>of(), List.of(0x47504A4D))) {
            camera(FakeCamera::anything).fourccs = formats;
            try (var cenalloc = kernel.open()) {
                Port port = Probe.of(cenalloc, NODE).produces().orElseThrow();
                var e = assertThrows(
                        NoCommonImageException.class,
                        () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(port)));
                String others = formats.isEmpty() ? "" : " (unknown here: MJPG)";
                assertTrue(
                        String.valueOf(e.getMessage())
                                .startsWith("fake platform:fake offers no format" + others + " (negotiate: "),
                        e::toString);
            }
        }
    }

    @Test
    void formatsWithoutANameAreNamedWhereTheOthersDoNotDo() throws Exception {
        camera(FakeCamera::anything).fourccs =
                List.of(0x47504A4D, PixelFormat.YUYV.v4l2Fourcc().orElseThrow(), 0x34363248);
        try (var cenalloc = kernel.open()) {
            Port camera = Probe.of(cenalloc, NODE).produces().orElseThrow();
            Port display = Port.of(
                    Device.undeclared("display"), List.of(new ImageRange(PixelFormat.XR24, ImageRange.Sizes.ANY)));
            var e = assertThrows(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera, display)));
            assertEquals(
                    "no format in common: fake platform:fake gives YUYV (unknown here: MJPG, H264); display takes XR24",
                    e.conflict().orElseThrow().toString());
        }
    }

    @Test
    void aConverterGivesAndTakes() throws Exception {
        kernel.device(NODE.toString(), FakeCamera.converting(kernel, FakeCamera::anything));
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, NODE);
            List<ImageRange> given = probe.produces().orElseThrow().images();
            assertEquals(given, probe.consumes().orElseThrow().images());
            assertEquals(4, given.size());
        }
    }

    @Test
    void aCardTellsItsScreens() throws Exception {
        var card = new FakeCard(kernel, true, true);
        kernel.device(CARD.toString(), card);
        try (var cenalloc = kernel.open()) {
            Probe probe = Probe.of(cenalloc, CARD);
            Scanout scanout = probe.scanouts().getFirst();
            assertEquals(1, probe.scanouts().size());
            assertTrue(scanout.isVirtual());
            assertEquals(
                    "[1024x768 at 60 Hz, 640x480 at 75 Hz]", scanout.modes().toString());
            var large = ImageRange.Sizes.upTo(1024, 768);
            var small = ImageRange.Sizes.upTo(640, 480);
            var slow = List.of(ImageRange.Rates.upTo(FrameRate.of(60)));
            var fast = List.of(ImageRange.Rates.upTo(FrameRate.of(75)));
            assertEquals(
                    List.of(
                            new ImageRange(PixelFormat.XR24, Image.LINEAR, large, slow),
                            new ImageRange(PixelFormat.XR24, Image.LINEAR, small, fast),
                            new ImageRange(PixelFormat.RG16, Image.LINEAR, large, slow),
                            new ImageRange(PixelFormat.RG16, Image.LINEAR, small, fast),
                            new ImageRange(PixelFormat.RG16, FakeCard.TILED, large, slow),
                            new ImageRange(PixelFormat.RG16, FakeCard.TILED, small, fast)),
                    probe.consumes().orElseThrow().images());
            assertEquals("640x480 at 75 Hz", mode(scanout, 640, 480, 60));
            assertEquals("1024x768 at 60 Hz", mode(scanout, 320, 240, 60));
            assertEquals("640x480 at 75 Hz", mode(scanout, 320, 240, 70));
            assertEquals("1024x768 at 60 Hz", mode(scanout, 1024, 768, 75));
            assertEquals("none", mode(scanout, 1025, 768, 60));
            assertTrue(scanout.shows(new Image(PixelFormat.RG16, 1024, 768, FakeCard.TILED)));
            assertFalse(scanout.shows(new Image(PixelFormat.XR24, 1024, 768, FakeCard.TILED)));
            assertFalse(scanout.shows(new Image(PixelFormat.XR24, 768, 1024)));
            assertEquals(scanout, probe.scanouts().getFirst());
            assertTrue(probe.produces().isEmpty());

            card.isConnected = false;
            assertEquals(List.of(), probe.scanouts());
            assertEquals(List.of(), probe.consumes().orElseThrow().images());
        }
        assertEquals("{} {}", card.state());
        kernel.device(CARD.toString(), new FakeCard(kernel, true, false));
        try (var cenalloc = kernel.open()) {
            assertTrue(Probe.of(cenalloc, CARD).consumes().isEmpty(), "no display");
        }
    }

    private static String mode(Scanout scanout, int width, int height, int rate) {
        return scanout.mode(new Image(PixelFormat.XR24, width, height), FrameRate.of(rate))
                .map(Scanout.Mode::toString)
                .orElse("none");
    }

    @Test
    void twoScreensHaveACrtcEach() throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.hasTwo = true;
        kernel.device(CARD.toString(), card);
        try (var cenalloc = kernel.open()) {
            List<Scanout> scanouts = Probe.of(cenalloc, CARD).scanouts();
            assertEquals(2, scanouts.size());
            assertEquals(2, scanouts.stream().map(Scanout::crtc).distinct().count());
            assertEquals(2, scanouts.stream().map(Scanout::plane).distinct().count());
        }
    }

    @Test
    void aScreenWhoseModesGrowIsAskedAgain() throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.growing = 3;
        kernel.device(CARD.toString(), card);
        try (var cenalloc = kernel.open()) {
            assertEquals(
                    5, Probe.of(cenalloc, CARD).scanouts().getFirst().modes().size());
        }
    }

    @Test
    void whatNoScreenWasAskedIsNotKept() throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.isConnected = false;
        kernel.device(CARD.toString(), card);
        try (var cenalloc = kernel.open()) {
            Device device = Probe.of(cenalloc, CARD).device(FRAME);
            assertTrue(device.detail().contains("not tried on a screen"), device.detail());
            card.isConnected = true;
            Probe.of(cenalloc, CARD).device(FRAME);
            assertTrue(card.tests > 0);
        }
    }

    @Test
    void aScreenIsAskedWhetherItWouldShowTheImages() throws Exception {
        var card = new FakeCard(kernel, true, true);
        kernel.device(CARD.toString(), card);
        assertEquals(Constraints.NONE, probe(CARD, FRAME).declared().orElseThrow());
        assertTrue(card.tests >= 3, "once for each heap at least");
        card.verdict = Errno.EINVAL;
        var e = assertThrows(CenallocException.class, () -> probe(CARD, FRAME));
        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.toString().contains("fake card1 takes the memory, but would not show XR24 640x480"), e.toString());
        assertTrue(
                e.toString().contains("system (DRM_IOCTL_MODE_ATOMIC with DRM_MODE_ATOMIC_TEST_ONLY gave EINVAL)"),
                e.toString());
        assertEquals("{} {}", card.state());
        // A format that no plane has is refused before memory is offered.
        var none = assertThrows(CenallocException.class, () -> probe(CARD, layout(PixelFormat.NV12, 640, 480)));
        assertTrue(none.toString().contains("shows no images of NV12"), none.toString());
        assertEquals("what it shows: XR24, RG16; unknown here: xV4\\x12", none.remedy());
    }

    @ParameterizedTest
    @CsvSource({"1000, 64", "1366, 64", "1366, 128", "376, 256", "1001, 8", "641, 4096"})
    void thePitchesThatADisplayTakesAreFoundOut(int width, int multiple) throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.pitchMultiple = multiple;
        kernel.device(CARD.toString(), card);
        var image = new Image(PixelFormat.XR24, width, 464);
        Device display = probe(CARD, Layout.of(image));
        assertEquals(Constraints.NONE.pitchAlignment(multiple), display.constraints());
        assertTrue(
                display.detail().contains("the driver lays it out with a pitch in multiples of " + multiple + " bytes"),
                display::detail);
        Layout padded = Demand.ofImage(image).layout(display.constraints()).orElseThrow();
        assertEquals(0, padded.planes().getFirst().pitch() % multiple);
        assertEquals(Constraints.NONE, probe(CARD, padded).constraints());
        assertEquals("{} {}", card.state());
    }

    @Test
    void aCameraThatPadsMeetsADisplayThatWantsPadding() throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.pitchMultiple = 256;
        kernel.device(CARD.toString(), card);
        FakeCamera camera = camera(FakeCamera::anything);
        camera.sizes = List.of(new int[] {376, 464});
        try (var cenalloc = kernel.open()) {
            Agreement agreement = Agreement.negotiate(
                    cenalloc,
                    ImageRequest.ANY,
                    List.of(
                            Probe.of(cenalloc, NODE).produces().orElseThrow(),
                            Probe.of(cenalloc, CARD).consumes().orElseThrow()));
            assertEquals(1536, agreement.layout().planes().getFirst().pitch());
        }
    }

    @Test
    void aDisplayThatAnotherControlsIsNotAsked() throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.isControlled = true;
        kernel.device(CARD.toString(), card);
        try (var cenalloc = kernel.open()) {
            Device device = Probe.of(cenalloc, CARD).device(FRAME);
            assertEquals(0, card.tests);
            assertTrue(
                    device.detail().endsWith("not tried on the screen, which another program controls"),
                    device.detail());
            card.isControlled = false;
            assertFalse(Probe.of(cenalloc, CARD).device(FRAME).detail().contains("not tried on the screen"));
            assertTrue(card.tests > 0);
        }
    }

    @Test
    void sysfsCountsBehindTheTrial() throws Exception {
        kernel.sysfs = Path.of("/sys/dev/char/81:0/device");
        kernel.file(kernel.sysfs + "/dma_mask_bits", "32\n").file(kernel.sysfs + "/iommu_group/type", "DMA\n");
        FakeCamera camera = camera(FakeCamera::anything);
        Device trial = probe(NODE, FRAME);
        assertEquals(Origin.TRIAL_IMPORT, trial.origin());
        assertTrue(trial.isBehindIommu());
        assertTrue(trial.detail().endsWith("; behind an IOMMU"), trial.detail());
        camera.use();
        Device busy = probe(NODE, FRAME);
        assertEquals(Origin.SYSFS, busy.origin());
        assertTrue(busy.declared().orElseThrow().says(Field.HIGHEST_ADDRESS));
        assertTrue(busy.detail().contains("dma_mask_bits 32") && busy.detail().contains("EBUSY"), busy.detail());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 5 << 8, 116 << 8})
    void otherNodesAreNotEvenOpened(long number) {
        kernel.device("/dev/tty", new FakeKernel.Device() {
            @Override
            public long number() {
                return number;
            }

            @Override
            public int ioctl(int fd, long request, MemorySegment argument) {
                return -Errno.ENOTTY;
            }

            @Override
            public void closed(int fd) {}
        });
        var e = assertThrows(CenallocException.class, () -> probe(Path.of("/dev/tty"), FRAME));
        assertEquals(Errno.ENOTTY, e.errno());
        assertTrue(e.toString().contains("neither a V4L2 nor a DRM device"), e.toString());
        assertEquals(List.of("stat"), kernel.calls);
    }

    @Test
    void aNodeThatMayNotBeOpenedIsToldWithARemedy() {
        camera(FakeCamera::anything);
        kernel.refuse(NODE, Errno.EACCES);
        var e = assertThrows(NoPermissionException.class, () -> probe(NODE, FRAME));
        assertTrue(e.remedy().contains("KERNEL==\"video7\""), e.remedy());
        assertThrows(MissingDeviceException.class, () -> probe(Path.of("/dev/video8"), FRAME));
    }

    // ---- faults ----

    enum Kind {
        CAMERA,
        CONVERTER,
        CARD
    }

    /**
     * Every call fails in turn: everything is given back, the format is as before, and the outcome says what failed.
     */
    @ParameterizedTest
    @EnumSource
    void everyFaultOfEveryCallGivesEverythingBack(Kind kind) throws Exception {
        var outcomes = new TreeSet<String>();
        int never = 1_000_000;
        int calls = fail(kind, kernel(), never, 0, "no fault", outcomes);
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                FakeKernel faulty = kernel();
                String what = kind + ", call " + call + ", " + Errno.name(errno);
                fail(kind, faulty, call, errno, what, outcomes);
            }
        }
        assertEquals(new TreeSet<>(List.of("TRIAL_IMPORT", "UNKNOWN", "told")), outcomes);
    }

    /** What was short for a moment shapes no later answer. */
    @ParameterizedTest
    @EnumSource
    void noFaultThatPassesIsKept(Kind kind) throws Exception {
        String undisturbed = "";
        int calls = 1;
        for (int call = -1; call < calls; call++) {
            for (int errno : new int[] {Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE}) {
                FakeKernel kernel = kernel();
                kernel.device(
                        NODE.toString(),
                        kind == Kind.CONVERTER
                                ? FakeCamera.converting(kernel, FakeCamera::anything)
                                : FakeCamera.capturing(kernel, FakeCamera::anything));
                kernel.device(CARD.toString(), new FakeCard(kernel, true, true));
                try (var cenalloc = TestContext.open(kernel, HEAPS)) {
                    Path node = kind == Kind.CARD ? CARD : NODE;
                    if (call >= 0) {
                        kernel.failCall(call, errno);
                    }
                    try {
                        String first = Probe.of(cenalloc, node).device(FRAME).detail();
                        if (call < 0) {
                            undisturbed = first;
                            calls = kernel.calls.size();
                        }
                    } catch (CenallocException e) {
                        assertEquals(errno, e.errno());
                    }
                    kernel.failNoCall();
                    assertEquals(
                            undisturbed,
                            Probe.of(cenalloc, node).device(FRAME).detail(),
                            kind + ", call " + call + ", " + Errno.name(errno));
                }
            }
        }
    }

    /** The number of calls. */
    private static int fail(Kind kind, FakeKernel faulty, int call, int errno, String what, Set<String> outcomes)
            throws Exception {
        FakeCamera camera = kind == Kind.CONVERTER
                ? FakeCamera.converting(faulty, FakeCamera::anything)
                : FakeCamera.capturing(faulty, FakeCamera::anything);
        FakeCard card = new FakeCard(faulty, true, true);
        faulty.device(NODE.toString(), camera).device(CARD.toString(), card);
        String before = camera.state();
        try (var cenalloc = TestContext.open(faulty, HEAPS)) {
            faulty.failCall(call, errno);
            try {
                Device device =
                        Probe.of(cenalloc, kind == Kind.CARD ? CARD : NODE).device(FRAME);
                outcomes.add(device.origin().toString());
                if (device.origin() == Origin.UNKNOWN) {
                    assertTrue(device.detail().contains(Errno.name(errno)), () -> what + ": " + device);
                }
            } catch (CenallocException e) {
                outcomes.add("told");
                assertEquals(errno, e.errno(), () -> what + ": " + e);
            }
            faulty.failNoCall();
            assertEquals(before, camera.state(), what);
            assertEquals("{} {}", card.state(), what);
            assertEquals(4 * MEMORY, faulty.free(), what);
            assertTrue(faulty.openFiles() <= 4, () -> what + ": only the nodes of the heaps may be open");
        }
        assertEquals(0, faulty.openFiles(), what);
        return faulty.calls.size();
    }
}
