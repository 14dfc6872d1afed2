// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.device.DeviceInfo.Kind;
import dev.cenalloc.kms.Display;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.wayland.NoCompositorException;
import dev.cenalloc.wayland.Window;
import java.util.List;
import java.util.Objects;

/**
 * Opens what shows frames on this machine, whatever controls its screens. Stateless. Safe for any number of threads.
 *
 * {@snippet :
 * try (FrameSink screen = Sinks.open(cenalloc, "camera")) {
 *     Agreement agreement = Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera.port(), screen.port()));
 * }
 * }
 */
public final class Sinks {
    private static final String WITHOUT_A_SCREEN =
            "; without a screen, modprobe vkms as root makes a display of memory, and weston --backend=headless a"
                    + " compositor without one; or pass the frames to another process (dev.cenalloc.share)";

    private Sinks() {}

    /**
     * Opens the first display that {@link Devices#display(Cenalloc)} would find and that no other program controls; or
     * else, as on a desktop, a window of the compositor that the environment tells. A program that wants the one or the
     * other opens {@link Display} or {@link Window} itself. Blocks for as long as the drivers take, and up to 15 seconds
     * for each answer of a compositor.
     *
     * @param cenalloc whose heaps the memory comes from
     * @param title of the window, at most 1000 bytes of UTF-8
     * @return the display or the window, which the caller closes
     * @throws IllegalArgumentException if the title is longer, or has a NUL
     * @throws NoSuchDeviceException ENODEV: there is neither; the message says why, of both, and what can be done
     * @throws CenallocException as {@link Window#open(Cenalloc, String)}: there is a compositor, but no window can be
     *     opened; why no display can be used is suppressed in it
     */
    public static FrameSink open(Cenalloc cenalloc, String title) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        Window.checkTitle(title);
        return open(cenalloc, () -> Window.open(cenalloc, title));
    }

    /** Opens a window. */
    interface Opener {
        Window open() throws CenallocException;
    }

    static FrameSink open(Cenalloc cenalloc, Opener windows) throws CenallocException {
        CenallocException noDisplay;
        try {
            return Display.open(cenalloc, Search.toShow(cenalloc).run());
        } catch (CenallocException e) {
            noDisplay = e;
        }
        try {
            return windows.open();
        } catch (NoCompositorException noWindow) {
            var neither = new NoSuchDeviceException(
                    Kind.DISPLAY,
                    null,
                    null,
                    noDisplay instanceof NoSuchDeviceException e ? e.seen() : List.of(),
                    noDisplay.reason() + "; and no window can be opened: " + noWindow.reason(),
                    noDisplay.remedy() + "; or run this in a Wayland session" + WITHOUT_A_SCREEN);
            neither.addSuppressed(noDisplay);
            neither.addSuppressed(noWindow);
            throw neither;
        } catch (CenallocException noWindow) {
            noWindow.addSuppressed(noDisplay);
            throw noWindow;
        }
    }
}
