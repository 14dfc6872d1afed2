// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CallSweep;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Scene;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import java.time.Duration;
import java.util.List;

/** Faults in every call of what is done to windows. */
class WindowCallFaultsTest extends CallSweep {
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Image PICTURE = new Image(PixelFormat.XR24, 64, 48);

    enum Operation implements Scene.Maker {
        SHOW {
            @Override
            public Scene scene() throws CenallocException {
                return new Scene(new FakeKernel().heap("system", 1 << 24)) {
                    private final ScriptedCompositor compositor = new ScriptedCompositor(fake);

                    @Override
                    protected void prepare() {
                        compositor.hangUp(); // the client before may have said half of a message
                    }

                    @Override
                    protected String operate() throws Exception {
                        Ring ring = opened(Ring.allocate(
                                cenalloc,
                                Agreement.of(cenalloc, List.of(Layout.of(PICTURE)), FrameRate.of(30), List.of()),
                                3));
                        Window window = opened(Window.open(cenalloc, ScriptedCompositor.SOCKET, "test"));
                        String said = window.port() + "";
                        window.use(ring);
                        for (int i = 0; i < 3; i++) {
                            window.show(ring.lend("test", Duration.ZERO));
                            said += window.awaitShown(SECOND);
                        }
                        window.setTitle("other");
                        said += window.held();
                        close(window);
                        said += ring.pool().free();
                        close(ring);
                        return said;
                    }

                    @Override
                    protected void end() {
                        compositor.close();
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
        // A table of formats that cannot be read is not what the protocol says.
        boolean isTable = call.equals("pread")
                && e instanceof ProtocolException
                && e.toString().contains(Errno.name(errno));
        return isTable || e instanceof DisconnectedException;
    }
}
