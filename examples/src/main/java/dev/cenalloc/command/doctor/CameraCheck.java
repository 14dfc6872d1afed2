// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.DeviceInfo.Kind;
import java.util.ArrayList;
import java.util.List;

/** Cameras and other V4L2 devices: whether they are there and may be used, and who has them open. Stateless. */
final class CameraCheck {
    private static final String NODES = "/dev/video";
    private static final String CLASS = "/sys/class/video4linux";

    private CameraCheck() {}

    static List<Finding> of(Machine machine) {
        var findings = new ArrayList<Finding>();
        boolean hasCamera = false;
        var refused = new ArrayList<DeviceInfo>();
        for (DeviceInfo device : machine.devices()) {
            String node = device.node().toString();
            if (!node.startsWith(NODES)) {
                continue;
            }
            if (device.isUsable()) {
                hasCamera |= device.kind() == Kind.CAMERA;
                findings.add(usable(machine, device));
            } else if (!machine.files().isAccessible(node)) {
                refused.add(device);
            }
            // The others have no video in buffers, such as the nodes for metadata that cameras have.
        }
        if (!refused.isEmpty()) {
            findings.add(Permission.CAMERAS.refusal(machine, Area.CAMERAS, refused));
        }
        if (!hasCamera && refused.isEmpty() && machine.failure().isEmpty() && !machine.lacks("VIDEO_DEV")) {
            findings.add(none(machine));
        }
        return findings;
    }

    private static Finding usable(Machine machine, DeviceInfo device) {
        String what = device.kind() + ": " + device.name() + " (" + device.node() + ")";
        String holders = machine.holdersOf(device.node().toString());
        return holders.isEmpty()
                ? Finding.ok(Area.CAMERAS, what)
                : Finding.note(
                        Area.CAMERAS,
                        what + " is open in " + holders,
                        "while that program streams, no other can",
                        "end it, if the device is busy");
    }

    private static Finding none(Machine machine) {
        List<String> known = machine.names(CLASS);
        boolean isHidden = known.stream().anyMatch(name -> name.startsWith("video"))
                && known.stream().noneMatch(name -> machine.files().exists("/dev/" + name));
        return isHidden
                ? Finding.problem(
                        Area.CAMERAS,
                        "there is no /dev/video*, and the kernel has " + String.join(", ", known),
                        "the nodes were not made here, as in a container that did not get them",
                        "give them to the container, such as --device=/dev/" + known.getFirst())
                : Finding.note(
                        Area.CAMERAS,
                        "there is no camera",
                        "no driver of V4L2 has found one",
                        "connect one" + trial(machine));
    }

    /** How to try without one, if the kernel can. */
    private static String trial(Machine machine) {
        return machine.lacks("VIDEO_VIVID") ? "" : "; to try without, as root: modprobe vivid";
    }
}
