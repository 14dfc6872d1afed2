// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.proc.SystemFiles;
import java.util.List;
import java.util.OptionalLong;
import java.util.TreeSet;

/**
 * An area of contiguous memory that the kernel set aside at boot, in pages. A value. Sources: mm/cma_sysfs.c,
 * mm/cma_debug.c.
 *
 * @param used pages that are allocated
 * @param largestFree the longest run of free pages
 * @param failed pages of allocations that failed since the start
 */
record CmaArea(String name, OptionalLong pages, OptionalLong used, OptionalLong largestFree, OptionalLong failed) {
    private static final String SYSFS = "/sys/kernel/mm/cma/";
    private static final String DEBUGFS = "/sys/kernel/debug/cma/";
    /** Before the name in debugfs, up to Linux 6.12. */
    private static final String PREFIX = "cma-";

    static List<CmaArea> of(SystemFiles files) {
        List<String> inDebugfs = files.names(DEBUGFS).value().orElse(List.of());
        var names = new TreeSet<>(files.names(SYSFS).value().orElse(List.of()));
        inDebugfs.forEach(name -> names.add(name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name));
        return names.stream()
                .map(name -> {
                    String debug = DEBUGFS + (inDebugfs.contains(name) ? name : PREFIX + name);
                    OptionalLong pages =
                            first(files.number(debug + "/count"), files.number(SYSFS + name + "/total_pages"));
                    OptionalLong free = files.number(SYSFS + name + "/available_pages");
                    OptionalLong used = first(
                            files.number(debug + "/used"),
                            pages.isPresent() && free.isPresent()
                                    ? OptionalLong.of(pages.getAsLong() - free.getAsLong())
                                    : OptionalLong.empty());
                    return new CmaArea(
                            name,
                            pages,
                            used,
                            files.number(debug + "/maxchunk"),
                            files.number(SYSFS + name + "/alloc_pages_fail"));
                })
                .toList();
    }

    private static OptionalLong first(OptionalLong one, OptionalLong other) {
        return one.isPresent() ? one : other;
    }
}
