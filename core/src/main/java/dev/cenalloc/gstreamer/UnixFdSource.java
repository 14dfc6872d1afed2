// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.kernel.UnixSocket;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.text.Count;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Takes the frames of a GStreamer pipeline that ends in {@code unixfdsink}, in the memory of that pipeline: the part of
 * {@code unixfdsrc}. The caller closes it. For one thread at a time.
 *
 * {@snippet :
 * // gst-launch-1.0 v4l2src io-mode=dmabuf ! video/x-raw,format=BGRx ! unixfdsink socket-path=/run/camera
 * try (var source = UnixFdSource.open(cenalloc, Address.of(Path.of("/run/camera")))) {
 *     while (running) {
 *         try (UnixFdFrame frame = source.next(Duration.ofSeconds(1))) {
 *             if (frame != null) {
 *                 try (var pixels = frame.access(Direction.READ)) {
 *                     System.out.println(pixels.layout() + " in " + pixels.segment());
 *                 }
 *             }
 *         }
 *     }
 * }
 * }
 *
 * <p>Give frames back soon: a pipeline that runs out of buffers copies to plain memory, which cannot be taken here, or
 * waits. Each frame is the only one of a ring of its own, all of one {@linkplain Ring#agreement agreement} until the
 * images change: a display that uses the ring of the first shows the others too. In steady state a frame with one
 * memory takes four system calls (recvmsg, fstat, close, sendmsg) and no Java objects: a dma-buf comes with a new
 * descriptor each time, is known by its inode, and stays mapped.
 */
public final class UnixFdSource implements AutoCloseable {
    static {
        FirstFailure.prepare(MethodHandles.lookup(), EndOfStreamException.class, UnusableFrameException.class);
    }

    /**
     * How many frames it may have lent, and how many it knows: more than a pipeline's pool has. What did not come for
     * longest is forgotten: a pipeline that allocates each frame would else fill the memory.
     */
    static final int MOST_FRAMES = 32;
    /**
     * How many messages and receipts may follow each other after the timeout. A peer that never stops would else keep
     * the caller.
     */
    static final int MOST_STEPS = 256;

    /** Stands for a rate that the pipeline does not tell. */
    private static final FrameRate UNKNOWN_RATE = FrameRate.of(30);

    private final Cenalloc cenalloc;
    private final Connection connection;
    private final UnixSocket socket;
    private final Inbox inbox;
    private final NewBuffer arrived = new NewBuffer();
    private final Files files;
    private final MemorySegment release = Arena.ofAuto().allocate(Wire.HEADER + Wire.RELEASE_PAYLOAD, Long.BYTES);
    /** Frames whose memory is known, in the order in which they came last. */
    private final List<UnixFdFrame> frames = new ArrayList<>();
    /** Of frames that are not known any more: those just given back, and those that the program has mapped. */
    private final List<Ring> leftOver = new ArrayList<>();

    private @Nullable Caps caps;
    private @Nullable Agreement agreement;
    private long sequence;

    private UnixFdSource(Cenalloc cenalloc, Connection connection) {
        Kernel kernel = Seam.kernel(cenalloc);
        this.cenalloc = cenalloc;
        this.connection = connection;
        this.socket = Seam.socket(connection);
        this.inbox = new Inbox(socket, Wire.MOST_PAYLOAD);
        this.files = new Files(kernel);
        release.set(Wire.INT, 0, Wire.RELEASE_BUFFER);
        release.set(Wire.INT, 4, (int) Wire.RELEASE_PAYLOAD);
    }

    /**
     * Connects to a pipeline. Blocks only while its queue of connections is full. A pipeline that is gone is connected
     * to anew by opening another source.
     *
     * @param cenalloc the context of the memory that comes; it stays the caller's
     * @param address the property {@code socket-path} of unixfdsink
     * @return the source, which the caller closes
     * @throws CenallocException as {@link Connection#connect}: ENOENT, ECONNREFUSED if there is no pipeline yet
     */
    public static UnixFdSource open(Cenalloc cenalloc, Address address) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Objects.requireNonNull(address, "address");
        return of(cenalloc, Connection.connect(cenalloc, address));
    }

    /** Owns a connection, also if this fails. */
    static UnixFdSource of(Cenalloc cenalloc, Connection connection) {
        UnixFdSource source = null;
        try {
            source = new UnixFdSource(cenalloc, connection);
            return source;
        } finally {
            if (source == null) {
                connection.close();
            }
        }
    }

    /**
     * Waits for the next frame. Blocks, and pins the carrier of a virtual thread. Buffers without memory are given back
     * and passed over. Exceptions other than the first four below end the connection.
     *
     * @param timeout the longest time to wait, in steps of a millisecond; zero does not wait
     * @return a frame, which the caller gives back by closing it; null after the timeout
     * @throws IllegalStateException if closed, or 32 frames are lent, or 32 that do not come again are mapped
     * @throws UnusableFrameException ENOTTY, EINVAL: a buffer came that is no image in dma-bufs; it was given back.
     *     Change the pipeline, or wait for other frames
     * @throws EndOfStreamException EPIPE: the pipeline has sent its last frame
     * @throws DisconnectedException EPIPE, ECONNRESET: the pipeline is gone. Frames that came before can still be used
     * @throws ProtocolException EPROTO: the peer sent what the protocol does not allow
     * @throws CenallocException EMFILE: this process may not have the descriptors that came; raise its limit and connect
     *     again; else with the errno of recvmsg, poll or fstat
     */
    public @Nullable UnixFdFrame next(Duration timeout) throws CenallocException {
        long deadline = System.nanoTime() + Times.nanos(timeout);
        checkOpen();
        closeLeftOver();
        if (lent() >= MOST_FRAMES || leftOver.size() >= MOST_FRAMES) {
            throw new IllegalStateException(lent() + " frames are lent, and " + leftOver.size()
                    + " that do not come again are still mapped: give some back, or close their mappings");
        }
        boolean well = false;
        try {
            UnixFdFrame frame = await(deadline);
            well = true;
            return frame;
        } catch (UnusableFrameException | EndOfStreamException | DisconnectedException e) {
            well = true;
            throw e;
        } finally {
            files.closeAll();
            if (!well) {
                inbox.discard();
                connection.close();
            }
        }
    }

    private int lent() {
        int count = 0;
        for (int i = 0; i < frames.size(); i++) { // no iterator: it would be an object a frame
            count += frames.get(i).isLent() ? 1 : 0;
        }
        return count;
    }

    private @Nullable UnixFdFrame await(long deadline) throws CenallocException {
        for (int steps = 0; steps < MOST_STEPS || deadline - System.nanoTime() > 0; steps++) {
            if (!inbox.advance()) {
                if (!inbox.fill(Math.max(0, deadline - System.nanoTime()))) {
                    return null;
                }
                continue;
            }
            switch (inbox.type()) {
                case Wire.NEW_BUFFER -> {
                    UnixFdFrame frame = take();
                    if (frame != null) {
                        return frame;
                    }
                }
                case Wire.CAPS -> takeCaps();
                case Wire.EOS -> throw new EndOfStreamException();
                default -> throw Wire.lie("a source takes caps and buffers; the peer sent a release");
            }
        }
        return null;
    }

    private void takeCaps() throws ProtocolException {
        long length = inbox.payloadSize() - 1;
        if (length < 0 || inbox.message().get(Wire.BYTE, Wire.HEADER + length) != 0) {
            throw Wire.lie("caps do not end with NUL");
        }
        var text = new String(
                inbox.message().asSlice(Wire.HEADER, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        if (caps == null || !caps.text().equals(text)) {
            caps = Caps.isNull(text) ? null : Caps.of(text);
            agreement = null;
            for (int i = frames.size() - 1; i >= 0; i--) {
                if (frames.get(i).isLent()) {
                    frames.get(i).setOutdated();
                } else {
                    forget(i);
                }
            }
        }
    }

    /** The frame of a message; null if it has none. */
    private @Nullable UnixFdFrame take() throws CenallocException {
        arrived.read(inbox.message(), inbox.payloadSize());
        if (inbox.descriptors() != arrived.memories()) {
            throw Wire.lie("a new buffer has " + Count.of(arrived.memories(), "memory", "memories") + ", and "
                    + Count.of(inbox.descriptors(), "descriptor") + " came");
        }
        files.take(inbox, arrived.memories());
        if (arrived.memories() == 0) {
            release(arrived.id());
            return null;
        }
        Caps now = caps;
        if (now == null) {
            throw Wire.lie("the peer sent a buffer before its caps");
        }
        try {
            if (!arrived.isDmaBuf()) {
                throw UnusableFrameException.ofMemory(arrived.type());
            }
            Image image = now.image();
            if (image == null) {
                throw UnusableFrameException.ofCaps(now.text(), now.objection());
            }
            files.examine();
            UnixFdFrame frame = known();
            if (frame == null) {
                frame = add(now, image);
            }
            return frame.lend(arrived, sequence++);
        } catch (UnusableFrameException e) {
            release(arrived.id());
            throw e;
        }
    }

    /** The frame that is in this memory; null if it is not known. */
    private @Nullable UnixFdFrame known() {
        for (int i = 0; i < frames.size(); i++) {
            UnixFdFrame frame = frames.get(i);
            if (frame.isFree(arrived, files)) {
                frames.remove(i);
                frames.add(frame);
                return frame;
            }
        }
        return null;
    }

    /** Adopts the memory. If it is that of a frame that is lent, it has two. */
    private UnixFdFrame add(Caps now, Image image) throws CenallocException {
        Places.Found found = Places.find(now, image, arrived, files);
        for (int i = 0; i < frames.size() && frames.size() >= MOST_FRAMES; i++) {
            if (!frames.get(i).isLent()) {
                forget(i);
            }
        }
        long[] identities = files.identities();
        long[] places = arrived.places();
        Agreement images = agreement;
        if (images == null || !images.layouts().equals(found.layouts())) {
            FrameRate rate = now.rate();
            images = Agreement.of(cenalloc, found.layouts(), rate == null ? UNKNOWN_RATE : rate, List.of());
            agreement = images;
        }
        var frame = new UnixFdFrame(this, Ring.of(images, List.of(adopt(found))), identities, places);
        boolean kept = false;
        try {
            frames.add(frame);
            kept = true;
        } finally {
            if (!kept) {
                frame.ring().close();
            }
        }
        return frame;
    }

    private List<SharedBuffer> adopt(Places.Found found) throws CenallocException {
        var buffers = new ArrayList<SharedBuffer>();
        boolean complete = false;
        try {
            for (int i = 0; i < found.memories().size(); i++) {
                Layout layout = found.layouts().get(i);
                StackRoom.requireToOwn();
                buffers.add(cenalloc.adopt(files.remove(found.memories().get(i)), Demand.ofLayout(layout), null));
            }
            complete = true;
            return buffers;
        } catch (CenallocException e) {
            if (e.errno() == Errno.ENOTTY || e.errno() == Errno.EINVAL) {
                throw Wire.lie("the peer sent a buffer that is not what it says: " + e.reason());
            }
            throw e;
        } finally {
            if (!complete) {
                buffers.forEach(SharedBuffer::close);
            }
        }
    }

    /** Closes a frame's memory, or keeps it as long as it is mapped. */
    private void forget(int index) {
        Ring ring = frames.get(index).ring();
        leftOver.add(ring); // first, so that it is closed later if an error comes between
        frames.remove(index);
        if (closes(ring)) {
            leftOver.remove(ring);
        }
    }

    private void closeLeftOver() {
        if (!leftOver.isEmpty()) { // else the function would be an object a frame
            leftOver.removeIf(UnixFdSource::closes);
        }
    }

    private static boolean closes(Ring ring) {
        try {
            ring.close();
            return true;
        } catch (IllegalStateException e) {
            return false; // a mapping of the program's own, or an access of the CPU, is open
        }
    }

    void giveBack(UnixFdFrame frame) throws CenallocException {
        boolean back = false;
        try {
            release(frame.id());
            back = true;
        } finally {
            // Of a connection that has ended, nobody waits for it.
            if (!back && socket.isOpen()) {
                frame.keep();
            } else if (frame.isOutdated()) {
                frames.remove(frame);
                leftOver.add(frame.ring()); // it is still being given back
            }
        }
    }

    /** Tells the pipeline that a buffer is of no use here any more. Does nothing if the pipeline is gone. */
    private void release(long id) throws CenallocException {
        if (!socket.isOpen()) {
            return;
        }
        release.set(Wire.LONG, Wire.HEADER, id);
        int result = socket.send(release, 0, release.byteSize(), List.of(), Times.SHORT);
        if (result != 0 && result != -Errno.EPIPE && result != -Errno.ECONNRESET) {
            throw Wire.notSent(socket, result);
        }
    }

    /** {@return the caps that the pipeline has sent last; empty if none have come} Any text. */
    public String caps() {
        Caps now = caps;
        return now == null ? "" : now.text();
    }

    /**
     * {@return the images that come now, as far as the caps say: with all planes in one buffer; empty if none have
     * come, or they are of something else}
     */
    public Optional<Image> image() {
        Caps now = caps;
        return now == null ? Optional.empty() : Optional.ofNullable(now.image());
    }

    /** {@return how many frames a second come; empty if the pipeline does not tell, or has none} */
    public Optional<FrameRate> rate() {
        Caps now = caps;
        return now == null ? Optional.empty() : Optional.ofNullable(now.rate());
    }

    /** {@return the connection, for {@link Connection#peer}; closed by this} */
    public Connection connection() {
        return connection;
    }

    private void checkOpen() {
        if (!socket.isOpen()) {
            throw new IllegalStateException("the source is closed, or its connection was ended");
        }
    }

    /**
     * Ends the connection, which gives back all frames, and closes their memory. Idempotent.
     *
     * @throws IllegalStateException if a frame is in CPU access, or mapped by the program: close that and call again;
     *     the connection is ended, and the other memory is closed
     */
    @Override
    public void close() {
        connection.close();
        inbox.discard();
        for (int i = frames.size() - 1; i >= 0; i--) {
            frames.get(i).end();
            forget(i);
        }
        closeLeftOver();
        if (!leftOver.isEmpty()) {
            throw new IllegalStateException("frames are mapped or in CPU access: " + leftOver.size());
        }
    }
}
