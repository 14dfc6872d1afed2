// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static dev.cenalloc.v4l2.VideoWorld.CAMERA;
import static dev.cenalloc.v4l2.VideoWorld.CONVERTER;
import static dev.cenalloc.v4l2.VideoWorld.MULTIPLANAR;
import static dev.cenalloc.v4l2.VideoWorld.OUTPUT;
import static dev.cenalloc.v4l2.VideoWorld.REQUEST;
import static dev.cenalloc.v4l2.VideoWorld.SECOND;
import static dev.cenalloc.v4l2.VideoWorld.agreement;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.HostOnly;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every call of every operation fails in turn, with every errno that it may plausibly give. Afterwards descriptors,
 * mappings and memory are back where they were, the error is the one that the kernel gave, and the device can be used
 * again.
 */
class VideoFaultsTest {
    private static final int[] ERRNOS = {
        Errno.EPERM,
        Errno.ENOENT,
        Errno.EINTR,
        Errno.EIO,
        Errno.EAGAIN,
        Errno.ENOMEM,
        Errno.EACCES,
        Errno.EFAULT,
        Errno.EBUSY,
        Errno.ENODEV,
        Errno.EINVAL,
        Errno.EMFILE,
        Errno.ENOTTY,
        Errno.EPIPE,
        Errno.ENOLINK,
        Errno.ENODATA
    };

