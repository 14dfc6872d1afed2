// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Kernel;

class FakeKernelTest extends KernelContract {
    private final FakeKernel kernel =
            new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 20).heap("udmabuf", 1 << 20);

    @Override
    Kernel kernel() {
        return kernel;
    }

    @Override
    int openFiles() {
        return kernel.openFiles();
    }
}
