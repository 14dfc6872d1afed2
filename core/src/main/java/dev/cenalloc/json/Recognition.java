// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.CenallocException;
import dev.cenalloc.json.Profile.Matches;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Finds out which profiles are those of a machine. What the kernel does not tell counts as absent; a question that
 * fails by a fault that may pass, such as EMFILE, is no answer. Stateless.
 */
final class Recognition {
    private static final Path COMPATIBLE = Path.of("/proc/device-tree/compatible");
    /** Of a list of devices that a broken driver made endless, the rest recognises nothing. */
    private static final int MOST_DEVICES = 4096;

    private Recognition() {}

    /**
     * As {@link Boards#ofMachine}.
     *
     * @param shipped what each shipped profile matches, by its name, in the order in which they are asked
     * @param read gives the profile of this name; only those that match are read, since it takes time
     */
    static MachineProfile of(
            Kernel kernel, List<Profile> own, SequencedMap<String, Matches> shipped, Function<String, Profile> read)
            throws CenallocException {
        List<String> compatible = compatible(kernel);
        var taken = new ArrayList<Profile>(own);
        var why = new ArrayList<String>();
        var doubts = new ArrayList<String>();
        for (Profile one : own) {
            why.add(one.name() + " (given)");
            List<String> wanted = one.matches().compatible();
            if (!wanted.isEmpty() && Collections.disjoint(wanted, compatible)) {
                doubts.add(one.name() + " is for " + String.join(", ", wanted) + ", and this machine is "
                        + (compatible.isEmpty() ? "none that a device tree describes" : compatible.getFirst()));
            }
        }
        // The names of those that match, and by what.
        var recognised = new LinkedHashMap<String, String>();
        board(compatible, shipped, recognised, doubts);
        var machine = new Machine(
                ids(kernel, "pci", "vendor", "device"), ids(kernel, "usb", "idVendor", "idProduct"), drivers(kernel));
        shipped.forEach(
                (name, matches) -> machine.recognisedBy(matches).ifPresent(by -> recognised.putIfAbsent(name, by)));
        recognised.forEach((name, by) -> {
            Profile one = read.apply(name);
            if (!taken.contains(one)) {
                taken.add(one);
                why.add(name + " (" + by + ")");
            }
        });
        return new MachineProfile(kernel, taken, why, doubts);
    }

    /** Takes the profile with the most specific compatible string: the device tree has that first. */
    private static void board(
            List<String> compatible,
            Map<String, Matches> shipped,
            Map<String, String> recognised,
            List<String> doubts) {
        for (String string : compatible) {
            List<String> fit = shipped.entrySet().stream()
                    .filter(one -> one.getValue().compatible().contains(string))
                    .map(Map.Entry::getKey)
                    .toList();
            if (!fit.isEmpty()) {
                recognised.put(fit.getFirst(), "device tree: " + string);
                if (fit.size() > 1) {
                    doubts.add(String.join(" and ", fit) + " are both for " + string + ": " + fit.getFirst()
                            + " was taken");
                }
                return;
            }
        }
    }

    /** What a machine has beside a device tree. */
    private record Machine(Set<String> pci, Set<String> usb, Set<String> drivers) {
        /** What recognises the machine, as text; empty if nothing does. */
        Optional<String> recognisedBy(Matches matches) {
            return first("PCI ", matches.pci(), pci)
                    .or(() -> first("USB ", matches.usb(), usb))
                    .or(() -> first("driver ", matches.drivers(), drivers));
        }

        private static Optional<String> first(String kind, List<String> wanted, Set<String> there) {
            return wanted.stream().filter(there::contains).findFirst().map(kind::concat);
        }
    }

    /** The strings of the root of the device tree, the most specific first. */
    private static List<String> compatible(Kernel kernel) throws CenallocException {
        return Stream.of(text(kernel, COMPATIBLE).split("\0"))
                .filter(Predicate.not(String::isBlank))
                .toList();
    }

    private static Set<String> ids(Kernel kernel, String bus, String vendor, String device) throws CenallocException {
        var ids = new HashSet<String>();
        for (Path entry : entries(kernel, Path.of("/sys/bus", bus, "devices"))) {
            // PCI has 0x before its numbers, USB has not.
            String id = text(kernel, entry.resolve(vendor)).replaceFirst("^0x", "") + ":"
                    + text(kernel, entry.resolve(device)).replaceFirst("^0x", "");
            ids.add(id);
        }
        return ids;
    }

    /**
     * The drivers of the V4L2, DRM and accelerator devices, by the names that sysfs has. A device without a driver,
     * such as that of vgem, has the driver's name itself.
     */
    private static Set<String> drivers(Kernel kernel) throws CenallocException {
        var drivers = new TreeSet<String>();
        for (String subsystem : List.of("video4linux", "drm", "accel")) {
            for (Path entry : entries(kernel, Path.of("/sys/class", subsystem))) {
                Path device = entry.resolve("device");
                name(kernel, device).ifPresent(drivers::add);
                name(kernel, device.resolve("driver")).ifPresent(drivers::add);
            }
        }
        return drivers;
    }

    private static Optional<String> name(Kernel kernel, Path link) throws CenallocException {
        try {
            return Optional.of(String.valueOf(kernel.realPath(link).getFileName()));
        } catch (IOException e) {
            check(e, "realpath", link);
            return Optional.empty();
        }
    }

    private static List<Path> entries(Kernel kernel, Path directory) throws CenallocException {
        try {
            return kernel.list(directory).stream()
                    .limit(MOST_DEVICES)
                    .map(directory::resolve)
                    .toList();
        } catch (IOException e) {
            check(e, "opendir", directory);
            return List.of();
        }
    }

    /** What is in a file, without space around it; empty if it cannot be read and will not soon. */
    static String text(Kernel kernel, Path file) throws CenallocException {
        try {
            return new String(kernel.bytes(file), StandardCharsets.ISO_8859_1).strip();
        } catch (IOException e) {
            check(e, "read", file);
            return "";
        }
    }

    private static void check(IOException e, String call, Path path) throws CenallocException {
        if (FileException.isPassing(FileException.errno(e))) {
            throw CenallocException.ofCall(FileException.errno(e), call, path, -1);
        }
    }
}
