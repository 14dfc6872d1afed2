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
import dev.cenalloc.json.Profile;
import dev.cenalloc.json.Role;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.Plan;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Plans memory for devices of a board, on any machine. */
@Command(
        name = "plan",
        mixinStandardHelpOptions = true,
        description = "Tells which memory suits devices of a board, and why. Needs neither the board nor a device.")
final class PlanCommand implements Callable<Integer> {
    /** The heaps of a mainline kernel. */
    private static final List<Heap> USUAL_HEAPS =
            List.of(Heap.of(HeapProperties.SYSTEM), Heap.of(HeapProperties.DEFAULT_CMA));

    @Parameters(
            paramLabel = "<device>",
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
            description = "WIDTHxHEIGHT in pixels; by default 1920x1080.")
    private ImageOptions.Size size = new ImageOptions.Size(1920, 1080);

    @Option(names = "--format", paramLabel = "<format>", description = "The pixel format; by default ${DEFAULT-VALUE}.")
    private String format = PixelFormat.NV12.name();

    @Spec
    private @Nullable CommandSpec spec;

    /** An argument that is none, told in one line. */
    private static final class WrongArgumentException extends Exception {
        private static final long serialVersionUID = 1;

        WrongArgumentException(String message) {
            super(message);
        }
    }

    /** A device of the plan, with what the profile says of it. */
    private record Participant(Device device, DeviceProfile description) {}

    @Override
    public Integer call() throws Exception {
        var command = Objects.requireNonNull(spec).commandLine();
        try {
            PixelFormat wanted = pixelFormat();
            List<Profile> own = file == null ? List.of() : List.of(ProfileFile.read("--profile", file));
            return board == null
                    ? ofThisMachine(command.getOut(), wanted, own)
                    : ofBoard(command.getOut(), wanted, own, named(board));
        } catch (WrongArgumentException e) {
            command.getErr().println("cenalloc: " + e.getMessage());
            return 2;
        }
    }

    private PixelFormat pixelFormat() throws WrongArgumentException {
        List<String> names =
                Arrays.stream(PixelFormat.values()).map(PixelFormat::name).toList();
        String name = format.toUpperCase(Locale.ROOT);
        if (!names.contains(name)) {
            throw new WrongArgumentException(
                    "no pixel format is called '" + format + "'; " + Nearest.of(format, names));
        }
        return PixelFormat.valueOf(name);
    }

    private static Profile named(String board) throws WrongArgumentException {
        try {
            return Boards.named(board);
        } catch (IllegalArgumentException e) {
            throw new WrongArgumentException(String.valueOf(e.getMessage()));
        }
    }

    private int ofBoard(PrintWriter out, PixelFormat wanted, List<Profile> own, Profile shipped)
            throws WrongArgumentException {
        var profiles = new ArrayList<>(own);
        profiles.add(shipped);
        profiles.forEach(profile -> out.println("profile: " + titled(profile)));
        if (words.isEmpty()) {
            return list(out, profiles);
        }
        var participants = new ArrayList<Participant>();
        for (String word : words) {
            DeviceProfile description = choose(out, word, profiles);
            participants.add(new Participant(description.device(iommu), description));
        }
        return plan(out, wanted, participants, USUAL_HEAPS);
    }

    private int ofThisMachine(PrintWriter out, PixelFormat wanted, List<Profile> own)
            throws WrongArgumentException, CenallocException {
        try (var cenalloc = Cenalloc.open()) {
            MachineProfile machine = Boards.ofMachine(cenalloc, own);
            if (iommu) {
                throw new WrongArgumentException("--iommu needs --board: on this machine sysfs tells");
            }
            if (machine.profiles().isEmpty()) {
                throw new WrongArgumentException("no profile is known for this machine: give --board or --profile");
            }
            out.println(ProfileFile.tell(machine));
            if (words.isEmpty()) {
                return list(out, machine.profiles());
            }
            List<DeviceInfo> there = Devices.list(cenalloc);
            var participants = new ArrayList<Participant>();
            for (String word : words) {
                DeviceProfile description = choose(out, word, machine.profiles());
                Device device = there.stream()
                        .filter(info ->
                                machine.recognise(info.name(), info.driver()).contains(description))
                        .findFirst()
                        .flatMap(info -> machine.device(info.name(), info.driver(), info.node()))
                        .orElseGet(description::device);
                participants.add(new Participant(device, description));
            }
            return plan(out, wanted, participants, cenalloc.heaps());
        }
    }

