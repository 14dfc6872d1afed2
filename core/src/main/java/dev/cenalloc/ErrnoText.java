// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;

/**
 * What an error number means for a call of this library, and what can be done. For calls whose caller knows no more
 * than the number. A value.
 *
 * @param what what went wrong, in words
 * @param remedy one thing that can be done, in words
 */
record ErrnoText(String what, String remedy) {
    /** The log is named only where a driver is expected to write to it. */
    private static final String LOG = "see the kernel's log (dmesg) for the driver's message";

    /** {@return the text for an error number that has no exception class of its own, as the answer to a call} */
    static ErrnoText of(String call, int errno) {
        return switch (call.startsWith("VIDIOC_") ? "VIDIOC" : call) {
            case "VIDIOC" -> ofVideo(errno);
            case "open" -> ofOpen(errno);
            case "UDMABUF_CREATE" ->
                errno == Errno.EINVAL
                        ? new ErrnoText(
                                "udmabuf does not accept the size or the file",
                                "raise /sys/module/udmabuf/parameters/size_limit_mb, or use a dma-heap")
                        : of(errno);
            case "DMA_HEAP_IOCTL_ALLOC" ->
                errno == Errno.EINVAL
                        ? new ErrnoText("the heap does not accept the size", "ask for another size, or another heap")
                        : of(errno);
            case "DRM_IOCTL_PRIME_FD_TO_HANDLE" ->
                errno == Errno.EINVAL
                        ? new ErrnoText(
                                "the driver cannot import this memory",
                                "use memory of another heap, or the device's own memory")
                        : of(errno);
            case "DRM_IOCTL_MODE_ADDFB2" ->
                errno == Errno.EINVAL
                        ? new ErrnoText(
                                "the driver makes no framebuffer of this format, size and pitch",
                                "use another format or size, or a larger pitch")
                        : of(errno);
            default -> of(errno);
        };
    }

    /** Of a request to a V4L2 driver (vidioc-*.rst of Linux 6.12). */
    private static ErrnoText ofVideo(int errno) {
        return switch (errno) {
            case Errno.ENODATA ->
                new ErrnoText("the device's input has no data, such as without a signal", "connect the source");
            case Errno.ENOLINK ->
                new ErrnoText(
                        "the device's input has no signal, or its media links are not enabled",
                        "connect the source, or enable the links (media-ctl)");
            case Errno.ENOLCK ->
                new ErrnoText(
                        "the device's input has a signal that it cannot lock to",
                        "check the cable, and have the source send another mode");
            case Errno.ENOSPC ->
                new ErrnoText(
                        "the bus of the device has not enough bandwidth left",
                        "request smaller images or a lower rate, or connect it to another bus");
            case Errno.EPIPE -> new ErrnoText("the stream has ended", "start it again");
            default -> of(errno);
        };
    }

    private static ErrnoText ofOpen(int errno) {
        return errno == Errno.EBUSY
                ? new ErrnoText(
                        "the device is in use, and its driver lets in one program at a time",
                        "stop the program that has it open")
                : of(errno);
    }

    private static ErrnoText of(int errno) {
        return switch (errno) {
            case Errno.EBADF ->
                new ErrnoText(
                        "the descriptor is not open",
                        "pass an open descriptor, and do not use its number after it is closed");
            case Errno.ESRCH -> new ErrnoText("there is no such process", "check the process id; it may have ended");
            case Errno.EBUSY -> new ErrnoText("the device is in use", "stop the program that uses it");
            case Errno.EMFILE ->
                new ErrnoText(
                        "this process has as many files open as it may",
                        "close buffers that are no longer used, or raise the limit (ulimit -n)");
            case Errno.ENFILE ->
                new ErrnoText(
                        "this machine has as many files open as it may",
                        "close files of other programs, or raise the limit (sysctl fs.file-max)");
            case Errno.ENOMEM ->
                new ErrnoText("there is not enough memory of that kind", "free buffers, or ask for less");
            case Errno.ENOSPC -> new ErrnoText("there is not enough room left", "free some of it, or ask for less");
            case Errno.ENODEV, Errno.ENXIO ->
                new ErrnoText(
                        "no driver serves the device, or the device was unplugged",
                        "connect the device, load its driver, and find it anew");
            case Errno.EIO -> new ErrnoText("the device reported an input/output error", LOG);
            case Errno.EINVAL ->
                new ErrnoText(
                        "the driver does not accept the arguments",
                        "use another size, format or node: this one does not support what was requested");
            case Errno.ERANGE, Errno.EOVERFLOW, Errno.E2BIG, Errno.EFBIG ->
                new ErrnoText("a value is too large for the driver", "ask for less");
            case Errno.ENOTTY ->
                new ErrnoText(
                        "the descriptor does not know this request",
                        "use another node, or a newer kernel: this is another kind of device, or its driver is too old");
            case Errno.ENOTSUPP, Errno.EOPNOTSUPP, Errno.ENOSYS ->
                new ErrnoText(
                        "the driver or this kernel does not support the call",
                        "use another device or heap, or a newer kernel");
            case Errno.EFAULT ->
                new ErrnoText(
                        "the driver cannot use this memory", "use memory of another heap, such as a contiguous one");
            case Errno.EAGAIN -> new ErrnoText("the call would have to wait", "try again later");
            case Errno.EINTR -> new ErrnoText("a signal interrupted the call", "call again");
            case Errno.ETIMEDOUT -> new ErrnoText("the device did not answer in time", LOG);
            case Errno.EPIPE -> new ErrnoText("the other end is closed", "connect anew");
            case Errno.ENODATA -> new ErrnoText("there is no data", "ask again when there is some");
            case Errno.ENOLINK -> new ErrnoText("a link to the device is severed", "connect it, and find it anew");
            case Errno.ENOLCK -> new ErrnoText("the kernel has no lock left", "end programs that hold locks");
            case Errno.ESHUTDOWN -> new ErrnoText("the device was shut down", "close it, and find the device anew");
            case Errno.ENOTDIR, Errno.ELOOP, Errno.ENAMETOOLONG ->
                new ErrnoText("the path cannot be followed", "see whether the path is right");
            default -> new ErrnoText("the kernel refused", LOG);
        };
    }
}
