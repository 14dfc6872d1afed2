// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The formats and modifiers of dma-bufs that the compositor takes, in its order of preference: by the events of {@code
 * zwp_linux_dmabuf_v1} in version 3, by its feedback from version 4 on.
 */
final class Formats {
    /** From version 3 on there are modifiers. */
    private static final int LEAST_VERSION = 3;

    private static final int FEEDBACK_SINCE = 4;
    private static final int MOST_VERSION = 5;

    /** A format, padding, a modifier. */
    private static final int ROW = 16;
    /** More rows have no number of 16 bits. */
    private static final int MOST_ROWS = 1 << 16;

    private static final List<ImageRange.Rates> ANY_RATE = List.of(ImageRange.Rates.ANY);

    private record Pair(int fourcc, long modifier) {}

    private final Proxy dmabuf = new Dmabuf();
    private Set<Pair> pairs = new LinkedHashSet<>();
    private long device;
    /** Whether all that is offered at first has come. */
    private boolean complete;

    private final class Dmabuf extends Proxy {
        Dmabuf() {
            super(Wire.DMABUF);
        }

        @Override
        void event(int opcode, Channel channel) throws CenallocException {
            if (opcode == Wire.DMABUF_MODIFIER) {
                int fourcc = channel.integer();
                long high = channel.integer();
                add(channel, pairs, new Pair(fourcc, high << Integer.SIZE | Integer.toUnsignedLong(channel.integer())));
            }
        }
    }

    private static void add(Channel channel, Set<Pair> all, Pair one) throws CenallocException {
        if (all.size() == MOST_ROWS) {
            throw channel.lie("it offers more than " + MOST_ROWS + " formats and modifiers");
        }
        all.add(one);
    }

    /** What it takes may change: then all is told anew. */
    private final class Feedback extends Proxy {
        /** As the table has them. */
        private List<Pair> table = List.of();

        private Set<Pair> coming = new LinkedHashSet<>();

        Feedback() {
            super(Wire.FEEDBACK);
        }

        @Override
        void event(int opcode, Channel channel) throws CenallocException {
            switch (opcode) {
                case Wire.FEEDBACK_FORMAT_TABLE -> {
                    int fd = channel.descriptor();
                    try {
                        table = table(channel, fd, Integer.toUnsignedLong(channel.integer()));
                    } finally {
                        Descriptor.closeNumber(channel.kernel(), fd);
                    }
                }
                case Wire.FEEDBACK_MAIN_DEVICE -> {
                    MemorySegment number = channel.array();
                    if (number.byteSize() != Long.BYTES) {
                        throw channel.lie("the number of a device has " + number.byteSize() + " bytes");
                    }
                    device = number.get(Wire.LONG, 0);
                }
                case Wire.FEEDBACK_TRANCHE_FORMATS -> {
                    MemorySegment rows = channel.array();
                    for (long at = 0; at + Short.BYTES <= rows.byteSize(); at += Short.BYTES) {
                        int row = Short.toUnsignedInt(rows.get(Wire.SHORT, at));
                        if (row >= table.size()) {
                            throw channel.lie("its table of formats has no row " + row);
                        }
                        coming.add(table.get(row));
                    }
                }
                case Wire.FEEDBACK_DONE -> {
                    pairs = coming;
                    coming = new LinkedHashSet<>();
                    complete = true;
                }
                default -> {} // the devices of tranches, which make no difference to a negotiation
            }
        }
    }

    /** Reads the table, and does not map it: a file that is shorter than it should be, or becomes so, does no harm. */
    private static List<Pair> table(Channel channel, int fd, long size) throws CenallocException {
        if (size % ROW != 0 || size > (long) MOST_ROWS * ROW) {
            throw channel.lie("its table of formats has " + size + " bytes; rows have " + ROW
                    + ", and there are at most " + MOST_ROWS);
        }
        Kernel kernel = channel.kernel();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(Math.max(size, 1), Long.BYTES);
            for (long done = 0; done < size; ) {
                long result = kernel.pread(fd, bytes.asSlice(done, size - done), done);
                if (result == -Errno.EINTR) {
                    continue;
                }
                if (result <= 0) {
                    throw channel.lie("of its table of formats, " + size + " bytes, only " + done + " can be read: "
                            + (result == 0 ? "the file ends there" : Errno.name((int) -result)));
                }
                done += result;
            }
            var rows = new ArrayList<Pair>();
            for (long at = 0; at < size; at += ROW) {
                rows.add(new Pair(bytes.get(Wire.INT, at), bytes.get(Wire.LONG, at + Long.BYTES)));
            }
            return rows;
        }
    }

    private Formats() {}

    /** Whether dma-bufs are offered in a version that is understood here. */
    static boolean areOffered(Globals globals) {
        return Integer.compareUnsigned(globals.version(Wire.DMABUF), LEAST_VERSION) >= 0;
    }

    /** Asks for them. */
    static Formats read(Channel channel, Globals globals) throws CenallocException {
        if (!areOffered(globals)) {
            int offered = globals.version(Wire.DMABUF);
            throw Globals.missing(
                    Wire.DMABUF + " of version " + LEAST_VERSION,
                    offered == 0 ? "so it takes no dma-bufs: it may have no GPU" : "but version " + offered);
        }
        var formats = new Formats();
        if (globals.bind(channel, formats.dmabuf, MOST_VERSION) < FEEDBACK_SINCE) {
            channel.sync("tell what dma-bufs it takes");
        } else {
            var feedback = formats.new Feedback();
            channel.request(formats.dmabuf, Wire.DMABUF_GET_DEFAULT_FEEDBACK, 1);
            channel.add(feedback);
            channel.put(feedback.id);
            channel.await(() -> formats.complete, "tell what dma-bufs it takes");
        }
        return formats;
    }

    /** What makes buffers. */
    Proxy dmabuf() {
        return dmabuf;
    }

    /** The number of the device that it draws with; 0 if it does not tell. */
    long device() {
        return device;
    }

    /**
     * The images, in any size at any rate. Memory of others without a modifier is linear, so what the compositor takes
     * without one is listed as linear.
     */
    List<ImageRange> images() {
        var images = new LinkedHashSet<ImageRange>();
        for (Pair pair : pairs) {
            Optional<PixelFormat> format = PixelFormat.ofDrm(pair.fourcc);
            if (format.isPresent()) {
                long modifier = pair.modifier == Wire.IMPLICIT ? Image.LINEAR : pair.modifier;
                images.add(new ImageRange(format.get(), modifier, ImageRange.Sizes.ANY, ANY_RATE));
            }
        }
        return List.copyOf(images);
    }

    /** The formats without a name here. */
    List<String> others() {
        return pairs.stream()
                .filter(pair -> PixelFormat.ofDrm(pair.fourcc).isEmpty())
                .map(pair -> PixelFormat.characters(pair.fourcc))
                .distinct()
                .toList();
    }

    /** The formats that it takes with a modifier of {@link #images}. */
    Set<PixelFormat> formats(long modifier) {
        return images().stream()
                .filter(range -> range.modifier() == modifier)
                .map(ImageRange::format)
                .collect(Collectors.toSet());
    }

    /** The modifier by which the compositor knows images of a kind that it has. */
    long modifier(Image image) {
        int fourcc = image.format().drmFourcc().orElseThrow();
        return image.modifier() == Image.LINEAR && !pairs.contains(new Pair(fourcc, Image.LINEAR))
                ? Wire.IMPLICIT
                : image.modifier();
    }
}
