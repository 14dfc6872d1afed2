package dev.cenalloc;

import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Log;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What is to be released of a {@link DmaBuf}. Separate from it, so that the cleaner does not keep the buffer reachable.
 * Thread-safe.
 */
final class HeldBuffer implements Runnable {
    final Descriptor descriptor;
    final Set<MappedPages> mappings = ConcurrentHashMap.newKeySet();
    private final long size;
    /** The stack of the allocation; null if it was not traced. */
    private final @Nullable Throwable place;

    /** The program's name for the buffer; empty if it has none. */
    volatile String name = "";

    HeldBuffer(Descriptor descriptor, long size, @Nullable Throwable place) {
        this.descriptor = descriptor;
        this.size = size;
        this.place = place;
    }

    @Override
    public void run() {
        try {
            if (descriptor.isOpen()) {
                report();
            }
        } finally {
            // Also if it is closed: an error may have interrupted the close.
            descriptor.abandon();
            for (MappedPages mapping : mappings) {
                try {
                    mapping.close();
                } catch (IllegalStateException e) {
                    Log.error("a mapping of a lost DmaBuf is in use by a native call, and stays", e);
                }
            }
        }
    }

    private void report() {
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
