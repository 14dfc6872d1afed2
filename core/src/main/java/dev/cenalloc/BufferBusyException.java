package dev.cenalloc;

import dev.cenalloc.bindings.Errno;

/**
 * The storage cannot be changed (EBUSY, as dma-buf's own attach): a device wants memory that it is not, or it is to be moved
 * and is in use.
 */
public final class BufferBusyException extends CenallocException {
    private static final long serialVersionUID = 1;

    BufferBusyException(String call, long size, String reason, String remedy) {
        super(Errno.EBUSY, call, null, size, reason, remedy);
    }
}
