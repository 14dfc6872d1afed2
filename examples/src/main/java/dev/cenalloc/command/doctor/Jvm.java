// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.command.proc.SystemFiles;

/**
 * The Java runtime that this process is. A value.
 *
 * @param feature the number of the Java version
 * @param version the whole version
 * @param architecture as Java names it
 * @param isMusl whether its C library is musl
 * @param hasNativeAccess whether Java lets this library call the kernel without a warning
 */
public record Jvm(int feature, String version, String architecture, boolean isMusl, boolean hasNativeAccess) {
    private static final String BINDINGS = "dev.cenalloc.bindings";

    /** The one that runs this. */
    public static Jvm running(SystemFiles files) {
        return new Jvm(
                Runtime.version().feature(),
                Runtime.version().toString(),
                System.getProperty("os.arch", ""),
                // The loader is mapped into every process that it started.
                files.lines("/proc/self/maps", "/ld-musl-")
                        .value()
                        .filter(lines -> !lines.isEmpty())
                        .isPresent(),
                ModuleLayer.boot()
                        .findModule(BINDINGS)
                        .orElse(Cenalloc.class.getModule())
                        .isNativeAccessEnabled());
    }
}
