// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Log;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What is to be released of a {@link DmaBuf}, and what is known of it. Separate from it, so that neither the cleaner
 * nor a count keeps the buffer reachable. Thread-safe.
 */
final class HeldBuffer implements Runnable {
    final Descriptor descriptor;
    final long size;
    final long inode;
    final Set<MappedPages> mappings = ConcurrentHashMap.newKeySet();

    private final Kernel kernel;
    /** Null if no Cenalloc counts it. */
    private final @Nullable BufferCount count;

    private final Instant since = Instant.now();
    /** The stack of the allocation; null if it was not traced. */
    private final @Nullable Throwable place = Boolean.getBoolean(DmaBuf.TRACE) ? Leaks.place() : null;

    /** As far as it is known without a system call: the program's name for it, or ours; empty if it has none. */
    volatile String name = "";
    /** The name of the heap or exporter; empty if it is not known. */
    volatile String source = "";
    /** Whether a SharedBuffer owns it: then only that closes it. */
    volatile boolean shared;
    /** Whether it was allocated or adopted with success, so that its end is an event as its beginning was. */
    volatile boolean announced;

    HeldBuffer(Kernel kernel, int fd, long size, long inode, @Nullable BufferCount count) {
        this.kernel = kernel;
        this.size = size;
        this.inode = inode;
        this.count = count;
        this.descriptor = new Descriptor(kernel, fd, this::closed);
    }

    private void closed() {
        if (count != null) {
            count.left(this);
        }
        if (announced) {
            Events.freed(this);
        }
    }

    long ageMillis() {
        return Math.max(0, System.currentTimeMillis() - since.toEpochMilli());
    }

    /** As {@link Cenalloc#buffers} lists it. Reads {@code /proc}. */
    BufferInfo.Memory info() {
        return new BufferInfo.Memory(
                inode,
                size,
                source,
                references(),
                mappings.size(),
                since,
                place == null ? List.of() : List.of(place.getStackTrace()));
    }

    private int references() {
        try {
            int fd = descriptor.acquire();
            try {
                return FdInfo.of(kernel, fd).references().map(Integer::parseInt).orElse(0);
            } finally {
                descriptor.release();
            }
        } catch (IOException | IllegalStateException | NumberFormatException e) {
            return 0; // it is closed meanwhile, or the kernel does not tell
        }
    }

    @Override
    public void run() {
        boolean lost = descriptor.isOpen();
        // Also if it is closed: an error may have interrupted the close.
        descriptor.abandon();
        IllegalStateException inUse = null;
        for (MappedPages mapping : mappings) {
            try {
                mapping.close();
            } catch (IllegalStateException e) {
                inUse = e;
            }
        }
        // Only then: the first message loads a logging provider, which takes its time.
        if (lost) {
            report();
        }
        if (inUse != null) {
            Log.error("a mapping of a lost DmaBuf is in use by a native call, and stays", inUse);
        }
    }

    private void report() {
        Events.lostBuffer(this, place);
        String which = (name.isEmpty() ? "" : "\"" + name + "\" ") + "of " + size + " bytes";
        if (place == null) {
            Log.error(
                    "the DmaBuf {} was never closed; it is released now. Run with -D{}=true to learn where it was"
                            + " allocated",
                    which,
                    DmaBuf.TRACE);
        } else {
            Log.error("the DmaBuf {} was never closed; it is released now", which, place);
        }
    }
}
