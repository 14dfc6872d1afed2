package dev.cenalloc.command;

import dev.cenalloc.stream.Agreement;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Port;
import dev.cenalloc.device.Probe;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Who takes part in a pipeline, and what they agreed on before anything was allocated. A value; nothing is open.
 *
 * @param camera gives the frames
 * @param converter takes them and gives others, if one is wanted
 * @param display shows them
 * @param agreement on images and memory
 */
record Participants(Probe camera, Optional<Probe> converter, Probe display, Agreement agreement) {
    /** What the user's word can be about: whatever lies in one buffer. */
    private static final List<ImageRange> ANY_IMAGES = images(format -> format.buffers() == 1);

    /** What a device is for, by the ports that it has. */
    private enum Role {
        CAMERA("/dev", "video", true, false),
        CONVERTER("/dev", "video", true, true),
        DISPLAY("/dev/dri", "card", false, true);

        private final String directory;
        private final String prefix;
        private final boolean produces;
        private final boolean consumes;

        Role(String directory, String prefix, boolean produces, boolean consumes) {
            this.directory = directory;
            this.prefix = prefix;
            this.produces = produces;
            this.consumes = consumes;
        }

        boolean isOf(Probe probe) throws CenallocException {
            return probe.produces().isPresent() == produces && probe.consumes().isPresent() == consumes;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Finds devices that agree: those that were named, else the first that do. */
    static Participants find(Cenalloc cenalloc, Pipeline.Request request) throws IOException {
        List<Probe> cameras = named(cenalloc, Role.CAMERA, request.camera());
        List<Optional<Probe>> converters = new ArrayList<>();
        if (request.through().isPresent()) {
            named(cenalloc, Role.CONVERTER, request.through().get())
                    .forEach(probe -> converters.add(Optional.of(probe)));
        } else {
            converters.add(Optional.empty());
        }
        List<Probe> displays = named(cenalloc, Role.DISPLAY, request.display());
        var refusals = new ArrayList<CenallocException>();
        for (Probe camera : cameras) {
            for (Optional<Probe> converter : converters) {
                for (Probe display : displays) {
                    try {
                        Agreement agreement =
                                cenalloc.negotiate(request.wish(), ports(request, camera, converter, display));
                        return new Participants(camera, converter, display, agreement);
                    } catch (CenallocException e) {
                        refusals.add(e);
                    }
                }
            }
        }
        CenallocException first = refusals.removeFirst();
        refusals.forEach(first::addSuppressed);
        throw first;
    }

    /** The devices with a name: of a driver, part of a bus address, or a node; or {@code auto} for all. */
    private static List<Probe> named(Cenalloc cenalloc, Role role, String which) throws IOException {
        var fit = new ArrayList<Probe>();
        var seen = new ArrayList<String>();
        for (Path node : DeviceNode.list(role.directory, role.prefix)) {
            try {
                Probe probe = cenalloc.probe(node);
                boolean isNamed = which.equals("auto")
                        || node.toString().equals(which)
                        || probe.name().contains(which);
                if (isNamed && role.isOf(probe)) {
                    fit.add(probe);
                } else {
                    seen.add(probe + (isNamed ? ", which is no " + role : ""));
                }
            } catch (CenallocException e) {
                seen.add(String.valueOf(e.getMessage()));
            }
        }
        if (fit.isEmpty()) {
            throw new IOException("no " + role + " '" + which + "'; there is: "
                    + (seen.isEmpty() ? "none" : String.join("; ", seen)));
        }
        return fit;
    }

    private static List<Port> ports(Pipeline.Request request, Probe camera, Optional<Probe> converter, Probe display)
            throws CenallocException {
        var ports = new ArrayList<Port>();
        ports.add(
                request.memory() == Pipeline.Memory.CAMERA
                        ? port(camera, Probe::lends)
                        : known(request, camera, Probe::produces));
        if (converter.isPresent()) {
            ports.add(known(request, converter.get(), Probe::consumes));
            ports.add(known(request, converter.get(), Probe::produces));
        }
        ports.add(known(request, display, Probe::consumes));
        if (request.draw()) {
            ports.add(painter());
        }
        if (!request.heap().equals("auto")) {
            var only = Constraints.NONE.onlyHeaps(List.of(request.heap()));
            ports.add(Port.of(Device.of("the user", only, "asked for by --heap"), ANY_IMAGES));
        }
        return ports;
    }

    /** The CPU, with the images that the {@link Painter} draws on. */
    static Port painter() {
        return Port.of(
                Device.cpu(Direction.READ_WRITE),
                images(format -> Colours.of(format).isPresent()));
    }

    private static List<ImageRange> images(Predicate<PixelFormat> has) {
        return Arrays.stream(PixelFormat.values())
                .filter(has)
                .map(format -> new ImageRange(format, ImageRange.Sizes.ANY))
                .toList();
    }

    private interface Side {
        Optional<Port> of(Probe probe) throws CenallocException;
    }

    private static Port port(Probe probe, Side side) throws CenallocException {
        // It had one a moment ago.
        return side.of(probe).orElseThrow(() -> new IllegalStateException(probe + " changed its ports"));
    }

    /** A port of a device whose memory somebody may have written down; otherwise it is tried. */
    private static Port known(Pipeline.Request request, Probe probe, Side side) throws CenallocException {
        Port tried = port(probe, side);
        return request.profile()
                .device(probe.name())
                .or(() -> request.profile().device(probe.driver()))
                .map(known -> Port.of(known, tried.images()))
                .orElse(tried);
    }
}
