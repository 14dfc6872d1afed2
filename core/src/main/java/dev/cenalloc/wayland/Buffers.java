// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.image.Layout;
import dev.cenalloc.stream.Frame;
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
final class Buffers {
    /** More come only from a stream that makes new memory for each frame. */
    private static final int MOST_OTHERS = 64;

    private final Channel channel;
    private final Formats formats;
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
    /** What giving a frame back failed with; told by the next call of the program that may fail so. */
    private @Nullable Exception failure;

    Buffers(Channel channel, Formats formats, String name) {
        this.channel = channel;
        this.formats = formats;
        this.name = name;
    }

    Ring ring() {
        if (ring == null) {
            throw new IllegalStateException("no ring is in use: call use(ring) first");
        }
        return ring;
    }

    /** How many frames the compositor has. */
    int held() {
        return held;
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

    /** Imports the memory of a ring in place of that before. If it fails, nothing has changed. */
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
    ImportedBuffer of(Frame frame) throws CenallocException {
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

    /** Whether the compositor has this frame. */
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

    /** A frame was handed to the compositor. */
    void took(ImportedBuffer buffer, Frame frame) {
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
        try {
            frame.close();
        } catch (CenallocException | RuntimeException e) {
            if (failure == null) {
                failure = e;
            } else {
                failure.addSuppressed(e);
            }
        }
    }

    /** The connection has ended: nobody reads them any more. */
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

    /** Tells, once, what giving frames back failed with. */
    void checkGivenBack() throws CenallocException {
        Exception told = failure;
        failure = null;
        switch (told) {
            case null -> {}
            case CenallocException e -> throw e;
            case RuntimeException e -> throw e;
            default -> throw new IllegalStateException(told);
        }
    }
}
