// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A line of {@code /proc/PID/maps} that may be a dma-buf's. A value.
 *
 * @param bytes that are mapped
 * @param end of the mapped part within the buffer
 * @param device of the file, as {@code st_dev}
 * @param name of the buffer; the kernel writes a line feed in it as {@code \012}
 */
record MapLine(long bytes, long end, long device, long inode, Optional<String> name) {
    /** Of the files that dma-buf.c makes, since Linux 5.3. Any file may be called so: the device tells. */
    static final String WORD = " " + Census.LINK;

    private static final Pattern LINE = Pattern.compile(
            "([0-9a-f]{1,15})-([0-9a-f]{1,15}) \\S{4} ([0-9a-f]{1,15}) ([0-9a-f]{1,4}):([0-9a-f]{1,6}) (\\d{1,18})\\s+"
                    + Pattern.quote(Census.LINK) + "(.*)");

    static Optional<MapLine> of(String line) {
        Matcher matcher = LINE.matcher(line);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        long bytes = hex(matcher, 2) - hex(matcher, 1);
        return Optional.of(new MapLine(
                bytes,
                hex(matcher, 3) + bytes,
                device(hex(matcher, 4), hex(matcher, 5)),
                Long.parseLong(matcher.group(6)),
                Optional.of(matcher.group(7)).filter(name -> !name.isEmpty())));
    }

    /** As the C library packs it (gnu_dev_makedev). */
    private static long device(long major, long minor) {
        return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFFL) << 12 | (major & ~0xFFFL) << 32;
    }

    private static long hex(Matcher matcher, int group) {
        return Long.parseLong(matcher.group(group), 16);
    }
}
