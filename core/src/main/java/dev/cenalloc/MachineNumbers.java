// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalLong;

/** Numbers that the kernel tells of this machine. Stateless. */
final class MachineNumbers {
    private MachineNumbers() {}

    /**
     * A number of {@code /proc/meminfo} that is kept; empty if the kernel does not tell it.
     *
     * @throws CenallocException with the errno of a question that failed, such as EMFILE: that is no answer
     */
    static OptionalLong meminfo(Kernel kernel, String key) throws CenallocException {
        try {
            return kernel.meminfo(key);
        } catch (IOException e) {
            throw CenallocException.ofCall(FileException.errno(e), "read", Path.of("/proc/meminfo"), -1);
        }
    }

    /** A number of {@code /proc/meminfo} at this moment; empty also if the question failed. */
    static OptionalLong meminfoNow(Kernel kernel, String key) {
        try {
            return kernel.meminfo(key);
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    /** A parameter of a module that is kept; otherwise as {@link #meminfo}. */
    static OptionalLong moduleParameter(Kernel kernel, String module, String parameter) throws CenallocException {
        try {
            return kernel.moduleParameter(module, parameter);
        } catch (IOException e) {
            Path file = Path.of("/sys/module", module, "parameters", parameter);
            throw CenallocException.ofCall(FileException.errno(e), "read", file, -1);
        }
    }
}
