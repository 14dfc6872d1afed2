package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.sync_file_info;
import dev.cenalloc.bindings.dmabuf.sync_merge_data;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Seam;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Cleaner;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * The end of something that a device does, as the descriptor of a sync file, closed by whoever exported, merged or adopted it.
 * It is pending until the device is done, then signalled for ever; a driver that gives up signals it too, with an error. A
 * lost one is released by a cleaner, which logs it. Safe for any number of threads, except that nobody may use it while it is
 * replaced: every use after a close throws {@link IllegalStateException}, and the descriptor's number is given back when the
 * calls under way have ended.
 *
 * <p>A frame loop keeps the objects and replaces what is in them, which allocates nothing. Here a display waits by itself
 * for whoever writes the frame, and says when it shows it:
 *
 * {@snippet :
 * frame.exportFence(Direction.READ, written);
 * commit(frame, written.fd()); // the plane's IN_FENCE_FD; OUT_FENCE_PTR of the CRTC points to outFence
 * shown.replace(outFence.get(ValueLayout.JAVA_INT, 0));
 * if (shown.await(Duration.ofSeconds(1))) {
 *     recycle(frameBefore); // the display has let go of it
 * }
 * }
 *
 * <p>Source: the kernel's dma-buf.rst and sync_file.h.
 */
public final class Fence implements AutoCloseable {
    static {
        Seam.setFences(fence -> ((Fence) fence).descriptor, Fence::own);
    }

