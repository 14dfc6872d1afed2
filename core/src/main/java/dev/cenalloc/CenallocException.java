// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.text.Printable;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A refusal of the kernel or of the solver. What failed, why, and what can be done are fields, so a program can react
 * without parsing the message. Control characters in the message are escaped. The subclasses are refusals that a
 * program reacts to differently. An instance of this class itself has any other errno.
 */
public class CenallocException extends IOException {
    private static final long serialVersionUID = 1;

    /** System calls by their names in the C library; ioctls and the like have names in capitals. */
    private static final Set<String> SYSTEM_CALLS = Set.of(
            "accept",
            "access",
            "bind",
            "close",
            "connect",
            "fallocate",
            "fcntl",
            "fdinfo",
            "fstat",
            "ftruncate",
            "ioctl",
            "listen",
            "memfd_create",
            "mmap",
            "munmap",
            "open",
            "opendir",
            "pidfd_getfd",
            "pidfd_open",
            "poll",
            "read",
            "recvmsg",
            "sendmsg",
            "socket",
            "stat",
            "write");

    /** The system calls whose EACCES and ENOENT are about the path of a node. */
    private static final Set<String> OF_PATHS = Set.of("access", "open", "opendir", "stat");

    /** The error number. */
    private final int errno;
    /** The call, such as DMA_HEAP_IOCTL_ALLOC. */
    private final String call;
    /** The device node; null if none is involved. */
    private final @Nullable String path;
    /** Requested bytes, or -1. */
    private final long requestedSize;
    /** What the caller or the user can do. */
    private final String remedy;
    /** The message without the remedy. */
    private final String reason;
    /** Whether the kernel returned the error number. */
    private final boolean ofTheKernel;

    /**
     * Makes an exception for a refusal. For a failed system call, {@link #ofCall} knows the usual reasons.
     *
     * @param errno the error number, positive
     * @param call what failed: a system call or ioctl by the kernel's name for it, or an operation of this library
     * @param path the device node; null if none is involved
     * @param requestedSize requested bytes; -1 if none are involved
     * @param what what went wrong, in words
     * @param remedy one thing that can be done, in words; empty if nothing is known
     */
    public CenallocException(
            int errno, String call, @Nullable Path path, long requestedSize, String what, String remedy) {
        this(
                reason(
                        errno,
                        Objects.requireNonNull(call, "call"),
                        path,
                        requestedSize,
                        Printable.of(Objects.requireNonNull(what, "what"))),
                errno,
                call,
                path,
                requestedSize,
                Objects.requireNonNull(remedy, "remedy"));
    }

    /** With a reason in lines, each of them escaped. */
    CenallocException(String reason, int errno, String call, @Nullable Path path, long requestedSize, String remedy) {
        super(message(reason, Printable.of(remedy)));
        this.reason = reason;
        this.errno = errno;
        this.call = call;
        this.path = path == null ? null : path.toString();
        this.requestedSize = requestedSize;
        this.remedy = Printable.of(remedy);
        this.ofTheKernel = isOfTheKernel(call);
    }

    /** In one line, if that is not too long. */
    private static String message(String reason, String remedy) {
        String message = remedy.isEmpty() ? reason : reason + ". To do: " + remedy;
        return message.length() <= Printable.COLUMNS || remedy.isEmpty()
                ? Printable.wrapped(message)
                : Printable.wrapped(reason + ".\nTo do: " + remedy);
    }

    /**
     * {@return the exception for a request that this library refuses before it makes any system call} The message says
     * so.
     *
     * @param errno the error number that tells the kind of refusal, positive
     * @param operation what was refused: an operation of this library, such as {@code "allocate"}
     * @param path the device node; null if none is involved
     * @param requestedSize requested bytes; -1 if none are involved
     * @param what why, in words
     * @param remedy one thing that can be done, in words; empty if nothing is known
     */
    public static CenallocException ofRefusal(
            int errno, String operation, @Nullable Path path, long requestedSize, String what, String remedy) {
        String reason = Printable.of(Objects.requireNonNull(what, "what")) + " ("
                + Printable.of(Objects.requireNonNull(operation, "operation"))
                + ": refused by cenalloc before any system call, " + Errno.name(errno) + where(path, requestedSize)
                + ")";
        return new CenallocException(
                reason, errno, operation, path, requestedSize, Objects.requireNonNull(remedy, "remedy"));
    }

    /**
     * {@return the exception that a {@link HeapSource} throws for a refusal} It is of a subclass if the errno has one.
     *
     * @param errno the error number, positive
     * @param call what was refused, such as {@code "ioctl MY_ALLOC"}
     * @param size requested bytes
     */
    public static CenallocException of(int errno, String call, long size) {
        return ofCall(errno, call, null, size);
    }

