// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The place on the desktop: a surface with the role of a window, its size, and when it was drawn. For one thread at a
 * time.
 */
final class Surface {
    private static final int DAMAGE_BUFFER_SINCE = 4;
    /** A compositor may not tell an older client that its window is tiled. */
    private static final int TILED_SINCE = 2;

    private final Channel channel;
    private final boolean damagesBuffers;
    private final Proxy surface = new Proxy.Silent(Wire.SURFACE);
    private final Proxy role = new Role();
    private final Proxy toplevel = new Toplevel();
    /** Null if the compositor does not scale. */
    private final @Nullable Proxy viewport;

    private final Proxy drawn = new Drawn();
    private final Presentation presentation;

    private boolean configured;
    private boolean closeRequested;
    /** Of the next configuration, and of the one in force; 0 leaves the size to the window. */
    private int comingWidth;

    private int comingHeight;
    private boolean comingFills;
    private int width;
    private int height;
    /** Whether exactly that size must be filled: the window is maximised. */
    private boolean fills;

    /** Of the image that was shown last; 0 before. */
    private int imageWidth;

    private int imageHeight;
    /** The size that the image is scaled to. */
    private int targetWidth;

    private int targetHeight;

    private boolean pending;

    private final class Role extends Proxy {
        Role() {
            super(Wire.XDG_SURFACE);
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            if (opcode == Wire.XDG_SURFACE_CONFIGURE) {
                int serial = from.integer();
                width = comingWidth;
                height = comingHeight;
                fills = comingFills;
                from.request(this, Wire.XDG_SURFACE_ACK_CONFIGURE, 1);
                from.put(serial);
                configured = true;
                if (imageWidth > 0) {
                    scale();
                    presentation.continueLast(surface);
                    from.request(surface, Wire.SURFACE_COMMIT, 0);
                }
            }
        }
    }

    private final class Toplevel extends Proxy {
        Toplevel() {
            super(Wire.TOPLEVEL);
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            if (opcode == Wire.TOPLEVEL_CLOSE) {
                closeRequested = true;
            } else if (opcode == Wire.TOPLEVEL_CONFIGURE) {
                comingWidth = from.integer();
                comingHeight = from.integer();
                if (comingWidth < 0 || comingHeight < 0) {
                    throw from.lie("a window is to have " + comingWidth + "x" + comingHeight + " pixels");
                }
                MemorySegment states = from.array();
                comingFills = false;
                for (long at = 0; at + Integer.BYTES <= states.byteSize(); at += Integer.BYTES) {
                    int state = states.get(Wire.INT, at);
                    comingFills |= state == Wire.STATE_MAXIMIZED
                            || (state >= Wire.STATE_TILED_LEFT && state <= Wire.STATE_TILED_BOTTOM);
                }
            }
        }
    }

    /** The compositor has drawn what was committed, and takes the next. */
    private final class Drawn extends Proxy {
        Drawn() {
            super(Wire.CALLBACK);
        }

        @Override
        void event(int opcode, Channel from) {
            if (opcode == Wire.CALLBACK_DONE) {
                from.forget(this);
                pending = false;
            }
        }
    }

    /** Answers that this program is alive. */
    private static final class WmBase extends Proxy {
        WmBase() {
            super(Wire.WM_BASE);
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            if (opcode == Wire.WM_BASE_PING) {
                int serial = from.integer();
                from.request(this, Wire.WM_BASE_PONG, 1);
                from.put(serial);
            }
        }
    }

    private Surface(Channel channel, Presentation presentation, boolean damagesBuffers, boolean scales) {
        this.channel = channel;
        this.presentation = presentation;
        this.damagesBuffers = damagesBuffers;
        this.viewport = scales ? new Proxy.Silent(Wire.VIEWPORT) : null;
    }

    /** Makes a window, which appears with its first image. */
    static Surface open(Channel channel, Globals globals, byte[] title) throws CenallocException {
        Proxy compositor = new Proxy.Silent(Wire.COMPOSITOR);
        Proxy base = new WmBase();
        int version = globals.bind(channel, compositor, DAMAGE_BUFFER_SINCE);
        globals.bind(channel, base, TILED_SINCE);
        boolean scales = globals.version(Wire.VIEWPORTER) != 0;
        var presentation = Presentation.open(channel, globals);
        var made = new Surface(channel, presentation, version >= DAMAGE_BUFFER_SINCE, scales);
        channel.request(compositor, Wire.COMPOSITOR_CREATE_SURFACE, 1);
        channel.add(made.surface);
        channel.put(made.surface.id);
        channel.request(base, Wire.WM_BASE_GET_XDG_SURFACE, 2);
        channel.add(made.role);
        channel.put(made.role.id);
        channel.put(made.surface.id);
        channel.request(made.role, Wire.XDG_SURFACE_GET_TOPLEVEL, 1);
        channel.add(made.toplevel);
        channel.put(made.toplevel.id);
        if (made.viewport != null) {
            Proxy viewporter = new Proxy.Silent(Wire.VIEWPORTER);
            globals.bind(channel, viewporter, 1);
            channel.request(viewporter, Wire.VIEWPORTER_GET_VIEWPORT, 2);
            channel.add(made.viewport);
            channel.put(made.viewport.id);
            channel.put(made.surface.id);
        }
        made.text(Wire.TOPLEVEL_SET_TITLE, title);
        made.text(Wire.TOPLEVEL_SET_APP_ID, "dev.cenalloc".getBytes(StandardCharsets.US_ASCII));
        channel.request(made.surface, Wire.SURFACE_COMMIT, 0);
        channel.await(() -> made.configured, "configure the window");
        return made;
    }

