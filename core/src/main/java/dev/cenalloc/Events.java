// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Direction;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;
import jdk.jfr.Timespan;
import org.jspecify.annotations.Nullable;

/**
 * What a recording of the JDK's Flight Recorder has of buffers. An event is made where its kind is recorded, and only
 * there: each method that begins one returns null otherwise, and costs a look at two fields. Stateless.
 */
@SuppressWarnings("UnusedVariable") // the recorder reads the fields
final class Events {
    /**
     * On the class path of a small run-time image there may be no recorder. So no method here and none that begins an
     * event may need, when it is verified, that an event is a {@code jdk.jfr.Event}.
     */
    private static final boolean CAN_RECORD =
            ModuleLayer.boot().findModule("jdk.jfr").isPresent();

    private Events() {}

    /** Before the first recording no kind is asked: to ask starts the recorder, which a program would wait for. */
    private static boolean isRecording() {
        return CAN_RECORD && FlightRecorder.isInitialized();
    }

    static @Nullable Allocate allocate() {
        return isRecording() && Allocate.ANY.isEnabled() ? new Allocate() : null;
    }

    static @Nullable Import adopt() {
        return isRecording() && Import.ANY.isEnabled() ? new Import() : null;
    }

    static @Nullable Map map() {
        return isRecording() && Map.ANY.isEnabled() ? new Map() : null;
    }

    static @Nullable CpuAccess cpuAccess() {
        return isRecording() && CpuAccess.ANY.isEnabled() ? new CpuAccess() : null;
    }

    static @Nullable FenceWait fenceWait() {
        return isRecording() && FenceWait.ANY.isEnabled() ? new FenceWait() : null;
    }

    static @Nullable PoolWait poolWait() {
        return isRecording() && PoolWait.ANY.isEnabled() ? new PoolWait() : null;
    }

    static @Nullable Relocate relocate() {
        return isRecording() && Relocate.ANY.isEnabled() ? new Relocate() : null;
    }

    static void freed(HeldBuffer buffer) {
        if (isRecording() && Free.ANY.isEnabled()) {
            new Free().commit(buffer);
        }
    }

    static void lostBuffer(HeldBuffer buffer, @Nullable Throwable place) {
        if (isRecording() && Leak.ANY.isEnabled()) {
            var leak = new Leak();
            leak.set(buffer);
            leak.commit("DmaBuf", place);
        }
    }

    static void lostFence() {
        if (isRecording() && Leak.ANY.isEnabled()) {
            new Leak().commit("Fence", null);
        }
    }

    /** Begins when it is made. */
    @Category("cenalloc")
    abstract static class Begun extends Event {
        Begun() {
            begin();
        }
    }

    abstract static class OfBuffer extends Begun {
        @Label("Buffer")
        @Description("Its name in the kernel's lists")
        @Nullable
        String name;

        @Label("Inode")
        @Description("Identifies the memory, in any process")
        long inode;

        @Label("Size")
        @DataAmount
        long size;

        final void set(HeldBuffer buffer) {
            name = buffer.name;
            inode = buffer.inode;
            size = buffer.size;
        }
    }

    @Name("dev.cenalloc.Allocate")
    @Label("Allocate")
    @Description("A heap gave memory")
    static final class Allocate extends OfBuffer {
        static final Allocate ANY = new Allocate();

        @Label("Heap")
        @Nullable
        String heap;

        @Label("Requested Size")
        @DataAmount
        long requested;

        void commit(HeldBuffer buffer, long wanted) {
            end();
            set(buffer);
            heap = buffer.source;
            requested = wanted;
            commit();
        }
    }

    @Name("dev.cenalloc.Import")
    @Label("Import")
    @Description("A dma-buf of a driver or another process was taken over")
    static final class Import extends OfBuffer {
        static final Import ANY = new Import();

        @Label("Exporter")
        @Nullable
        String exporter;

        void commit(HeldBuffer buffer) {
            end();
            set(buffer);
            exporter = buffer.source;
            commit();
        }
    }

    @Name("dev.cenalloc.Free")
    @Label("Free")
    @Description("The descriptor was closed; the memory is free when no other process and no device uses it")
    @StackTrace(false)
    static final class Free extends OfBuffer {
        static final Free ANY = new Free();

        @Label("Heap or Exporter")
        @Nullable
        String heap;

        @Label("Age")
        @Timespan(Timespan.MILLISECONDS)
        long age;

        void commit(HeldBuffer buffer) {
            set(buffer);
            heap = buffer.source;
            age = buffer.ageMillis();
            commit();
        }
    }