    enum Operation {
        OPEN_AND_STREAM {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                try (Camera camera = Camera.open(cenalloc, CAMERA, REQUEST)) {
                    camera.start();
                    for (int i = 0; i < 6; i++) {
                        camera.next(SECOND).close();
                    }
                    camera.stop();
                }
            }
        },
        CONFIGURE_AND_USE {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                Agreement small = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                Agreement large = agreement(cenalloc, PixelFormat.XR24, 640, 480);
                try (Camera camera = Camera.open(cenalloc, CAMERA)) {
                    camera.configure(small);
                    try (Ring ring = Ring.allocate(cenalloc, small, 2)) {
                        camera.use(ring);
                        camera.start();
                        try (var frame = camera.next(SECOND);
                                var _ = frame.access(Direction.READ_WRITE)) {
                            camera.stop();
                        } catch (IllegalStateException e) {
                            // The frame was revoked.
                        }
                        camera.configure(large);
                    }
                    try (Ring ring = Ring.allocate(cenalloc, large, 3)) {
                        camera.use(ring);
                        camera.start();
                        camera.next(SECOND).close();
                    }
                }
            }
        },
        LEND {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                try (Camera camera = Camera.open(cenalloc, CAMERA)) {
                    camera.configure(agreement);
                    try (Ring _ = camera.lend(agreement, 3)) {
                        camera.start();
                        camera.next(SECOND).close();
                    }
                }
            }
        },
        SEVERAL_BUFFERS {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                Agreement agreement = agreement(cenalloc, PixelFormat.NV16M, 320, 240);
                try (Camera camera = Camera.open(cenalloc, MULTIPLANAR)) {
                    camera.configure(agreement);
                    try (Ring _ = camera.lend(agreement, 2)) {
                        camera.start();
                        camera.next(SECOND).close();
                        camera.stop();
                    }
                    try (Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                        camera.use(ring);
                        camera.start();
                        camera.next(SECOND).close();
                    }
                }
            }
        },
        PORTS {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                try (Camera camera = Camera.open(cenalloc, CAMERA)) {
                    Agreement.negotiate(cenalloc, ImageRequest.ANY.size(640, 480), List.of(camera.port()));
                    Agreement.negotiate(cenalloc, ImageRequest.ANY.size(640, 480), List.of(camera.exports()));
                }
            }
        },
        CONVERT {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                Agreement small = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                Agreement large = agreement(cenalloc, PixelFormat.XR24, 640, 480);
                try (Camera camera = Camera.open(cenalloc, CAMERA);
                        Converter converter = Converter.open(cenalloc, CONVERTER);
                        Ring taken = Ring.allocate(cenalloc, small, 2);
                        Ring given = Ring.allocate(cenalloc, large, 2)) {
                    camera.configure(small);
                    camera.use(taken);
                    converter.configure(small, large);
                    converter.use(taken, given);
                    camera.start();
                    converter.start();
                    for (int i = 0; i < 3; i++) {
                        converter.put(camera.next(SECOND));
                        converter.next(SECOND).close();
                    }
                    converter.put(camera.next(SECOND));
                    converter.stop();
                    camera.stop();
                }
            }
        },
        PADDED {
            @Override
            void prepare(VideoWorld world) {
                world.camera.fourccs = List.of(PixelFormat.NV12.v4l2Fourcc().orElseThrow());
                world.camera.sizes = List.<int[]>of(new int[] {640, 472});
                world.camera.heightMultiple = 16;
                world.camera.part = new int[] {0, 0, 640, 480};
                world.camera.partIsFree = true;
            }

            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                try (Camera camera = Camera.open(cenalloc, CAMERA, ImageRequest.ANY.size(640, 472))) {
                    camera.start();
                    camera.next(SECOND).close();
                    camera.stop();
                }
            }
        },
        SHOW {
            @Override
            void run(Cenalloc cenalloc) throws CenallocException {
                Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                try (VideoOutput output = VideoOutput.open(cenalloc, OUTPUT);
                        Ring ring = Ring.allocate(cenalloc, agreement, 2)) {
                    output.configure(agreement);
                    output.use(ring);
                    output.start();
                    for (int i = 0; i < 4; i++) {
                        output.next(SECOND).close();
                    }
                    output.stop();
                }
            }
        };

        /** What is different in the world that it runs in. */
        void prepare(VideoWorld world) {}

        abstract void run(Cenalloc cenalloc) throws CenallocException;
    }

    @HostOnly
    @ParameterizedTest
    @EnumSource(Operation.class)
    void everyFaultOfEveryCallGivesEverythingBack(Operation operation) throws Exception {
        var world = new VideoWorld();
        operation.prepare(world);
        try (var cenalloc = world.open()) {
            operation.run(cenalloc);
        }
        int calls = world.kernel.calls.size();
        var outcomes = new ArrayList<String>();
        for (int call = 0; call < calls; call++) {
            for (int errno : ERRNOS) {
                outcomes.add(fail(operation, call, errno));
            }
        }
        // Some faults are survived (a name, an interrupted call, a rate that cannot be set); most are told.
        long told = outcomes.stream().filter("told"::equals).count();
        assertTrue(told > outcomes.size() / 4, () -> operation + ": " + told + " of " + outcomes.size());
    }

    private static String fail(Operation operation, int call, int errno) throws Exception {
        String what = operation + ", call " + call + ", " + Errno.name(errno);
        var world = new VideoWorld();
        operation.prepare(world);
        String outcome = "survived";
        try (var cenalloc = world.open()) {
            world.kernel.failCall(call, errno);
            try {
                operation.run(cenalloc);
            } catch (NoCommonImageException e) {
                // A driver without a list of formats is one that has none.
                boolean hasNoList = errno == Errno.EINVAL || errno == Errno.ENOTTY || errno == Errno.ENODATA;
                assertTrue(hasNoList || e.toString().contains(Errno.name(errno)), () -> what + ": " + e);
                outcome = "told";
            } catch (CenallocException e) {
                // EAGAIN says that there is no frame, and none is worth waiting for here.
                boolean isNoFrame = errno == Errno.EAGAIN && e instanceof NoFrameException;
                // What a busy device could not be asked, or one of its requests does not tell, shows later.
                boolean isLate = e instanceof FormatChangedException
                        && (errno == Errno.EBUSY || errno == Errno.ENOTTY || errno == Errno.ENODATA);
                assertTrue(e.errno() == errno || isNoFrame || isLate, () -> what + ": " + e);
                outcome = "told";
            } catch (IllegalStateException e) {
                throw new AssertionError(what, e);
            }
            world.kernel.failNoCall();
            // Only the nodes of the heaps may be open.
            assertTrue(world.kernel.openFiles() <= 2, () -> what + ": " + world.kernel.openFiles() + " files");
            assertEquals(0, world.kernel.openMappings(), what);
            assertEquals(VideoWorld.MEMORY, world.kernel.free(), what);
            try {
                operation.run(cenalloc);
            } catch (CenallocException e) {
                throw new AssertionError(what + ": it cannot be used again", e);
            }
        }
        assertEquals(0, world.kernel.openFiles(), what);
        return outcome;
    }
}
