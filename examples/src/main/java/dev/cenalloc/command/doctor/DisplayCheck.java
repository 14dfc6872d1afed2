// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.DeviceInfo.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Displays: whether they are there and may be used, their screens, and which program controls them. Stateless. */
final class DisplayCheck {
    private static final String CARDS = "/dev/dri/card";
    private static final String CLASS = "/sys/class/drm";
    /**
     * The clients of a card (drm_clients_info): name, process, minor, whether it is the master. The name has at least
     * 20 columns, so that none with a line feed can forge a line.
     */
    private static final Pattern CLIENT = Pattern.compile("(?m)^(.{20}) +(\\d+) +\\d+ +([yn]) +[yn] ");

    private DisplayCheck() {}

    static List<Finding> of(Machine machine) {
        var findings = new ArrayList<Finding>();
        boolean hasScreen = false;
        var refused = new ArrayList<DeviceInfo>();
        for (DeviceInfo device : machine.devices()) {
            String node = device.node().toString();
            if (!node.startsWith(CARDS)) {
                continue;
            }
            if (device.kind() == Kind.DISPLAY && device.isUsable()) {
                List<String> screens = screens(machine, node);
                hasScreen |= !screens.isEmpty();
                findings.add(display(machine, device, screens));
            } else if (!device.isUsable() && !machine.files().isAccessible(node)) {
                refused.add(device);
            }
        }
        if (!refused.isEmpty()) {
            findings.add(Permission.DISPLAYS.refusal(machine, Area.DISPLAYS, refused));
        }
        if (!hasScreen && refused.isEmpty() && machine.failure().isEmpty() && !machine.lacks("DRM")) {
            findings.add(none(machine, findings.isEmpty()));
        }
        return findings;
    }

    /** The connectors of a card that have a screen. */
    private static List<String> screens(Machine machine, String node) {
        String card = node.substring(node.lastIndexOf('/') + 1) + "-";
        return machine.names(CLASS).stream()
                .filter(name -> name.startsWith(card))
                .filter(name -> machine.files()
                        .text(CLASS + "/" + name + "/status")
                        .value()
                        .filter(status -> status.strip().equals("connected"))
                        .isPresent())
                .map(name -> name.substring(card.length()))
                .toList();
    }

    private static Finding display(Machine machine, DeviceInfo device, List<String> screens) {
        String node = device.node().toString();
        String what = "display: " + device.name() + " (" + node + ")"
                + (screens.isEmpty() ? ", no screen connected" : ", screens: " + String.join(", ", screens));
        Optional<String> master = master(machine, node);
        if (master.isPresent()) {
            return Finding.problem(
                    Area.DISPLAYS,
                    what + ", controlled by " + master.get(),
                    "only one program controls a display at a time",
                    "where that program is a Wayland desktop, show frames in a window of it: cenalloc pipeline --display"
                            + " wayland; or end it, or go to another virtual terminal (Ctrl-Alt-F3) and run cenalloc"
                            + " there");
        }
        String holders = machine.holdersOf(node);
        return holders.isEmpty()
                ? Finding.ok(Area.DISPLAYS, what)
                : Finding.note(
                        Area.DISPLAYS,
                        what + ", open in " + holders,
                        "one of them may control it, which only debugfs tells",
                        "run this command as root");
    }

    /** The process that controls a card, if debugfs tells. */
    private static Optional<String> master(Machine machine, String node) {
        String number = node.substring(CARDS.length());
        String clients = machine.files()
                .text("/sys/kernel/debug/dri/" + number + "/clients")
                .value()
                .orElse("");
        Matcher client = CLIENT.matcher(clients);
        while (client.find()) {
            if (client.group(3).equals("y")) {
                return Optional.of(client.group(1).strip() + " (" + client.group(2) + ")");
            }
        }
        return Optional.empty();
    }

    private static Finding none(Machine machine, boolean hasNoDisplay) {
        List<String> known = machine.names(CLASS).stream()
                .filter(name -> name.matches("card\\d+"))
                .toList();
        if (hasNoDisplay
                && !known.isEmpty()
                && known.stream().noneMatch(name -> machine.files().exists("/dev/dri/" + name))) {
            return Finding.problem(
                    Area.DISPLAYS,
                    "there is no " + CARDS + "*, and the kernel has " + String.join(", ", known),
                    "the nodes were not made here, as in a container that did not get them",
                    "give them to the container: --device=/dev/dri");
        }
        return hasNoDisplay
                ? Finding.note(
                        Area.DISPLAYS,
                        "there is no display",
                        "no driver of DRM has found one that it can set modes of",
                        "connect one" + trial(machine))
                : Finding.note(
                        Area.DISPLAYS,
                        "no screen is connected",
                        "a display without a screen shows nothing",
                        "connect one" + trial(machine));
    }

    /** How to try without one, if the kernel can. */
    private static String trial(Machine machine) {
        return machine.lacks("DRM_VKMS") ? "" : "; to try without, as root: modprobe vkms";
    }
}