    @Name("dev.cenalloc.Map")
    @Label("Map")
    @Description("A buffer was mapped for the CPU")
    static final class Map extends OfBuffer {
        static final Map ANY = new Map();

        @Label("Direction")
        @Nullable
        String direction;

        void commit(HeldBuffer buffer, Direction access) {
            end();
            set(buffer);
            direction = access.name();
            commit();
        }
    }

    @Name("dev.cenalloc.CpuAccess")
    @Label("CPU Access")
    @Description("The CPU had access to a buffer, from begin to close")
    @StackTrace(false) // one a frame, or more
    @Threshold("10 ms")
    static final class CpuAccess extends OfBuffer {
        static final CpuAccess ANY = new CpuAccess();

        @Label("Direction")
        @Nullable
        String direction;

        @Label("Wait")
        @Description("How long it began: devices finished, caches were invalidated")
        @Timespan(Timespan.NANOSECONDS)
        long waited;

        /** Below it in {@link #push}. */
        private transient @Nullable CpuAccess next;

        private transient long start = System.nanoTime();

        /** The access has begun; it is open until {@link #pop}. */
        void push(AtomicReference<@Nullable CpuAccess> open) {
            waited = System.nanoTime() - start;
            do {
                next = open.get();
            } while (!open.compareAndSet(next, this));
        }

        /** The access that was begun last, of one thread or another; null if none was recorded. */
        static @Nullable CpuAccess pop(AtomicReference<@Nullable CpuAccess> open) {
            CpuAccess last;
            do {
                last = open.get();
            } while (last != null && !open.compareAndSet(last, last.next));
            return last;
        }

        void commit(HeldBuffer buffer, Direction access) {
            end();
            if (shouldCommit()) {
                set(buffer);
                direction = access.name();
                commit();
            }
        }
    }

    @Name("dev.cenalloc.FenceWait")
    @Label("Fence Wait")
    @Description("A thread waited for the end of a device's work")
    @StackTrace(false) // one a frame, or more
    @Threshold("10 ms")
    static final class FenceWait extends Begun {
        static final FenceWait ANY = new FenceWait();

        @Label("Inode")
        @Description("Of the buffer; 0 for a fence")
        long inode;

        @Label("Timeout")
        @Timespan(Timespan.NANOSECONDS)
        long timeout;

        @Label("Signalled")
        @Description("Whether the work ended within the timeout")
        boolean signalled;

        void commit(long ofBuffer, Duration longest, boolean isSignalled) {
            end();
            if (shouldCommit()) {
                inode = ofBuffer;
                timeout = TimeUnit.NANOSECONDS.convert(longest);
                signalled = isSignalled;
                commit();
            }
        }
    }

    @Name("dev.cenalloc.PoolWait")
    @Label("Pool Wait")
    @Description("A thread waited for a buffer of a pool to come back")
    @Threshold("10 ms")
    static final class PoolWait extends Begun {
        static final PoolWait ANY = new PoolWait();

        @Label("Pool")
        @Nullable
        String pool;

        @Label("Holder")
        @Nullable
        String holder;

        @Label("Lent")
        @Description("Whether it got a buffer within its timeout")
        boolean lent;

        void commit(Pool from, String to, boolean isLent) {
            end();
            if (shouldCommit()) {
                pool = from.toString();
                holder = to;
                lent = isLent;
                commit();
            }
        }
    }

    @Name("dev.cenalloc.Relocate")
    @Label("Relocate")
    @Description("The memory of a buffer moved to another heap")
    static final class Relocate extends OfBuffer {
        static final Relocate ANY = new Relocate();

        @Label("From Heap")
        @Nullable
        String from;

        @Label("To Heap")
        @Nullable
        String to;

        @Label("Inode Before")
        long inodeBefore;

        void commit(HeldBuffer before, HeldBuffer after) {
            end();
            set(after);
            from = before.source;
            to = after.source;
            inodeBefore = before.inode;
            commit();
        }
    }

    @Name("dev.cenalloc.Leak")
    @Label("Leak")
    @Description("What was never closed was released by the cleaner")
    @StackTrace(false) // the cleaner's
    static final class Leak extends OfBuffer {
        static final Leak ANY = new Leak();

        @Label("What")
        @Nullable
        String what;

        @Label("Allocated At")
        @Description("With -Ddev.cenalloc.traceAllocations=true")
        @Nullable
        String allocated;

        void commit(String kind, @Nullable Throwable place) {
            what = kind;
            allocated = place == null || place.getStackTrace().length == 0 ? null : place.getStackTrace()[0].toString();
            commit();
        }
    }
}
