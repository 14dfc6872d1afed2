package dev.cenalloc.device;

import dev.cenalloc.bindings.Errno;

/** What a call of a device may plausibly fail with. EBADF would mean that a descriptor was closed that was not ours. */
final class Errnos {
    static final int[] PLAUSIBLE = {
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
        Errno.ENOTTY
    };

    private Errnos() {}
}
