// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;

/** No buffer of a {@link Pool} came back within the timeout (ETIMEDOUT). Its message says which holders have them. */
public final class PoolExhaustedException extends CenallocException {
    private static final long serialVersionUID = 1;

    PoolExhaustedException(String what) {
        super(
                Errno.ETIMEDOUT,
                "lend",
                null,
                -1,
                what,
                "give buffers back sooner, wait longer, or take back those of a holder that has died (takeBack)");
    }
}
