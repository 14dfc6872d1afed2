// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Errno;
import java.util.List;

/** The errnos that calls fail with in tests of faults. Stateless. */
public final class Faults {
    /**
     * All that are plausible. EBADF is not: it would mean that a descriptor was closed that belongs to another object.
     */
    public static final List<Integer> ERRNOS = List.of(
            Errno.EPERM,
            Errno.ENOENT,
            Errno.EINTR,
            Errno.EAGAIN,
            Errno.ENOMEM,
            Errno.EACCES,
            Errno.EFAULT,
            Errno.EBUSY,
            Errno.ENODEV,
            Errno.EINVAL,
            Errno.EMFILE,
            Errno.ENOTTY);

    private Faults() {}
}
