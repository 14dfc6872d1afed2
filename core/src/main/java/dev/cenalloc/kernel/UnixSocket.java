// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Sockets;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * One end of a Unix stream socket, which carries bytes and descriptors. Closed by its owner. One thread may send while
 * another receives; two that send, or two that receive, must be kept apart by the caller. Its calls return {@code
 * -errno} if they fail, and allocate no objects.
 */
public final class UnixSocket {
    /** The most descriptors that are sent with one message, and received with one call. */
    public static final int MOST_DESCRIPTORS = 16;

    private static final long RIGHTS_SIZE = Sockets.CONTROL_DATA + MOST_DESCRIPTORS * 4L;

    /**
     * Room for what a socket with SO_PASSCRED, SO_PASSSEC and SO_PASSPIDFD receives besides: credentials, a process,
     * and a label.
     */
    private static final long CONTROL_SIZE = RIGHTS_SIZE + 512;

    /** The sender as a descriptor, for a socket with SO_PASSPIDFD (linux/socket.h, 6.5). */
    private static final int SCM_PIDFD = 4;

    private final Kernel kernel;
    private final Descriptor descriptor;
    private final Message outgoing = new Message();
    private final Message incoming = new Message();
    /** What is being sent, with its numbers. Locked while a message with descriptors is sent. */
    private final Descriptor[] held = new Descriptor[MOST_DESCRIPTORS];

    private final int[] passing = new int[MOST_DESCRIPTORS];
    /** How many of what is held have calls to be ended. */
    private int owed;
    /** Whether the call of the last of them has been ended, and its number is to be closed if it was the last call. */
    private boolean ended;

    /** Whether the connection was ended since the rest of a message could not be sent. */
    private volatile boolean cut;

    private final Received received;

    /** How long recvmsg waits at most; 0: as long as it takes. Of the thread that receives. */
    private long limitMillis;

    /** Descriptors that have come and were not taken, in order. Closed also if a program loses the socket. */
    private static final class Received implements Runnable {
        private final Kernel kernel;
        private final int[] numbers = new int[2 * MOST_DESCRIPTORS];
        private int count;

        Received(Kernel kernel) {
            this.kernel = kernel;
        }

        /** False if there is no room. */
        boolean add(int fd) {
            if (count == numbers.length) {
                return false;
            }
            numbers[count++] = fd;
            return true;
        }

        int removeFirst() {
            if (count == 0) {
                throw new IllegalStateException("no descriptor has come");
            }
            int first = numbers[0];
            count--;
            System.arraycopy(numbers, 1, numbers, 0, count);
            return first;
        }

        @Override
        public void run() {
            while (count > 0) {
                Descriptor.closeNumber(kernel, numbers[--count]);
            }
        }
    }

    /** A {@code struct msghdr} of one part, with room for descriptors. */
    private static final class Message {
        private final Arena arena = Arena.ofAuto();
        private final MemorySegment header = arena.allocate(Sockets.MESSAGE_SIZE, Long.BYTES);
        private final MemorySegment part = arena.allocate(Sockets.PART_SIZE, Long.BYTES);
        private final MemorySegment control = arena.allocate(CONTROL_SIZE, Long.BYTES);
        private final MemorySegment pollfd = arena.allocate(Linux.POLLFD);

        Message() {
            header.set(ValueLayout.ADDRESS, Sockets.MESSAGE_PARTS, part);
            header.set(ValueLayout.JAVA_LONG, Sockets.MESSAGE_PARTS_COUNT, 1);
            header.set(ValueLayout.ADDRESS, Sockets.MESSAGE_CONTROL, control);
        }

        void set(long address, long size, long controlSize) {
            part.set(ValueLayout.JAVA_LONG, 0, address);
            part.set(ValueLayout.JAVA_LONG, Long.BYTES, size);
            header.set(ValueLayout.JAVA_LONG, Sockets.MESSAGE_CONTROL_SIZE, controlSize);
        }
    }

