// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import dev.cenalloc.kernel.Log;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Puts back what was on the screens when the program ends without closing its displays, after Ctrl-C for example. One
 * hook of the virtual machine for all displays. Thread-safe.
 */
final class ScreenRestorer {
    private static final Set<Screen> SCREENS = ConcurrentHashMap.newKeySet();
    private static boolean hooked;

    private ScreenRestorer() {}

    static synchronized void add(Screen screen) {
        SCREENS.add(screen);
        if (!hooked) {
            try {
                Runtime.getRuntime()
                        .addShutdownHook(new Thread(ScreenRestorer::restoreAll, "cenalloc-display-restorer"));
                hooked = true;
            } catch (IllegalStateException _) {
                // The program is ending already; the last close of the card makes the kernel bring its console back.
            }
        }
    }

    static void remove(Screen screen) {
        SCREENS.remove(screen);
    }

    static void restoreAll() {
        for (Screen screen : SCREENS) {
            try {
                screen.restore();
            } catch (RuntimeException | Error e) {
                Log.error("what was on a screen is not put back", e); // the others are
            }
        }
    }
}
