// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/**
 * What the kernel reports of a dma-buf in {@code /proc/self/fdinfo} (dma_buf_show_fdinfo in dma-buf.c). A value.
 *
 * @param lines the lines of the file
 */
record FdInfo(List<String> lines) {
    /**
     * Reads it.
     *
     * @param fd an open descriptor
     * @throws CenallocException ENOENT: {@code /proc} is not mounted; else with the errno of open or read
     */
    static FdInfo of(Kernel kernel, int fd) throws CenallocException {
        try {
            return new FdInfo(kernel.fdinfo(fd));
        } catch (IOException e) {
            throw unreadable(FileException.errno(e), e);
        }
    }

    /** The exporter's name. Every dma-buf has this line and no other file. */
    Optional<String> exporter() {
        return line("exp_name:");
    }

    /** The name that a program gave it, which the kernel keeps as bytes of UTF-8. */
    Optional<String> name() {
        return line("name:")
                .map(bytes -> new String(bytes.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8));
    }

    /** The number of references, in digits. */
    Optional<String> references() {
        return line("count:");
    }

    private Optional<String> line(String key) {
        return lines.stream()
                .filter(line -> line.startsWith(key))
                .map(line -> line.substring(key.length()).strip())
                .findFirst();
    }

    private static CenallocException unreadable(int errno, IOException why) {
        String call = "read of /proc/self/fdinfo";
        CenallocException unreadable = errno == Errno.ENOENT
                ? new CenallocException(
                        errno, call, null, -1, "the kind of the descriptor cannot be read: " + why, "mount /proc")
                : CenallocException.ofCall(errno, call, null, -1);
        unreadable.initCause(why);
        return unreadable;
    }
}
