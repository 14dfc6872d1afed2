package dev.cenalloc.kernel;

import java.util.function.BiFunction;
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
    private static volatile @Nullable Function<Object, Descriptor> fenceDescriptors;
    private static volatile @Nullable BiFunction<Kernel, Integer, Object> fences;

    private Seam() {}

    /** Tells how to find the kernel under a {@code Cenalloc}. */
    public static void setKernels(Function<Object, Kernel> function) {
        kernels = function;
    }

    /** Tells how to find the descriptor of a {@code DmaBuf}. */
    public static void setDescriptors(Function<Object, Descriptor> function) {
        descriptors = function;
    }

    /** Tells how to find the descriptor of a {@code Fence}, and how to make one of a number that is a sync file's. */
    public static void setFences(
            Function<Object, Descriptor> toDescriptor, BiFunction<Kernel, Integer, Object> toFence) {
        fenceDescriptors = toDescriptor;
        fences = toFence;
    }

    /** The kernel under a {@code Cenalloc}. */
    public static Kernel kernel(Object cenalloc) {
        return set(kernels).apply(cenalloc);
    }

    /** The descriptor of a {@code DmaBuf}; it stays the buffer's. */
    public static Descriptor descriptor(Object dmaBuf) {
        return set(descriptors).apply(dmaBuf);
    }

    /** The descriptor of a {@code Fence}; it stays the fence's. */
    public static Descriptor fenceDescriptor(Object fence) {
        return set(fenceDescriptors).apply(fence);
    }

    /**
     * A fence of a number that the kernel has just given for a sync file; the number is the fence's.
     *
     * @param type {@code Fence.class}
     */
    public static <T> T fence(Class<T> type, Kernel kernel, int fd) {
        BiFunction<Kernel, Integer, Object> known = fences;
        if (known == null) {
            try {
                // Nothing has used the class before.
                Class.forName(type.getName(), true, type.getClassLoader());
            } catch (ClassNotFoundException e) {
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
