// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Refusal;
import dev.cenalloc.plan.Constraints;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Offers memory to the compositor of a window, by a trial import. Owns nothing. */
final class WindowImporter implements Importer {
    private final Channel channel;
    private final Formats formats;
    private final Buffers buffers;
    private final String name;
    private @Nullable Layout layout;

    WindowImporter(Channel channel, Formats formats, Buffers buffers, String name) {
        this.channel = channel;
        this.formats = formats;
        this.buffers = buffers;
        this.name = name;
    }

    @Override
    public String driver() {
        return name;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Optional<List<ImageRange>> produces() {
        return Optional.empty();
    }

    @Override
    public Optional<List<ImageRange>> consumes() {
        return Optional.of(formats.images());
    }

    @Override
    public List<String> otherFormats(boolean output) {
        return output ? formats.others() : List.of();
    }

    @Override
    public long prepare(Layout wanted) throws CenallocException {
        String objection = formats.formats(wanted.image().modifier())
                        .contains(wanted.image().format())
                ? Import.objection(wanted, wanted.size())
                : "its compositor does not have the format";
        if (objection != null) {
            throw CenallocException.ofRefusal(
                    Errno.EINVAL,
                    "probe",
                    null,
                    wanted.size(),
                    name + " cannot show " + wanted.image() + ": " + objection,
                    "take another format or layout");
        }
        layout = wanted;
        return wanted.size();
    }

    /** No compositor tells. */
    @Override
    public Constraints needs() {
        return Constraints.NONE;
    }

    @Override
    public Optional<Refusal> offer(List<DmaBuf> offered) throws CenallocException {
        Layout wanted = Objects.requireNonNull(layout);
        var imports = new ArrayList<Import>();
        for (DmaBuf one : offered) {
            imports.add(Import.of(channel, formats, new ImportedBuffer(buffers), one, wanted));
        }
        Import.await(channel, imports);
        boolean taken = true;
        for (Import one : imports) {
            taken &= one.isTaken();
            if (one.isTaken()) {
                channel.request(one.made(), Wire.BUFFER_DESTROY, 0);
                channel.forget(one.made());
            }
        }
        channel.flush();
        return taken ? Optional.empty() : Optional.of(Refusal.ofMemory("zwp_linux_buffer_params_v1.create", 0));
    }

    @Override
    public String omitted() {
        return "";
    }

    /** The window stays open. */
    @Override
    public void close() {}
}
