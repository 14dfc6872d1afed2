// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Interposed;
import dev.cenalloc.plan.Heap;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A world on the fake kernel, and an operation of the public API in it, which can be repeated. What a subclass makes in
 * its constructor is there before the operation, and its {@link #end} closes it. For one thread at a time; to be closed.
 */
public abstract class Scene implements AutoCloseable {
    /** Makes a new one, for {@link CallSweep}. Constants of enums are it, so it has their name. */
    public interface Maker {
        String name();

        Scene scene() throws Exception;
    }

    protected final FakeKernel fake;
    protected final Interposed calls;
    protected final Cenalloc cenalloc;
    private final long memory;
    private final List<AutoCloseable> open = new ArrayList<>();

    protected Scene(FakeKernel fake) throws CenallocException {
        this.fake = fake;
        memory = fake.free();
        calls = new Interposed(fake);
        cenalloc = TestContext.open(calls.kernel, Path.of("/dev/dma_heap"));
    }

    /** In the constructor: opens the nodes of the heaps, which a fault may have an operation open or not. */
    protected final void openHeaps() throws CenallocException {
        for (Heap heap : cenalloc.heaps()) {
            cenalloc.allocate(heap, 1).close();
        }
    }

    /** What the operation finds, made anew before each run; with all of the stack, since it is no part of it. */
    protected void prepare() throws Exception {}

    /** The operation. Returns what it found out, the same each time. */
    protected abstract String operate() throws Exception;

    /** What must be the same after each run, beside descriptors, mappings and memory. */
    protected String more() {
        return "";
    }

    /** Closes what the constructor made. */
    protected void end() throws CenallocException {}

    /** In {@link #operate}: something that the operation made, which is closed after it unless it {@link #close}s it. */
    protected final <T extends AutoCloseable> T opened(T object) {
        open.add(object);
        return object;
    }

    /**
     * In {@link #prepare}: a descriptor that the operation gets from elsewhere. If the stack overflows before the
     * library has taken it, it is still the caller's.
     */
    protected final int received(int fd) {
        int inode = fake.inodeOf(fd);
        opened(() -> {
            if (fake.isOpen(fd) && fake.inodeOf(fd) == inode) {
                fake.owned().refuse(fd);
                fake.close(fd);
            }
        });
        return fd;
    }

    /** In {@link #operate}: closes; after an {@link Error}, {@link #finish} does so again, as any program would. */
    protected final void close(AutoCloseable object) throws Exception {
        close(object, object);
    }

    /** As {@link #close(AutoCloseable)}, in a way of its own. */
    protected final void close(AutoCloseable object, AutoCloseable way) throws Exception {
        try {
            way.close();
        } catch (Exception e) {
            open.remove(object);
            throw e;
        }
        open.remove(object);
    }

    /** Closes what the operation left open, in reverse order; what an error comes between is closed again. */
    final void finish() throws Exception {
        Throwable first = null;
        for (AutoCloseable object : open.reversed()) {
            try {
                object.close();
            } catch (Exception e) {
                first = first == null ? e : first;
            } catch (Error e) {
                first = first == null ? e : first;
                again(object);
            }
        }
        open.clear();
        if (first instanceof Error error) {
            throw error;
        }
        if (first != null) {
            throw (Exception) first;
        }
    }

    private static void again(AutoCloseable object) throws Exception {
        try {
            object.close();
        } catch (IllegalStateException e) {
            // The first close had come to its end, and this object cannot be closed twice.
        }
    }

    final String run() throws Exception {
        prepare();
        String result;
        try {
            result = operate();
        } catch (Throwable e) {
            try {
                finish();
            } catch (Exception | Error later) {
                e.addSuppressed(later);
            }
            throw e;
        }
        finish();
        return result;
    }

    final Interposed calls() {
        return calls;
    }

    final String state() {
        return fake.openFiles() + " files, " + fake.openMappings() + " mappings, " + fake.free() + " bytes free, "
                + cenalloc.heaps().stream()
                        .map(heap -> heap.name() + " " + cenalloc.usage(heap).buffers() + " "
                                + cenalloc.usage(heap).bytes())
                        .collect(Collectors.joining(", "))
                + more();
    }

    @Override
    public final void close() throws CenallocException {
        try (cenalloc) {
            end();
        }
        String left = fake.openFiles() + " files, " + fake.openMappings() + " mappings, " + (memory - fake.free())
                + " bytes left";
        if (!left.equals("0 files, 0 mappings, 0 bytes left")) {
            throw new AssertionError(left);
        }
    }
}
