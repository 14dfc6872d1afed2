// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.lang.invoke.MethodHandles;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Gives the other packages of the library access to private state of others: the kernel of a context, the
 * descriptor of a buffer, the socket of a connection. Applications have no access, since this package is not exported.
 * The classes that have the state set the functions when they are initialised, before an object of them exists.
 * Thread-safe.
 */
public final class Seam {
    private static volatile @Nullable Function<Object, Kernel> kernels;
    private static volatile @Nullable Function<Object, Descriptor> descriptors;
    private static volatile @Nullable Function<Object, Descriptor> fenceDescriptors;
    private static volatile @Nullable BiFunction<Kernel, Integer, Object> fences;
    private static volatile @Nullable Function<Object, UnixSocket> sockets;
    private static volatile @Nullable Function<Object, Descriptor> listeners;

    private Seam() {}

    /** Sets the function that returns the kernel of a {@code Cenalloc}. */
    public static void setKernels(Function<Object, Kernel> function) {
        kernels = function;
    }

    /** Sets the function that returns the descriptor of a {@code DmaBuf}. */
    public static void setDescriptors(Function<Object, Descriptor> function) {
        descriptors = function;
    }

    /**
     * Sets the functions that return the descriptor of a {@code Fence}, and a {@code Fence} for the number of a sync
     * file.
     */
    public static void setFences(
            Function<Object, Descriptor> toDescriptor, BiFunction<Kernel, Integer, Object> toFence) {
        fenceDescriptors = toDescriptor;
        fences = toFence;
    }

    /** Sets the function that returns the socket of a {@code Connection}. */
    public static void setSockets(Function<Object, UnixSocket> function) {
        sockets = function;
    }

    /** Sets the function that returns the descriptor of a {@code Listener}. */
    public static void setListeners(Function<Object, Descriptor> function) {
        listeners = function;
    }

    /** Returns the kernel of a {@code Cenalloc}. */
    public static Kernel kernel(Object cenalloc) {
        return set(kernels).apply(cenalloc);
    }

    /** Returns the descriptor of a {@code DmaBuf}, which still owns it. */
    public static Descriptor descriptor(Object dmaBuf) {
        return set(descriptors).apply(dmaBuf);
    }

    /** Returns the descriptor of a {@code Fence}, which still owns it. */
    public static Descriptor fenceDescriptor(Object fence) {
        return set(fenceDescriptors).apply(fence);
    }

    /** Returns the socket of a {@code Connection}, which still owns it. */
    public static UnixSocket socket(Object connection) {
        return set(sockets).apply(connection);
    }

    /** Returns the descriptor of a {@code Listener}, which still owns it. */
    public static Descriptor listener(Object listener) {
        return set(listeners).apply(listener);
    }

    /**
     * Returns a fence for a sync file that the kernel has just returned; the fence owns it.
     *
     * @param type {@code Fence.class}
     */
    public static <T> T fence(Class<T> type, Kernel kernel, int fd) {
        BiFunction<Kernel, Integer, Object> known = fences;
        if (known == null) {
            try {
                // The class has not been initialised before.
                MethodHandles.lookup().ensureInitialized(type);
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
            known = set(fences);
        }
        return type.cast(known.apply(kernel, fd));
    }

    private static <T> T set(@Nullable T function) {
        if (function == null) {
            throw new IllegalStateException("the class of the argument was not initialised");
        }
        return function;
    }
}
