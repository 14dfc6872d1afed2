// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

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

    private static final MethodHandle SOCKET =
            Downcall.handle("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle SOCKETPAIR =
            Downcall.handle("socketpair", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS));
    private static final MethodHandle BIND =
            Downcall.handle("bind", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle CONNECT =
            Downcall.handle("connect", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle LISTEN =
            Downcall.handle("listen", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle ACCEPT4 =
            Downcall.handle("accept4", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
    private static final MethodHandle SHUTDOWN =
            Downcall.handle("shutdown", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle GETSOCKOPT = Downcall.handle(
            "getsockopt", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));
    private static final MethodHandle SETSOCKOPT = Downcall.handle(
            "setsockopt", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final FunctionDescriptor MSG_TYPE = FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle SENDMSG = Downcall.handle("sendmsg", MSG_TYPE);
    private static final MethodHandle SENDMSG_FAST = Downcall.fastHandle("sendmsg", MSG_TYPE);
    private static final MethodHandle RECVMSG = Downcall.handle("recvmsg", MSG_TYPE);
    private static final MethodHandle RECVMSG_FAST = Downcall.fastHandle("recvmsg", MSG_TYPE);

    private Sockets() {}

    /** Creates a Unix stream socket; returns a descriptor. {@code flags}: 0, or {@link #SOCK_NONBLOCK}. */
    public static int socket(int flags) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) SOCKET.invokeExact(capture, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /**
     * Creates two connected Unix stream sockets; their descriptors are written to {@code pair}, two 32-bit integers.
     */
    public static int socketpair(MemorySegment pair) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) SOCKETPAIR.invokeExact(capture, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /** Gives a socket an address, a {@code struct sockaddr_un} of the segment's size. */
    public static int bind(int fd, MemorySegment address) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) BIND.invokeExact(capture, fd, address, (int) address.byteSize());
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /**
     * Connects to an address, a {@code struct sockaddr_un} of the segment's size. Blocks while the backlog is full,
     * unless the socket is one of SOCK_NONBLOCK: then EAGAIN.
     */
    public static int connect(int fd, MemorySegment address) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) CONNECT.invokeExact(capture, fd, address, (int) address.byteSize());
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /** Lets others connect; at most {@code backlog} wait to be accepted. */
    public static int listen(int fd, int backlog) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) LISTEN.invokeExact(capture, fd, backlog);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /** Accepts a connection; returns its descriptor. Blocks, unless the listening socket is one of SOCK_NONBLOCK. */
    public static int accept(int fd) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) ACCEPT4.invokeExact(capture, fd, MemorySegment.NULL, MemorySegment.NULL, SOCK_CLOEXEC);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /** Ends a connection in both directions: calls that block in it return. */
    public static int shutdown(int fd) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) SHUTDOWN.invokeExact(capture, fd, SHUT_RDWR);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /** Reads an option of the level {@link #SOL_SOCKET} into {@code value}; returns its size. */
    public static int option(int fd, int name, MemorySegment value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocateFrom(JAVA_INT, (int) value.byteSize());
            MemorySegment capture = Downcall.capture();
            int result = (int) GETSOCKOPT.invokeExact(capture, fd, SOL_SOCKET, name, value, size);
            return result >= 0 ? size.get(JAVA_INT, 0) : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /** Sets an option of the level {@link #SOL_SOCKET} to {@code value}. */
    public static int setOption(int fd, int name, MemorySegment value) {
        try {
            MemorySegment capture = Downcall.capture();
            int result = (int) SETSOCKOPT.invokeExact(capture, fd, SOL_SOCKET, name, value, (int) value.byteSize());
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /**
     * Sends a {@code struct msghdr}; returns the number of bytes. Raises no SIGPIPE. Blocks while the peer does not
     * read, unless the flags have {@link #MSG_DONTWAIT}.
     */
    public static long sendmsg(int fd, MemorySegment message, int flags) {
        try {
            long first = (long) SENDMSG_FAST.invokeExact(fd, message, flags | MSG_NOSIGNAL);
            if (first >= 0) {
                return first;
            }
            MemorySegment capture = Downcall.capture();
            long result = (long) SENDMSG.invokeExact(capture, fd, message, flags | MSG_NOSIGNAL);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }

    /**
     * Receives into a {@code struct msghdr}; returns the number of bytes, 0 at the end of the stream. Blocks, unless
     * the flags have {@link #MSG_DONTWAIT}. A wait that a signal or SO_RCVTIMEO ended fails with EAGAIN: the repeat of
     * the failed call, which captures errno, does not wait again.
     */
    public static long recvmsg(int fd, MemorySegment message, int flags) {
        try {
            long first = (long) RECVMSG_FAST.invokeExact(fd, message, flags | MSG_CMSG_CLOEXEC);
            if (first >= 0) {
                return first;
            }
            MemorySegment capture = Downcall.capture();
            long result = (long) RECVMSG.invokeExact(capture, fd, message, flags | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
            return result >= 0 ? result : Downcall.failure(capture);
        } catch (Throwable t) {
            throw Downcall.rethrow(t);
        }
    }
}
