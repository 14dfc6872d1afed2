// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import static dev.cenalloc.v4l2.VideoWorld.CAMERA;
import static dev.cenalloc.v4l2.VideoWorld.CONVERTER;
import static dev.cenalloc.v4l2.VideoWorld.MULTIPLANAR;
import static dev.cenalloc.v4l2.VideoWorld.OUTPUT;
import static dev.cenalloc.v4l2.VideoWorld.REQUEST;
import static dev.cenalloc.v4l2.VideoWorld.SECOND;
import static dev.cenalloc.v4l2.VideoWorld.agreement;

import dev.cenalloc.CallSweep;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Scene;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Ring;
import java.util.List;

/** Faults in every call of what is done to cameras, converters and outputs. */
class VideoFaultsTest extends CallSweep {
    private abstract static class Video extends Scene {
        Video(VideoWorld world) throws CenallocException {
            super(world.kernel);
            openHeaps();
        }

        final Ring ring(Agreement agreement, int frames) throws CenallocException {
            return opened(Ring.allocate(cenalloc, agreement, frames));
        }

        /** Takes a frame, looks at it, and gives it back. */
        final String frame(Camera camera) throws Exception {
            Frame frame = opened(camera.next(SECOND));
            var access = opened(frame.access(Direction.READ));
            // Whole pages, or what the driver allocated.
            boolean holds = access.segment().byteSize() >= frame.layout().size();
            String said = frame.index() + " " + holds + ", ";
            close(access);
            close(frame);
            return said;
        }
    }

    enum Operation implements Scene.Maker {
        OPEN_AND_STREAM {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Camera camera = opened(Camera.open(cenalloc, CAMERA, REQUEST));
                        camera.start();
                        String said = frame(camera) + frame(camera) + frame(camera);
                        camera.stop();
                        close(camera);
                        return said;
                    }
                };
            }
        },
        CONFIGURE_AND_USE {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Agreement small = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                        Agreement large = agreement(cenalloc, PixelFormat.XR24, 640, 480);
                        Ring first = ring(small, 2);
                        Ring second = ring(large, 3);
                        Camera camera = opened(Camera.open(cenalloc, CAMERA));
                        camera.configure(small);
                        camera.use(first);
                        camera.start();
                        String said = frame(camera);
                        camera.stop();
                        camera.configure(large);
                        camera.use(second);
                        camera.start();
                        said += frame(camera);
                        close(camera);
                        close(second);
                        close(first);
                        return said;
                    }
                };
            }
        },
        LEND {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                        Camera camera = opened(Camera.open(cenalloc, CAMERA));
                        camera.configure(agreement);
                        Ring lent = opened(camera.lend(agreement, 3));
                        camera.start();
                        String said = frame(camera);
                        camera.stop();
                        close(lent);
                        close(camera);
                        return said;
                    }
                };
            }
        },
        SEVERAL_BUFFERS {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Agreement agreement = agreement(cenalloc, PixelFormat.NV16M, 320, 240);
                        Ring ring = ring(agreement, 2);
                        Camera camera = opened(Camera.open(cenalloc, MULTIPLANAR));
                        camera.configure(agreement);
                        Ring lent = opened(camera.lend(agreement, 2));
                        camera.start();
                        camera.next(SECOND).close();
                        camera.stop();
                        close(lent);
                        camera.use(ring);
                        camera.start();
                        camera.next(SECOND).close();
                        close(camera);
                        close(ring);
                        return "";
                    }
                };
            }
        },
        PORTS {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Camera camera = opened(Camera.open(cenalloc, CAMERA));
                        var wanted = ImageRequest.ANY.size(640, 480);
                        String said = Agreement.negotiate(cenalloc, wanted, List.of(camera.port())) + " "
                                + Agreement.negotiate(cenalloc, wanted, List.of(camera.exports()));
                        close(camera);
                        return said;
                    }
                };
            }
        },
        CONVERT {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Agreement small = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                        Agreement large = agreement(cenalloc, PixelFormat.XR24, 640, 480);
                        Ring taken = ring(small, 2);
                        Ring given = ring(large, 2);
                        Camera camera = opened(Camera.open(cenalloc, CAMERA));
                        Converter converter = opened(Converter.open(cenalloc, CONVERTER));
                        camera.configure(small);
                        camera.use(taken);
                        converter.configure(small, large);
                        converter.use(taken, given);
                        camera.start();
                        converter.start();
                        for (int i = 0; i < 3; i++) {
                            converter.put(camera.next(SECOND));
                            close(opened(converter.next(SECOND)));
                        }
                        converter.put(camera.next(SECOND));
                        converter.stop();
                        camera.stop();
                        close(converter);
                        close(camera);
                        return given + "";
                    }
                };
            }
        },
        PADDED {
            @Override
            public Scene scene() throws CenallocException {
                var world = new VideoWorld();
                world.camera.fourccs = List.of(PixelFormat.NV12.v4l2Fourcc().orElseThrow());
                world.camera.sizes = List.<int[]>of(new int[] {640, 472});
                world.camera.heightMultiple = 16;
                world.camera.part = new int[] {0, 0, 640, 480};
                world.camera.partIsFree = true;
                return new Video(world) {
                    @Override
                    protected String operate() throws Exception {
                        Camera camera = opened(Camera.open(cenalloc, CAMERA, ImageRequest.ANY.size(640, 472)));
                        camera.start();
                        String said = frame(camera);
                        camera.stop();
                        close(camera);
                        return said;
                    }
                };
            }
        },
        SHOW {
            @Override
            public Scene scene() throws CenallocException {
                return new Video(new VideoWorld()) {
                    @Override
                    protected String operate() throws Exception {
                        Agreement agreement = agreement(cenalloc, PixelFormat.YUYV, 320, 240);
                        Ring ring = ring(agreement, 2);
                        VideoOutput output = opened(VideoOutput.open(cenalloc, OUTPUT));
                        output.configure(agreement);
                        output.use(ring);
                        output.start();
                        for (int i = 0; i < 4; i++) {
                            close(opened(output.next(SECOND)));
                        }
                        output.stop();
                        close(output);
                        close(ring);
                        return "";
                    }
                };
            }
        }
    }

    @Override
    protected List<Operation> operations() {
        return List.of(Operation.values());
    }

    /** Some say more than the errno, which their message then has; others come later, where it shows. */
    @Override
    protected boolean isOfIts(Scene.Maker operation, CenallocException e, String call, int errno) {
        // A driver without a list of formats is one that has none.
        boolean hasNoList = errno == Errno.EINVAL || errno == Errno.ENOTTY || errno == Errno.ENODATA;
        // EAGAIN says that there is no frame, and none is worth waiting for here.
        boolean isNoFrame = errno == Errno.EAGAIN && e instanceof NoFrameException;
        // What a busy device could not be asked, or one of its requests does not tell, shows later.
        boolean isLate = e instanceof FormatChangedException
                && (errno == Errno.EBUSY || errno == Errno.ENOTTY || errno == Errno.ENODATA);
        return isNoFrame
                || isLate
                || (e instanceof NoCommonImageException
                        && (hasNoList || e.toString().contains(Errno.name(errno))));
    }
}