    /**
     * Owns a connected socket.
     *
     * @param fd the descriptor, owned from now on
     */
    public UnixSocket(Kernel kernel, int fd) {
        this.kernel = kernel;
        this.received = new Received(kernel);
        Lost.register(this, received);
        this.descriptor = Descriptor.of(this, kernel, fd, "a connection to another process");
    }

    /** Returns whether it was not closed. */
    public boolean isOpen() {
        return descriptor.isOpen();
    }

    /**
     * Sends bytes, and descriptors with the first of them. Each of the descriptors stays open during the call, whatever
     * other threads do.
     *
     * @param bytes native memory
     * @param from where they begin in it
     * @param size how many of the bytes
     * @param passed at most {@link #MOST_DESCRIPTORS}
     * @param timeoutNanos how long to wait for a peer that does not read; 0 does not wait
     * @return 0, or {@code -errno}: EAGAIN if the peer does not read, and nothing was sent; ETIMEDOUT if it does not
     *     read, and a part was sent; EPIPE if it is gone. After an error with a part sent the stream is of no use any
     *     more: unless the peer is gone, this is closed, and {@link #isCut}
     * @throws IllegalStateException if this or one of the descriptors is closed; nothing was sent
     */
    public int send(MemorySegment bytes, long from, long size, List<Descriptor> passed, long timeoutNanos) {
        if (passed.isEmpty()) {
            return send(bytes.address() + from, size, 0, timeoutNanos);
        }
        synchronized (held) {
            settle();
            try {
                for (int i = 0; i < passed.size(); i++) {
                    Descriptor one = passed.get(i);
                    passing[i] = one.acquire();
                    held[i] = one; // no call in between, so no stack overflow
                    owed = i + 1;
                }
                return send(bytes.address() + from, size, owed, timeoutNanos);
            } finally {
                settle();
            }
        }
    }

    /**
     * Ends the calls of the descriptors that were sent. Where the stack overflowed in a system call, it may do so again
     * here: the next message, or {@link #close}, goes on where this stopped.
     */
    private void settle() {
        for (; owed > 0; owed--) {
            Descriptor one = held[owed - 1];
            if (!ended) {
                one.endCall();
                ended = true;
            }
            one.closeWhenUnused();
            ended = false;
        }
    }

    private int send(long address, long size, int count, long timeoutNanos) {
        int fd = descriptor.acquire();
        boolean usable = false;
        try {
            long sent = 0;
            long left = timeoutNanos;
            while (sent < size) {
                outgoing.set(address + sent, size - sent, sent == 0 ? describe(count) : 0);
                long result = kernel.send(fd, outgoing.header, Sockets.MSG_DONTWAIT);
                if (result >= 0) {
                    sent += result;
                } else if (result == -Errno.EAGAIN) {
                    long start = System.nanoTime();
                    int ready = await(fd, outgoing.pollfd, Linux.POLLOUT, left);
                    left -= System.nanoTime() - start;
                    if (ready <= 0) {
                        usable = sent == 0;
                        return ready < 0 ? ready : sent == 0 ? -Errno.EAGAIN : -Errno.ETIMEDOUT;
                    }
                } else if (result != -Errno.EINTR) {
                    // What a peer that is gone has sent can still be received.
                    usable = sent == 0 || result == -Errno.EPIPE || result == -Errno.ECONNRESET;
                    return (int) result;
                }
            }
            usable = true;
            return 0;
        } finally {
            try {
                if (!usable) {
                    cut = true;
                    shutDown();
                }
            } finally {
                descriptor.release();
            }
        }
    }

    /** Returns whether the connection was ended since the rest of a message could not be sent. */
    public boolean isCut() {
        return cut;
    }