    private void text(int opcode, byte[] text) throws CenallocException {
        channel.request(toplevel, opcode, Channel.words(text));
        channel.put(text);
    }

    void setTitle(byte[] title) throws CenallocException {
        text(Wire.TOPLEVEL_SET_TITLE, title);
    }

    void setFullscreen(boolean on) throws CenallocException {
        channel.request(toplevel, on ? Wire.TOPLEVEL_SET_FULLSCREEN : Wire.TOPLEVEL_UNSET_FULLSCREEN, on ? 1 : 0);
        if (on) {
            channel.put(0); // any output
        }
    }

    boolean isCloseRequested() {
        return closeRequested;
    }

    /** Whether the compositor has not drawn what was committed yet. */
    boolean isPending() {
        return pending;
    }

    /** Whether it is unknown yet what becomes of the last image. Where no compositor tells, drawn counts as shown. */
    boolean isUndecided() {
        return presentation.isAsked() ? presentation.isAwaited() : pending;
    }

    /** Whether the last image is on the screen, as far as is known. */
    boolean isShown() {
        return presentation.isAsked() ? presentation.isShown() : !pending;
    }

    Presentation presentation() {
        return presentation;
    }

    /** Scales the image into the window: as large as fits, or to the very size if that must be filled. */
    private void scale() throws CenallocException {
        Proxy scaling = viewport;
        if (scaling == null) {
            return;
        }
        int newWidth = imageWidth;
        int newHeight = imageHeight;
        if (fills && width > 0 && height > 0) {
            newWidth = width;
            newHeight = height;
        } else if (width > 0 && (height == 0 || (long) width * imageHeight <= (long) height * imageWidth)) {
            newWidth = width;
            newHeight = side(width, imageHeight, imageWidth);
        } else if (height > 0) {
            newWidth = side(height, imageWidth, imageHeight);
            newHeight = height;
        }
        if (newWidth != targetWidth || newHeight != targetHeight) {
            targetWidth = newWidth;
            targetHeight = newHeight;
            channel.request(scaling, Wire.VIEWPORT_SET_DESTINATION, 2);
            channel.put(newWidth);
            channel.put(newHeight);
        }
    }

    /** One side of the image when the other is so long. */
    private static int side(int other, int numerator, int denominator) {
        return Math.clamp(((long) other * numerator + denominator / 2) / denominator, 1, Integer.MAX_VALUE);
    }

    /** Shows an image, from the next time on that the compositor draws. One system call; allocates nothing. */
    void show(Proxy buffer, Image image) throws CenallocException {
        if (image.width() != imageWidth || image.height() != imageHeight) {
            imageWidth = image.width();
            imageHeight = image.height();
            scale();
        }
        channel.request(surface, Wire.SURFACE_ATTACH, 3);
        channel.put(buffer.id);
        channel.put(0);
        channel.put(0);
        channel.request(surface, damagesBuffers ? Wire.SURFACE_DAMAGE_BUFFER : Wire.SURFACE_DAMAGE, 4);
        channel.put(0);
        channel.put(0);
        channel.put(Integer.MAX_VALUE);
        channel.put(Integer.MAX_VALUE);
        boolean asks = !pending; // of a hidden window, nothing is drawn, and callbacks would pile up
        if (asks) {
            channel.request(surface, Wire.SURFACE_FRAME, 1);
            channel.add(drawn);
            channel.put(drawn.id);
        }
        presentation.begin(surface);
        channel.request(surface, Wire.SURFACE_COMMIT, 0);
        channel.flush();
        pending = true;
    }

    /** Takes the image and the window from the desktop. */
    void destroy() throws CenallocException {
        channel.request(surface, Wire.SURFACE_ATTACH, 3);
        channel.put(0);
        channel.put(0);
        channel.put(0);
        channel.request(surface, Wire.SURFACE_COMMIT, 0);
        if (viewport != null) {
            channel.request(viewport, Wire.VIEWPORT_DESTROY, 0);
        }
        channel.request(toplevel, Wire.TOPLEVEL_DESTROY, 0);
        channel.request(role, Wire.XDG_SURFACE_DESTROY, 0);
        channel.request(surface, Wire.SURFACE_DESTROY, 0);
        channel.forget(toplevel);
        channel.forget(role);
        channel.forget(surface);
        channel.flush();
    }

    /** The size in which the image is shown, in words; empty before the first. */
    String size() {
        return imageWidth == 0
                ? ""
                : targetWidth == 0 ? imageWidth + "x" + imageHeight : targetWidth + "x" + targetHeight;
    }
}
