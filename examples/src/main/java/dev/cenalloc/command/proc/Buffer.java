// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A dma-buf of any process or of the kernel. A value.
 *
 * @param inode the kernel's number for it
 * @param size in bytes; empty if nothing tells
 * @param isSizeExact whether the kernel told the size, or only a part of the buffer is known, which is mapped
 * @param exporter the driver or heap whose memory it is; empty if nothing tells
 * @param name that a program gave it, of any characters
 * @param references the kernel's count of what holds it: descriptors, mappings, devices
 * @param holders the processes that may be seen, by id
 * @param devices that are attached, by the kernel's names; empty if this process may not see them
 */
public record Buffer(
        long inode,
        OptionalLong size,
        boolean isSizeExact,
        Optional<String> exporter,
        Optional<String> name,
        OptionalLong references,
        List<Holder> holders,
        Optional<List<String>> devices) {
    /**
     * A process that holds a buffer.
     *
     * @param process its name, of any characters
     * @param descriptors that lead to the buffer
     * @param mappings the number of its mappings
     * @param mappedBytes of all of them
     */
    public record Holder(long pid, String process, List<Integer> descriptors, int mappings, long mappedBytes) {}

    public boolean isHeldBy(long pid) {
        return holders.stream().anyMatch(holder -> holder.pid() == pid);
    }
}
