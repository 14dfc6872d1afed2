package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_control;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.examples.MainTest.Outcome;
import dev.cenalloc.examples.Pipeline.Memory;
import dev.cenalloc.examples.Pipeline.Request;
import dev.cenalloc.json.Profile;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What can go wrong with devices: unplugged, taken away by another program, not what they seem, and refusing any one call.
 * Each time there is an error that tells which call, at which device, and why; the display is as before; nothing is left
 * open; and the next run works.
 */
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason =
                "takes over camera and display, so it runs only where -Dcenalloc.devices=required says that it may")
class PipelineFaultsDeviceTest {
    private static final String CAMERA = "vivid-000";
    private static final int FRAMES = 2;
    /** {@code VIVID_CID_DISCONNECT} of the vivid driver: a button that unplugs the camera until all have closed it. */
    private static final int DISCONNECT = 0x00f0f041;

    private static final long DROP_MASTER = 0x641f; // DRM_IOCTL_DROP_MASTER
    private static final int EIO = 5;

    private static final Path DRIVER = Path.of("/sys/bus/platform/drivers/vivid");

    /** The calls that nothing depends on: a rate that comes near, a display that is not read back, an end without ceremony. */
    private static final Set<String> OPTIONAL = Set.of(
            "VIDIOC_S_PARM",
            "DRM_IOCTL_SET_CLIENT_CAP",
            "DRM_IOCTL_GET_CAP",
            "DRM_IOCTL_GEM_CLOSE",
            "DRM_IOCTL_MODE_ATOMIC",
            "VIDIOC_STREAMOFF");

