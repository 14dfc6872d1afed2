// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The descriptors of a new buffer, with what fstat says of them. The owner of this takes descriptors, and closes the
 * others by {@link #closeAll}. Not safe for several threads. Allocates no objects, unless it throws.
 */
final class Files {
    private final Kernel kernel;
    private final MemorySegment stat = Arena.ofAuto().allocate(Linux.STAT_SIZE, Long.BYTES);
    private final int[] descriptors = new int[Wire.MOST_MEMORIES];
    private final long[] devices = new long[Wire.MOST_MEMORIES];
    private final long[] inodes = new long[Wire.MOST_MEMORIES];
    private final long[] sizes = new long[Wire.MOST_MEMORIES];
    private int count;

    Files(Kernel kernel) {
        this.kernel = kernel;
    }

    /** Takes the descriptors of a message; what it had before must be closed. */
    void take(Inbox inbox, int howMany) {
        for (count = 0; count < howMany; count++) {
            descriptors[count] = inbox.take();
        }
    }

    /** Asks the kernel for each. */
    void examine() throws CenallocException {
        for (int i = 0; i < count; i++) {
            int result = kernel.fstat(descriptors[i], stat);
            if (result < 0) {
                throw CenallocException.ofCall(-result, "fstat", null, -1);
            }
            devices[i] = stat.get(Wire.LONG, Linux.STAT_DEV);
            inodes[i] = stat.get(Wire.LONG, Linux.STAT_INO);
            sizes[i] = stat.get(Wire.LONG, Linux.STAT_FILE_SIZE);
        }
    }

    int count() {
        return count;
    }

    /** The bytes of the file of a memory. */
    long size(int memory) {
        return sizes[memory];
    }

    /** The first memory that lies in the same file. */
    int first(int memory) {
        int first = 0;
        while (inodes[first] != inodes[memory] || devices[first] != devices[memory]) {
            first++;
        }
        return first;
    }

    /** Takes a descriptor; the caller owns it from now on. */
    int remove(int memory) {
        int taken = descriptors[memory];
        descriptors[memory] = -1;
        return taken;
    }

    /** Closes those that were not taken. */
    void closeAll() {
        while (count > 0) {
            count--;
            if (descriptors[count] >= 0) {
                Descriptor.closeNumber(kernel, descriptors[count]);
            }
        }
    }

    /** Which files these are, for {@link #areAs}. */
    long[] identities() {
        var identities = new long[2 * count];
        for (int i = 0; i < count; i++) {
            identities[2 * i] = devices[i];
            identities[2 * i + 1] = inodes[i];
        }
        return identities;
    }

    /**
     * Whether {@link #identities} would return the same. While a file is open, no other has its inode in its file
     * system.
     */
    boolean areAs(long[] identities) {
        if (identities.length != 2 * count) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            if (identities[2 * i] != devices[i] || identities[2 * i + 1] != inodes[i]) {
                return false;
            }
        }
        return true;
    }
}
