// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.CallSweep;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.Scene;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** Faults in every call of what is done to displays. Afterwards the screen shows what it showed before. */
class DisplayFaultsTest extends CallSweep {
    private static final Path NODE = Path.of("/dev/dri/card0");
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final ImageRequest SMALL =
            ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480);

    /** Memory of before, made with another display of the card. */
    private abstract static class Screen extends Scene {
        final FakeCard card;
        private final Ring ring;

        Screen() throws CenallocException {
            this(new FakeKernel().heap("system", 64 << 20));
        }

        private Screen(FakeKernel kernel) throws CenallocException {
            super(kernel);
            openHeaps();
            card = new FakeCard(kernel, true, true);
            card.mayChange = true;
            kernel.device(NODE.toString(), card);
            try (Display other = Display.open(cenalloc, NODE)) {
                ring = Ring.allocate(cenalloc, Canvas.negotiate(cenalloc, other, SMALL), 3);
            }
        }

        @Override
        protected String operate() throws Exception {
            Display display = opened(Display.open(cenalloc, NODE));
            String said = operate(display, ring);
            close(display);
            return said;
        }

        abstract String operate(Display display, Ring memory) throws Exception;

        @Override
        protected String more() {
            return " " + card.state() + " " + card.screen();
        }

        @Override
        protected void end() {
            ring.close();
        }
    }

    enum Operation implements Scene.Maker {
        CANVAS {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        Canvas canvas = opened(display.canvas(2));
                        for (int i = 0; i < 3; i++) {
                            Frame frame = opened(canvas.next(SECOND));
                            var pixels = opened(frame.access(Direction.WRITE));
                            pixels.segment().fill((byte) i);
                            close(pixels);
                            close(frame);
                        }
                        close(canvas);
                        return display.mode() + " " + display.port();
                    }
                };
            }
        },
        FRAMES {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        display.use(memory);
                        var frames = TestFrame.of(memory);
                        for (int i = 0; i < 9; i++) {
                            card.isPrompt = i > 4;
                            display.show(frames.get(i % 3).lendAgain());
                        }
                        boolean told = display.lastFlipNanos() > 0;
                        display.awaitShown(SECOND);
                        return display.flips() + " " + told;
                    }
                };
            }
        },
        FENCES {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        display.use(memory);
                        var frames = TestFrame.of(memory);
                        Fence ready = opened(memory.buffers(0).getFirst().exportFence(Direction.READ));
                        Fence shown = opened(memory.buffers(0).getFirst().exportFence(Direction.READ));
                        display.show(frames.get(0).lendAgain(), ready, shown);
                        display.show(frames.get(1).lendAgain(), ready, shown);
                        display.show(frames.get(2).lendAgain(), ready);
                        close(shown);
                        close(ready);
                        return "";
                    }
                };
            }
        },
        PLACE {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        display.use(memory);
                        display.place(new Area(0, 0, 100, 100), new Area(5, 5, 100, 100));
                        display.show(TestFrame.of(memory).getFirst().lendAgain());
                        return "";
                    }
                };
            }
        },
        OVERLAY {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        display.use(memory);
                        display.show(TestFrame.of(memory).getFirst().lendAgain());
                        Overlay overlay =
                                opened(display.overlay(display.planes().getLast()));
                        overlay.use(memory);
                        overlay.place(new Area(0, 0, 100, 100), new Area(5, 5, 100, 100));
                        overlay.show(TestFrame.of(memory).get(1).lendAgain());
                        overlay.show(TestFrame.of(memory).get(2).lendAgain());
                        overlay.hide();
                        close(overlay);
                        return "";
                    }
                };
            }
        },
        WRITEBACK {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        var frames = TestFrame.of(memory);
                        display.use(memory);
                        display.show(frames.get(0).lendAgain());
                        Writeback writeback = display.writeback().orElse(null);
                        if (writeback == null) { // as of a card that has no such connector
                            return "none";
                        }
                        writeback.show(frames.get(1).lendAgain());
                        display.awaitShown(SECOND);
                        close(opened(writeback.await(SECOND)));
                        return writeback.image() + "";
                    }
                };
            }
        },
        ANOTHER_RING {
            @Override
            public Scene scene() throws CenallocException {
                return new Screen() {
                    @Override
                    String operate(Display display, Ring memory) throws Exception {
                        display.use(memory);
                        display.show(TestFrame.of(memory).getFirst().lendAgain());
                        Ring large = Ring.allocate(
                                cenalloc, Canvas.negotiate(cenalloc, display, ImageRequest.ANY.size(1024, 768)), 2);
                        opened(() -> {
                            display.close();
                            large.close();
                        });
                        display.use(large);
                        display.show(TestFrame.of(large).getFirst().lendAgain());
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

    @Override
    protected boolean isOfIts(Scene.Maker operation, CenallocException e, String call, int errno) {
        return e instanceof NoMasterException
                || e instanceof NoScreenException
                || e.errno() == Errno.EOPNOTSUPP
                || e.errno() == Errno.EINVAL;
    }
}
