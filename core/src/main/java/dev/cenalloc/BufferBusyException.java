package dev.cenalloc;

import dev.cenalloc.bindings.Errno;

/**
 * A device wants memory that the storage, already in use, is not (EBUSY, as dma-buf's own attach).
 */
public final class BufferBusyException extends CenallocException {
    private static final long serialVersionUID = 1;

    BufferBusyException(long size, String reason) {
        super(Errno.EBUSY, "attach", null, size, reason, "attach every device before the first use of the buffer");
    }
}
