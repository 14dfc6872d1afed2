// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.Optional;
import java.util.OptionalLong;

/**
 * What {@code /proc/PID/fdinfo/FD} tells of a dma-buf (dma_buf_show_fdinfo in dma-buf.c, since Linux 5.3). A value.
 *
 * @param inode which buffer it is; kernels before 5.14 do not tell
 * @param references the kernel's count of what holds the buffer's file
 * @param name of any characters
 */
record FdInfo(OptionalLong inode, OptionalLong size, OptionalLong references, String exporter, Optional<String> name) {
    private static final String NAME = "\nname:\t";

    /** Parses the file; empty if it is no dma-buf's. */
    static Optional<FdInfo> of(String text) {
        // The name is the last, and may contain line feeds: nothing behind it is the kernel's word.
        int end = text.indexOf(NAME);
        String known = end < 0 ? text : text.substring(0, end);
        Optional<String> name =
                end < 0 ? Optional.empty() : Optional.of(withoutEnd(text.substring(end + NAME.length())));
        return field(known, "exp_name")
                .map(exporter -> new FdInfo(
                        SystemFiles.number(field(known, "ino")),
                        SystemFiles.number(field(known, "size")),
                        SystemFiles.number(field(known, "count")),
                        exporter,
                        name.filter(given -> !given.isEmpty())));
    }

    private static String withoutEnd(String text) {
        return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }

    private static Optional<String> field(String text, String key) {
        return text.lines()
                .filter(line -> line.startsWith(key + ":"))
                .map(line -> line.substring(key.length() + 1).strip())
                .findFirst();
    }
}
