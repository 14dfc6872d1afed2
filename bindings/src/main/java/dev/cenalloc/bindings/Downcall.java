// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Calls functions of the C library, and tells the errno of those that failed. Safe for any number of threads.
 *
 * <p>The linker takes about 10 ms for each type of function. So the functions share few types, which differ in the
 * position of the pointer only. Both architectures allow it (System V ABI of x86-64, AAPCS64): integers and pointers
 * are passed in registers of 64 bits, to variadic functions, too. A function reads the registers of its own arguments,
 * and of an int the lower 32 bits.
 */
final class Downcall {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MemoryLayout ERRNO_LAYOUT = Linker.Option.captureStateLayout();
    private static final long ERRNO = ERRNO_LAYOUT.byteOffset(MemoryLayout.PathElement.groupElement("errno"));

    /** Receives the errno of a failed call: one for each thread, so that no call has to allocate. */
    private static final ThreadLocal<MemorySegment> CAPTURE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(ERRNO_LAYOUT));

    /** What was linked, each kind once. GraalVM's native-image has to be told of all: NativeImageMetadataTest. */
    private static final Set<Shape> LINKED = ConcurrentHashMap.newKeySet();

    /** What the linker makes code for. */
    record Shape(FunctionDescriptor type, boolean capturesErrno) {}

    private static final FunctionDescriptor INTEGERS =
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final FunctionDescriptor POINTER_1 = FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG);
    private static final FunctionDescriptor POINTER_2 =
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG);
    private static final FunctionDescriptor POINTER_3 = FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);
    private static final FunctionDescriptor POINTER_4 =
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG);

    /**
     * All that is called. They are linked together, before the first call: Java would never again try a link that
     * failed later, for lack of stack, memory or descriptors. In a class of their own, since Java may deny them.
     */
    private static final class Handles {
        static final MethodHandle INTEGERS = link(Downcall.INTEGERS, true);
        static final MethodHandle POINTER_1 = link(Downcall.POINTER_1, true);
        static final MethodHandle POINTER_2 = link(Downcall.POINTER_2, true);
        static final MethodHandle POINTER_3 = link(Downcall.POINTER_3, true);
        static final MethodHandle POINTER_4 = link(Downcall.POINTER_4, true);
        static final MethodHandle INTEGERS_WITHOUT_ERRNO = link(Downcall.INTEGERS, false);
        static final MethodHandle POINTER_1_WITHOUT_ERRNO = link(Downcall.POINTER_1, false);
        static final MethodHandle POINTER_2_WITHOUT_ERRNO = link(Downcall.POINTER_2, false);
        static final MethodHandle POINTER_3_WITHOUT_ERRNO = link(Downcall.POINTER_3, false);
    }

    private Downcall() {}

    /** The arguments of the handle: the function, the memory for errno if it is captured, those of the type. */
    private static MethodHandle link(FunctionDescriptor type, boolean capturesErrno) {
        MethodHandle handle = capturesErrno
                ? LINKER.downcallHandle(type, Linker.Option.captureCallState("errno"))
                : LINKER.downcallHandle(type);
        LINKED.add(new Shape(type, capturesErrno));
        return handle;
    }

    /**
     * Links all.
     *
     * @throws IllegalCallerException if Java denies native access
     */
    static void requireNativeAccess() {
        link(INTEGERS, false); // not by the class above, which would fail once and for all
        Objects.requireNonNull(Handles.INTEGERS);
    }

    static Set<Shape> linked() {
        return Set.copyOf(LINKED);
    }

    /** The address of a function. */
    static MemorySegment function(String name) {
        return LINKER.defaultLookup().findOrThrow(name);
    }

    // Functions that return an int: the result, or -errno.

    static int call(MemorySegment function, long first, long second, long third) {
        return call(function, first, second, third, 0, 0, 0);
    }

    static int call(MemorySegment function, long first, long second, long third, long fourth, long fifth, long sixth) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result(
                    (int) (long)
                            Handles.INTEGERS.invokeExact(function, capture, first, second, third, fourth, fifth, sixth),
                    capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static int call(MemorySegment function, MemorySegment first, long second, long third) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result((int) (long) Handles.POINTER_1.invokeExact(function, capture, first, second, third), capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static int call(MemorySegment function, long first, MemorySegment second, long third, long fourth) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result(
                    (int) (long) Handles.POINTER_2.invokeExact(function, capture, first, second, third, fourth),
                    capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static int call(MemorySegment function, long first, long second, MemorySegment third) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result((int) (long) Handles.POINTER_3.invokeExact(function, capture, first, second, third), capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static int call(MemorySegment function, long first, long second, long third, MemorySegment fourth, long fifth) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result(
                    (int) (long) Handles.POINTER_4.invokeExact(function, capture, first, second, third, fourth, fifth),
                    capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    private static int result(int result, MemorySegment capture) {
        return result != -1 ? result : -capture.get(JAVA_INT, ERRNO);
    }

    // Functions that return a long, or a pointer: the result, or -errno.

    static long longCall(
            MemorySegment function, long first, long second, long third, long fourth, long fifth, long sixth) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result(
                    (long) Handles.INTEGERS.invokeExact(function, capture, first, second, third, fourth, fifth, sixth),
                    capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static long longCall(MemorySegment function, long first, MemorySegment second, long third, long fourth) {
        try {
            MemorySegment capture = CAPTURE.get();
            return result(
                    (long) Handles.POINTER_2.invokeExact(function, capture, first, second, third, fourth), capture);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    private static long result(long result, MemorySegment capture) {
        return result != -1 ? result : -capture.get(JAVA_INT, ERRNO);
    }

    // Without errno, which takes an object for each call (a slice of the capture segment, JDK 25). Of a function that
    // returns an int, the upper half of the result says nothing.

    static long callWithoutErrno(MemorySegment function, long first) {
        try {
            return (long) Handles.INTEGERS_WITHOUT_ERRNO.invokeExact(function, first, 0L, 0L, 0L, 0L, 0L);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static long callWithoutErrno(MemorySegment function, MemorySegment first, long second, long third) {
        try {
            return (long) Handles.POINTER_1_WITHOUT_ERRNO.invokeExact(function, first, second, third);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static long callWithoutErrno(MemorySegment function, long first, MemorySegment second, long third) {
        try {
            return (long) Handles.POINTER_2_WITHOUT_ERRNO.invokeExact(function, first, second, third, 0L);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    static long callWithoutErrno(MemorySegment function, long first, long second, MemorySegment third) {
        try {
            return (long) Handles.POINTER_3_WITHOUT_ERRNO.invokeExact(function, first, second, third);
        } catch (Throwable t) {
            throw rethrow(t);
        }
    }

    /** Returns exceptions of misuse (closed arena, wrong thread) and throws errors; a downcall throws nothing else. */
    private static RuntimeException rethrow(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        if (thrown instanceof RuntimeException exception) {
            return exception;
        }
        throw new AssertionError("a downcall threw", thrown);
    }
}
