// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CallSweep;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Scene;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Faults in every call of a sink and a source of GStreamer's unixfd protocol, which talk with each other. */
class UnixFdFaultsTest extends CallSweep {
    /** No time passes on the fake kernel, but where a sink pauses after a connection that it could not accept. */
    private static final Duration LIMIT = Duration.ofMillis(500);

    private static final Address ADDRESS = Address.ofAbstract("faults");
    private static final Image PICTURE = new Image(PixelFormat.XR24, 16, 16);

    /** No frame has come, since its message was not sent, or not read. */
    private static final class NothingException extends CenallocException {
        private static final long serialVersionUID = 1;

        NothingException() {
            super(Errno.EAGAIN, "test", null, -1, "nothing came", "wait");
        }
    }

    private static UnixFdFrame there(@Nullable UnixFdFrame frame) throws NothingException {
        if (frame == null) {
            throw new NothingException();
        }
        return frame;
    }

    enum Operation implements Scene.Maker {
        FRAMES {
            @Override
            public Scene scene() throws CenallocException {
                return new Scene(new FakeKernel().heap("system", 1 << 24)) {
                    @Override
                    protected String operate() throws Exception {
                        Agreement agreed = Agreement.of(
                                cenalloc, List.of(UnixFdSink.layout(PICTURE)), FrameRate.of(25), List.of());
                        Ring ring = opened(Ring.allocate(cenalloc, agreed, 3));
                        List<Picture> pictures = Picture.of(ring);
                        UnixFdSink sink = opened(UnixFdSink.open(cenalloc, ADDRESS, agreed));
                        UnixFdSource source = opened(UnixFdSource.open(cenalloc, ADDRESS));
                        String said = "" + sink.awaitPipeline(LIMIT);
                        for (int i = 0; i < 2; i++) {
                            said += sink.send(pictures.get(i).lendAgain());
                            UnixFdFrame frame = opened(there(source.next(LIMIT)));
                            var pixels = opened(frame.access(Direction.READ));
                            said += " " + pixels.segment().byteSize();
                            close(pixels);
                            close(frame);
                            said += sink.collect(LIMIT);
                        }
                        said += source.caps() + sink.finish(LIMIT);
                        close(source);
                        close(sink);
                        close(ring);
                        return said;
                    }
                };
            }
        }
    }

    @Override
    protected List<Operation> operations() {
        return List.of(Operation.values());
    }

    /** A pipeline that makes trouble is dismissed, and the stream goes on: the source finds the end. */
    @Override
    protected boolean isOfIts(Scene.Maker operation, CenallocException e, String call, int errno) {
        return e instanceof DisconnectedException || e instanceof EndOfStreamException || e instanceof NothingException;
    }
}
