// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_event_vblank;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;

/** What a card says in bytes: first the formats and modifiers of its planes (IN_FORMATS), then its events. */
public final class CardFuzz implements FuzzTarget {
    private static final Path NODE = Path.of("/dev/dri/card0");
    private static final long USER_DATA = 7;
    /** More than any input has room for. */
    private static final int MOST_IMAGES = 1 << 16;

    /** struct drm_format_modifier_blob: a header of 24 bytes, the formats, and of each modifier the formats it has. */
    private static byte[] formats() {
        return ByteBuffer.allocate(80)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(1)
                .putInt(0)
                .putInt(2)
                .putInt(24)
                .putInt(2)
                .putInt(32)
                .putInt(PixelFormat.XR24.drmFourcc().orElseThrow())
                .putInt(PixelFormat.RG16.drmFourcc().orElseThrow())
                .putLong(0b11)
                .putInt(0)
                .putInt(0)
                .putLong(0)
                .putLong(0b1)
                .putInt(1)
                .putInt(0)
                .putLong(FakeCard.TILED)
                .array();
    }

    private static byte[] events() {
        int size = (int) drm_event_vblank.sizeof();
        return ByteBuffer.allocate(2 * size)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, drm_h.DRM_EVENT_FLIP_COMPLETE())
                .putInt(4, size)
                .putLong(8, USER_DATA - 1)
                .putInt(size, drm_h.DRM_EVENT_FLIP_COMPLETE())
                .putInt(size + 4, size)
                .putLong(size + 8, USER_DATA)
                .array();
    }

    @Override
    public List<byte[]> seeds() {
        return List.of(Messages.input(List.of(new Message(0, formats()), new Message(0, events()))));
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        List<Message> messages = Messages.of(input);
        var kernel = new FakeKernel();
        var card = new FakeCard(kernel, true, true);
        kernel.device(NODE.toString(), card);
        card.inFormats = messages.isEmpty() ? new byte[0] : messages.getFirst().bytes;
        boolean taken = true;
        try (Card opened = Card.open(kernel, NODE)) {
            for (Scanout scanout : opened.scanouts()) {
                assertTrue(scanout.images().size() <= MOST_IMAGES);
            }
        } catch (CenallocException e) {
            assertEquals(Errno.EPROTO, e.errno());
            taken = false;
        }
        assertEquals("{} {}", card.state());
        for (Message message : messages.subList(Math.min(1, messages.size()), messages.size())) {
            taken &= read(kernel, message.bytes) == 1;
        }
        assertEquals(0, kernel.openFiles());
        return taken;
    }

    private static int read(FakeKernel kernel, byte[] events) throws CenallocException {
        kernel.device("/dev/events", new Events(events));
        try (DeviceNode node = DeviceNode.open(kernel, Path.of("/dev/events"))) {
            var flips = new FlipEvents();
            assertEquals(0, flips.read(node, USER_DATA));
            return flips.last() == USER_DATA ? 1 : 0;
        }
    }

    /** A device that has events to read. */
    static final class Events implements FakeKernel.Device {
        private final byte[] bytes;

        Events(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public long number() {
            return 226 << 8 | 2;
        }

        @Override
        public int ioctl(int fd, long request, MemorySegment argument) {
            return -Errno.ENOTTY;
        }

        @Override
        public long read(int fd, MemorySegment target) {
            int length = (int) Math.min(bytes.length, target.byteSize());
            MemorySegment.copy(bytes, 0, target, ValueLayout.JAVA_BYTE, 0, length);
            return length;
        }

        @Override
        public void closed(int fd) {}
    }
}
