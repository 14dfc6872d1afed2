// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Links functions of the C library, and receives the errno of those that failed. Safe for any number of threads. */
final class Downcall {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MemoryLayout ERRNO_LAYOUT = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = ERRNO_LAYOUT.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    /** Receives the errno of a failed call: one for each thread, so that no call has to allocate. */
    private static final ThreadLocal<MemorySegment> CAPTURE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(ERRNO_LAYOUT));

    /** What was linked, each kind once. GraalVM's native-image has to be told of all: NativeImageMetadataTest. */
    private static final Set<Shape> LINKED = ConcurrentHashMap.newKeySet();

    /** What the linker makes code for. */
    record Shape(FunctionDescriptor type, Set<Linker.Option> options) {}

    private Downcall() {}

    /** Links a function that captures errno: its first argument is {@link #capture}. */
    static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        Linker.Option[] all = Arrays.copyOf(options, options.length + 1);
        all[options.length] = Linker.Option.captureCallState("errno");
        return fastHandle(name, descriptor, all);
    }

    /** Links a function without errno, whose calls allocate no objects. */
    static MethodHandle fastHandle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        MethodHandle handle = LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, options);
        LINKED.add(new Shape(descriptor, Set.of(options)));
        return handle;
    }

    static Set<Shape> linked() {
        return Set.copyOf(LINKED);
    }

    static MemorySegment capture() {
        return CAPTURE.get();
    }

    static int failure(MemorySegment capture) {
        return -(int) ERRNO.get(capture, 0L);
    }

    /** Returns exceptions of misuse (closed arena, wrong thread) and throws errors; a downcall throws nothing else. */
    static RuntimeException rethrow(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        if (thrown instanceof RuntimeException exception) {
            return exception;
        }
        throw new AssertionError("a downcall threw", thrown);
    }
}
