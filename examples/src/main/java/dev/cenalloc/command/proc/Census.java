// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The dma-bufs that this process may see at one time. A value.
 *
 * @param buffers the largest first
 * @param processes that were looked into
 * @param refused processes that this one may not look into
 * @param hiding the value of {@code hidepid}, if {@code /proc} does not show the processes of others
 * @param kernel whether the kernel's own list was read, which has the buffers that no process holds, too
 * @param untold descriptors of dma-bufs of which the kernel tells nothing: Linux before 5.3
 */
public record Census(
        List<Buffer> buffers,
        Set<Long> processes,
        Set<Long> refused,
        Optional<String> hiding,
        KernelList kernel,
        int untold) {
    /** What the link of a descriptor begins with, and the name of a mapping (dmabuffs_dname in dma-buf.c). */
    static final String LINK = "/dmabuf:";

    /** The same before Linux 5.3, where all such files have one inode (anon_inode_getfile). */
    static final String OLD_LINK = "anon_inode:dmabuf";

    /** Where the kernel's list of all buffers comes from. */
    public enum KernelList {
        /** debugfs, with the devices that are attached. */
        DEBUGFS,
        /** {@code /sys/kernel/dmabuf}, with sizes and exporters. */
        SYSFS,
        /** Nowhere: buffers that no process holds are not seen. */
        NONE
    }

    /** Reads everything. Takes some milliseconds for each hundred of processes. */
    public static Census take(SystemFiles files) {
        return new CensusTaker(files).take();
    }

    /** The same with the buffers of one process only. */
    public Census of(long pid) {
        return new Census(
                buffers.stream().filter(buffer -> buffer.isHeldBy(pid)).toList(),
                processes,
                refused,
                hiding,
                kernel,
                untold);
    }

    /** The size of all buffers, each counted once. */
    public long bytes() {
        return buffers.stream().mapToLong(buffer -> buffer.size().orElse(0)).sum();
    }
}
