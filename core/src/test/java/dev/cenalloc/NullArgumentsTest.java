// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.Probe;
import dev.cenalloc.gstreamer.UnixFdSink;
import dev.cenalloc.gstreamer.UnixFdSource;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.Fact;
import dev.cenalloc.json.Profile;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kms.Area;
import dev.cenalloc.kms.Canvas;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.Plane;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Objection;
import dev.cenalloc.plan.Statement;
import dev.cenalloc.plan.Usage;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Broadcast;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.Listener;
import dev.cenalloc.share.Peer;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import dev.cenalloc.share.SentFrame;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.DeviceMemory;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.ImageRejection;
import dev.cenalloc.stream.Port;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import dev.cenalloc.v4l2.VideoOutput;
import dev.cenalloc.wayland.ScriptedCompositor;
import dev.cenalloc.wayland.Window;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Each public method and constructor of these packages refuses null for each parameter that may not be null, by the
 * parameter's name, and before it has done anything.
 */
class NullArgumentsTest {
    private static final List<String> PACKAGES = List.of(
                    "",
                    "/device",
                    "/gstreamer",
                    "/image",
                    "/json",
                    "/kms",
                    "/plan",
                    "/share",
                    "/stream",
                    "/v4l2",
                    "/wayland")
            .stream()
            .map(end -> "dev/cenalloc" + end)
            .toList();
    /** What programs implement, and the library calls. */
    private static final List<Class<?>> IMPLEMENTED = List.of(HeapSource.class, Heap.Refusal.class, Port.Terms.class);

