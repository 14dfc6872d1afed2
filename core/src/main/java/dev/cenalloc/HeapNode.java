// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A device node that memory is allocated from. Opened at the first allocation and kept open, so that an allocation is
 * one system call. Closed by its {@link HeapSource}. Thread-safe.
 */
final class HeapNode {
    private final Kernel kernel;
    private final Path path;
    private @Nullable Descriptor descriptor;
    private boolean closed;

    HeapNode(Kernel kernel, Path path) {
        this.kernel = kernel;
        this.path = path;
    }

    /** Returns the open node; the size is for error messages. */
    synchronized Descriptor open(long size) throws CenallocException {
        if (closed) {
            throw new IllegalStateException("the Cenalloc of " + path + " is closed");
        }
        Descriptor open = descriptor;
        if (open == null) {
            // Read permission is enough to allocate, and a careful udev rule grants no more.
            // Non-blocking, since it may be another file by now, and a FIFO would block until somebody writes.
            int fd;
            do {
                fd = kernel.open(path, Linux.O_RDONLY | Linux.O_NONBLOCK | Linux.O_CLOEXEC);
            } while (fd == -Errno.EINTR);
            if (fd < 0) {
                throw CenallocException.ofCall(-fd, "open", path, size);
            }
            try {
                open = Descriptor.of(this, kernel, fd, "the Cenalloc that allocates from " + path);
                descriptor = open;
            } finally {
                if (descriptor == null) {
                    Descriptor.closeNumber(kernel, fd);
                }
            }
        }
        return open;
    }

    synchronized void close() {
        closed = true;
        if (descriptor != null) {
            descriptor.close();
        }
    }
}
