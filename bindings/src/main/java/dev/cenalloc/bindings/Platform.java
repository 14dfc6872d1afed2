// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

/**
 * Checks that the bindings can be used here, with a clear message before {@link Linux} fails to initialise. Stateless.
 */
public final class Platform {
    private Platform() {}

    /**
     * Returns if the bindings can be used.
     *
     * @throws UnsupportedOperationException on other systems than Linux on amd64 or aarch64
     * @throws IllegalCallerException if Java denies native access; the message has the option that grants it
     */
    public static void requireUsable() {
        check(System.getProperty("os.name"), System.getProperty("os.arch"));
        try {
            Downcall.requireNativeAccess();
        } catch (IllegalCallerException e) {
            Module module = Platform.class.getModule();
            throw new IllegalCallerException(
                    "Java denies native access: start it with --enable-native-access="
                            + (module.isNamed() ? module.getName() : "ALL-UNNAMED"),
                    e);
        }
    }

    /** Structure layouts and request numbers are verified (ci/abi) for these only; on other systems they may differ. */
    static void check(String os, String arch) {
        if (!os.equals("Linux") || !(arch.equals("amd64") || arch.equals("aarch64"))) {
            throw new UnsupportedOperationException("cenalloc supports Linux on amd64 and aarch64, and this is " + os
                    + " on " + arch + ": the kernel's structures may have another layout here");
        }
    }
}
