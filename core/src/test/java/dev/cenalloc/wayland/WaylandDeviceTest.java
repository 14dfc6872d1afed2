// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.TestContext;
import dev.cenalloc.Traces;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.node.v4l2.VideoNode;
import dev.cenalloc.node.v4l2.VideoNode.Kind;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** With weston as it is, which draws on the processor, on a real kernel with vivid cameras. */
@RequiresDevices
class WaylandDeviceTest {
    private static final Duration LIMIT = Duration.ofMinutes(1);
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final int WIDTH = 320;
    private static final int HEIGHT = 180;
    private static final ImageRequest SCREEN =
            ImageRequest.ANY.size(WIDTH, HEIGHT).format(PixelFormat.XR24);

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private Cenalloc cenalloc = Cenalloc.open();
    private final List<Process> programs = new ArrayList<>();
    private int files;

    WaylandDeviceTest() throws CenallocException {}

    @BeforeEach
    void count() throws Exception {
        // What the JDK opens once for all.
        start(new ProcessBuilder("true")).waitFor();
        ImageIO.setUseCache(false);
        assertTrue(ImageIO.getImageReadersBySuffix("png").hasNext());
        closePipes();
        try (var buffer = cenalloc.create(1)) {
            buffer.dmaBuf();
        }
        cenalloc.close();
        files = Traces.openFiles();
        cenalloc = Cenalloc.open();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        for (Process program : programs) {
            program.destroyForcibly().waitFor();
        }
        closePipes();
        cenalloc.close();
        assertEquals(files, Traces.openFiles());
        assertEquals(0, Traces.mappedDmaBufs());
    }

    private void closePipes() throws IOException {
        for (Process program : programs) {
            program.getOutputStream().close();
            program.getInputStream().close();
            program.getErrorStream().close();
        }
    }

    private Process start(ProcessBuilder command) throws IOException {
        command.environment().put("XDG_RUNTIME_DIR", directory.toString());
        command.environment().put("WAYLAND_DISPLAY", "wayland-test");
        command.environment().put("XDG_PICTURES_DIR", directory.toString());
        Process program = command.redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                .start();
        programs.add(program);
        return program;
    }

    private Path log() {
        return directory.resolve("log");
    }

    private Path socket() {
        return directory.resolve("wayland-test");
    }

    private Process weston() throws Exception {
        return weston("gl");
    }

    /**
     * Without the DRM nodes, with which it would end on an import, as they are of no GPU. With the renderer pixman it
     * takes no dma-bufs.
     */
    private Process weston(String renderer) throws Exception {
        Files.deleteIfExists(socket());
        var command = new ProcessBuilder(
                "unshare",
                "--mount",
                "sh",
                "-c",
                "mount -t tmpfs tmpfs /dev/dri && exec weston --debug --backend=headless --renderer=" + renderer
                        + " --width=" + WIDTH + " --height=" + HEIGHT
                        + " --no-config --shell=kiosk --idle-time=0 --socket=wayland-test");
        command.environment().put("LIBSEAT_BACKEND", "noop");
        command.environment().put("WAYLAND_DEBUG", "server");
        Process weston = start(command);
        awaitAnswer(weston);
        return weston;
    }

    /** The socket is there before anybody listens, and before it is answered: for long, on a busy processor. */
    private void awaitAnswer(Process weston) throws Exception {
        try (var client = connected(weston)) {
            // wl_display.sync
            client.write(ByteBuffer.allocate(12)
                    .order(ByteOrder.nativeOrder())
                    .putInt(1)
                    .putInt(12 << 16)
                    .putInt(2)
                    .flip());
            assertTrue(client.read(ByteBuffer.allocate(12)) > 0, this::said);
        }
    }

