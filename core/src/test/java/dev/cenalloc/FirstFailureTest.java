// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.NoSuchDeviceException;
import dev.cenalloc.device.Probe;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.NoMasterException;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import dev.cenalloc.share.SentFrame;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.DamagedStreamException;
import dev.cenalloc.v4l2.StreamEndedException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** A process that has no descriptor left for the file of a class still learns what failed. */
class FirstFailureTest {
    /** Loads the library once more, until it may not load any more. */
    private static final class Loader extends URLClassLoader {
        private final List<String> refused = new ArrayList<>();
        private boolean isOver;

        Loader(URL... places) {
            super(places, FirstFailureTest.class.getClassLoader());
        }

        @Override
        protected synchronized Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("dev.cenalloc.")) {
                return super.loadClass(name, resolve);
            }
            Class<?> known = findLoadedClass(name);
            if (known == null && isOver) {
                refused.add(name);
                throw new ClassNotFoundException(name);
            }
            return known == null ? findClass(name) : known;
        }
    }

    private interface Call {
        void run() throws Exception;
    }

    /** Runs in the other loader. */
    static final class Scenario {
        private Scenario() {}

        /** Uses everything once, then has everything fail; returns what was told. */
        static List<String> run(Runnable lastClass) throws Exception {
            FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
            var told = new ArrayList<String>();
            try (var cenalloc = kernel.open();
                    var buffer = cenalloc.create(1)) {
                buffer.map(Direction.READ).close();
                List<Call> calls = List.of(
                        () -> cenalloc.create(1).dmaBuf(),
                        () -> buffer.dmaBuf().map(Direction.READ).close(),
                        () -> buffer.dmaBuf().duplicate().close(),
                        () -> buffer.dmaBuf().exportFence(Direction.READ).close(),
                        () -> cenalloc.adopt(kernel.foreignDmaBuf("camera", 4096, false))
                                .close());
                for (Call call : calls) {
                    call.run();
                }
                lastClass.run();
                for (int errno : List.of(Errno.EMFILE, Errno.ENOMEM, Errno.EPERM)) {
                    for (Call call : calls) {
                        kernel.failCall(0, errno);
                        try {
                            call.run();
                        } catch (CenallocException e) {
                            told.add(e.errnoName() + " "
                                    + String.valueOf(e.getMessage()).contains(e.remedy()));
                        }
                        kernel.failNoCall();
                    }
                }
            }
            return told;
        }
    }

    /** Runs in the other loader: a camera, a display and a connection, of which every call fails. */
    static final class Streams {
        private static final Duration SECOND = Duration.ofSeconds(1);
        private static final Path CAMERA = Path.of("/dev/video0");
        private static final Path CARD = Path.of("/dev/dri/card0");

        private Streams() {}

        /** As {@link Scenario#run}. */
        static List<String> run(Runnable lastClass) throws Exception {
            FakeKernel kernel = new FakeKernel().heap("system", 64 << 20);
            var card = new FakeCard(kernel, true, true);
            card.mayChange = true;
            kernel.device(CAMERA.toString(), FakeCamera.capturing(kernel, FakeCamera::anything))
                    .device(CARD.toString(), card);
            var told = new TreeSet<String>();
            try (var cenalloc = kernel.open()) {
                List<Call> calls = List.of(
                        () -> Probe.of(cenalloc, Devices.camera(cenalloc)).produces(),
                        () -> camera(cenalloc),
                        () -> display(cenalloc),
                        () -> share(cenalloc, kernel));
                for (Call call : calls) {
                    call.run();
                }
                lastClass.run();
                for (int errno : List.of(Errno.EMFILE, Errno.EACCES, Errno.EIO, Errno.EPIPE, Errno.ENODEV)) {
                    for (Call call : calls) {
                        failEach(kernel, errno, call, told);
                    }
                }
            }
            return List.copyOf(told);
        }

        private static void failEach(FakeKernel kernel, int errno, Call call, Set<String> told) throws Exception {
            for (int n = 0, end = Integer.MAX_VALUE; n < end; n++) {
                int before = kernel.calls.size();
                kernel.failCall(n, errno);
                try {
                    call.run();
                    end = kernel.calls.size() - before;
                } catch (CenallocException e) {
                    told.add(e.getClass().getSimpleName());
                }
                kernel.failNoCall();
            }
        }

        private static void camera(Cenalloc cenalloc) throws CenallocException {
            try (var camera = Camera.open(cenalloc, CAMERA, ImageRequest.ANY.size(320, 240))) {
                camera.start();
                camera.next(SECOND).close();
                camera.stop();
            }
        }

        private static void display(Cenalloc cenalloc) throws CenallocException {
            try (var display = Display.open(cenalloc, CARD, ImageRequest.ANY.size(640, 480));
                    var canvas = display.canvas(2)) {
                canvas.next(SECOND).close();
                canvas.next(SECOND).close();
            }
        }

        private static void share(Cenalloc cenalloc, FakeKernel kernel) throws CenallocException {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment pair = arena.allocate(8, 4);
                int made = kernel.socketPair(pair);
                if (made < 0) {
                    throw CenallocException.ofCall(-made, "socketpair", null, -1);
                }
                int one = pair.get(ValueLayout.JAVA_INT, 0);
                int other = pair.get(ValueLayout.JAVA_INT, 4);
                Connection first;
                try {
                    first = Connection.adopt(cenalloc, one);
                } catch (CenallocException e) {
                    kernel.close(other);
                    throw e;
                }
                try (var sender = new Sender(first);
                        var receiver = new Receiver(Connection.adopt(cenalloc, other));
                        var buffer = cenalloc.create(4096)) {
                    SentFrame frame = sender.add(List.of(buffer), "", "");
                    sender.send(frame, 1, 1, null, SECOND);
                    try (var received = receiver.next(Duration.ZERO)) {
                        Objects.requireNonNullElse(received, frame);
                    }
                    sender.returned(Duration.ZERO);
                }
            }
        }
    }

    /** Another process: there, all may call native functions, whatever loads the library. */
    static final class Other {
        private Other() {}

        public static void main(String[] args) throws Exception {
            try (var loader = new Loader(place(Cenalloc.class), place(Errno.class), place(FirstFailureTest.class))) {
                Method run = loader.loadClass(args[0]).getDeclaredMethod("run", Runnable.class);
                run.setAccessible(true);
                System.out.println(run.invoke(null, (Runnable) () -> loader.isOver = true));
                System.out.println("refused: " + loader.refused);
            }
        }

        private static URL place(Class<?> type) {
            return type.getProtectionDomain().getCodeSource().getLocation();
        }
    }

    @Test
    void theFirstFailureIsTold() throws Exception {
        var expected = new ArrayList<String>();
        for (String errno : List.of("EMFILE", "ENOMEM", "EPERM")) {
            for (int i = 0; i < 5; i++) {
                // An allocation that finds no memory goes on with the next heap.
                if (!(errno.equals("ENOMEM") && i == 0)) {
                    expected.add(errno + " true");
                }
            }
        }
        assertEquals(expected + "\nrefused: []\n", otherProcess(Scenario.class));
    }

    @Test
    void theFirstFailureOfAStreamIsTold() throws Exception {
        String output = otherProcess(Streams.class);
        assertTrue(output.endsWith("\nrefused: []\n"), output);
        for (Class<?> type : List.of(
                CenallocException.class,
                DeviceGoneException.class,
                DamagedStreamException.class,
                StreamEndedException.class,
                DisconnectedException.class,
                NoMasterException.class,
                NoPermissionException.class,
                NoSuchDeviceException.class)) {
            assertTrue(output.contains(type.getSimpleName()), output);
        }
    }

    private static String otherProcess(Class<?> scenario) throws Exception {
        Process process = new ProcessBuilder(JavaProgram.command(Other.class, scenario.getName()))
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        return output;
    }
}
