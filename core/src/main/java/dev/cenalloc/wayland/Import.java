// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Seam;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The compositor is to import a dma-buf: by {@code create}, which it may refuse, and never by {@code create_immed},
 * after whose failure it may end the connection.
 */
final class Import extends Proxy {
    private final ImportedBuffer made;
    private boolean answered;
    private boolean taken;

    private Import(ImportedBuffer made) {
        super(Wire.PARAMS);
        this.made = made;
    }

    /**
     * Asks for it. The answer is awaited for all at once.
     *
     * @param layout that {@link #objection} has nothing against
     */
    static Import of(Channel channel, Formats formats, ImportedBuffer made, DmaBuf memory, Layout layout)
            throws CenallocException {
        Descriptor descriptor = Seam.descriptor(memory);
        if (!descriptor.isOpen()) {
            throw new IllegalStateException(memory + " is closed");
        }
        Image image = layout.image();
        long modifier = formats.modifier(image);
        var one = new Import(made);
        channel.request(formats.dmabuf(), Wire.DMABUF_CREATE_PARAMS, 1);
        channel.add(one);
        channel.put(one.id);
        for (int i = 0; i < layout.planes().size(); i++) {
            Layout.Plane plane = layout.planes().get(i);
            channel.request(one, Wire.PARAMS_ADD, 5, 1);
            channel.pass(descriptor);
            channel.put(i);
            channel.put((int) plane.offset());
            channel.put((int) plane.pitch());
            channel.put((int) (modifier >>> Integer.SIZE));
            channel.put((int) modifier);
        }
        channel.request(one, Wire.PARAMS_CREATE, 4);
        channel.put(image.width());
        channel.put(image.height());
        channel.put(image.format().drmFourcc().orElseThrow());
        channel.put(0);
        return one;
    }

    /**
     * Why images cannot lie so, in words; null if they can. Compositors end the connection for planes that are not
     * whole inside their memory.
     *
     * @param size of the memory in bytes
     */
    static @Nullable String objection(Layout layout, long size) {
        for (Layout.Plane plane : layout.planes()) {
            if (plane.end() > size || plane.end() > 0xFFFF_FFFFL) {
                return "it takes only whole lines inside the memory, of which the last ends at byte " + plane.end()
                        + ", and there are " + size;
            }
        }
        return null;
    }

    /** Waits for the answers to several. */
    static void await(Channel channel, List<Import> all) throws CenallocException {
        channel.await(() -> all.stream().allMatch(one -> one.answered), "import dma-bufs");
    }

    @Override
    void event(int opcode, Channel channel) throws CenallocException {
        if (opcode > Wire.PARAMS_FAILED) {
            return;
        }
        answered = true;
        if (opcode == Wire.PARAMS_CREATED) {
            channel.adopt(made, channel.integer());
            taken = true;
        }
        channel.request(this, Wire.PARAMS_DESTROY, 0);
        channel.forget(this);
    }

    boolean isTaken() {
        return taken;
    }

    ImportedBuffer made() {
        return made;
    }

    /** Of what is refused. */
    static CenallocException refused(Image image, String name) {
        return new CenallocException(
                Errno.EINVAL,
                "zwp_linux_buffer_params_v1.create",
                null,
                -1,
                name + " does not take the memory of " + image,
                "negotiate with the window's port()");
    }
}
