// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.text.Count;
import dev.cenalloc.text.Printable;
import java.lang.invoke.MethodHandles;

/** The classes of this package, and below, that tell of a failure. Stateless. */
final class Failures {
    private Failures() {}

    /** Loads them: see {@link FirstFailure}. */
    static void prepare() {
        FirstFailure.prepare(
                MethodHandles.lookup(),
                Errno.class,
                Count.class,
                Printable.class,
                FileException.class,
                ErrnoText.class,
                CenallocException.class,
                BufferBusyException.class,
                DeviceGoneException.class,
                IncompatibleConstraintsException.class,
                MemoryExhaustedException.class,
                MemoryExhaustedException.Attempt.class,
                MemoryExhaustedException.Memory.class,
                MissingDeviceException.class,
                NoPermissionException.class,
                NoSuitableHeapException.class,
                PoolExhaustedException.class,
                HeapUsage.class);
    }
}
