// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.node.Trial;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The memory of the frames as the compositor knows it, imported once, and which frames the compositor has. Closed by
 * its {@link Window}. For one thread at a time.
 */
final class Buffers extends Delivery {
    /** More come only from a stream that makes new memory for each frame. */
    private static final int MOST_OTHERS = 64;
    /** How many frames the compositor may always have: the one on the screen, and the next. */
    private static final int LEAST_HELD = 2;
    /** How many frames of a ring it leaves to the stream, if there are so many. */
    private static final int LEAST_LEFT = 2;

    private final Channel channel;
    private final Formats formats;
    private final Trial trial;
    private final String name;

    private @Nullable Ring ring;
    private @Nullable Layout layout;
    /**
     * By the memory of the frames: of those that the ring had, and of those that came later, also of other rings of the
     * same agreement.
     */
    private final Map<PoolBuffer, ImportedBuffer> imported = new LinkedHashMap<>();
    /** Of no use any more, but the compositor has them. */
    private final List<ImportedBuffer> retired = new ArrayList<>();

    private int held;

    Buffers(Channel channel, Formats formats, Trial trial, String name) {
        this.channel = channel;
        this.formats = formats;
        this.trial = trial;
        this.name = name;
    }

    @Override
    List<ImageRange> images() {
        return formats.images();
    }

    @Override
    List<String> others() {
        return formats.others();
    }

    @Override
    Port.Terms terms() {
        return trial.terms(() -> new WindowImporter(channel, formats, this, name));
    }

    @Override
    Ring ring() {
        if (ring == null) {
            throw notReady();
        }
        return ring;
    }

    @Override
    int held() {
        return held;
    }

    @Override
    boolean isFull() {
        return held >= Math.max(LEAST_HELD, ring().size() - LEAST_LEFT);
    }

    @Override
    long copied() {
        return 0;
    }

    // ---- importing ----

    /** Has memory imported, all of it or nothing. */
    private List<ImportedBuffer> load(List<DmaBuf> memory, Layout where) throws CenallocException {
        for (DmaBuf one : memory) {
            String objection = Import.objection(where, one.size());
            if (objection != null) {
                throw new IllegalArgumentException(name + " cannot show " + where.image() + ": " + objection);
            }
        }
        var imports = new ArrayList<Import>();
        boolean complete = false;
        try {
            for (DmaBuf one : memory) {
                imports.add(Import.of(channel, formats, new ImportedBuffer(this), one, where));
            }
            Import.await(channel, imports);
            complete = imports.stream().allMatch(Import::isTaken);
            if (!complete) {
                throw Import.refused(where.image(), name);
            }
            return imports.stream().map(Import::made).toList();
        } finally {
            if (!complete && channel.isUsable()) {
                Import.await(channel, imports); // some were asked for before another failed
                for (Import one : imports) {
                    if (one.isTaken()) {
                        destroy(one.made());
                    }
                }
            }
        }
    }

    /** Imports the memory of a ring. */
    @Override
    void use(Ring next, Layout where) throws CenallocException {
        List<PoolBuffer> memory = next.pool().buffers();
        List<ImportedBuffer> loaded =
                load(memory.stream().map(one -> one.buffers().getFirst()).toList(), where);
        for (ImportedBuffer old : List.copyOf(imported.values())) {
            retire(old);
        }
        imported.clear();
        for (int i = 0; i < loaded.size(); i++) {
            imported.put(memory.get(i), loaded.get(i));
        }
        ring = next;
        layout = where;
    }

    /** What the compositor knows the memory of a frame as; imported if it is new. */
    private ImportedBuffer of(Frame frame) throws CenallocException {
        PoolBuffer memory = frame.memory();
        ImportedBuffer known = imported.get(memory);
        if (known != null && !known.isBusy()) {
            return known;
        }
        if (known == null && imported.size() >= ring().size() + MOST_OTHERS) {
            forgetOthers();
        }
        ImportedBuffer made =
                load(frame.buffers(), Objects.requireNonNull(layout)).getFirst();
        if (known != null) {
            retire(known); // the frame before was of a stream that has ended, and the compositor still has it
        }
        imported.put(memory, made);
        return made;
    }

    @Override
    boolean has(Frame frame) {
        ImportedBuffer known = imported.get(frame.memory());
        return known != null && known.isBusy() && !known.isStale();
    }

    /** Forgets the memory of frames that are not of the ring. */
    private void forgetOthers() throws CenallocException {
        List<PoolBuffer> kept = ring().pool().buffers();
        for (PoolBuffer memory : List.copyOf(imported.keySet())) {
            if (!kept.contains(memory)) {
                retire(Objects.requireNonNull(imported.remove(memory)));
            }
        }
    }

    private void retire(ImportedBuffer buffer) throws CenallocException {
        if (buffer.isBusy()) {
            buffer.retire();
            retired.add(buffer);
        } else {
            destroy(buffer);
        }
    }

    private void destroy(ImportedBuffer buffer) throws CenallocException {
        channel.request(buffer, Wire.BUFFER_DESTROY, 0);
        channel.forget(buffer);
    }

    // ---- giving back ----

    @Override
    void show(Frame frame, Surface surface) throws CenallocException {
        ImportedBuffer buffer = of(frame);
        surface.show(buffer, frame.ring().agreement().image());
        buffer.take(frame);
        held++;
        if (frame.memory().isLent()) { // else the program took it back
            frame.handTo(name);
        }
    }

    /** The compositor does not read it any more. */
    void released(ImportedBuffer buffer) throws CenallocException {
        giveBack(buffer);
        if (buffer.isRetired()) {
            retired.remove(buffer);
            destroy(buffer);
        }
    }

    private void giveBack(ImportedBuffer buffer) {
        Frame frame = buffer.takeBack();
        held--;
        if (frame == null) {
            return;
        }
        giveBack(frame);
    }

    @Override
    void giveAllBack() {
        if (held == 0) {
            return;
        }
        for (ImportedBuffer buffer : imported.values()) {
            if (buffer.isBusy()) {
                giveBack(buffer);
            }
        }
        for (ImportedBuffer buffer : retired) {
            if (buffer.isBusy()) {
                giveBack(buffer);
            }
        }
    }

    /** Its memory is that of the rings. */
    @Override
    void close() {}
}
