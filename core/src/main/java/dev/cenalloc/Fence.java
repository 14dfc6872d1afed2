// SPDX-License-Identifier: Apache-2.0
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
import dev.cenalloc.kernel.Lost;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.kernel.Times;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Cleaner;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * The end of a device's work, as the descriptor of a sync file. Closed by the caller that exported, merged or adopted
 * it. It is pending until the work ends, then signalled for ever; a driver whose work failed signals it with an error.
 * A cleaner releases a lost one and logs an error. Safe for any number of threads, but no thread may use it while
 * another replaces it. Every use after a close throws {@link IllegalStateException}, and the descriptor is closed when
 * the calls under way have ended.
 *
 * <p>The number -1 stands for a fence that is signalled, without a sync file: drivers and peers give it where there is
 * nothing to wait for (Vulkan's {@code VkImportSemaphoreFdInfoKHR}, {@code EGL_NO_NATIVE_FENCE_FD_ANDROID}), and take
 * it for that (IN_FENCE_FD). So it is one here, too, wherever a number of a fence is given.
 *
 * <p>A frame loop keeps the objects and replaces their descriptors, which allocates no objects. In this example a
 * display waits by itself for the device that writes the frame, and signals when it shows the frame:
 *
 * {@snippet :
 * frame.exportFence(Direction.READ, written);
 * commit(frame, written.fd()); // the plane's IN_FENCE_FD; OUT_FENCE_PTR of the CRTC points to outFence
 * shown.replace(outFence.get(ValueLayout.JAVA_INT, 0));
 * if (shown.await(Duration.ofSeconds(1))) {
 *     recycle(frameBefore); // the display does not use it any more
 * }
 * }
 *
 * <p>Source: the kernel's dma-buf.rst and sync_file.h.
 */
public final class Fence implements AutoCloseable {
    static {
        Failures.prepare();
        Seam.setFences(fence -> ((Fence) fence).descriptor, Fence::own);
    }

    /** Space for the argument of any call on fences, one for each thread, so that no call has to allocate. */
    private static final ThreadLocal<MemorySegment> ARGUMENT =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(sync_file_info.layout()));

    /** What fails in place of a system call. */
    private static final String WORK = "fence";

    /** In place of a descriptor: a fence that is signalled. */
    static final int SIGNALLED = -1;

    private final Kernel kernel;
    private final Descriptor descriptor;
    private final Cleaner.Cleanable cleanable;

    /** Separate from the fence, so that the cleaner does not keep the fence reachable. */
    private record Held(Descriptor descriptor) implements Runnable {
        @Override
        public void run() {
            boolean lost = descriptor.isOpen();
            // Also if it is closed: an error may have interrupted the close.
            descriptor.abandon();
            // Only then: the first message loads a logging provider, which takes its time.
            if (lost) {
                Events.lostFence();
                Log.error("a Fence was never closed; it is released now");
            }
        }
    }

    private Fence(Kernel kernel, Descriptor descriptor) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.cleanable = Lost.register(this, new Held(descriptor));
    }

    /** Owns a descriptor that the kernel has just returned as a sync file. */
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
     * Takes over a descriptor of a display, a GPU or another process. It is close-on-exec from now on.
     *
     * @param fd the descriptor of a sync file; the fence owns it from now on; if this method throws, it is closed. Or
     *     -1, for a fence that is signalled
     * @return a fence that the caller closes
     * @throws IllegalArgumentException if an open object of this library has the number already; nothing has changed
     * @throws CenallocException ENOTTY or EINVAL if it is not a sync file; EBADF if it is not open
     */
    public static Fence adopt(int fd) throws CenallocException {
        return adopt(LinuxKernel.instance(), fd);
    }

    static Fence adopt(Kernel kernel, int fd) throws CenallocException {
        if (fd == SIGNALLED) {
            return own(kernel, fd);
        }
        kernel.owned().refuse(fd);
        // A number that is not open must not be closed: another thread may open it meanwhile.
        boolean ours = true;
        try {
            int result = kernel.repeatableIoctl(fd, dmabuf_h.SYNC_IOC_FILE_INFO(), argument());
            if (result < 0) {
                ours = result != -Errno.EBADF;
                throw refused(-result, "SYNC_IOC_FILE_INFO");
            }
            result = kernel.closeOnExec(fd);
            if (result < 0) {
                throw CenallocException.ofCall(-result, "fcntl", null, -1);
            }
            ours = false; // own closes it if it fails
            return own(kernel, fd);
        } finally {
            if (ours) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    /**
     * Takes over another descriptor and closes the previous one. For frame loops: allocates no objects. The descriptor
     * is not checked, which saves a system call: where OUT_FENCE_PTR points, a driver writes a sync file, or -1 if the
     * commit failed.
     *
     * @param fd the descriptor of a sync file; the fence owns it from now on; if this method throws, it is closed. Or
     *     -1, for a fence that is signalled
     * @throws IllegalArgumentException if it is below -1, or the fence, or another open object of this library, has the
     *     descriptor already; nothing has changed
     * @throws IllegalStateException if closed, or in use by another thread
     */
    public synchronized void replace(int fd) {
        if (fd < SIGNALLED) {
            throw new IllegalArgumentException(
                    fd + " is no descriptor, and not -1, which is a fence that is signalled");
        }
        if (fd == SIGNALLED && descriptor.is(SIGNALLED)) {
            return; // nothing changes, as in most returns of a frame
        }
        if (fd != SIGNALLED && descriptor.is(fd)) {
            throw new IllegalArgumentException("the fence has descriptor " + fd + " already");
        }
        kernel.owned().refuse(fd);
        boolean replaced = false;
        try {
            descriptor.replace(fd);
            replaced = true;
        } finally {
            if (!replaced && fd != SIGNALLED && !descriptor.is(fd)) {
                Descriptor.closeNumber(kernel, fd);
            }
        }
    }

    /**
     * {@return the descriptor's number, for a call to a driver, such as IN_FENCE_FD; valid until {@link #close} or
     * {@link #replace}} Drivers do not take it over. The caller must not close it. -1 if it is a signalled fence
     * without a sync file.
     *
     * @throws IllegalStateException if closed
     */
    public int fd() {
        return descriptor.number();
    }

    int acquire() {
        return descriptor.acquire();
    }

    void release() {
        descriptor.release();
    }

    /** Another descriptor of the sync file, which the caller closes; not of one that is signalled without a file. */
    int duplicate() throws CenallocException {
        int fd = descriptor.acquire();
        int copy;
        try {
            copy = kernel.dup(fd);
        } finally {
            descriptor.release();
        }
        if (copy < 0) {
            throw CenallocException.ofCall(-copy, "fcntl", null, -1);
        }
        return copy;
    }

    /**
     * Waits until it is signalled. Blocks, pins the carrier of a virtual thread, and is not ended by an interrupt or by
     * {@link #close}. One system call, and a second one for the error if it is signalled; allocates no objects.
     *
     * @param timeout the longest time to wait, in steps of a millisecond; zero or less does not wait
     * @return whether it is signalled; false after the timeout
     * @throws IllegalStateException if closed
     * @throws CenallocException with the driver's errno and the {@linkplain CenallocException#call call}
     *     {@code "fence"} if the work failed: do not use its result; ENOTTY or EINVAL if it is not a sync file; else
     *     the errno of poll; EINTR is retried with the remaining time
     */
    public boolean await(Duration timeout) throws CenallocException {
        Objects.requireNonNull(timeout, "timeout");
        int fd = descriptor.acquire();
        try {
            if (fd == SIGNALLED) {
                return true;
            }
            if (!await(kernel, fd, Linux.POLLIN, timeout, 0)) {
                return false;
            }
            checkNotFailed(fd);
            return true;
        } finally {
            descriptor.release();
        }
    }

    /**
     * Waits until the work has ended, well or not: nothing uses the memory any more. As {@link #await} otherwise, but
     * for work that failed.
     *
     * @param timeout as there
     * @return whether it has ended
     * @throws IllegalStateException if closed
     * @throws CenallocException as there
     */
    public boolean awaitEnd(Duration timeout) throws CenallocException {
        try {
            return await(timeout);
        } catch (CenallocException e) {
            if (e.call().equals(WORK)) {
                return true;
            }
            throw e;
        }
    }

    /**
     * {@return whether it is signalled} As {@link #await} without waiting.
     *
     * @throws IllegalStateException if closed
     * @throws CenallocException as {@link #await}
     */
    public boolean isSignalled() throws CenallocException {
        return await(Duration.ZERO);
    }

    /**
     * Poll does not report an error. This request alone is not enough: some kernels signal a merged fence only if
     * polled.
     */
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
                    WORK,
                    null,
                    -1,
                    "the work that the fence stands for has failed",
                    "do not use its result; see the kernel's log (dmesg) for the driver's message");
        }
    }

    /**
     * {@return a fence that is signalled when both are; the caller closes it} Both fences are unchanged. If one of them
     * fails later, the new one fails too. The error of a fence that is signalled already is lost. Does not block.
     *
     * @param other the other fence; it may be this one
     * @throws IllegalStateException if one of them is closed
     * @throws CenallocException EMFILE: too many descriptors are open; ENOMEM; ENOTTY, EINVAL or ENOENT if one of them
     *     is not a sync file
     */
    public Fence merge(Fence other) throws CenallocException {
        Objects.requireNonNull(other, "other");
        int fd = descriptor.acquire();
        try {
            int second = other.descriptor.acquire();
            try {
                if (fd == SIGNALLED && second == SIGNALLED) {
                    return own(kernel, SIGNALLED);
                }
                // One that is signalled adds nothing: the other is merged with itself.
                MemorySegment merge = argument();
                sync_merge_data.fd2(merge, second == SIGNALLED ? fd : second);
                int result = kernel.repeatableIoctl(fd == SIGNALLED ? second : fd, dmabuf_h.SYNC_IOC_MERGE(), merge);
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

    /** The thread's argument, zeroed; valid until the next call on any fence or buffer in this thread. */
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
                        "pass a sync file, such as a display writes to OUT_FENCE_PTR or a buffer exports");
            default -> CenallocException.ofCall(errno, call, null, -1);
        };
    }

    /** Waits for one of the events, of a buffer or, for 0, a fence; returns whether it came within the time. */
    static boolean await(Kernel kernel, int fd, short events, Duration timeout, long inode) throws CenallocException {
        Events.FenceWait event = timeout.isPositive() ? Events.fenceWait() : null;
        boolean signalled = await(kernel, fd, events, timeout);
        if (event != null) {
            event.commit(inode, timeout, signalled);
        }
        return signalled;
    }

    private static boolean await(Kernel kernel, int fd, short events, Duration timeout) throws CenallocException {
        long left = Math.max(0, TimeUnit.NANOSECONDS.convert(timeout));
        long end = System.nanoTime() + left;
        MemorySegment poll = argument();
        poll.set(ValueLayout.JAVA_INT, 0, fd);
        poll.set(ValueLayout.JAVA_SHORT, 4, events);
        while (true) {
            int millis = Times.millis(left);
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

    /** {@return the descriptor's number, or that it is closed} Makes no system call. */
    @Override
    public String toString() {
        try {
            int fd = descriptor.acquire();
            descriptor.release();
            return fd == SIGNALLED ? "signalled fence" : "fence " + fd;
        } catch (IllegalStateException e) {
            return "closed fence";
        }
    }

    /** Closes the descriptor when the calls under way have ended. The device's work goes on. Idempotent. */
    @Override
    public synchronized void close() {
        descriptor.close();
        if (descriptor.isGone()) {
            cleanable.clean();
        }
    }
}
