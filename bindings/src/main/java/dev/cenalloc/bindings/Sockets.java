// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The system calls of Unix sockets, through the C library. Each returns the result of the call, or {@code -errno} if it
 * failed. Descriptors are close-on-exec from birth. Safe for any number of threads.
 *
 * <p>{@link #sendmsg} and {@link #recvmsg} are the calls of a frame loop and allocate no Java objects: they are
 * repeated with the capture of errno if they fail, as those of {@link Linux}. A failed call has transferred nothing, so
 * the second one may do the work of the first. The kernel tells a connection's ECONNRESET only once: the second call
 * then finds the end of the stream.
 */
public final class Sockets {
    public static final int AF_UNIX = 1;
    public static final int SOCK_STREAM = 1;
    public static final int SOCK_NONBLOCK = 0x800;
    public static final int SOCK_CLOEXEC = 0x80000;
    public static final int SOL_SOCKET = 1;
    public static final int SO_DOMAIN = 39;
    public static final int SO_TYPE = 3;
    public static final int SO_PEERCRED = 17;
    /** The time after which a call that receives gives up: a {@code struct timeval}. */
    public static final int SO_RCVTIMEO = 20;
    /** The size of {@code struct timeval}: seconds and microseconds, of 64 bits each. */
    public static final long TIMEVAL_SIZE = 16;

    public static final int SCM_RIGHTS = 1;
    public static final int MSG_CTRUNC = 0x8;
    public static final int MSG_DONTWAIT = 0x40;
    public static final int MSG_NOSIGNAL = 0x4000;
    public static final int MSG_CMSG_CLOEXEC = 0x40000000;
    public static final int SHUT_RDWR = 2;

    /** The size of {@code struct sockaddr_un}. */
    public static final long ADDRESS_SIZE = 110;
    /** Offset of {@code sun_path}; {@code sun_family}, a 16-bit integer, is at 0. */
    public static final long ADDRESS_PATH = 2;

    /** The size of {@code struct msghdr}. */
    public static final long MESSAGE_SIZE = 56;
    /** Offset of {@code msg_iov}, an address of {@code struct iovec}. */
    public static final long MESSAGE_PARTS = 16;
    /** Offset of {@code msg_iovlen}, 64 bits. */
    public static final long MESSAGE_PARTS_COUNT = 24;
    /** Offset of {@code msg_control}, an address of {@code struct cmsghdr}. */
    public static final long MESSAGE_CONTROL = 32;
    /** Offset of {@code msg_controllen}, 64 bits. */
    public static final long MESSAGE_CONTROL_SIZE = 40;
    /** Offset of {@code msg_flags}, 32 bits. */
    public static final long MESSAGE_FLAGS = 48;

    /** The size of {@code struct iovec}: an address at 0, a 64-bit size at 8. */
    public static final long PART_SIZE = 16;

    /** Offset of the data behind {@code struct cmsghdr}: 64 bits {@code cmsg_len} at 0. */
    public static final long CONTROL_DATA = 16;
    /** Offset of {@code cmsg_level}, 32 bits. */
    public static final long CONTROL_LEVEL = 8;
    /** Offset of {@code cmsg_type}, 32 bits. */
    public static final long CONTROL_TYPE = 12;

    /** The size of {@code struct ucred}: pid, uid, gid of 32 bits each. */
    public static final long CREDENTIALS_SIZE = 12;

    private static final MemorySegment SOCKET = Downcall.function("socket");
    private static final MemorySegment SOCKETPAIR = Downcall.function("socketpair");
    private static final MemorySegment BIND = Downcall.function("bind");
    private static final MemorySegment CONNECT = Downcall.function("connect");
    private static final MemorySegment LISTEN = Downcall.function("listen");
    private static final MemorySegment ACCEPT4 = Downcall.function("accept4");
    private static final MemorySegment SHUTDOWN = Downcall.function("shutdown");
    private static final MemorySegment GETSOCKOPT = Downcall.function("getsockopt");
    private static final MemorySegment SETSOCKOPT = Downcall.function("setsockopt");
    private static final MemorySegment SENDMSG = Downcall.function("sendmsg");
    private static final MemorySegment RECVMSG = Downcall.function("recvmsg");

    private Sockets() {}

    /** Creates a Unix stream socket; returns a descriptor. {@code flags}: 0, or {@link #SOCK_NONBLOCK}. */
    public static int socket(int flags) {
        return Downcall.call(SOCKET, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    }

    /**
     * Creates two connected Unix stream sockets; their descriptors are written to {@code pair}, two 32-bit integers.
     */
    public static int socketpair(MemorySegment pair) {
        return Downcall.call(SOCKETPAIR, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair, 0);
    }

    /** Gives a socket an address, a {@code struct sockaddr_un} of the segment's size. */
    public static int bind(int fd, MemorySegment address) {
        return Downcall.call(BIND, fd, address, address.byteSize(), 0);
    }

    /**
     * Connects to an address, a {@code struct sockaddr_un} of the segment's size. Blocks while the backlog is full,
     * unless the socket is one of SOCK_NONBLOCK: then EAGAIN.
     */
    public static int connect(int fd, MemorySegment address) {
        return Downcall.call(CONNECT, fd, address, address.byteSize(), 0);
    }

    /** Lets others connect; at most {@code backlog} wait to be accepted. */
    public static int listen(int fd, int backlog) {
        return Downcall.call(LISTEN, fd, backlog, 0);
    }

    /** Accepts a connection; returns its descriptor. Blocks, unless the listening socket is one of SOCK_NONBLOCK. */
    public static int accept(int fd) {
        return Downcall.call(ACCEPT4, fd, MemorySegment.NULL, 0, SOCK_CLOEXEC);
    }

    /** Ends a connection in both directions: calls that block in it return. */
    public static int shutdown(int fd) {
        return Downcall.call(SHUTDOWN, fd, SHUT_RDWR, 0);
    }

    /** Reads an option of the level {@link #SOL_SOCKET} into {@code value}; returns its size. */
    public static int option(int fd, int name, MemorySegment value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocateFrom(JAVA_INT, (int) value.byteSize());
            int result = Downcall.call(GETSOCKOPT, fd, SOL_SOCKET, name, value, size.address());
            return result >= 0 ? size.get(JAVA_INT, 0) : result;
        }
    }

    /** Sets an option of the level {@link #SOL_SOCKET} to {@code value}. */
    public static int setOption(int fd, int name, MemorySegment value) {
        return Downcall.call(SETSOCKOPT, fd, SOL_SOCKET, name, value, value.byteSize());
    }

    /**
     * Sends a {@code struct msghdr}; returns the number of bytes. Raises no SIGPIPE. Blocks while the peer does not
     * read, unless the flags have {@link #MSG_DONTWAIT}.
     */
    public static long sendmsg(int fd, MemorySegment message, int flags) {
        long first = Downcall.callWithoutErrno(SENDMSG, fd, message, flags | MSG_NOSIGNAL);
        return first >= 0 ? first : Downcall.longCall(SENDMSG, fd, message, flags | MSG_NOSIGNAL, 0);
    }

    /**
     * Receives into a {@code struct msghdr}; returns the number of bytes, 0 at the end of the stream. Blocks, unless
     * the flags have {@link #MSG_DONTWAIT}. A wait that a signal or SO_RCVTIMEO ended fails with EAGAIN: the repeat of
     * the failed call, which captures errno, does not wait again.
     */
    public static long recvmsg(int fd, MemorySegment message, int flags) {
        long first = Downcall.callWithoutErrno(RECVMSG, fd, message, flags | MSG_CMSG_CLOEXEC);
        return first >= 0 ? first : Downcall.longCall(RECVMSG, fd, message, flags | MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0);
    }
}
