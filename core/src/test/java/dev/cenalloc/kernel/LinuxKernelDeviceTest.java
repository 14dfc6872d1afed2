package dev.cenalloc.kernel;

import dev.cenalloc.RequiresHeap;
import dev.cenalloc.Traces;

@RequiresHeap({"system", "udmabuf"})
class LinuxKernelDeviceTest extends KernelContract {
    @Override
    Kernel kernel() {
        return new LinuxKernel();
    }

    @Override
    int openFiles() throws Exception {
        return Traces.openFiles();
    }
}
