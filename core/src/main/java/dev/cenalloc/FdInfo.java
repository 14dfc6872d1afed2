package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
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
     * @throws IOException if {@code /proc} cannot be read
     */
    static FdInfo of(Kernel kernel, int fd) throws IOException {
        return new FdInfo(kernel.fdinfo(fd));
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

    /** The exception for a descriptor whose kind is needed and cannot be read. */
    static CenallocException unreadable(IOException why) {
        return new CenallocException(
                Errno.ENOENT,
                "read of /proc/self/fdinfo",
                null,
                -1,
                "the kind of the descriptor cannot be read: " + why,
                "mount /proc");
    }
}
