// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Frames are copied into memory that the compositor reads ({@code wl_shm}), since it takes no dma-bufs: by the CPU, one
 * copy a frame, which goes back to its stream at once. Closed by its {@link Window}. For one thread at a time.
 */
final class Copies extends Delivery {
    /** One on the screen, one that is to be drawn next, one to be written. */
    private static final int SLOTS = 3;

    private static final long PAGE = 4096;
    private static final List<ImageRange.Rates> ANY_RATE = List.of(ImageRange.Rates.ANY);

    private final Channel channel;
    private final String name;
    private final Shm shm = new Shm();

    private @Nullable Ring ring;
    private @Nullable Layout layout;
    private @Nullable SharedMemory memory;
    private List<Slot> slots = List.of();
    private long copied;

    /** The codes of the formats, in the order in which they came. */
    private static final class Shm extends Proxy {
        private final Set<Integer> codes = new LinkedHashSet<>();

        Shm() {
            super(Wire.SHM);
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            // More are of no use here, and must not fill the memory.
            if (opcode == Wire.SHM_FORMAT && codes.size() < PixelFormat.values().length) {
                int code = from.integer();
                if (format(code).isPresent()) {
                    codes.add(code);
                }
            }
        }
    }

    /** A part of the memory, as a buffer of the compositor. */
    private static final class Slot extends Proxy {
        private final MemorySegment bytes;
        private boolean busy;
        private boolean retired;

        Slot(MemorySegment bytes) {
            super(Wire.BUFFER);
            this.bytes = bytes;
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            if (opcode == Wire.BUFFER_RELEASE && busy) {
                busy = false;
                if (retired) {
                    destroy(from);
                }
            }
        }

        void destroy(Channel from) throws CenallocException {
            from.request(this, Wire.BUFFER_DESTROY, 0);
            from.forget(this);
        }
    }

    Copies(Channel channel, Globals globals, String name) throws CenallocException {
        this.channel = channel;
        this.name = name;
        int _ = globals.bind(channel, shm, 1);
        channel.sync("tell what formats it reads from shared memory");
        Log.warn("The Wayland compositor offers no " + Wire.DMABUF + " that can be used: each frame is copied into"
                + " shared memory (wl_shm) by the CPU");
    }

    /** The format of a code, if its pixels lie in one plane. */
    private static Optional<PixelFormat> format(int code) {
        Optional<PixelFormat> format = switch (code) {
            case Wire.SHM_ARGB8888 -> Optional.of(PixelFormat.AR24);
            case Wire.SHM_XRGB8888 -> Optional.of(PixelFormat.XR24);
            default -> PixelFormat.ofDrm(code);
        };
        return format.filter(one -> one.planes().size() == 1);
    }

    private static int code(PixelFormat format) {
        return switch (format) {
            case AR24 -> Wire.SHM_ARGB8888;
            case XR24 -> Wire.SHM_XRGB8888;
            default -> format.drmFourcc().orElseThrow();
        };
    }

    @Override
    List<ImageRange> images() {
        return shm.codes.stream()
                .map(code -> new ImageRange(format(code).orElseThrow(), Image.LINEAR, ImageRange.Sizes.ANY, ANY_RATE))
                .toList();
    }

    @Override
    List<String> others() {
        return List.of();
    }

    @Override
    Port.Terms terms() {
        Device reader = Device.cpu(Direction.READ)
                .named(name)
                .withDetail("it takes no dma-bufs, so the CPU copies each frame into shared memory (wl_shm)");
        return _ -> reader;
    }

    @Override
    Ring ring() {
        if (ring == null) {
            throw notReady();
        }
        return ring;
    }

    @Override
    void use(Ring next, Layout where) throws CenallocException {
        Image image = where.image();
        Layout.Plane plane = where.planes().getFirst();
        long room = Math.ceilDiv(where.size(), PAGE) * PAGE;
        if (room * SLOTS > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    name + " cannot show " + image + ": " + SLOTS + " of them are larger than 2 GiB");
        }
        SharedMemory fresh = SharedMemory.allocate(channel.kernel(), room * SLOTS);
        var made = new ArrayList<Slot>();
        boolean complete = false;
        try {
            var pool = new Proxy.Silent(Wire.SHM_POOL);
            channel.request(shm, Wire.SHM_CREATE_POOL, 2, 1);
            channel.add(pool);
            channel.pass(fresh.file());
            channel.put(pool.id);
            channel.put((int) room * SLOTS);
            for (int i = 0; i < SLOTS; i++) {
                var slot = new Slot(fresh.bytes().asSlice(i * room, room));
                channel.request(pool, Wire.SHM_POOL_CREATE_BUFFER, 6);
                channel.add(slot);
                channel.put(slot.id);
                channel.put((int) (i * room + plane.offset()));
                channel.put(image.width());
                channel.put(image.height());
                channel.put((int) plane.pitch());
                channel.put(code(image.format()));
                made.add(slot);
            }
            channel.request(pool, Wire.SHM_POOL_DESTROY, 0);
            channel.forget(pool);
            channel.sync("map shared memory"); // it ends the connection if it cannot
            complete = true;
        } finally {
            fresh.closeFile();
            if (!complete) {
                fresh.close();
            }
        }
        for (Slot old : slots) {
            if (old.busy) {
                old.retired = true;
            } else {
                old.destroy(channel);
            }
        }
        close();
        memory = fresh;
        slots = List.copyOf(made);
        ring = next;
        layout = where;
    }

    /** Nothing but copies is with the compositor. */
    @Override
    boolean has(Frame frame) {
        return false;
    }

    @Override
    int held() {
        int busy = 0;
        for (int i = 0; i < slots.size(); i++) {
            busy += slots.get(i).busy ? 1 : 0;
        }
        return busy;
    }

    private @Nullable Slot free() {
        for (int i = 0; i < slots.size(); i++) {
            if (!slots.get(i).busy) {
                return slots.get(i);
            }
        }
        return null;
    }

    @Override
    boolean isFull() {
        return free() == null;
    }

    @Override
    void show(Frame frame, Surface surface) throws CenallocException {
        Slot slot = free();
        Layout where = layout;
        if (slot == null || where == null) {
            throw notReady();
        }
        try (var pixels = frame.access(Direction.READ)) {
            where.copy(pixels.segment(), where, slot.bytes);
        }
        surface.show(slot, where.image());
        slot.busy = true;
        copied++;
        giveBack(frame);
    }

    @Override
    long copied() {
        return copied;
    }

    /** Each frame went back when it was copied. */
    @Override
    void giveAllBack() {
        slots.forEach(slot -> slot.busy = false);
    }

    @Override
    void close() {
        SharedMemory old = memory;
        memory = null;
        if (old != null) {
            old.close();
        }
    }
}
