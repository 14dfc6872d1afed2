// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.Probe;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.ConstraintsJson;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.json.Profile;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Tells what devices give, take and need, and writes it down for a board. */
@Command(
        description = "Finds out which images devices give and take, and what memory they take for them, by trial.",
        footer = {
            "  cenalloc probe",
            "  cenalloc probe /dev/video0 --size 1280x720",
            "  cenalloc probe --profile board.json && cenalloc pipeline --profile board.json"
        })
final class ProbeCommand extends Subcommand {
    @Parameters(
            paramLabel = "<node>",
            showDefaultValue = Visibility.NEVER,
            description = "Nodes of V4L2 or DRM; without any, all that there are.")
    private List<Path> nodes = List.of();

    @Mixin
    private ImageOptions wanted = new ImageOptions();

    @Option(
            names = "--profile",
            paramLabel = "<file>",
            description = "Write what was found to this file, for --profile of the pipeline.")
    private @Nullable Path file;

    @Option(
            names = "--known",
            paramLabel = "<file>",
            description =
                    "A profile that goes before the shipped ones of this machine. What they say of a device is told"
                            + " and written beside what is found, such as a limit of addresses, which no trial sees.")
    private @Nullable Path known;

    private Profile profile = Profile.empty("probe");

    @Override
    int run(Answer answer) throws Exception {
        checkWritable("--profile", file);
        List<Profile> given = known == null ? List.of() : List.of(readProfile("--known", known));
        var found = new ArrayList<Map<String, @Nullable Object>>();
        int tried = 0;
        int refused = 0;
        try (var cenalloc = Cenalloc.open()) {
            MachineProfile machine = Boards.ofMachine(cenalloc, given);
            answer.note(ProfileFile.tell(machine));
            answer.put("devices", found);
            for (Path node : nodes.isEmpty() ? all(cenalloc) : nodes) {
                answer.progress("probing " + node);
                tried++;
                try {
                    Probe probe = Probe.of(cenalloc, node);
                    var device = new LinkedHashMap<String, @Nullable Object>();
                    found.add(device);
                    tell(answer, device, cenalloc, machine, probe);
                } catch (CenallocException e) {
                    refused++;
                    answer.refused(node.toString(), e);
                }
            }
        }
        if (tried == 0) {
            throw new CommandFailedException(
                    "no devices: there is neither /dev/video* nor /dev/dri/card*",
                    "load their drivers; in a container, pass the nodes in");
        }
        if (file != null) {
            Files.writeString(file, profile.write() + System.lineSeparator());
            answer.note("profile of " + Count.of(profile.devices().size(), "device") + ": " + file);
        }
        // Of all that there are, some may refuse; of those that were named, none.
        return refused == 0 || (nodes.isEmpty() && refused < tried) ? Status.DONE : Status.FAILED;
    }

    private static List<Path> all(Cenalloc cenalloc) throws CenallocException {
        return Devices.list(cenalloc).stream()
                .filter(device -> device.kind() != DeviceInfo.Kind.OTHER && device.kind() != DeviceInfo.Kind.RENDER)
                .map(DeviceInfo::node)
                .toList();
    }

    /** Tells of a device as it is found out, to people at once, to programs in a map that is theirs already. */
    private void tell(
            Answer answer, Map<String, @Nullable Object> device, Cenalloc cenalloc, MachineProfile machine, Probe probe)
            throws CenallocException {
        answer.say(probe.toString());
        device.put("node", probe.node());
        device.put("name", probe.name());
        device.put("driver", probe.driver());
        Optional<Port> given = probe.produces();
        Optional<Port> taken = probe.consumes();
        given.ifPresent(port -> answer.say("  gives " + formats(port)));
        taken.ifPresent(port -> answer.say("  takes " + formats(port)));
        device.put("gives", given.map(ProbeCommand::images));
        device.put("takes", taken.map(ProbeCommand::images));
        List<String> others = Stream.of(given, taken)
                .flatMap(Optional::stream)
                .flatMap(port -> port.otherFormats().stream())
                .distinct()
                .toList();
        if (!others.isEmpty()) {
            answer.say("  has also formats without a name here: " + String.join(" ", others));
            device.put("otherFormats", others);
        }
        List<String> doubts = Stream.of(given, taken)
                .flatMap(Optional::stream)
                .flatMap(port -> port.doubts().stream())
                .toList();
        if (!doubts.isEmpty()) {
            doubts.forEach(doubt -> answer.say("  doubt: " + doubt));
            device.put("doubts", doubts);
        }
        Optional<Port> port = given.or(() -> taken);
        if (port.isEmpty()) {
            answer.say("  neither gives images nor takes any");
            return;
        }
        long start = System.nanoTime();
        Port tried = ProfileFile.known(machine, Optional.empty(), probe.driver(), probe.node(), port.get());
        Agreement best = Agreement.negotiate(cenalloc, wanted.request(), List.of(tried));
        long millis = (System.nanoTime() - start) / 1_000_000;
        tellNeeds(answer, device, best);
        answer.say("  found in " + millis + " ms");
        device.put("milliseconds", millis);
    }

    /** An image in several buffers has constraints for each. */
    private void tellNeeds(Answer answer, Map<String, @Nullable Object> device, Agreement best) {
        var needs = new ArrayList<Map<String, @Nullable Object>>();
        for (int buffer = 0; buffer < best.plans().size(); buffer++) {
            Device needed = best.devices(buffer).getFirst();
            answer.say("  needs " + (best.plans().size() == 1 ? "" : "for buffer " + buffer + ": ")
                    + (needed.declared().isPresent()
                            ? needed
                            : "memory of which nothing is known: " + needed.name() + ": " + needed.detail()));
            var of = new LinkedHashMap<String, @Nullable Object>();
            of.put("constraints", needed.declared().map(all -> new Json.Document(ConstraintsJson.write(all))));
            of.put("source", needed.origin());
            of.put("detail", needed.detail());
            of.put("behindIommu", needed.isBehindIommu());
            needs.add(of);
            if (needed.origin() == Device.Origin.TRIAL_IMPORT && buffer == 0) {
                profile = profile.with(ofAnyImage(needed));
            }
        }
        device.put("image", best.image().toString());
        device.put("needs", needs);
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

    /** Each format with its sizes, for programs. */
    private static List<Map<String, Object>> images(Port port) {
        return port.images().stream()
                .map(range -> Map.of(
                        "format", range.format(),
                        "modifier", range.modifier(),
                        "sizes", sizes(range.sizes()),
                        "rates", range.rates()))
                .toList();
    }

    private static Map<String, Object> sizes(ImageRange.Sizes sizes) {
        return Map.of(
                "minWidth", sizes.minWidth(),
                "maxWidth", sizes.maxWidth(),
                "widthStep", sizes.widthStep(),
                "minHeight", sizes.minHeight(),
                "maxHeight", sizes.maxHeight(),
                "heightStep", sizes.heightStep());
    }
}
