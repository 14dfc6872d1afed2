package dev.cenalloc;

import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;

@RequiresHeap({"system", "udmabuf"})
class LinuxKernelDeviceTest extends KernelContract {
    @Override
    Kernel kernel() {
        return LinuxKernel.instance();
    }

    @Override
    int openFiles() throws Exception {
        return Traces.openFiles();
    }
}