    /**
     * {@return the exception for a failed system call} It is of a subclass if the errno has one.
     *
     * @param errno the error number, positive
     * @param call the call, by the kernel's name for it
     * @param path the device node; null if none is involved
     * @param requestedSize requested bytes; -1 if none are involved
     */
    public static CenallocException ofCall(int errno, String call, @Nullable Path path, long requestedSize) {
        Objects.requireNonNull(call, "call");
        return switch (errno) {
            case Errno.EACCES, Errno.EPERM ->
                new NoPermissionException(errno, call, path, requestedSize, remedyForPermission(call, path));
            case Errno.ENOENT ->
                new MissingDeviceException(errno, call, path, requestedSize, remedyForAbsence(call, path));
            default -> {
                ErrnoText text = ErrnoText.of(call, errno);
                yield new CenallocException(errno, call, path, requestedSize, text.what(), text.remedy());
            }
        };
    }

    private static String remedyForPermission(String call, @Nullable Path path) {
        if (call.equals("pidfd_getfd")) {
            return "run as the same user, with /proc/sys/kernel/yama/ptrace_scope at 0, or let that process send it";
        }
        if (path == null) {
            return "see what confines this process: a container, a security module, a limit";
        }
        if (!OF_PATHS.contains(call)) {
            return "end the program that controls the device, or run this one with the privilege that its driver wants";
        }
        String rule =
                path.startsWith("/dev/dma_heap") ? "SUBSYSTEM==\"dma_heap\"" : "KERNEL==\"" + path.getFileName() + "\"";
        return "only root and the group of the node may use it: join that group, or give it one with a udev rule such as "
                + rule + ", GROUP=\"video\", MODE=\"0660\"";
    }

    private static String remedyForAbsence(String call, @Nullable Path path) {
        if (path != null && isOfTheKernel(call) && !OF_PATHS.contains(call)) {
            return "find the device anew: a part of it that the call names is gone";
        }
        if (path != null && path.startsWith("/dev/dma_heap")) {
            return "list the heaps of this machine with Cenalloc.heaps(); the kernel may lack the driver";
        }
        if (path != null && isOfADevice(path)) {
            return "list the devices of this machine with Devices.list(); the kernel may lack the driver";
        }
        return path == null
                ? "see whether the device was removed"
                : "see whether the path is right; the kernel may lack the driver";
    }

    private static boolean isOfADevice(Path path) {
        return path.startsWith("/dev/dri")
                || path.startsWith("/dev/v4l")
                || path.toString().startsWith("/dev/video");
    }

    static String reason(int errno, String call, @Nullable Path path, long requestedSize, String what) {
        String where = where(path, requestedSize);
        String name = Errno.name(errno);
        // "attach gave EINVAL" would read as if a system call had failed.
        String printable = Printable.of(call);
        return isOfTheKernel(call)
                ? what + ": " + printable + " gave " + name + where
                : what + " (" + printable + ": " + name + where + ")";
    }

    private static String where(@Nullable Path path, long requestedSize) {
        return (path == null ? "" : " on " + Printable.of(path.toString()))
                + (requestedSize < 0 ? "" : " for " + requestedSize + " bytes");
    }

    private static boolean isOfTheKernel(String call) {
        String first = call.split(" ", 2)[0];
        return SYSTEM_CALLS.contains(first) || (!first.isEmpty() && first.equals(first.toUpperCase(Locale.ROOT)));
    }

    /** {@return the kernel's error number, positive} */
    public int errno() {
        return errno;
    }

    /** {@return the name of the error number, such as {@code "EINVAL"}} */
    public String errnoName() {
        return Errno.name(errno);
    }

    /**
     * {@return whether the kernel returned the error number, in answer to {@link #call}} If not, this library refused,
     * before it made any system call or by what the kernel's answers say.
     */
    public boolean isFromKernel() {
        return ofTheKernel;
    }

    /** {@return what failed: a system call or ioctl by the kernel's name for it, or an operation of this library} */
    public String call() {
        return call;
    }

    /** {@return the device node, if one is involved, and if the locale of this process can name it} */
    public Optional<Path> path() {
        try {
            return Optional.ofNullable(path).map(Path::of);
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    /** {@return the requested size in bytes, if one is involved} */
    public OptionalLong requestedSize() {
        return requestedSize < 0 ? OptionalLong.empty() : OptionalLong.of(requestedSize);
    }

    /** {@return what failed and why, in words: the message without the remedy} For messages that quote this one. */
    public String reason() {
        return reason;
    }

    /** {@return what can be done about it, in words; empty if nothing is known} */
    public String remedy() {
        return remedy;
    }
}
