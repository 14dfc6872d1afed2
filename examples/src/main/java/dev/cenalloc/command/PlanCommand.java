// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.Devices;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.DeviceProfile;
import dev.cenalloc.json.DeviceProfile.Iommu;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.json.PlanJson;
import dev.cenalloc.json.Profile;
import dev.cenalloc.json.Role;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Visibility;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Plans memory for devices of a board, on any machine. */
@Command(
        description = "Tells which memory suits devices of a board, and why. Needs neither the board nor a device.",
        footer = {
            "  cenalloc plan --board rk3588",
            "  cenalloc plan --board rk3588 camera npu display --size 1920x1080 --format NV12",
            "  cenalloc plan --board rpi5 --iommu camera display --json | jq '.plans[0].candidates'"
        })
final class PlanCommand extends Subcommand {
    /** The heaps of a mainline kernel. */
    private static final List<Heap> USUAL_HEAPS =
            List.of(Heap.of(HeapProperties.SYSTEM), Heap.of(HeapProperties.DEFAULT_CMA));

    @Parameters(
            paramLabel = "<device>",
            showDefaultValue = Visibility.NEVER,
            description = "Devices: a role (camera, receiver, converter, codec, npu, gpu, display), a driver, or a name"
                    + " in the profile. Without any, those of the board are listed.")
    private List<String> words = List.of();

    @Option(names = "--board", paramLabel = "<board>", description = "A shipped profile; by default this machine's.")
    private @Nullable String board;

    @Option(names = "--profile", paramLabel = "<file>", description = "A profile that goes before the shipped ones.")
    private @Nullable Path file;

    @Option(
            names = "--iommu",
            description = "With --board: the kernel has an IOMMU before the devices of which only the kernel tells.")
    private boolean iommu;

    @Option(
            names = "--size",
            paramLabel = "<size>",
            converter = ImageOptions.SizeConverter.class,
            description = "WIDTHxHEIGHT in pixels.",
            defaultValue = "1920x1080")
    private ImageOptions.Size size = new ImageOptions.Size(1920, 1080);

    @Option(names = "--format", paramLabel = "<format>", description = "The pixel format.")
    private String format = PixelFormat.NV12.name();

    /** Of a board, or of this machine. */
    private static final Table<DeviceProfile> DEVICES = Table.<DeviceProfile>empty()
            .text("role", "ROLE", device -> device.role().map(Role::word))
            .text("name", "DEVICE", DeviceProfile::name)
            .text("drivers", "DRIVERS", DeviceProfile::drivers);

    /** A device of the plan, with what the profile says of it. */
    private record Participant(Device device, DeviceProfile description) {}

    @Override
    int run(Answer answer) throws Exception {
        PixelFormat wanted = pixelFormat();
        List<Profile> own = file == null ? List.of() : List.of(readProfile("--profile", file));
        return board == null ? ofThisMachine(answer, wanted, own) : ofBoard(answer, wanted, own, named(board));
    }

    private PixelFormat pixelFormat() {
        List<String> names =
                Arrays.stream(PixelFormat.values()).map(PixelFormat::name).toList();
        String name = format.toUpperCase(Locale.ROOT);
        if (!names.contains(name)) {
            throw wrong("no pixel format is called '" + format + "'; " + Nearest.of(format, names));
        }
        return PixelFormat.valueOf(name);
    }

    private Profile named(String name) {
        try {
            return Boards.named(name);
        } catch (IllegalArgumentException e) {
            throw wrong(String.valueOf(e.getMessage()));
        }
    }

    private int ofBoard(Answer answer, PixelFormat wanted, List<Profile> own, Profile shipped) {
        var profiles = new ArrayList<>(own);
        profiles.add(shipped);
        profiles.forEach(profile -> answer.say("profile: " + titled(profile)));
        answer.put("profiles", profiles.stream().map(Profile::name).toList());
        if (words.isEmpty()) {
            return list(answer, profiles);
        }
        var participants = new ArrayList<Participant>();
        for (String word : words) {
            DeviceProfile description = choose(answer, word, profiles);
            participants.add(new Participant(description.device(iommu), description));
        }
        return plan(answer, wanted, participants, USUAL_HEAPS);
    }

    private int ofThisMachine(Answer answer, PixelFormat wanted, List<Profile> own) throws CenallocException {
        try (var cenalloc = Cenalloc.open()) {
            MachineProfile machine = Boards.ofMachine(cenalloc, own);
            if (iommu) {
                throw wrong("--iommu needs --board: on this machine sysfs tells");
            }
            if (machine.profiles().isEmpty()) {
                throw wrong("no profile is known for this machine: give --board or --profile");
            }
            answer.say(ProfileFile.tell(machine));
            answer.put(
                    "profiles", machine.profiles().stream().map(Profile::name).toList());
            if (words.isEmpty()) {
                return list(answer, machine.profiles());
            }
            List<DeviceInfo> there = Devices.list(cenalloc);
            var participants = new ArrayList<Participant>();
            for (String word : words) {
                DeviceProfile description = choose(answer, word, machine.profiles());
                Device device = there.stream()
                        .filter(info ->
                                machine.recognise(info.name(), info.driver()).contains(description))
                        .findFirst()
                        .flatMap(info -> machine.device(info.name(), info.driver(), info.node()))
                        .orElseGet(description::device);
                participants.add(new Participant(device, description));
            }
            return plan(answer, wanted, participants, cenalloc.heaps());
        }
    }