    /** Writes the descriptors that are to be passed; returns the size of the control data. */
    private long describe(int count) {
        if (count == 0) {
            return 0;
        }
        long length = Sockets.CONTROL_DATA + count * 4L;
        outgoing.control.set(ValueLayout.JAVA_LONG, 0, length);
        outgoing.control.set(ValueLayout.JAVA_INT, Sockets.CONTROL_LEVEL, Sockets.SOL_SOCKET);
        outgoing.control.set(ValueLayout.JAVA_INT, Sockets.CONTROL_TYPE, Sockets.SCM_RIGHTS);
        for (int i = 0; i < count; i++) {
            outgoing.control.set(ValueLayout.JAVA_INT, Sockets.CONTROL_DATA + i * 4L, passing[i]);
        }
        return length;
    }

    /**
     * Receives bytes that are there, after waiting for the first. Descriptors that come with them are kept for {@link
     * #take}, in the order of their messages, each before the end of the bytes that it was sent with.
     *
     * @param into native memory
     * @param from where the bytes go, with room for one at least
     * @param timeoutNanos how long to wait; 0 does not wait
     * @return the number of bytes; 0 at the end of the stream; or {@code -errno}: EAGAIN after the timeout; EPROTO if
     *     the peer passed more descriptors than a message may have: they are closed; EMFILE if the kernel could not
     *     give all of them a number in this process. After the last two the stream is of no use any more
     * @throws IllegalStateException if this is closed
     */
    public long receive(MemorySegment into, long from, long timeoutNanos) {
        int fd = descriptor.acquire();
        try {
            if (timeoutNanos <= 0) {
                long result = receive(fd, into, from, Sockets.MSG_DONTWAIT);
                return result == -Errno.EINTR ? -Errno.EAGAIN : result;
            }
            long start = System.nanoTime();
            // One system call in place of two, poll and recvmsg.
            int flags = limit(fd, timeoutNanos) ? 0 : Sockets.MSG_DONTWAIT;
            while (true) {
                long result = receive(fd, into, from, flags);
                if (result != -Errno.EAGAIN && result != -Errno.EINTR) {
                    return result;
                }
                // After a signal, and from a socket that does not block, which another program may have made.
                int ready = await(fd, incoming.pollfd, Linux.POLLIN, timeoutNanos - (System.nanoTime() - start));
                if (ready <= 0) {
                    return ready < 0 ? ready : -Errno.EAGAIN;
                }
                flags = Sockets.MSG_DONTWAIT;
            }
        } finally {
            descriptor.release();
        }
    }

    /** Has recvmsg wait so long at most, unless it does so already; false if that cannot be had. */
    private boolean limit(int fd, long timeoutNanos) {
        long millis = Math.ceilDiv(timeoutNanos, 1_000_000L);
        if (millis != limitMillis) {
            MemorySegment time = incoming.control.asSlice(0, Sockets.TIMEVAL_SIZE); // of no use before recvmsg
            time.set(ValueLayout.JAVA_LONG, 0, millis / 1_000);
            time.set(ValueLayout.JAVA_LONG, Long.BYTES, millis % 1_000 * 1_000);
            limitMillis = kernel.setSocketOption(fd, Sockets.SO_RCVTIMEO, time) < 0 ? 0 : millis;
        }
        return limitMillis == millis;
    }

    private long receive(int fd, MemorySegment into, long from, int flags) {
        incoming.set(into.address() + from, into.byteSize() - from, CONTROL_SIZE);
        long result = kernel.receive(fd, incoming.header, flags);
        if (result < 0) {
            return result;
        }
        int lost = keep();
        return lost == 0 ? result : -lost;
    }

    /** Returns its descriptor, for a caller that polls; closed by this. */
    public Descriptor descriptor() {
        return descriptor;
    }

