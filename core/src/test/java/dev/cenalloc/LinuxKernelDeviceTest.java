package dev.cenalloc;

@RequiresHeap("system")
class LinuxKernelDeviceTest extends KernelContract {
    @Override
    Kernel kernel() {
        return new LinuxKernel();
    }
}