    /** Room for the argument of any call on fences: a piece a thread, so that no call has to allocate. */
    private static final ThreadLocal<MemorySegment> ARGUMENT =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(sync_file_info.layout()));

    private final Kernel kernel;
    private final Descriptor descriptor;
    private final Cleaner.Cleanable cleanable;

    /** Apart from the fence, so that the cleaner does not keep it alive. */
    private record Held(Descriptor descriptor) implements Runnable {
        @Override
        public void run() {
            try {
                if (descriptor.isOpen()) {
                    Log.error("a Fence was never closed; it is released now");
                }
            } finally {
                // Closed or not: an error may have come between.
                descriptor.abandon();
            }
        }
    }

    private Fence(Kernel kernel, Descriptor descriptor) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.cleanable = DmaBuf.CLEANER.register(this, new Held(descriptor));
    }

    /** For a descriptor that the kernel has just given as a sync file. */
    static Fence own(Kernel kernel, int fd) {
        Descriptor descriptor = null;
        boolean owned = false;
        try {
            descriptor = new Descriptor(kernel, fd);
            var fence = new Fence(kernel, descriptor);
            owned = true;
            return fence;
        } finally {
            if (!owned) {
                Descriptor.close(kernel, fd, descriptor);
            }
        }
    }

    /**
     * Takes over a descriptor that came from elsewhere: a display, a GPU, another process.
     *
     * @param fd the descriptor; it is this object's from now on, and closed if this method throws
     * @return a fence that the caller closes
     * @throws CenallocException ENOTTY or EINVAL if it is not a sync file, EBADF if it is not open
     */
    public static Fence adopt(int fd) throws CenallocException {
        return adopt(LinuxKernel.instance(), fd);
    }

    static Fence adopt(Kernel kernel, int fd) throws CenallocException {
        // What is not open is nobody's.
        boolean ours = true;
        try {
            int result = kernel.repeatableIoctl(fd, dmabuf_h.SYNC_IOC_FILE_INFO(), argument());
            if (result < 0) {
                ours = result != -Errno.EBADF;
                throw refused(-result, "SYNC_IOC_FILE_INFO");
            }
            ours = false; // own closes it if it fails
            return own(kernel, fd);
        } finally {
            if (ours) {
                kernel.close(fd);
            }
        }
    }

    /**
     * Takes over another descriptor, and gives the one before back: for frame loops, allocates no objects. It is not checked, to
     * save the system call: what a driver wrote where its OUT_FENCE_PTR points is a sync file, or -1 if it failed.
     *
     * @param fd the descriptor of a sync file; it is this object's from now on, and closed if this method throws
     * @throws IllegalArgumentException if it is negative, or the one that is in it; nothing has changed
     * @throws IllegalStateException if closed, or in use by another thread
     */
    public synchronized void replace(int fd) {
        if (fd < 0) {
            throw new IllegalArgumentException(
                    fd + " is no descriptor: did the commit fail that was to give the fence?");
        }
        if (descriptor.is(fd)) {
            throw new IllegalArgumentException("the descriptor " + fd + " is this fence's already");
        }
        boolean replaced = false;
        try {
            descriptor.replace(fd);
            replaced = true;
        } finally {
            if (!replaced && !descriptor.is(fd)) {
                kernel.close(fd);
            }
        }
    }

    /**
     * {@return the descriptor's number, borrowed: for a call to a driver, such as IN_FENCE_FD, valid until {@link #close} or
     * {@link #replace}} Drivers do not take it over.
     *
     * @throws IllegalStateException if closed
     */
    public int fd() {
        int fd = descriptor.acquire();
        descriptor.release();
        return fd;
    }

    int acquire() {
        return descriptor.acquire();
    }

    void release() {
        descriptor.release();
    }

    /**
     * Waits until it is signalled. Blocks, pins the carrier of a virtual thread meanwhile, and is not ended by an interrupt or
     * by {@link #close}. One system call, and a second if it is signalled, for the error; allocates no objects.
     *
     * @param timeout how long at most, in steps of a millisecond; zero or less only looks. If a signal interrupts it, it may last
     *     twice as long
     * @return whether it is signalled; false if the time is over
     * @throws IllegalStateException if closed
     * @throws CenallocException with the driver's errno, and {@code "fence"} for a {@linkplain CenallocException#call call}, if
     *     what was waited for has failed: do not use its result; ENOTTY or EINVAL if it is not a sync file; else the errno of poll,
     *     of which EINTR is retried with the time that is left
     */
    public boolean await(Duration timeout) throws CenallocException {
        int fd = descriptor.acquire();
        try {
            if (!await(kernel, fd, Linux.POLLIN, timeout)) {
                return false;
            }
            checkNotFailed(fd);
            return true;
        } finally {
            descriptor.release();
        }
    }

    /**
     * {@return whether there is nothing to wait for any more} As {@link #await} without waiting.
     *
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #await}
     */
    public boolean isSignalled() throws CenallocException {
        return await(Duration.ZERO);
    }

    /** Poll does not tell an error, and this alone is not enough: on some kernels a merged fence is signalled only if polled. */
    private void checkNotFailed(int fd) throws CenallocException {
        MemorySegment info = argument();
        int result = kernel.repeatableIoctl(fd, dmabuf_h.SYNC_IOC_FILE_INFO(), info);
        if (result < 0) {
            throw refused(-result, "SYNC_IOC_FILE_INFO");
        }
        int status = sync_file_info.status(info);
        if (status < 0) {
            throw new CenallocException(
                    -status,
                    "fence",
                    null,
                    -1,
                    "what was waited for has failed",
                    "do not use its result; look into the kernel's log (dmesg) for the reason");
        }
    }

    /**
     * {@return a fence that is signalled when both are, and that the caller closes} These two stay as they are. If one fails
     * later, so does the new one; of one that is signalled by now, an error is forgotten. Does not block.
     *
     * @param other may be this one
     * @throws IllegalStateException if one of them is closed
     * @throws CenallocException EMFILE: too many descriptors are open; ENOMEM; ENOTTY, EINVAL or ENOENT if one is not a sync
     *     file
     */
    public Fence merge(Fence other) throws CenallocException {
        int fd = descriptor.acquire();
        try {
            int second = other.descriptor.acquire();
            try {
                MemorySegment merge = argument();
                sync_merge_data.fd2(merge, second);
                int result = kernel.repeatableIoctl(fd, dmabuf_h.SYNC_IOC_MERGE(), merge);
                if (result < 0) {
                    throw refused(-result, "SYNC_IOC_MERGE");
                }
                return own(kernel, sync_merge_data.fence(merge));
            } finally {
                other.descriptor.release();
            }
        } finally {
            descriptor.release();
        }
    }

    /** Zeroed, to be used before the next call on any fence or buffer in this thread. */
    static MemorySegment argument() {
        return ARGUMENT.get().fill((byte) 0);
    }

    static CenallocException refused(int errno, String call) {
        return switch (errno) {
            case Errno.ENOTTY, Errno.EINVAL, Errno.ENOENT ->
                new CenallocException(
                        errno,
                        call,
                        null,
                        -1,
                        "the descriptor is not a fence",
                        "pass a sync file: what a display wrote to its OUT_FENCE_PTR, or what a buffer exported");
            default -> CenallocException.ofCall(errno, call, null, -1);
        };
    }

    /** Whether what is asked for came within the time. */
    static boolean await(Kernel kernel, int fd, short events, Duration timeout) throws CenallocException {
        long left = Math.max(0, TimeUnit.NANOSECONDS.convert(timeout));
        long end = System.nanoTime() + left;
        MemorySegment poll = argument();
        poll.set(ValueLayout.JAVA_INT, 0, fd);
        poll.set(ValueLayout.JAVA_SHORT, 4, events);
        while (true) {
            // Rounded up, since a time that is not over must not become none.
            int millis = (int) Math.min(Integer.MAX_VALUE, Math.ceilDiv(left, 1_000_000L));
            int ready = kernel.poll(poll, 1, millis);
            if (ready > 0) {
                if ((poll.get(ValueLayout.JAVA_SHORT, 6) & events) == 0) {
                    throw CenallocException.ofCall(Errno.EBADF, "poll", null, -1);
                }
                return true;
            }
            if (ready < 0 && ready != -Errno.EINTR) {
                throw CenallocException.ofCall(-ready, "poll", null, -1);
            }
            if (ready == 0 && millis < Integer.MAX_VALUE) {
                return false;
            }
            left = Math.max(0, end - System.nanoTime());
        }
    }

    /** {@return the number of the descriptor, or that it is closed} Makes no system call. */
    @Override
    public String toString() {
        try {
            int fd = descriptor.acquire();
            descriptor.release();
            return "fence " + fd;
        } catch (IllegalStateException e) {
            return "closed fence";
        }
    }

    /** Closes the descriptor, when the calls under way have ended. What it stands for goes on. Idempotent. */
    @Override
    public synchronized void close() {
        descriptor.close();
        if (descriptor.isGone()) {
            cleanable.clean();
        }
    }
}
