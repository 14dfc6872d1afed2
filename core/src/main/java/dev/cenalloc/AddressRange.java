// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where the memory of this machine lies, as the kernel's zones and contiguous pools tell. Stateless. */
final class AddressRange {
    /** The address space of physical memory, as devices without an IOMMU see it on most buses. */
    static final String RAM = "ram";

    private static final Path ZONES = Path.of("/proc/zoneinfo");
    private static final Path POOLS = Path.of("/sys/kernel/debug/cma");
    private static final Pattern PAGES = Pattern.compile("\\d{1,15}");
    private static final Pattern SPANNED = Pattern.compile("\\s+spanned\\s+(\\d{1,15})");
    private static final Pattern START = Pattern.compile("\\s+start_pfn:\\s+(\\d{1,15})");

    private AddressRange() {}

    /**
     * The highest address of any byte of memory; empty if the kernel does not tell.
     *
     * @throws CenallocException with the errno of a question that failed, such as EMFILE
     */
    static OptionalLong highest(Kernel kernel) throws CenallocException {
        long end = 0;
        long spanned = 0;
        // Of each zone: how many pages it spans, and further below, the first.
        for (String line : text(kernel, ZONES).lines().toList()) {
            Matcher pages = SPANNED.matcher(line);
            Matcher start = START.matcher(line);
            if (pages.matches()) {
                spanned = Long.parseLong(pages.group(1));
            } else if (start.matches() && spanned > 0) {
                end = Math.max(end, Long.parseLong(start.group(1)) + spanned);
                spanned = 0;
            }
        }
        return last(kernel, end);
    }

    /**
     * The highest address of a contiguous pool, which the kernel tells root (mm/cma_debug.c); empty if it does not, or
     * if the pool has several parts. On x86 a pool lies above 4 GiB if there is memory (mm/cma.c of 6.12).
     *
     * @param name the heap's, which is the pool's
     * @throws CenallocException as {@link #highest}
     */
    static OptionalLong highestOfPool(Kernel kernel, String name) throws CenallocException {
        for (String directory : List.of(name, "cma-" + name)) { // with a prefix in some versions
            Path pool = POOLS.resolve(directory);
            Matcher base = PAGES.matcher(text(kernel, pool.resolve("base_pfn")).strip());
            Matcher count = PAGES.matcher(text(kernel, pool.resolve("count")).strip());
            if (base.matches() && count.matches()) {
                return text(kernel, pool.resolve("ranges/1/base_pfn")).isEmpty()
                        ? last(kernel, Long.parseLong(base.group()) + Long.parseLong(count.group()))
                        : OptionalLong.empty();
            }
        }
        return OptionalLong.empty();
    }

    /** The last address before a page. */
    private static OptionalLong last(Kernel kernel, long end) {
        long bytes = Math.multiplyHigh(end, kernel.pageSize()) == 0 ? end * kernel.pageSize() : -1;
        return bytes > 0 ? OptionalLong.of(bytes - 1) : OptionalLong.empty();
    }

    /** What is in a file; empty if this process cannot get it. */
    private static String text(Kernel kernel, Path file) throws CenallocException {
        try {
            return new String(kernel.bytes(file), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            int errno = FileException.errno(e);
            if (!FileException.isLasting(errno)) {
                throw CenallocException.ofCall(errno, "open", file, -1);
            }
            return "";
        }
    }
}
