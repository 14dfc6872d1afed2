// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;

/**
 * The memory of a buffer cannot be changed (EBUSY, as the kernel's own attach): it does not suit a device that attaches
 * late, or it cannot be moved because it is in use.
 */
public final class BufferBusyException extends CenallocException {
    private static final long serialVersionUID = 1;

    BufferBusyException(String call, long size, String reason, String remedy) {
        super(Errno.EBUSY, call, null, size, reason, remedy);
    }
}