    /** Keeps the descriptors that have come; the errno of {@link #receive} if some were lost, else 0. */
    private int keep() {
        long size = Math.min(incoming.header.get(ValueLayout.JAVA_LONG, Sockets.MESSAGE_CONTROL_SIZE), CONTROL_SIZE);
        boolean whole = true;
        long at = 0;
        while (at + Sockets.CONTROL_DATA <= size) {
            long length = incoming.control.get(ValueLayout.JAVA_LONG, at);
            if (length < Sockets.CONTROL_DATA || length > size - at) {
                break;
            }
            if (incoming.control.get(ValueLayout.JAVA_INT, at + Sockets.CONTROL_LEVEL) == Sockets.SOL_SOCKET) {
                int type = incoming.control.get(ValueLayout.JAVA_INT, at + Sockets.CONTROL_TYPE);
                // Others, such as credentials, come only to sockets that asked for them, and hold no descriptor.
                if (type == Sockets.SCM_RIGHTS) {
                    whole &= keep(at + Sockets.CONTROL_DATA, at + length);
                } else if (type == SCM_PIDFD && length >= Sockets.CONTROL_DATA + Integer.BYTES) {
                    closeIfAny(incoming.control.get(ValueLayout.JAVA_INT, at + Sockets.CONTROL_DATA));
                }
            }
            at += (length + Long.BYTES - 1) & -Long.BYTES;
        }
        if (!whole) {
            return Errno.EPROTO;
        }
        if ((incoming.header.get(ValueLayout.JAVA_INT, Sockets.MESSAGE_FLAGS) & Sockets.MSG_CTRUNC) == 0) {
            return 0;
        }
        // The kernel does not say why it gave fewer than were sent. It stops where there is no room for another one, or
        // where this process may not have another one: its limit, in nearly all cases.
        return CONTROL_SIZE - at < Sockets.CONTROL_DATA + Integer.BYTES ? Errno.EPROTO : Errno.EMFILE;
    }

    /** Keeps the descriptors in a part of the control data; false if there is no room for some: they are closed. */
    private boolean keep(long from, long to) {
        boolean whole = true;
        int count = 0;
        for (long at = from; at + Integer.BYTES <= to; at += Integer.BYTES, count++) {
            int fd = incoming.control.get(ValueLayout.JAVA_INT, at);
            if (count >= MOST_DESCRIPTORS || !received.add(fd)) {
                Descriptor.closeNumber(kernel, fd);
                whole = false;
            }
        }
        return whole;
    }

    /** The kernel writes an error in place of a process that it cannot pass. */
    private void closeIfAny(int fd) {
        if (fd >= 0) {
            Descriptor.closeNumber(kernel, fd);
        }
    }

    /** Returns how many descriptors have come and were not taken. */
    public int available() {
        return received.count;
    }

    /**
     * Returns the first descriptor that has come, owned by the caller from now on.
     *
     * @throws IllegalStateException if there is none
     */
    public int take() {
        return received.removeFirst();
    }

    /** Closes the first descriptor that has come. */
    public void closeFirst() {
        Descriptor.closeNumber(kernel, take());
    }

    /** Waits; returns 1 if it is ready, 0 after the timeout, or {@code -errno}. */
    private int await(int fd, MemorySegment pollfd, short event, long nanos) {
        long deadline = System.nanoTime() + nanos;
        while (true) {
            pollfd.set(ValueLayout.JAVA_INT, 0, fd);
            pollfd.set(ValueLayout.JAVA_SHORT, 4, event);
            int result = kernel.poll(pollfd, 1, Times.millis(deadline - System.nanoTime()));
            if (result != -Errno.EINTR || deadline - System.nanoTime() <= 0) {
                return result == -Errno.EINTR ? 0 : result;
            }
        }
    }

    /** Writes the {@code struct ucred} of the peer, as the kernel noted it at the connection; its size, or -errno. */
    public int peer(MemorySegment credentials) {
        int fd = descriptor.acquire();
        try {
            return kernel.socketOption(fd, Sockets.SO_PEERCRED, credentials);
        } finally {
            descriptor.release();
        }
    }

    /** Ends the connection and closes it; calls under way in other threads return. Descriptors not taken stay. */
    public void close() {
        shutDown();
        synchronized (held) { // a message that is being sent ends at once now
            settle();
        }
    }

    private synchronized void shutDown() {
        descriptor.shutDown();
    }

    /** Closes the descriptors that have come and were not taken. To be called by the thread that receives. */
    public void discard() {
        received.run();
    }
}