    private SocketChannel connected(Process weston) throws Exception {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            try {
                return SocketChannel.open(UnixDomainSocketAddress.of(socket()));
            } catch (SocketException e) {
                assertTrue(weston.isAlive() && System.nanoTime() < deadline, this::said);
                Thread.sleep(20);
            }
        }
    }

    private String said() {
        try {
            return Files.readString(log());
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** How often weston was asked for something. */
    private long asked(String request) throws IOException {
        try (var lines = Files.lines(log())) {
            return lines.filter(line -> line.contains(request)).count();
        }
    }

    /** What weston shows, without alpha. */
    private int[] screen() throws Exception {
        Process shooter = start(new ProcessBuilder("weston-screenshooter").directory(directory.toFile()));
        assertEquals(0, shooter.waitFor(), this::said);
        List<Path> pictures;
        try (var entries = Files.list(directory)) {
            pictures = entries.filter(path -> path.toString().endsWith(".png")).toList();
        }
        assertEquals(1, pictures.size());
        BufferedImage picture =
                Objects.requireNonNull(ImageIO.read(pictures.getFirst().toFile()));
        Files.delete(pictures.getFirst());
        assertEquals(WIDTH + "x" + HEIGHT, picture.getWidth() + "x" + picture.getHeight());
        int[] colours = picture.getRGB(0, 0, WIDTH, HEIGHT, null, 0, WIDTH);
        for (int i = 0; i < colours.length; i++) {
            colours[i] &= 0xFFFFFF;
        }
        return colours;
    }

    private static int[] colours(Frame frame) throws CenallocException {
        Layout layout = frame.layout();
        int width = layout.image().width();
        var colours = new int[width * layout.image().height()];
        try (var access = frame.access(Direction.READ)) {
            for (int i = 0; i < colours.length; i++) {
                MemorySegment row = layout.row(access.segment(), 0, i / width);
                colours[i] = row.getAtIndex(ValueLayout.JAVA_INT, i % width) & 0xFFFFFF;
            }
        }
        return colours;
    }

    private static void fill(Frame frame, int colour) throws CenallocException {
        Layout layout = frame.layout();
        try (var access = frame.access(Direction.WRITE)) {
            for (int y = 0; y < layout.image().height(); y++) {
                MemorySegment row = layout.row(access.segment(), 0, y);
                for (int x = 0; x < layout.image().width(); x++) {
                    row.setAtIndex(ValueLayout.JAVA_INT, x, colour);
                }
            }
        }
    }

    private static Path camera() throws IOException {
        try (var nodes = Files.newDirectoryStream(Path.of("/dev"), "video*")) {
            for (Path path : nodes) {
                try (VideoNode video = VideoNode.open(LinuxKernel.instance(), path)) {
                    if (video.name().contains("vivid-000") && video.kind() == Kind.CAMERA) {
                        return path;
                    }
                }
            }
        }
        throw new AssertionError("no camera vivid-000");
    }

    private Window window() throws CenallocException {
        return window(cenalloc);
    }

    private Window window(Cenalloc context) throws CenallocException {
        return Window.open(context, socket(), "camera");
    }

    private static Agreement agreement(Cenalloc context, Camera camera, Window window) throws CenallocException {
        Agreement agreement = Agreement.negotiate(context, SCREEN, List.of(camera.port(), window.port()));
        camera.configure(agreement);
        return agreement;
    }

    @Test
    void theScreenHasWhatTheCameraWrote() throws Exception {
        weston();
        try (Window window = window();
                Camera camera = Camera.open(cenalloc, camera())) {
            Agreement agreement = agreement(cenalloc, camera, window);
            assertEquals(new Image(PixelFormat.XR24, WIDTH, HEIGHT), agreement.image());
            try (Ring ring = Ring.allocate(cenalloc, agreement, 5)) {
                camera.use(ring);
                window.use(ring);
                camera.start();
                int[] before = {};
                for (int shot = 0; shot < 3; shot++) {
                    for (int i = 0; i < 10; i++) {
                        window.show(camera.next(LIMIT));
                    }
                    Frame last = camera.next(LIMIT);
                    int[] written = colours(last);
                    window.show(last);
                    assertTrue(window.awaitShown(LIMIT));
                    assertArrayEquals(written, screen());
                    assertFalse(Arrays.equals(before, written), "the camera's picture moves");
                    before = written;
                }
                camera.stop();
            }
        }
    }

    /** They do not enter the kernel: the C library reads most clocks in memory. */
    private static final Set<String> NO_CALLS = Set.of("owned", "pageSize", "view", "sysfs", "clockGetTime");

    /** Calls of the kernel by their names. */
    private static Kernel counting(Map<String, Long> counts) {
        return (Kernel) Proxy.newProxyInstance(
                Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, (_, method, arguments) -> {
                    counts.merge(method.getName(), 1L, Long::sum);
                    try {
                        return method.invoke(LinuxKernel.instance(), arguments);
                    } catch (InvocationTargetException e) {
                        throw Objects.requireNonNull(e.getCause());
                    }
                });
    }

    /** A camera's frames in a window that frames were shown in already, as in the middle of a stream. */
    private interface Showing {
        void run(Window window, Camera camera) throws Exception;
    }

    private void show(Cenalloc context, Showing showing) throws Exception {
        try (Window window = window(context);
                Camera camera = Camera.open(context, camera())) {
            Agreement agreement = agreement(context, camera, window);
            try (Ring ring = Ring.allocate(context, agreement, 5)) {
                camera.use(ring);
                window.use(ring);
                camera.start();
                for (int i = 0; i < 10; i++) {
                    window.show(camera.next(LIMIT));
                }
                assertTrue(window.awaitShown(LIMIT));
                showing.run(window, camera);
                camera.stop();
            }
        }
    }

    /** Most calls of a frame: of a copy, two more begin and end the access of the CPU. */
    @ParameterizedTest
    @CsvSource({"gl, 8", "pixman, 10"})
    void aFrameTakesFewSystemCalls(String renderer, long most) throws Exception {
        weston(renderer);
        var counts = new HashMap<String, Long>();
        try (Cenalloc counted = TestContext.open(counting(counts), Path.of("/dev/dma_heap"))) {
            show(counted, (window, camera) -> {
                counts.clear();
                int frames = 60;
                long copied = window.copied();
                for (int i = 0; i < frames; i++) {
                    window.show(camera.next(LIMIT));
                }
                var made = new TreeMap<>(counts);
                made.keySet().removeAll(NO_CALLS);
                long calls = made.values().stream().mapToLong(Long::longValue).sum();
                System.out.println("system calls of " + frames + " frames with " + renderer + ": " + made);
                assertTrue(calls <= most * frames, () -> calls + " calls for " + frames + " frames: " + made);
                assertEquals(renderer.equals("pixman") ? frames : 0, window.copied() - copied);
            });
        }
    }

    /** The fewest bytes of objects that 10 frames took, of 100 times. */
    private static long objects(Window window, Camera camera) throws CenallocException {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long least = Long.MAX_VALUE;
        // Of some rounds, since a wait that ends without an event has an errno, for which there may be an object.
        for (int round = 0; round < 100; round++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 10; i++) {
                window.show(camera.next(LIMIT));
            }
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertTrue(window.awaitShown(LIMIT));
        return least;
    }

    @Test
    void aThousandFramesAreShownWithoutAnImportOrAnObject() throws Exception {
        weston();
        show(cenalloc, (window, camera) -> {
            long imports = asked("create_params");
            int open = Traces.openFiles();
            assertEquals(0, objects(window, camera), "bytes of objects");
            assertEquals(open, Traces.openFiles());
            assertEquals(imports, asked("create_params"));
            assertTrue(imports >= 5, () -> imports + " imports are in the log of weston");
            assertEquals(1010, asked(".attach(wl_buffer#"));
            assertEquals(1010, window.flips() + window.discarded());
        });
    }

    @Test
    void aThousandFramesAreCopiedWithoutAnObject() throws Exception {
        weston("pixman");
        show(cenalloc, (window, camera) -> {
            int open = Traces.openFiles();
            assertEquals(0, objects(window, camera), "bytes of objects");
            assertEquals(open, Traces.openFiles());
            assertEquals(1010, window.copied());
            assertEquals(1010, asked(".attach(wl_buffer#"));
            assertEquals(1010, window.flips() + window.discarded());
        });
    }

    /** In weston's own clock, which is not the one of {@link System#nanoTime}. */
    @ParameterizedTest
    @ValueSource(strings = {"gl", "pixman"})
    void framesAreToldWithTheTimeAtWhichTheyWereShown(String renderer) throws Exception {
        weston(renderer);
        show(cenalloc, (window, camera) -> {
            long flips = window.flips();
            long discarded = window.discarded();
            for (int i = 0; i < 30; i++) {
                Frame next = camera.next(LIMIT);
                long last = window.lastFlipNanos();
                long before = System.nanoTime();
                window.show(next);
                assertTrue(window.awaitShown(LIMIT));
                long after = System.nanoTime();
                assertEquals(flips + 1 + i, window.flips());
                long at = window.lastFlipNanos();
                assertTrue(
                        before < at && at <= after, () -> before + " < " + at + " <= " + after + ", before: " + last);
                assertTrue(at > last);
                assertEquals(0, window.lastFlipSequence(), "weston's backend without a screen numbers no refresh");
            }
            assertEquals(discarded, window.discarded());
            assertEquals(window.flips(), asked(".presented("));
        });
        try (var lines = Files.lines(log())) {
            System.out.println("the clock of weston with " + renderer + ": "
                    + lines.filter(line -> line.contains("clock_id("))
                            .findFirst()
                            .orElse("none"));
        }
    }

    /** It does not run when both frames come, so that the second takes the place of the first. */
    @Test
    void aFrameWhosePlaceAnotherTakesIsToldAsDiscarded() throws Exception {
        Process weston = weston();
        show(cenalloc, (window, camera) -> {
            long flips = window.flips();
            long discarded = window.discarded();
            signal(weston, "STOP");
            window.show(camera.next(LIMIT));
            window.show(camera.next(LIMIT)); // taken for hidden
            assertFalse(window.awaitShown(Duration.ZERO));
            signal(weston, "CONT");
            assertTrue(window.awaitShown(LIMIT));
            assertEquals(flips + 1, window.flips());
            assertEquals(discarded + 1, window.discarded());
            assertEquals(window.discarded(), asked(".discarded("));
        });
    }

    private void signal(Process process, String name) throws Exception {
        assertEquals(
                0,
                start(new ProcessBuilder("kill", "-" + name, "" + process.pid()))
                        .waitFor());
    }

    @Test
    void aCompositorThatIsKilledGivesAllBackAndTheNextShowsTheRest() throws Exception {
        Process first = weston();
        try (Camera camera = Camera.open(cenalloc, camera())) {
            Window window = window();
            Agreement agreement = agreement(cenalloc, camera, window);
            try (Ring ring = Ring.allocate(cenalloc, agreement, 5)) {
                camera.use(ring);
                window.use(ring);
                camera.start();
                for (int i = 0; i < 10; i++) {
                    window.show(camera.next(LIMIT));
                }
                first.destroyForcibly().waitFor();
                assertThrows(CenallocException.class, () -> {
                    while (true) {
                        Frame frame = camera.next(LIMIT);
                        boolean shown = false;
                        try {
                            window.show(frame);
                            shown = true;
                        } finally {
                            if (!shown) {
                                frame.close();
                            }
                        }
                    }
                });
                assertEquals(0, window.held());
                window.close();
                for (int i = 0; i < 10; i++) {
                    camera.next(LIMIT).close(); // it goes on
                }
                weston();
                try (Window next = window()) {
                    next.use(ring);
                    for (int i = 0; i < 10; i++) {
                        next.show(camera.next(LIMIT));
                    }
                    Frame last = camera.next(LIMIT);
                    int[] written = colours(last);
                    next.show(last);
                    assertTrue(next.awaitShown(LIMIT));
                    assertArrayEquals(written, screen());
                }
                camera.stop();
            }
        }
    }

    private static Agreement drawn(Cenalloc context, Window window, int width, int height) throws CenallocException {
        var range = new ImageRange(PixelFormat.XR24, ImageRange.Sizes.of(width, height));
        return Agreement.negotiate(
                context,
                ImageRequest.ANY,
                List.of(Port.of(Device.cpu(Direction.WRITE), List.of(range)), window.port()));
    }

    /** The kiosk's windows fill the screen, and the latest is above the others. */
    @Test
    void imagesOfAnotherSizeAreScaledAndTwoWindowsAreBesideEachOther() throws Exception {
        weston();
        try (Window window = window();
                Ring ring = Ring.allocate(cenalloc, drawn(cenalloc, window, WIDTH / 2, HEIGHT / 2), 2)) {
            window.use(ring);
            Frame frame = ring.lend("test", SECOND);
            fill(frame, 0x2080F0);
            window.show(frame);
            while (window.handleEvents(SECOND)) {} // it gets its size when it is there
            int[] all = new int[WIDTH * HEIGHT];
            Arrays.fill(all, 0x2080F0);
            assertArrayEquals(all, screen());
            try (Window other = window();
                    Ring own = Ring.allocate(cenalloc, drawn(cenalloc, other, WIDTH, HEIGHT), 2)) {
                other.use(own);
                Frame above = own.lend("test", SECOND);
                fill(above, 0x104010);
                other.show(above);
                assertTrue(other.awaitShown(LIMIT));
                Arrays.fill(all, 0x104010);
                assertArrayEquals(all, screen());
            }
            Frame next = ring.lend("test", SECOND);
            fill(next, 0x108010);
            window.show(next);
            while (window.handleEvents(SECOND)) {}
            assertFalse(frame.isLent(), "it was released for the next");
        }
    }
}
