package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.Probe;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.json.Profile;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Tells what devices give, take and need, and writes it down for a board. */
@Command(
        name = "probe",
        mixinStandardHelpOptions = true,
        description = "Finds out which images devices give and take, and what memory they take for them, by trial.")
final class ProbeCommand implements Callable<Integer> {
    @Parameters(description = "Nodes of V4L2 or DRM; without any, all that there are.")
    private List<Path> nodes = List.of();

    @Mixin
    private ImageOptions wanted = new ImageOptions();

    @Option(names = "--profile", description = "Write what was found to this file, for --profile of the pipeline.")
    private @Nullable Path file;

    @Option(
            names = "--known",
            paramLabel = "<file>",
            description =
                    "A profile that goes before the shipped ones of this machine. What they say of a device is told"
                            + " and written beside what is found, such as a limit of addresses, which no trial sees.")
    private @Nullable Path known;

    @Spec
    private @Nullable CommandSpec spec;

    private Profile profile = Profile.empty("probe");

    @Override
    public Integer call() throws Exception {
        PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
        PrintWriter err = Objects.requireNonNull(spec).commandLine().getErr();
        int probed = 0;
        int refused = 0;
        List<Profile> given = known == null ? List.of() : List.of(ProfileFile.read("--known", known));
        try (var cenalloc = Cenalloc.open()) {
            MachineProfile machine = Boards.ofMachine(cenalloc, given);
            out.println(ProfileFile.tell(machine));
            for (Path node : nodes.isEmpty() ? all(cenalloc) : nodes) {
                try {
                    tell(out, cenalloc, machine, Probe.of(cenalloc, node));
                    probed++;
                } catch (CenallocException e) {
                    refused++;
                    err.println(node + ": " + e.getMessage());
                }
            }
        }
        if (probed + refused == 0) {
            err.println("no devices: there is neither /dev/video* nor /dev/dri/card*");
        }
        if (file != null) {
            Files.writeString(file, profile.write() + System.lineSeparator());
            out.println("profile of " + profile.devices().size() + " devices: " + file);
        }
        // Of all that there are, some may refuse; of those that were named, none.
        return probed > 0 && (refused == 0 || nodes.isEmpty()) ? 0 : 1;
    }

    private static List<Path> all(Cenalloc cenalloc) throws CenallocException {
        return Devices.list(cenalloc).stream()
                .filter(device -> device.kind() != DeviceInfo.Kind.OTHER && device.kind() != DeviceInfo.Kind.RENDER)
                .map(DeviceInfo::node)
                .toList();
    }

    private void tell(PrintWriter out, Cenalloc cenalloc, MachineProfile machine, Probe probe)
            throws CenallocException {
        out.println(probe);
        Optional<Port> given = probe.produces();
        Optional<Port> taken = probe.consumes();
        given.ifPresent(port -> out.println("  gives " + formats(port)));
        taken.ifPresent(port -> out.println("  takes " + formats(port)));
        List<String> others = Stream.of(given, taken)
                .flatMap(Optional::stream)
                .flatMap(port -> port.otherFormats().stream())
                .distinct()
                .toList();
        if (!others.isEmpty()) {
            out.println("  has also formats without a name here: " + String.join(" ", others));
        }
        Stream.of(given, taken)
                .flatMap(Optional::stream)
                .flatMap(port -> port.doubts().stream())
                .forEach(doubt -> out.println("  doubt: " + doubt));
        Optional<Port> port = given.or(() -> taken);
        if (port.isEmpty()) {
            out.println("  neither gives images nor takes any");
            return;
        }
        long start = System.nanoTime();
        Port tried = ProfileFile.known(machine, Optional.empty(), probe.driver(), probe.node(), port.get());
        Agreement best = Agreement.negotiate(cenalloc, wanted.request(), List.of(tried));
        long millis = (System.nanoTime() - start) / 1_000_000;
        // An image in several buffers has constraints for each.
        for (int buffer = 0; buffer < best.plans().size(); buffer++) {
            Device device = best.devices(buffer).getFirst();
            out.println("  needs " + (best.plans().size() == 1 ? "" : "for buffer " + buffer + ": ")
                    + (device.declared().isPresent()
                            ? device
                            : "memory of which nothing is known: " + device.name() + ": " + device.detail()));
            if (device.origin() == Device.Origin.TRIAL_IMPORT && buffer == 0) {
                profile = profile.with(ofAnyImage(device));
            }
        }
        out.println("  found in " + millis + " ms");
    }

    /** A device with what it needs whatever the image. */
    static Device ofAnyImage(Device device) {
        Device known = Device.of(device.name(), device.constraints().ofAnyImage(), device.origin(), device.detail());
        return device.isBehindIommu() ? known.behindIommu() : known;
    }

    /** Each format with its sizes. */
    private static String formats(Port port) {
        return port.images().stream()
                .collect(Collectors.groupingBy(
                        ImageRange::sizes,
                        LinkedHashMap::new,
                        Collectors.mapping(
                                range -> range.format().toString(), Collectors.toCollection(LinkedHashSet::new))))
                .entrySet()
                .stream()
                .map(entry -> entry.getKey() + " (" + String.join(" ", entry.getValue()) + ")")
                .collect(Collectors.joining(", "));
    }
}
