// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where the memory of this machine lies, as the kernel's zones tell. Stateless. */
final class AddressRange {
    /** The address space of physical memory, as devices without an IOMMU see it on most buses. */
    static final String RAM = "ram";

    private static final Path ZONES = Path.of("/proc/zoneinfo");
    private static final Pattern SPANNED = Pattern.compile("\\s+spanned\\s+(\\d{1,15})");
    private static final Pattern START = Pattern.compile("\\s+start_pfn:\\s+(\\d{1,15})");

    private AddressRange() {}

    /**
     * The highest address of any byte of memory; empty if the kernel does not tell.
     *
     * @throws CenallocException with the errno of a question that failed, such as EMFILE
     */
    static OptionalLong highest(Kernel kernel) throws CenallocException {
        String zones;
        try {
            zones = new String(kernel.bytes(ZONES), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            int errno = FileException.errno(e);
            if (!FileException.isLasting(errno)) {
                throw CenallocException.ofCall(errno, "open", ZONES, -1);
            }
            return OptionalLong.empty();
        }
        long end = 0;
        long spanned = 0;
        // Of each zone: how many pages it spans, and further below, the first.
        for (String line : zones.lines().toList()) {
            Matcher pages = SPANNED.matcher(line);
            Matcher start = START.matcher(line);
            if (pages.matches()) {
                spanned = Long.parseLong(pages.group(1));
            } else if (start.matches() && spanned > 0) {
                end = Math.max(end, Long.parseLong(start.group(1)) + spanned);
                spanned = 0;
            }
        }
        long bytes = Math.multiplyHigh(end, kernel.pageSize()) == 0 ? end * kernel.pageSize() : -1;
        return bytes > 0 ? OptionalLong.of(bytes - 1) : OptionalLong.empty();
    }
}
