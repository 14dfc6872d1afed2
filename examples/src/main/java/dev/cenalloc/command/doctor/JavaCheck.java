// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The Java runtime: version, processor, C library, native access. Stateless. */
final class JavaCheck {
    private static final int TESTED = 25;
    private static final Set<String> ARCHITECTURES = Set.of("amd64", "aarch64");

    private JavaCheck() {}

    static List<Finding> of(Machine machine) {
        Jvm jvm = machine.jvm();
        var findings = new ArrayList<Finding>();
        findings.add(
                jvm.feature() == TESTED
                        ? Finding.ok(Area.JAVA, "Java " + jvm.version())
                        : Finding.note(
                                Area.JAVA,
                                "Java " + jvm.version(),
                                "cenalloc is tested with Java " + TESTED,
                                "use a JDK " + TESTED));
        if (!ARCHITECTURES.contains(jvm.architecture())) {
            findings.add(Finding.problem(
                    Area.JAVA,
                    "the processor is " + jvm.architecture(),
                    "the kernel's structures are known for amd64 and aarch64",
                    "run on one of these"));
        }
        if (jvm.isMusl()) {
            findings.add(Finding.problem(
                    Area.JAVA,
                    "the C library of this Java is musl",
                    "cenalloc calls glibc and is not tested with another",
                    "use a JDK for glibc, such as that of Debian, or Temurin's without \"alpine\" in its name"));
        }
        if (!jvm.hasNativeAccess()) {
            findings.add(Finding.problem(
                    Area.JAVA,
                    "native access is not enabled",
                    "Java prints a warning at the first system call, and later versions refuse it",
                    "start Java with --enable-native-access=dev.cenalloc.bindings (on the class path: ALL-UNNAMED)"));
        }
        if (!machine.failure().isEmpty()) {
            findings.add(Finding.problem(
                    Area.JAVA,
                    "cenalloc cannot be used in this Java: " + machine.failure(),
                    "so the devices were not asked",
                    "mend this first, then run this command again"));
        }
        return findings;
    }
}
