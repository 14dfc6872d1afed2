// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A buffer in {@code /sys/kernel/debug/dma_buf/bufinfo} (dma_buf_debug_show in dma-buf.c), which lists all, also those
 * that no process holds. A value.
 *
 * @param name of any characters but a line feed
 * @param devices that are attached, by the kernel's names
 */
record BufInfo(long inode, long size, long references, String exporter, Optional<String> name, List<String> devices) {
    /**
     * Numbers have at least eight digits. So a row is longer than a buffer's name (31 bytes), and none can be forged by
     * a name with line feeds.
     */
    private static final Pattern ROW = Pattern.compile(
            "^(\\d{8,18})\\t[0-9a-f]{8}\\t[0-9a-f]{8}\\t(\\d{8,18})\\t([^\\t\\n]*)\\t(\\d{8,18})\\t(.*)$",
            Pattern.MULTILINE);

    /** Behind the devices, of which each has a line. What is above them may be forged by a name. */
    private static final Pattern TOTAL = Pattern.compile("^Total (\\d{1,9}) devices attached$", Pattern.MULTILINE);

    static List<BufInfo> all(String text) {
        var all = new ArrayList<BufInfo>();
        Matcher row = ROW.matcher(text);
        boolean more = row.find();
        while (more) {
            long size = Long.parseLong(row.group(1));
            long references = Long.parseLong(row.group(2));
            String exporter = row.group(3);
            long inode = Long.parseLong(row.group(4));
            Optional<String> name =
                    Optional.of(row.group(5)).filter(given -> !given.isEmpty() && !given.equals("<none>"));
            int start = row.end();
            more = row.find();
            List<String> devices = devices(text.substring(start, more ? row.start() : text.length()));
            all.add(new BufInfo(inode, size, references, exporter, name, devices));
        }
        return all;
    }

    private static List<String> devices(String block) {
        Matcher total = TOTAL.matcher(block);
        int end = 0;
        int count = 0;
        while (total.find()) {
            end = total.start();
            count = Integer.parseInt(total.group(1));
        }
        List<String> lines = block.substring(0, end).lines().toList();
        return lines.subList(Math.max(0, lines.size() - count), lines.size()).stream()
                .map(String::strip)
                .toList();
    }
}
