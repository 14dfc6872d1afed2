// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.text.Printable;
import java.lang.invoke.MethodHandles;
import java.util.List;

/**
 * Loads the classes that tell of a failure, before the first one. If that is EMFILE, their files may not be opened any
 * more: a NoClassDefFoundError would take the place of the exception, and the JVM does not try again. Stateless.
 */
final class FirstFailure {
    private static final List<Class<?>> CLASSES = List.of(
            Errno.class,
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

    private FirstFailure() {}

    /** To be called when a class is initialised that other calls begin with. */
    static void prepare() {
        try {
            for (Class<?> type : CLASSES) {
                MethodHandles.lookup().ensureInitialized(type);
            }
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }
}
