package dev.cenalloc;

import dev.cenalloc.kernel.Kernel;
import java.nio.file.Path;

/** Opens contexts on a kernel and a directory of heaps of the test's own. Stateless. */
public final class TestContext {
    private TestContext() {}

    public static Cenalloc open(Kernel kernel, Path heaps) throws CenallocException {
        return Cenalloc.open(kernel, heaps);
    }
}
