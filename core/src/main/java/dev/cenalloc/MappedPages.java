// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.StackRoom;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The mapped pages of a buffer, which hold its descriptor. Closed by their {@link Mapping}, and separate from it so
 * that the cleaner does not keep the buffer reachable. Closing takes several steps; after an error between two of them,
 * the next {@link #close} continues there. Thread-safe.
 */
final class MappedPages {
    /** Other threads map and unmap before the mappings are counted. */
    private static final int NEAR = 16;

    /** So many mappings of buffers no limit is looked at for; the usual one is 65530. */
    private static final int FEW = 1024;

    /**
     * Mappings that are left to the JVM, at least. One that finds none left when it loads a class ends the process; to
     * print a refusal of the kernel would be enough for that.
     */
    private static final int LEFT = 2048;

    /** The mappings of all buffers of this process. */
    private static final AtomicInteger OPEN = new AtomicInteger();

    private final Kernel kernel;
    private final Descriptor descriptor;
    private final long size;
    private final Arena arena;
    /** Null unless {@link DmaBuf#CHECK} was set. */
    private final @Nullable AccessCheck check;

    /** Whether the descriptor is held. */
    private boolean holds;
    /** 0 while nothing is mapped. */
    private long address;
    /** The errno of pages that could not be unmapped, until it is reported. */
    private int kept;
    /** Whether a close was begun, which an error may have interrupted. */
    private boolean ending;
    /** Whether the segment gives no access to the pages any more. */
    private boolean shut;

    /** The arena is closed with the pages; only {@link #map} uses it. */
    MappedPages(Kernel kernel, Descriptor descriptor, long size, Arena arena, @Nullable AccessCheck check) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.size = size;
        this.arena = arena;
        this.check = check;
    }

    /** Maps the pages; to be called once. If it throws, {@link #close} releases what it has acquired. */
    synchronized MemorySegment map(Direction direction) throws CenallocException {
        leaveRoom();
        int fd = descriptor.hold();
        holds = true;
        address = mapped(kernel, fd, size, direction);
        OPEN.incrementAndGet();
        return kernel.view(address, size, arena);
    }

    /** One more segment of the pages, which {@link AccessCheck} takes back before they are unmapped. */
    MemorySegment view(Arena scope) {
        return kernel.view(address, size, scope);
    }

    private void leaveRoom() throws CenallocException {
        int open = OPEN.get();
        if (open < FEW) {
            return;
        }
        long most = kernel.sysctl("vm/max_map_count").orElse(Long.MAX_VALUE);
        if (open >= Math.max(FEW, most - Math.max(LEFT, most / 16))) {
            throw CenallocException.ofRefusal(
                    Errno.ENOMEM,
                    "map",
                    null,
                    size,
                    "this process has " + open + " mappings of buffers, and may have " + most
                            + " of all kinds (vm.max_map_count); the others are left to the JVM, which ends without any",
                    "close mappings that are no longer used, or raise the limit (sysctl vm.max_map_count)");
        }
    }

    /**
     * Unmaps. Idempotent.
     *
     * @throws IllegalStateException if a native call or a channel is using the segment; nothing has changed
     */
    synchronized void close() {
        StackRoom.require();
        if (!shut) {
            shut();
        }
        if (check != null) {
            check.unmapping(this);
        }
        if (address != 0) {
            int result = kernel.munmap(address, size);
            if (result >= 0) {
                OPEN.decrementAndGet();
            } else {
                kept = covered(kernel, address, size, -result);
            }
            address = 0;
        }
        if (holds) {
            holds = false;
            descriptor.drop();
        }
        if (kept != 0) {
            int errno = kept;
            kept = 0;
            report(errno, size);
        }
    }

    /** Replaces pages that munmap kept, with an errno; returns it if they stay, else 0. */
    private static int covered(Kernel kernel, long address, long size, int errno) {
        return kernel.coverPages(address, size) < 0 ? errno : 0;
    }

    private static void report(int errno, long size) {
        Log.error(
                "munmap gave {} for {} bytes of a buffer: they stay mapped, and so its memory stays in use until this"
                        + " process ends",
                Errno.name(errno),
                size);
    }

    private void shut() {
        boolean again = ending;
        ending = true;
        try {
            arena.close();
        } catch (IllegalStateException e) {
            if (!again) {
                ending = false;
                throw e;
            }
            // An error interrupted the arena's close, and the segment may still give access to its addresses. So they
            // are covered with anonymous pages, which stay, and the buffer's pages are unmapped.
            if (address != 0 && kernel.coverPages(address, size) >= 0) {
                address = 0;
            }
        }
        shut = true;
    }

    /** Continues a {@link #close} that was interrupted. */
    synchronized void finish() {
        if (ending) {
            close();
        }
    }

    /** Maps the whole buffer; returns the address. */
    static long mapped(Kernel kernel, int fd, long size, Direction direction) throws CenallocException {
        // A mapping for writing can be read too.
        int protection = direction == Direction.READ ? Linux.PROT_READ : Linux.PROT_READ | Linux.PROT_WRITE;
        long address = kernel.mmap(fd, size, protection);
        if (address < 0) {
            throw cannotMap(kernel, fd, (int) -address, size);
        }
        return address;
    }

    /**
     * Unmaps what {@link #mapped} mapped and no object owns. An error comes before the system call, and nobody could
     * unmap it later: so it tries again.
     */
    static void unmap(Kernel kernel, long address, long size) {
        int result;
        try {
            result = kernel.munmap(address, size);
        } catch (OutOfMemoryError | StackOverflowError e) {
            result = kernel.munmap(address, size);
        }
        int stays = result < 0 ? covered(kernel, address, size, -result) : 0;
        if (stays != 0) {
            report(stays, size);
        }
    }

    /** ENOMEM of mmap has two reasons, which the counts tell apart. */
    private static CenallocException noRoom(Kernel kernel, long size) {
        OptionalLong count = kernel.mappings();
        OptionalLong most = kernel.sysctl("vm/max_map_count");
        String what = "this process has no address space for the buffer, or too many mappings";
        String remedy = "close mappings, or raise the limit: vm.max_map_count (sysctl), RLIMIT_AS (ulimit -v)";
        if (count.isPresent() && most.isPresent()) {
            boolean isMost = count.getAsLong() + NEAR >= most.getAsLong();
            String counted = count.getAsLong() + " mappings, and may have " + most.getAsLong() + " (vm.max_map_count)";
            what = isMost
                    ? "this process has " + counted
                    : "this process has no address space for the buffer; it has " + counted;
            remedy = isMost
                    ? "close mappings that are no longer used, or raise the limit (sysctl vm.max_map_count)"
                    : "close mappings that are no longer used, or raise the limit RLIMIT_AS (ulimit -v)";
        }
        return new CenallocException(Errno.ENOMEM, "mmap", null, size, what, remedy);
    }

    /** The exporter and name of a dma-buf, as far as they can be found out, in words. */
    private static String from(Kernel kernel, int fd) {
        try {
            FdInfo info = FdInfo.of(kernel, fd);
            return info.exporter().map(exporter -> " of " + exporter).orElse("")
                    + info.name()
                            .filter(name -> !name.isEmpty())
                            .map(name -> ", which is called '" + name + "'")
                            .orElse("");
        } catch (CenallocException e) {
            return "";
        }
    }

    private static CenallocException cannotMap(Kernel kernel, int fd, int errno, long size) {
        return switch (errno) {
            case Errno.EACCES ->
                new NoPermissionException(
                        errno,
                        "mmap",
                        null,
                        size,
                        "the descriptor is read-only: map it with Direction.READ, or let its exporter open it for writing");
            case Errno.EPERM ->
                new NoPermissionException(
                        errno, "mmap", null, size, "the exporter forbids this mapping: map it with Direction.READ");
            case Errno.ENOMEM -> noRoom(kernel, size);
            case Errno.EAGAIN ->
                new CenallocException(
                        errno,
                        "mmap",
                        null,
                        size,
                        "this process would lock more memory than it may",
                        "raise the limit RLIMIT_MEMLOCK (ulimit -l)");
            case Errno.EINVAL,
                    Errno.ENXIO,
                    Errno.ENODEV,
                    Errno.ENOTTY,
                    Errno.ENOSYS,
                    Errno.EOPNOTSUPP,
                    Errno.ENOTSUPP ->
                new CenallocException(
                        errno,
                        "mmap",
                        null,
                        size,
                        "the CPU cannot map the memory" + from(kernel, fd)
                                + ": that is memory of a device, or protected, and its exporter lets only devices use it",
                        "let a device read or write it, or attach Device.cpu before the first use, which chooses memory"
                                + " that can be mapped");
            default -> CenallocException.ofCall(errno, "mmap", null, size);
        };
    }
}