    private String screenBefore = "";
    private int filesBefore;

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        run(request(), DeviceNode::new); // what is opened once for all, by the class loader and others
        screenBefore = PipelineDeviceTest.screen();
        filesBefore = PipelineDeviceTest.openFiles();
    }

    @AfterEach
    void theNextRunWorks() throws Exception {
        run(request(), DeviceNode::new);
        assertAsBefore("at the end");
    }

    private void assertAsBefore(String when) throws Exception {
        assertEquals(screenBefore, PipelineDeviceTest.screen(), when);
        assertEquals(filesBefore, PipelineDeviceTest.openFiles(), when);
        // The display lets go of what it has shown in its own time.
        for (int i = 0; i < 100 && dmaBufs() > 0; i++) {
            Thread.sleep(20);
        }
        assertEquals(0, dmaBufs(), when);
    }

    /** How many dma-bufs there are on the whole machine. */
    private static int dmaBufs() throws IOException {
        return Files.readAllLines(Path.of("/sys/kernel/debug/dma_buf/bufinfo")).stream()
                .filter(line -> line.matches("Total \\d+ objects.*"))
                .map(line -> Integer.parseInt(line.replaceAll("\\D+(\\d+) objects.*", "$1")))
                .findFirst()
                .orElseThrow();
    }

    /** With devices of which is known what memory they take: trying that out takes longer than all the rest. */
    private static Request request() {
        Constraints system = Constraints.NONE.onlyHeaps(List.of("system"));
        Profile known = Profile.empty("known")
                .with(Device.of("vivid", system, "known"))
                .with(Device.of("vim2m", system, "known"))
                .with(Device.of("vkms", system, "known"));
        return Request.of(CAMERA, "vkms").knowing(known);
    }

    private static void run(Request request, DeviceNode.Opener nodes) throws IOException {
        try (Pipeline pipeline = Pipeline.open(request, nodes)) {
            pipeline.start();
            pipeline.run(FRAMES);
            pipeline.checker().awaitIdle();
            assertEquals(FRAMES, pipeline.shown());
            assertEquals(0, pipeline.checker().different());
        }
    }

    // ---- unplugged, taken away ----

    /** What is done to the nodes that a pipeline has open, of camera and display, while it runs. */
    private interface Blow {
        void fall(DeviceNode camera, DeviceNode display) throws IOException;
    }

    /** Runs a pipeline for ever, until it fails. */
    private static IOException failure(Blow blow) throws Exception {
        var nodes = new ArrayList<DeviceNode>();
        DeviceNode.Opener opener = path -> {
            nodes.add(new DeviceNode(path));
            return nodes.getLast();
        };
        try (Pipeline pipeline = Pipeline.open(request(), opener)) {
            pipeline.start();
            var thrown = new ArrayList<IOException>();
            var frames = new Thread(() -> {
                try {
                    pipeline.run(Long.MAX_VALUE);
                } catch (IOException e) {
                    thrown.add(e);
                }
            });
            frames.start();
            try {
                while (pipeline.shown() < 5 && frames.isAlive()) {
                    Thread.sleep(10);
                }
                blow.fall(nodes.getFirst(), nodes.getLast());
                frames.join(TimeUnit.SECONDS.toMillis(60)); // the stall limit is 5; the rest is for a slow machine
            } finally {
                pipeline.stop();
                frames.join();
            }
            assertEquals(1, thrown.size(), "it ended with an error");
            return thrown.getFirst();
        }
    }

    private static void assertTells(IOException e, String... words) {
        for (String word : words) {
            assertTrue(e.toString().contains(word), () -> word + " in " + e);
        }
    }

    @Test
    void aCameraThatIsUnpluggedIsToldAndTheDisplayPutBack() throws Exception {
        var gone = failure((camera, display) -> {
            try (Arena arena = Arena.ofConfined();
                    var other = new DeviceNode(camera.path())) {
                MemorySegment control = v4l2_control.allocate(arena);
                v4l2_control.id(control, DISCONNECT);
                other.ioctl("VIDIOC_S_CTRL", v4l2_h.VIDIOC_S_CTRL(), control);
            }
        });
        assertTells(gone, "VIDIOC_", "/dev/video", "ENODEV", "unplugged");
        assertAsBefore("after unplugging");
    }

    /** The node vanishes too, and all cameras with it. */
    @Test
    void aDriverThatIsUnboundIsToldAndTheDisplayPutBack() throws Exception {
        try {
            var gone = failure((camera, display) -> Files.writeString(DRIVER.resolve("unbind"), "vivid.0"));
            assertTells(gone, "VIDIOC_", "/dev/video", "ENODEV", "unplugged");
            assertAsBefore("after unbinding");
            Outcome none = Outcome.of("pipeline", "--camera", CAMERA);
            assertEquals(1, none.status(), none::toString);
            assertTrue(none.err().contains("no camera '" + CAMERA + "'; there is: vim2m"), none.err());
        } finally {
            if (!Files.exists(DRIVER.resolve("vivid.0"))) {
                Files.writeString(DRIVER.resolve("bind"), "vivid.0");
            }
        }
    }

    /** As when the user switches to another desktop: the right to change the display is gone, the rest goes on. */
    @Test
    void aDisplayThatIsTakenAwayIsTold() throws Exception {
        var refused =
                failure((camera, display) -> display.ioctl("DRM_IOCTL_DROP_MASTER", DROP_MASTER, MemorySegment.NULL));
        assertTells(refused, "DRM_IOCTL_MODE_ATOMIC", "/dev/dri/card", "EACCES");
        assertAsBefore("after it was taken away");
    }

    // ---- not what they seem ----

    /** Other devices under the names of cameras and displays are passed over, and told when nothing else is there. */
    @ParameterizedTest
    @ValueSource(strings = {"c 1 3", "c 1 5", "p"})
    void nodesThatAreNoneArePassedOver(String device) throws Exception {
        var camera = Path.of("/dev/video63");
        var card = Path.of("/dev/dri/card63");
        try {
            for (Path node : List.of(camera, card)) {
                var command = new ArrayList<>(List.of("mknod", node.toString()));
                command.addAll(List.of(device.split(" ")));
                assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor());
            }
            run(request(), DeviceNode::new);
            Outcome asCamera = Outcome.of("pipeline", "--camera", camera.toString());
            assertEquals(1, asCamera.status(), asCamera::toString);
            assertTrue(asCamera.err().contains("/dev/video63") && asCamera.err().contains("ENOTTY"), asCamera.err());
            Outcome asDisplay = Outcome.of("pipeline", "--display", card.toString());
            assertEquals(1, asDisplay.status(), asDisplay::toString);
            assertTrue(
                    asDisplay.err().contains("/dev/dri/card63")
                            && asDisplay.err().contains("ENOTTY"),
                    asDisplay.err());
        } finally {
            Files.deleteIfExists(camera);
            Files.deleteIfExists(card);
        }
        assertAsBefore("with strange nodes");
    }

    @Test
    void aCameraIsNoDisplayAndAConverterNoCamera() throws Exception {
        Outcome converter = Outcome.of("pipeline", "--camera", "vim2m");
        assertEquals(1, converter.status(), converter::toString);
        assertTrue(converter.err().contains("is no camera"), converter.err());
        Outcome camera = Outcome.of("pipeline", "--through", CAMERA, "--camera", "vivid-001");
        assertEquals(1, camera.status(), camera::toString);
        assertTrue(camera.err().contains("is no converter"), camera.err());
        assertAsBefore("with devices in the wrong place");
    }

    // ---- refusing a call ----

    /** Names of requests by number. */
    private static final Map<Long, String> REQUESTS = requests();

    private static Map<Long, String> requests() {
        var names = new TreeMap<Long, String>();
        for (Class<?> type :
                List.of(v4l2_h.class, v4l2_h.class.getSuperclass(), drm_h.class, drm_h.class.getSuperclass())) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().matches("(VIDIOC|DRM_IOCTL)_.*") && method.getReturnType() == long.class) {
                    try {
                        names.put((Long) method.invoke(null), method.getName());
                    } catch (ReflectiveOperationException e) {
                        throw new IllegalStateException(e);
                    }
                }
            }
        }
        return names;
    }

    private record Call(String name, Path node) {}

    /** Device nodes of which a call fails, as the driver would have it, or from that one on all at the same node. */
    private static final class FailingNodes implements DeviceNode.Opener {
        private final int failing;
        private final int errno;
        private final boolean forGood;
        private final List<Call> calls = new ArrayList<>();

        FailingNodes(int failing, int errno, boolean forGood) {
            this.failing = failing;
            this.errno = errno;
            this.forGood = forGood;
        }

        Call failed() {
            return calls.get(failing);
        }

        private synchronized boolean fails(String name, Path node) {
            calls.add(new Call(name, node));
            int index = calls.size() - 1;
            boolean gone = forGood && index > failing && failed().node().equals(node);
            return index == failing || gone;
        }

        @Override
        public DeviceNode open(Path path) throws IOException {
            if (fails("open", path)) {
                throw new IOException("open of " + path + " gave " + Errno.name(errno));
            }
            return new DeviceNode(path) {
                private boolean fails(long request) {
                    return FailingNodes.this.fails(REQUESTS.getOrDefault(request, Long.toHexString(request)), path);
                }

                @Override
                int tryIoctl(long request, MemorySegment argument) {
                    return fails(request) ? -errno : super.tryIoctl(request, argument);
                }

                @Override
                int tryFrameIoctl(long request, MemorySegment argument) {
                    return fails(request) ? -errno : super.tryFrameIoctl(request, argument);
                }
            };
        }
    }

    /** Every call of a good run fails, once. */
    @ParameterizedTest
    @ValueSource(ints = {Errno.EINVAL, Errno.EBUSY})
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void aCallThatFailsIsTold(int errno) throws Exception {
        failEach(request(), Set.of(), false, List.of(errno));
    }

    /** As when memory is short, a cable is loose, or somebody else may and we may not: by turns. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void aCallThatFailsForOtherReasonsIsTold() throws Exception {
        failEach(request(), Set.of(), false, List.of(EIO, Errno.ENOMEM, Errno.EACCES));
    }

    /** From any call on, a device fails at all calls: it is gone. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void aDeviceThatIsGoneIsTold() throws Exception {
        failEach(request(), Set.of(), true, List.of(Errno.ENODEV));
    }

    /** The calls that only a converter has, and only a camera that lends its memory. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void otherWaysToTheDisplayTellTheirFailuresToo() throws Exception {
        var plain = new FailingNodes(-1, 0, false);
        run(request(), plain);
        Set<Call> known = Set.copyOf(plain.calls);
        failEach(request().through("vim2m"), known, true, List.of(Errno.ENODEV));
        // This memory is from no heap, so nothing that is known about heaps helps.
        failEach(Request.of(CAMERA, "vkms").in(Memory.CAMERA), known, false, List.of(Errno.EINVAL));
    }

    private void failEach(Request request, Set<Call> known, boolean forGood, List<Integer> errnos) throws Exception {
        var good = new FailingNodes(-1, 0, false);
        run(request, good);
        List<Call> calls = List.copyOf(good.calls);
        int tried = 0;
        for (int i = 0; i < calls.size(); i++) {
            Call call = calls.get(i);
            // Of many alike in a row, such as for all properties of a plane, the first and the last.
            boolean between =
                    i > 0 && i < calls.size() - 1 && call.equals(calls.get(i - 1)) && call.equals(calls.get(i + 1));
            if (between || known.contains(call)) {
                continue;
            }
            int errno = errnos.get(tried++ % errnos.size());
            var nodes = new FailingNodes(i, errno, forGood);
            String what = Errno.name(errno) + " at call " + i + ", " + call;
            @Nullable IOException thrown = null;
            try {
                run(request, nodes);
            } catch (IOException e) {
                thrown = e;
            }
            Call failed = nodes.failed();
            if (thrown != null) {
                assertTells(thrown, Errno.name(errno), failed.node().toString());
                if (!forGood || !OPTIONAL.contains(failed.name())) { // else it is the call after that
                    assertTells(thrown, failed.name().replaceFirst("^DRM_IOCTL_(MODE_)?", ""));
                }
            } else {
                assertTrue(OPTIONAL.contains(failed.name()), what + " went unnoticed");
            }
            assertAsBefore(what);
        }
        assertTrue(tried > 0, "something failed");
        System.out.println(tried + " of " + calls.size() + " calls failed with "
                + errnos.stream().map(Errno::name).toList());
    }
}