    private static final Path CAMERA = Path.of("/dev/video0");
    private static final Path CARD = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);

    private final FakeKernel kernel = new FakeKernel().heap("system", 64 << 20).heap("reserved", 1 << 20);
    /** An object for each type that is a parameter, or has methods. */
    private final Map<Class<?>, Object> values = new HashMap<>();
    /** What is closed in the end, the last first. */
    private final Deque<AutoCloseable> open = new ArrayDeque<>();

    @BeforeEach
    void makeObjects() throws Exception {
        Cenalloc cenalloc = opened(kernel.open());
        makeBuffers(cenalloc);
        makeImages();
        makeCameras(cenalloc);
        makeDisplay(cenalloc);
        makeConnections(cenalloc);
        makeWindow(cenalloc);
    }

    private void makeBuffers(Cenalloc cenalloc) throws Exception {
        SharedBuffer buffer = opened(cenalloc.create(100));
        Device device = Device.of("camera", Constraints.NONE, "test");
        Attachment attachment = buffer.attach(device);
        DmaBuf dmaBuf = buffer.dmaBuf();
        Choice choice = buffer.choice().orElseThrow();
        put(cenalloc, buffer, device, attachment, dmaBuf, choice, choice.plan(), choice.heap());
        put(opened(Fence.adopt(kernel, kernel.fence(new FakeKernel.Work()))), opened(dmaBuf.map(Direction.READ)));
        put(opened(dmaBuf.access(Direction.READ)), Expectation.NONE, Direction.READ, SECOND, Demand.ofBytes(100));
        put(Constraints.NONE, HeapProperties.UNKNOWN, "text", cenalloc.usage(choice.heap()), cenalloc.statistics());
        BufferInfo info = cenalloc.buffers().getFirst();
        put(info, info.memory().orElseThrow(), Instant.EPOCH);
        Pool pool = opened(Pool.allocate(cenalloc, Demand.ofBytes(100), List.of(device), 1));
        put(pool, opened(pool.lend("test", SECOND)));
        put(Profile.empty("board"), CenallocException.of(Errno.EIO, "ioctl TEST", 1));
        put(
                Boards.ofMachine(cenalloc, List.of()),
                Boards.named("rpi4").descriptions().getFirst());
        put(Fact.Certainty.READ);
        put(Field.MAX_SIZE, Field.Rule.MIN, Usage.CPU_HEAVY, HeapProperties.Trait.YES, Device.Origin.STATED);
        put(Objection.Cause.REFUSED, new Objection(Objection.Cause.REFUSED, "test"));
        put(new Statement(device, Field.MAX_SIZE, "test"));
        values.put(MemorySegment.class, MemorySegment.ofArray(new byte[4096]));
        values.put(Heap.Refusal.class, (Heap.Refusal) (constraints, size) -> Optional.empty());
        values.put(Set.class, Set.of());
        values.put(Map.class, Map.of());
        values.put(Optional.class, Optional.empty());
        values.put(boolean.class, true);
        values.put(List.class, List.of());
        values.put(Collection.class, List.of("camera"));
        values.put(Path.class, CAMERA);
        values.put(byte[].class, new byte[1]);
        values.put(Predicate.class, (Predicate<Peer>) _ -> true);
        values.put(InputStream.class, new ByteArrayInputStream(new byte[0]));
        values.put(HeapSource.class, (HeapSource) size -> -1);
        values.put(int.class, 1);
        values.put(long.class, 4096L);
    }

    private void makeImages() {
        Image image = new Image(PixelFormat.XR24, 16, 16);
        put(image, Layout.of(image), new Layout.Plane(0, 4, 4), LayoutRules.NONE);
        put(PixelFormat.XR24, FrameRate.of(30), Sizes.ANY, Rates.ANY, new Rates[] {Rates.ANY}, ImageRequest.ANY);
        values.put(Port.Terms.class, (Port.Terms) _ -> value(Device.class, Device.class));
        put(new ImageRejection(image, FrameRate.of(30), List.of(), "test"));
    }

    private void makeCameras(Cenalloc cenalloc) throws Exception {
        kernel.device(CAMERA.toString(), FakeCamera.capturing(kernel, FakeCamera::anything))
                .device("/dev/video1", FakeCamera.converting(kernel, FakeCamera::anything))
                .device("/dev/video2", FakeCamera.showing(kernel, FakeCamera::anything));
        Camera camera = opened(Camera.open(cenalloc, CAMERA, ImageRequest.ANY.size(320, 240)));
        camera.start();
        Frame frame = camera.next(SECOND);
        values.put(Frame.class, frame);
        values.put(DeviceMemory.class, camera.port().memory().orElseThrow());
        put(camera, camera.port(), camera.ring(), camera.ring().agreement(), opened(frame.access(Direction.READ)));
        put(opened(Converter.open(cenalloc, Path.of("/dev/video1"))));
        put(opened(VideoOutput.open(cenalloc, Path.of("/dev/video2"))));
        put(Probe.of(cenalloc, CAMERA), Devices.list(cenalloc).getFirst(), DeviceInfo.Kind.CAMERA);
    }

    private void makeDisplay(Cenalloc cenalloc) throws Exception {
        var card = new FakeCard(kernel, true, true);
        card.mayChange = true;
        kernel.device(CARD.toString(), card);
        Display display = opened(Display.open(cenalloc, CARD));
        Canvas canvas = opened(display.canvas(2));
        canvas.next(SECOND).close();
        put(opened(canvas.ring().lend("test", SECOND)));
        Plane plane = display.planes().getLast();
        put(display, canvas, display.output(), display.mode(), plane, plane.kind(), new Area(0, 0, 1, 1));
        put(opened(display.overlay(plane)), display.writeback().orElseThrow());
    }

    private void makeConnections(Cenalloc cenalloc) throws Exception {
        var address = Address.ofAbstract("null");
        Listener listener = opened(Listener.open(cenalloc, address));
        put(address, listener, opened(Connection.connect(cenalloc, address)), new Peer(1, 0, 0));
        Objects.requireNonNull(listener.accept(SECOND)).close();
        put(opened(Broadcast.open(
                Listener.open(cenalloc, Address.ofAbstract("all")),
                value(Camera.class, Camera.class).ring())));
        Sender sender = opened(new Sender(Connection.connect(cenalloc, address)));
        Receiver receiver = opened(new Receiver(Objects.requireNonNull(listener.accept(SECOND))));
        SentFrame sent = sender.add(List.of(value(SharedBuffer.class, SharedBuffer.class)), "", "");
        sender.send(sent, 0, 0, null, SECOND);
        put(sender, receiver, sent, Objects.requireNonNull(receiver.next(SECOND)));
        put(opened(UnixFdSource.open(cenalloc, address)));
        Agreement images =
                Agreement.of(cenalloc, List.of(value(Layout.class, Layout.class)), FrameRate.of(30), List.of());
        put(images, opened(UnixFdSink.open(cenalloc, Address.ofAbstract("images"), images)));
    }

    private void makeWindow(Cenalloc cenalloc) throws Exception {
        opened(new ScriptedCompositor(kernel));
        Window window = opened(Window.open(cenalloc, ScriptedCompositor.SOCKET, "test"));
        values.put(FrameSink.class, window);
        put(window);
    }

    private <T extends AutoCloseable> T opened(T object) {
        open.push(object);
        return object;
    }

    private void put(Object... objects) {
        for (Object object : objects) {
            values.put(object.getClass(), object);
        }
    }

    @AfterEach
    void nothingIsLost() throws Exception {
        for (AutoCloseable object : open) {
            object.close();
        }
        assertEquals(0, kernel.openFiles());
    }

    private <T> T value(Class<T> type, Class<?> of) {
        return type.cast(Objects.requireNonNull(values.get(of)));
    }

    /** The public types of the packages, from the compiled classes. */
    private static List<Class<?>> types() throws Exception {
        Path classes = Path.of(Cenalloc.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        var types = new ArrayList<Class<?>>();
        for (String directory : PACKAGES) {
            try (Stream<Path> files = Files.list(classes.resolve(directory))) {
                for (Path file : files.sorted().toList()) {
                    String name = String.valueOf(file.getFileName());
                    if (!name.endsWith(".class") || name.startsWith("package-info")) {
                        continue;
                    }
                    Class<?> type = Class.forName(
                            directory.replace('/', '.') + "." + name.replaceFirst("\\.class$", ""),
                            false,
                            Cenalloc.class.getClassLoader());
                    if (isPublic(type) && !IMPLEMENTED.contains(type)) {
                        types.add(type);
                    }
                }
            }
        }
        return types;
    }

    private static boolean isPublic(Class<?> type) {
        Class<?> outer = type.getEnclosingClass();
        return Modifier.isPublic(type.getModifiers()) && (outer == null || isPublic(outer));
    }

    private static List<Executable> executables(Class<?> type) {
        return Stream.<Executable>concat(
                        Arrays.stream(type.getDeclaredConstructors()), Arrays.stream(type.getDeclaredMethods()))
                .filter(e -> Modifier.isPublic(e.getModifiers())
                        && !e.isSynthetic()
                        && !e.getName().equals("equals"))
                .filter(e -> !(type.isEnum() && e.getName().equals("valueOf"))) // the compiler's
                .toList();
    }

    private static boolean mustNotBeNull(Parameter parameter) {
        return !parameter.getType().isPrimitive()
                && !parameter.getAnnotatedType().isAnnotationPresent(Nullable.class);
    }

    @TestFactory
    List<DynamicTest> nullIsRefusedByName() throws Exception {
        var tests = new ArrayList<DynamicTest>();
        for (Class<?> type : types()) {
            for (Executable executable : executables(type)) {
                Parameter[] parameters = executable.getParameters();
                for (int i = 0; i < parameters.length; i++) {
                    if (mustNotBeNull(parameters[i])) {
                        int which = i;
                        tests.add(dynamicTest(
                                executable + " with null for " + parameters[i].getName(),
                                () -> check(executable, which)));
                    }
                }
            }
        }
        // As many as there are: a mistake in the search would leave a test of nothing.
        assertTrue(tests.size() > 220, () -> tests.size() + " parameters");
        return tests;
    }

    private void check(Executable executable, int which) throws Exception {
        Parameter[] parameters = executable.getParameters();
        var arguments = new @Nullable Object[parameters.length];
        for (int i = 0; i < parameters.length; i++) {
            Class<?> type = parameters[i].getType();
            boolean given = i != which && (type.isPrimitive() || mustNotBeNull(parameters[i]));
            arguments[i] = given ? value(Object.class, type) : null;
        }
        int calls = kernel.calls.size();
        Throwable thrown = thrownBy(executable, arguments);
        assertTrue(thrown instanceof NullPointerException, () -> executable + " threw " + thrown);
        String message = String.valueOf(thrown.getMessage());
        // Without the names in the class file: a name, and not the virtual machine's sentence.
        assertTrue(
                parameters[which].isNamePresent()
                        ? message.equals(parameters[which].getName())
                        : message.matches("[a-z][A-Za-z]*"),
                () -> executable + " said: " + message);
        assertEquals(calls, kernel.calls.size(), () -> executable + " made system calls: " + kernel.calls);
    }

    private @Nullable Throwable thrownBy(Executable executable, @Nullable Object[] arguments) throws Exception {
        try {
            switch (executable) {
                case Constructor<?> constructor -> constructor.newInstance(arguments);
                case Method method ->
                    method.invoke(
                            Modifier.isStatic(method.getModifiers())
                                    ? null
                                    : value(Object.class, method.getDeclaringClass()),
                            arguments);
            }
            return null;
        } catch (InvocationTargetException e) {
            return e.getCause();
        }
    }

    /** As the memory of a camera, which the search has. */
    @Test
    @SuppressWarnings("NullAway") // the test's subject
    void theMemoryOfADisplayRefusesNullByName() throws Exception {
        DeviceMemory memory =
                value(Display.class, Display.class).port().memory().orElseThrow();
        var agreement = assertThrows(NullPointerException.class, () -> memory.allocate(null, 1));
        assertEquals("agreement", agreement.getMessage());
        var layout = assertThrows(NullPointerException.class, () -> memory.offer(null, 1));
        assertEquals("layout", layout.getMessage());
    }

    @Test
    @SuppressWarnings({"NullAway", "DataFlowIssue"}) // the test's subject
    void nullForAMapOrAccessAllocatesNothing() {
        try (var buffer = value(Cenalloc.class, Cenalloc.class).create(100)) {
            assertThrows(NullPointerException.class, () -> buffer.map(null));
            assertThrows(NullPointerException.class, () -> buffer.access(null));
            assertTrue(buffer.choice().isEmpty());
        }
    }
}
