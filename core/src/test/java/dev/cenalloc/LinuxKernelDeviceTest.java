// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

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

    @Test
    void filesOfProcAreReadAlthoughTheirSizeIsZero() throws Exception {
        assertTrue(new String(kernel().bytes(Path.of("/proc/version")), StandardCharsets.UTF_8).startsWith("Linux "));
        assertTrue(kernel().exists(Path.of("/proc/version")));
    }
}
