// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.proc.SystemFiles;
import dev.cenalloc.command.proc.SystemFiles.Owner;
import dev.cenalloc.device.DeviceInfo;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Kinds of device nodes, and what lets a user open them: groups, and rules of udev. */
enum Permission {
    HEAPS("SUBSYSTEM", "dma_heap", "--subsystem-match=dma_heap"),
    /** One of the devices that have no subsystem of their own. */
    UDMABUF("KERNEL", "udmabuf", "--sysname-match=udmabuf"),
    CAMERAS("SUBSYSTEM", "video4linux", "--subsystem-match=video4linux"),
    DISPLAYS("SUBSYSTEM", "drm", "--subsystem-match=drm");

    /** In the order in which udev looks at them. */
    private static final List<String> RULES = List.of(
            "/etc/udev/rules.d",
            "/run/udev/rules.d",
            "/usr/local/lib/udev/rules.d",
            "/usr/lib/udev/rules.d",
            "/lib/udev/rules.d");

    private final String match;
    private final String name;
    private final String trigger;
    private final Pattern rule;

    Permission(String key, String name, String trigger) {
        this.match = key + "==\"" + name + "\"";
        this.name = name;
        this.trigger = "udevadm trigger " + trigger;
        // A rule that only tags them gives them to the user at the console, and to nobody else.
        this.rule = Pattern.compile(
                "(?m)^[^#\\n]*" + key + "\\s*==\\s*\"[^\"\\n]*\\b" + name + "\\b[^\\n]*\\b(GROUP|MODE)\\s*:?=\\s*\"");
    }

    /** The first file with a rule that gives these nodes to somebody. */
    Optional<String> rule(SystemFiles files) {
        for (String directory : RULES) {
            for (String file : files.names(directory).value().orElse(List.of())) {
                Optional<String> path = Optional.of(directory + "/" + file)
                        .filter(full -> full.endsWith(".rules"))
                        .filter(full -> rule.matcher(files.text(full).value().orElse(""))
                                .find());
                if (path.isPresent()) {
                    return path;
                }
            }
        }
        return Optional.empty();
    }

    /** A rule that gives these nodes to the group of those that use cameras and displays. */
    String newRule() {
        return "echo '" + match + ", GROUP=\"video\", MODE=\"0660\"' > /etc/udev/rules.d/70-" + name.replace('_', '-')
                + ".rules && udevadm control --reload && " + trigger;
    }

    /** The finding for devices of this kind that may not be opened: one for all, since one thing helps. */
    Finding refusal(Machine machine, Finding.Area area, List<DeviceInfo> devices) {
        String node = devices.getFirst().node().toString();
        return Finding.problem(
                area,
                "may not be opened: "
                        + devices.stream()
                                .map(device -> device.name() + " (" + device.node() + ")")
                                .collect(Collectors.joining(", ")),
                words(machine, node),
                remedy(machine, node));
    }

    /** What this user can do to get at a node: one thing. */
    String remedy(Machine machine, String node) {
        Optional<Owner> owner = machine.files().owner(node).value();
        if (owner.filter(Permission::isForAGroup).isPresent()) {
            Groups groups = Groups.of(machine.files());
            long id = owner.get().gid();
            String group = groups.name(id);
            if (machine.self().groups().contains(id)) {
                return "see what confines this process, such as a container's list of devices";
            }
            return groups.hasMember(id, machine.user())
                    ? "log in anew: " + machine.user() + " is in the group " + group + " now, this session is not"
                    : "as root: usermod -aG " + group + " " + machine.user() + "; then log in anew";
        }
        return rule(machine.files())
                .map(file -> "apply the rule of " + file + ", as root: " + trigger)
                .orElse("as root: " + newRule());
    }

    private static boolean isForAGroup(Owner owner) {
        return owner.gid() != 0 && owner.givesItsGroupAccess();
    }

    /** Owner, group and permission bits, as {@code ls} writes them. */
    static String words(Machine machine, String node) {
        return machine.files()
                .owner(node)
                .value()
                .map(owner -> String.format(
                        "it has mode %04o, user %d, group %s; this process is user %d with the groups %s",
                        owner.mode() & 07777,
                        owner.uid(),
                        Groups.of(machine.files()).name(owner.gid()),
                        machine.self().user(),
                        machine.self().groups().stream()
                                .map(id -> Groups.of(machine.files()).name(id))
                                .toList()))
                .orElse("");
    }
}