    private static String titled(Profile profile) {
        return profile.name() + (profile.title().isEmpty() ? "" : ", " + profile.title());
    }

    /** The description that a word means; of several, the first in the profile, which says so. */
    private static DeviceProfile choose(PrintWriter out, String word, List<Profile> profiles)
            throws WrongArgumentException {
        for (Profile profile : profiles) {
            List<DeviceProfile> found = profile.find(word);
            if (!found.isEmpty()) {
                DeviceProfile first = found.getFirst();
                String others = found.stream().skip(1).map(DeviceProfile::name).collect(Collectors.joining(", "));
                if (!first.name().equals(word) || !others.isEmpty()) {
                    out.println(word + ": " + first.name() + (others.isEmpty() ? "" : "; others: " + others));
                }
                return first;
            }
        }
        String names = profiles.stream().map(Profile::name).collect(Collectors.joining(" and "));
        throw new WrongArgumentException(
                names + " has no device, role or driver '" + word + "'; " + Nearest.of(word, known(profiles)));
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

    private static int list(PrintWriter out, List<Profile> profiles) {
        for (Profile profile : profiles) {
            for (DeviceProfile device : profile.descriptions()) {
                out.printf(
                        "  %-10s %-16s %s%n",
                        device.role().map(Role::word).orElse("-"), device.name(), String.join(", ", device.drivers()));
            }
        }
        return 0;
    }

    private int plan(PrintWriter out, PixelFormat wanted, List<Participant> participants, List<Heap> heaps) {
        var image = new Image(wanted, size.width(), size.height());
        boolean fits = true;
        for (Participant one : participants) {
            fits &= tell(out, image, one);
        }
        List<Heap> all = withOwnMemory(heaps, participants);
        List<Device> devices = participants.stream().map(Participant::device).toList();
        boolean suits = true;
        for (int buffer = 0; buffer < wanted.buffers(); buffer++) {
            Plan plan = Plan.of(Demand.ofImage(image, buffer), devices, all);
            out.println(plan);
            suits &= !plan.candidates().isEmpty();
            plan.candidates().stream().findFirst().ifPresent(best -> tellWhy(out, plan, best));
        }
        out.flush();
        return fits && suits ? 0 : 1;
    }

    /** The statements that rule other heaps out, each with its source. */
    private static void tellWhy(PrintWriter out, Plan plan, Heap best) {
        List<String> statements = plan.rejected().stream()
                .flatMap(rejection -> rejection.statements().stream())
                .map(statement -> "  " + statement)
                .distinct()
                .toList();
        out.println("Why " + best + ": " + (statements.isEmpty() ? plan.reason(best) : "other heaps are ruled out"));
        statements.forEach(out::println);
    }

    /** What a plan of memory does not tell of a device; whether it has images of this size. */
    private boolean tell(PrintWriter out, Image image, Participant one) {
        DeviceProfile description = one.description;
        boolean fits = description
                .sizes()
                .map(sizes -> sizes.contains(image.width(), image.height()))
                .orElse(true);
        if (!fits) {
            out.println(description.name() + " has no images of " + image.width() + "x" + image.height() + ", but "
                    + description.sizes().orElseThrow());
        }
        if (description.iommu() == Iommu.SYSFS && board != null) {
            out.println(description.name() + ": planned as " + (iommu ? "" : "not ")
                    + "behind an IOMMU, which the kernel decides"
                    + (iommu ? "" : "; --iommu plans for a kernel that has one"));
        }
        description.facts().stream()
                .filter(fact -> fact.says().isEmpty())
                .forEach(fact -> out.println(description.name() + ": " + fact));
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
