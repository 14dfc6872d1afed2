// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory of this process that a compositor maps, too: an anonymous file that nobody can shorten, so that no access ends
 * a program. Closed by {@link Copies}, after which nothing may use its bytes.
 */
final class SharedMemory {
    private final Kernel kernel;
    private final Descriptor file;
    private final long address;
    private final long size;
    private final MemorySegment bytes;

    private SharedMemory(Kernel kernel, int file, long address, long size) {
        this.kernel = kernel;
        this.file = new Descriptor(kernel, file);
        this.address = address;
        this.size = size;
        this.bytes = kernel.view(address, size, Arena.ofAuto());
    }

    /** Allocates memory that is zero. */
    static SharedMemory allocate(Kernel kernel, long size) throws CenallocException {
        int flags = Linux.MFD_CLOEXEC | Linux.MFD_ALLOW_SEALING;
        int file = kernel.memfdCreate("cenalloc window", flags | Linux.MFD_NOEXEC_SEAL);
        if (file == -Errno.EINVAL) { // a kernel before 6.3
            file = kernel.memfdCreate("cenalloc window", flags);
        }
        check(file, "memfd_create", size);
        long address = -1;
        try {
            check(kernel.ftruncate(file, size), "ftruncate", size);
            check(kernel.addSeals(file, Linux.F_SEAL_SHRINK), "fcntl", size);
            address = kernel.mmap(file, size, Linux.PROT_READ | Linux.PROT_WRITE);
            check(address, "mmap", size);
            return new SharedMemory(kernel, file, address, size);
        } finally {
            if (address < 0) {
                kernel.close(file);
            }
        }
    }

    private static void check(long result, String call, long size) throws CenallocException {
        if (result < 0) {
            throw CenallocException.ofCall((int) -result, call, null, size);
        }
    }

    /** What is passed to the compositor. */
    Descriptor file() {
        return file;
    }

    /** Closes the file; both mappings stay. */
    void closeFile() {
        file.close();
    }

    MemorySegment bytes() {
        return bytes;
    }

    /** Ends the mapping of this process. */
    void close() {
        file.close();
        int _ = kernel.munmap(address, size);
    }
}
