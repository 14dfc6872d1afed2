// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.CallSweep;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Scene;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.MachineQuestions;
import dev.cenalloc.kernel.CallErrnos;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Faults in every call of the questions to this machine: which devices it has, and what they take. */
class DeviceFaultsTest extends CallSweep {
    private static final Path CAMERA = Path.of("/dev/video0");
    private static final Path CARD = Path.of("/dev/dri/card0");
    private static final String BY_PATH = "/dev/v4l/by-path/platform-fake-video-index0";
    private static final Layout PICTURE = Layout.of(new Image(PixelFormat.XR24, 64, 64));

    private abstract static class Machine extends Scene {
        private final FakeCamera camera;
        private final FakeCard card;

        Machine() throws CenallocException {
            super(new FakeKernel()
                    .heap("system", 4 << 20)
                    .heap("reserved", 4 << 20)
                    .file("/proc/device-tree/compatible", "fake,board\0"));
            openHeaps();
            camera = FakeCamera.capturing(fake, FakeCamera::anything);
            card = new FakeCard(fake, true, true);
            fake.device(CAMERA.toString(), camera)
                    .device(CARD.toString(), card)
                    .device("/dev/video1", FakeCamera.converting(fake, FakeCamera::anything))
                    .link(BY_PATH, CAMERA.toString());
        }

        @Override
        protected String more() {
            return camera.state() + card.state() + card.screen();
        }
    }

    private static String images(Optional<Port> port) {
        return port.map(Port::images).toString();
    }

    private static String ports(Probe probe) throws CenallocException {
        return probe + images(probe.produces()) + images(probe.consumes()) + images(probe.exports());
    }

    private static String trial(Probe probe) throws CenallocException {
        Device device = probe.device(PICTURE);
        return device + " " + device.constraints() + " " + device.detail();
    }

    enum Operation implements Scene.Maker {
        LIST {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return Devices.list(cenalloc).stream()
                                .map(info -> info + " " + info.stablePath() + " " + info.reason())
                                .toList()
                                .toString();
                    }
                };
            }
        },
        FIND_CAMERA {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return "" + Devices.camera(cenalloc);
                    }
                };
            }
        },
        FIND_PATH {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return "" + Devices.camera(cenalloc, BY_PATH);
                    }
                };
            }
        },
        FIND_DISPLAY {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return "" + Devices.display(cenalloc);
                    }
                };
            }
        },
        CAMERA_PORTS {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return ports(Probe.of(cenalloc, CAMERA));
                    }
                };
            }
        },
        CARD_PORTS {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return ports(Probe.of(cenalloc, CARD));
                    }
                };
            }
        },
        CAMERA_TRIAL {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return trial(Probe.of(cenalloc, CAMERA));
                    }
                };
            }
        },
        CARD_TRIAL {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        return trial(Probe.of(cenalloc, CARD));
                    }
                };
            }
        },
        NEGOTIATE {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    @Override
                    protected String operate() throws Exception {
                        Probe camera = Probe.of(cenalloc, CAMERA);
                        Probe card = Probe.of(cenalloc, CARD);
                        Optional<Port> shows = card.consumes();
                        if (shows.isEmpty()) {
                            return "a card that shows nothing";
                        }
                        Agreement agreed = Agreement.negotiate(
                                cenalloc,
                                ImageRequest.ANY.format(PixelFormat.XR24),
                                List.of(camera.produces().orElseThrow(), shows.get()));
                        return agreed + " " + agreed.explain();
                    }
                };
            }
        },
        BOARD {
            @Override
            public Scene scene() throws CenallocException {
                return new Machine() {
                    private final MachineQuestions questions = new MachineQuestions();

                    @Override
                    protected String operate() throws Exception {
                        return questions.ask(cenalloc);
                    }
                };
            }
        }
    }

    @Override
    protected List<Operation> operations() {
        return List.of(Operation.values());
    }

    /**
     * A link that cannot be followed is left out of the list: it is another name of what is there. A card that another
     * program controls is said to be that.
     */
    @Override
    protected boolean tells(Scene.Maker operation, String result, String call, int errno) {
        return super.tells(operation, result, call, errno)
                || (operation == Operation.LIST && call.equals("realPath"))
                || (call.equals("DRM_IOCTL_SET_MASTER") && result.contains("not tried on the screen"));
    }

    /** A search tells of all nodes, in words. */
    @Override
    protected boolean isOfIts(Scene.Maker operation, CenallocException e, String call, int errno) {
        return (e instanceof NoSuchDeviceException || e instanceof NoCommonImageException)
                && (!CallErrnos.isPassing(call, errno) || e.toString().contains(Errno.name(errno)));
    }
}