    private static String titled(Profile profile) {
        return profile.name() + (profile.title().isEmpty() ? "" : ", " + profile.title());
    }

    /** The description that a word means; of several, the first in the profile, which says so. */
    private DeviceProfile choose(Answer answer, String word, List<Profile> profiles) {
        for (Profile profile : profiles) {
            List<DeviceProfile> found = profile.find(word);
            if (!found.isEmpty()) {
                DeviceProfile first = found.getFirst();
                String others = found.stream().skip(1).map(DeviceProfile::name).collect(Collectors.joining(", "));
                if (!first.name().equals(word) || !others.isEmpty()) {
                    answer.say(word + ": " + first.name() + (others.isEmpty() ? "" : "; others: " + others));
                }
                return first;
            }
        }
        String names = profiles.stream().map(Profile::name).collect(Collectors.joining(" and "));
        throw wrong(names + " has no device, role or driver '" + word + "'; " + Nearest.of(word, known(profiles)));
    }

    private static Collection<String> known(List<Profile> profiles) {
        var words = new LinkedHashSet<String>();
        for (Profile profile : profiles) {
            for (DeviceProfile device : profile.descriptions()) {
                words.add(device.name());
                words.addAll(device.drivers());
                device.role().map(Role::word).ifPresent(words::add);
            }
        }
        return words;
    }

    private static int list(Answer answer, List<Profile> profiles) {
        answer.table(
                "devices",
                DEVICES,
                profiles.stream()
                        .flatMap(profile -> profile.descriptions().stream())
                        .toList());
        return Status.DONE;
    }

    private int plan(Answer answer, PixelFormat wanted, List<Participant> participants, List<Heap> heaps) {
        var image = new Image(wanted, size.width(), size.height());
        boolean fits = true;
        for (Participant one : participants) {
            fits &= tell(answer, image, one);
        }
        List<Heap> all = withOwnMemory(heaps, participants);
        List<Device> devices = participants.stream().map(Participant::device).toList();
        boolean suits = true;
        var documents = new ArrayList<Json.Document>();
        for (int buffer = 0; buffer < wanted.buffers(); buffer++) {
            Plan plan = Plan.of(Demand.ofImage(image, buffer), devices, all);
            documents.add(new Json.Document(PlanJson.write(plan)));
            answer.say(plan.toString());
            suits &= !plan.candidates().isEmpty();
            plan.candidates().stream().findFirst().ifPresent(best -> tellWhy(answer, plan, best));
        }
        answer.put("plans", documents);
        if (!suits) {
            answer.refused(image.toString(), new CommandFailedException("no memory suits all of these devices", ""));
        }
        return fits && suits ? Status.DONE : Status.FAILED;
    }

    /** The statements that rule other heaps out, each with its source. */
    private static void tellWhy(Answer answer, Plan plan, Heap best) {
        List<String> statements = plan.rejected().stream()
                .flatMap(rejection -> rejection.statements().stream())
                .map(statement -> "  " + statement)
                .distinct()
                .toList();
        answer.say("Why " + best + ": " + (statements.isEmpty() ? plan.reason(best) : "other heaps are ruled out"));
        statements.forEach(answer::say);
    }

    /** What a plan of memory does not tell of a device; whether it has images of this size. */
    private boolean tell(Answer answer, Image image, Participant one) {
        DeviceProfile description = one.description;
        boolean fits = description
                .sizes()
                .map(sizes -> sizes.contains(image.width(), image.height()))
                .orElse(true);
        if (!fits) {
            answer.refused(
                    description.name(),
                    new CommandFailedException(
                            "it has no images of " + image.width() + "x" + image.height() + ", but "
                                    + description.sizes().orElseThrow(),
                            ""));
        }
        if (description.iommu() == Iommu.SYSFS && board != null) {
            answer.note(description.name() + ": planned as " + (iommu ? "" : "not ")
                    + "behind an IOMMU, which the kernel decides"
                    + (iommu ? "" : "; --iommu plans for a kernel that has one"));
        }
        description.facts().stream()
                .filter(fact -> fact.says().isEmpty())
                .forEach(fact -> answer.note(description.name() + ": " + fact));
        return fits;
    }

    /** The heaps, and the memory of those devices that take no other. */
    private static List<Heap> withOwnMemory(List<Heap> heaps, List<Participant> participants) {
        Map<String, Heap> all = new LinkedHashMap<>();
        heaps.forEach(heap -> all.put(heap.name(), heap));
        participants.stream()
                .map(Participant::description)
                .filter(description -> !description.imports())
                .map(DeviceProfile::memory)
                .flatMap(Optional::stream)
                .forEach(heap -> all.put(heap.name(), heap));
        return List.copyOf(all.values());
    }
}
