// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.Kernel;
import java.nio.file.Path;

/** Contexts on a kernel of the test's own, for tests in any package. Stateless. */
public final class TestContext {
    private TestContext() {}

    /** A context with the heaps in a directory of that kernel. */
    public static Cenalloc open(Kernel kernel, Path heaps) throws CenallocException {
        return Cenalloc.open(kernel, heaps);
    }
}
