// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Errno;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;

/** A file or directory that could not be read, with the error number, which Java's own exceptions mostly lack. */
public final class FileException extends IOException {
    private static final long serialVersionUID = 1;

    private final int errno;

    public FileException(Path path, int errno) {
        super(path + ": " + Errno.name(errno));
        this.errno = errno;
    }

    /**
     * Returns whether an error number says that a path leads nowhere, or nowhere that this process may go, and will not
     * soon. Others, such as ENOMEM and EMFILE, say only that the question failed.
     */
    public static boolean isLasting(int errno) {
        return switch (errno) {
            case Errno.ENOENT, Errno.ENOTDIR, Errno.EACCES, Errno.EPERM -> true;
            default -> false;
        };
    }

    /**
     * Returns whether an error number says that the kernel or this process was short of something for the moment: what
     * was asked may be there. Others, such as EIO of an attribute of a device, are what the device answers.
     */
    public static boolean isPassing(int errno) {
        return switch (errno) {
            case Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE, Errno.EFAULT, Errno.EINTR, Errno.EAGAIN -> true;
            default -> false;
        };
    }

    /** Returns the error number of a failure to read a file; EIO if it is not known. */
    public static int errno(IOException e) {
        return switch (e) {
            case FileException known -> known.errno;
            case NoSuchFileException _ -> Errno.ENOENT;
            case AccessDeniedException _ -> Errno.EACCES;
            case NotDirectoryException _ -> Errno.ENOTDIR;
            default -> Errno.EIO;
        };
    }
}
