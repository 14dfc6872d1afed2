// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.device.DeviceInfo.Kind;
import dev.cenalloc.kernel.FirstFailure;
import dev.cenalloc.kernel.Seam;
import java.lang.invoke.MethodHandles;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Finds the V4L2 and DRM devices of this machine by what they are: the numbers of their nodes change from boot to boot.
 * Stateless; holds nothing open. Safe for any number of threads.
 *
 * <p>Every method opens the nodes that it looks at, each once, asks their drivers, changes nothing, and closes them. It
 * blocks for as long as the drivers take.
 *
 * {@snippet :
 * Path camera = Devices.camera(cenalloc);
 * Path other = Devices.camera(cenalloc, "usb-0000:00:14.0-1");
 * }
 */
public final class Devices {
    static {
        FirstFailure.prepare(MethodHandles.lookup(), NoSuchDeviceException.class);
    }

    private Devices() {}

    /**
     * {@return every V4L2 video node, DRM card and DRM render node of this machine, each kind of node sorted by number}
     * A node that cannot be used is listed with the reason. Nodes for vertical blanking data, radio, and sub-devices
     * are left out.
     *
     * @param cenalloc the context
     * @throws CenallocException with the errno of the kernel if {@code /dev} cannot be listed
     */
    public static List<DeviceInfo> list(Cenalloc cenalloc) throws CenallocException {
        return new Inspection(Seam.kernel(Objects.requireNonNull(cenalloc, "cenalloc"))).list();
    }

    /**
     * {@return the node of the first usable camera}
     *
     * @param cenalloc the context
     * @throws NoSuchDeviceException ENODEV: there is none; the message says what there is instead
     * @throws CenallocException as {@link #list}
     */
    public static Path camera(Cenalloc cenalloc) throws CenallocException {
        return find(cenalloc, Kind.CAMERA, null);
    }

    /**
     * {@return the node of the first usable camera that a name fits}
     *
     * @param cenalloc the context
     * @param which the driver, a part of the {@link DeviceInfo#bus() bus} address or of the name, or a path: the node,
     *     or any symbolic link to it, such as one below {@code /dev/v4l/by-path}. What begins with a slash is a path
     * @throws IllegalArgumentException if the name is blank
     * @throws NoSuchDeviceException ENODEV: the name fits no device, or one that is no camera
     * @throws MissingDeviceException ENOENT: there is no such path
     * @throws NoPermissionException EACCES, EPERM: the name is a path, and this process may not open the node
     * @throws CenallocException as {@link #list}; if the name is a path, with the errno of the driver
     */
    public static Path camera(Cenalloc cenalloc, String which) throws CenallocException {
        return find(cenalloc, Kind.CAMERA, checked(which));
    }

    /**
     * {@return the node of the first usable converter, a memory-to-memory device}
     *
     * @param cenalloc the context
     * @throws NoSuchDeviceException ENODEV: there is none
     * @throws CenallocException as {@link #list}
     */
    public static Path converter(Cenalloc cenalloc) throws CenallocException {
        return find(cenalloc, Kind.CONVERTER, null);
    }

    /**
     * {@return the node of the first usable converter that a name fits}
     *
     * @param cenalloc the context
     * @param which as for {@link #camera(Cenalloc, String)}
     * @throws IllegalArgumentException if the name is blank
     * @throws CenallocException as {@link #camera(Cenalloc, String)}
     */
    public static Path converter(Cenalloc cenalloc, String which) throws CenallocException {
        return find(cenalloc, Kind.CONVERTER, checked(which));
    }

    /**
     * {@return the node of the first usable V4L2 output}
     *
     * @param cenalloc the context
     * @throws NoSuchDeviceException ENODEV: there is none
     * @throws CenallocException as {@link #list}
     */
    public static Path output(Cenalloc cenalloc) throws CenallocException {
        return find(cenalloc, Kind.OUTPUT, null);
    }

    /**
     * {@return the node of the first usable V4L2 output that a name fits}
     *
     * @param cenalloc the context
     * @param which as for {@link #camera(Cenalloc, String)}
     * @throws IllegalArgumentException if the name is blank
     * @throws CenallocException as {@link #camera(Cenalloc, String)}
     */
    public static Path output(Cenalloc cenalloc, String which) throws CenallocException {
        return find(cenalloc, Kind.OUTPUT, checked(which));
    }

    /**
     * {@return the card of the first display that can show shared buffers: a screen is connected, the driver has atomic
     * mode setting, and it takes a buffer from one of the heaps} The buffer is small and is not shown; where no heap
     * has memory, that a screen is connected is enough.
     *
     * @param cenalloc the context, whose heaps are offered
     * @throws NoSuchDeviceException ENODEV: there is none
     * @throws CenallocException as {@link #list}
     */
    public static Path display(Cenalloc cenalloc) throws CenallocException {
        return find(cenalloc, Kind.DISPLAY, null);
    }

    /**
     * {@return the card of the first display with a connected screen that a name fits} No buffer is offered to it: a
     * display that is named is taken even if it has only memory of its own.
     *
     * @param cenalloc the context
     * @param which as for {@link #camera(Cenalloc, String)}
     * @throws IllegalArgumentException if the name is blank
     * @throws CenallocException as {@link #camera(Cenalloc, String)}
     */
    public static Path display(Cenalloc cenalloc, String which) throws CenallocException {
        return find(cenalloc, Kind.DISPLAY, checked(which));
    }

    private static Path find(Cenalloc cenalloc, Kind kind, @Nullable String which) throws CenallocException {
        return new Search(Objects.requireNonNull(cenalloc, "cenalloc"), kind, which).run();
    }

    private static String checked(String which) {
        if (Objects.requireNonNull(which, "which").isBlank()) {
            throw new IllegalArgumentException("which must name a device: a driver, a bus address or a path");
        }
        return which;
    }
}
