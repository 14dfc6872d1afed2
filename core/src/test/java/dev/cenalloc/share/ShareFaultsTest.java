// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.CallSweep;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Fence;
import dev.cenalloc.Scene;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.CallErrnos;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Faults in every call of what passes buffers and frames to other processes. */
class ShareFaultsTest extends CallSweep {
    /** No time passes on the fake kernel, but where a broadcast pauses after a connection that it could not accept. */
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private static final Address ADDRESS = Address.ofAbstract("faults");
    private static final Image PICTURE = new Image(PixelFormat.NV12, 64, 48);

    /** A buffer with memory, and two ends. */
    private abstract static class Sharing extends Scene {
        private final SharedBuffer buffer;

        Sharing() throws CenallocException {
            super(new FakeKernel().heap("system", 16 << 20));
            buffer = cenalloc.create(PICTURE);
            buffer.dmaBuf();
        }

        @Override
        protected String operate() throws Exception {
            Listener listener = opened(Listener.open(cenalloc, ADDRESS));
            String said = operate(listener, opened(Connection.connect(cenalloc, ADDRESS)), buffer);
            close(listener);
            return said;
        }

        abstract String operate(Listener listener, Connection connection, SharedBuffer memory) throws Exception;

        @Override
        protected void end() {
            buffer.close();
        }
    }

    /** What a call may leave out, and an operation then has not. */
    private static <T> T there(@org.jspecify.annotations.Nullable T object) throws CenallocException {
        if (object == null) {
            throw new NothingException();
        }
        return object;
    }

    /** Nothing came in no time: EAGAIN says so. */
    private static final class NothingException extends CenallocException {
        private static final long serialVersionUID = 1;

        NothingException() {
            super(Errno.EAGAIN, "test", null, -1, "nothing came", "wait");
        }
    }

    enum Operation implements Scene.Maker {
        MESSAGES {
            @Override
            public Scene scene() throws CenallocException {
                return new Sharing() {
                    @Override
                    String operate(Listener listener, Connection connection, SharedBuffer memory) throws Exception {
                        Connection accepted = opened(there(listener.accept(LIMIT)));
                        boolean isOurs = connection.peer().pid()
                                == ProcessHandle.current().pid();
                        boolean sent = connection.send(new byte[] {1, 2, 3}, List.of(memory.dmaBuf()), LIMIT);
                        var buffers = new ArrayList<SharedBuffer>();
                        opened(() -> buffers.forEach(SharedBuffer::close));
                        byte[] message = new byte[16];
                        int length = accepted.receive(message, buffers, LIMIT);
                        if (length < 0) {
                            throw new NothingException();
                        }
                        String said = isOurs + " " + sent + length + message[2] + buffers.size();
                        close(accepted);
                        close(connection);
                        return said;
                    }
                };
            }
        },
        FRAMES {
            @Override
            public Scene scene() throws CenallocException {
                return new Sharing() {
                    private final List<Integer> fences = new ArrayList<>();

                    @Override
                    protected void prepare() {
                        fences.clear();
                        for (int i = 0; i < 4; i++) {
                            fences.add(received(fake.fence(new FakeKernel.Work())));
                        }
                    }

                    private Fence fence(int which) {
                        return opened(Seam.fence(Fence.class, calls.kernel, fences.get(which)));
                    }

                    @Override
                    String operate(Listener listener, Connection connection, SharedBuffer memory) throws Exception {
                        Sender sender = opened(new Sender(connection));
                        Receiver receiver = opened(new Receiver(there(listener.accept(LIMIT))));
                        SentFrame frame = sender.add(List.of(memory), "left", "");
                        String said = "";
                        for (int i = 0; i < 2; i++) {
                            Fence written = fence(2 * i);
                            said += sender.send(frame, i, 0, written, LIMIT);
                            close(written);
                            ReceivedFrame received = opened(there(receiver.next(LIMIT)));
                            var pixels = opened(received.access(Direction.READ));
                            said += received.name()
                                    + received.sequence()
                                    + pixels.segment().byteSize();
                            close(pixels);
                            Fence read = fence(2 * i + 1);
                            close(received, () -> received.close(read));
                            close(read);
                            said += there(sender.returned(LIMIT)).released().isSignalled();
                        }
                        sender.remove(frame);
                        close(receiver);
                        close(sender);
                        return said;
                    }
                };
            }
        },
        BROADCAST {
            @Override
            public Scene scene() throws CenallocException {
                return new Sharing() {
                    @Override
                    String operate(Listener listener, Connection connection, SharedBuffer memory) throws Exception {
                        Agreement agreed =
                                Agreement.of(cenalloc, List.of(Layout.of(PICTURE)), FrameRate.of(30), List.of());
                        Ring ring = opened(Ring.allocate(cenalloc, agreed, 3));
                        Broadcast broadcast = opened(Broadcast.open(listener, ring));
                        Receiver receiver = opened(new Receiver(connection));
                        String said = "" + broadcast.awaitReceivers(1, LIMIT);
                        for (int i = 0; i < 2; i++) {
                            var frame = ring.lend("camera", Duration.ZERO);
                            opened(() -> {
                                if (frame.isLent()) {
                                    frame.close();
                                }
                            });
                            said += broadcast.send(frame);
                            ReceivedFrame received = opened(there(receiver.next(LIMIT)));
                            said += received.sequence();
                            close(received);
                            said += broadcast.collect(LIMIT);
                        }
                        close(receiver);
                        close(broadcast);
                        close(ring);
                        return said;
                    }
                };
            }
        },
        ADOPT {
            @Override
            public Scene scene() throws CenallocException {
                return new Sharing() {
                    private int fd;

                    @Override
                    protected void prepare() {
                        fd = received(fake.socket(0));
                    }

                    @Override
                    String operate(Listener listener, Connection connection, SharedBuffer memory) throws Exception {
                        Connection adopted = opened(Connection.adopt(cenalloc, fd));
                        close(adopted);
                        close(connection);
                        return listener.address() + "";
                    }
                };
            }
        }
    }

    @Override
    protected List<Operation> operations() {
        return List.of(Operation.values());
    }

    /** Who sends or receives nothing has no answer; the end of the other side is told as that. */
    @Override
    protected boolean isOfIts(Scene.Maker operation, CenallocException e, String call, int errno) {
        return e instanceof DisconnectedException
                || (call.equals("accept") && e instanceof NothingException)
                || (call.equals("SYNC_IOC_FILE_INFO")
                        && !CallErrnos.isPassing(errno)
                        && e instanceof ProtocolException);
    }
}
