package dev.cenalloc.kernel;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Hands what the root package keeps private to the packages above it: the kernel under a context, the descriptor of a buffer.
 * Applications cannot reach it, since this package is not exported. The root package fills it in when its classes are
 * initialised, before an object of them exists.
 */
public final class Seam {
    private static volatile @Nullable Function<Object, Kernel> kernels;
    private static volatile @Nullable Function<Object, Descriptor> descriptors;

    private Seam() {}

    /** Tells how to find the kernel under a {@code Cenalloc}. */
    public static void setKernels(Function<Object, Kernel> function) {
        kernels = function;
    }

    /** Tells how to find the descriptor of a {@code DmaBuf}. */
    public static void setDescriptors(Function<Object, Descriptor> function) {
        descriptors = function;
    }

    /** The kernel under a {@code Cenalloc}. */
    public static Kernel kernel(Object cenalloc) {
        return set(kernels).apply(cenalloc);
    }

    /** The descriptor of a {@code DmaBuf}; it stays the buffer's. */
    public static Descriptor descriptor(Object dmaBuf) {
        return set(descriptors).apply(dmaBuf);
    }

    private static <T> T set(@Nullable T function) {
        if (function == null) {
            throw new IllegalStateException("the class of the argument was not initialised");
        }
        return function;
    }
}
