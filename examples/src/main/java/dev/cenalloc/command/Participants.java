// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.DeviceInfo.Kind;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.Sinks;
import dev.cenalloc.examples.Colours;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.kms.Display;
import dev.cenalloc.kms.NoMasterException;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.Port;
import dev.cenalloc.v4l2.Camera;
import dev.cenalloc.v4l2.Converter;
import dev.cenalloc.wayland.NoCompositorException;
import dev.cenalloc.wayland.Window;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The open devices of a pipeline and what they agreed on. The devices are closed by the caller.
 *
 * @param converter null if there is none between camera and display
 * @param profiles what is known of the devices without asking them
 */
record Participants(
        Camera camera, @Nullable Converter converter, Target target, MachineProfile profiles, Agreement agreement) {
    /** The name that asks for a window. */
    private static final String WAYLAND = "wayland";

    private static final String TITLE = "cenalloc pipeline";

    /**
     * What the frames are shown on.
     *
     * @param display the sink, if it is the screen of a display; null if it is a window
     */
    record Target(FrameSink sink, @Nullable Display display) {
        static Target of(Display display) {
            return new Target(display, display);
        }
    }

    /** Opens what the frames are shown on. */
    private interface Opener {
        Target open(Undo opened) throws CenallocException;
    }

    /** Images of any size in every format. */
    private static final List<ImageRange> ANY_IMAGES = images(format -> true);

    /** Opens the named devices, or the first that agree. */
    static Participants open(Cenalloc cenalloc, Pipeline.Request request, Undo opened) throws IOException {
        List<Path> cameras = request.camera().isPresent()
                ? List.of(Devices.camera(cenalloc, request.camera().get()))
                : all(cenalloc, Kind.CAMERA, () -> Devices.camera(cenalloc));
        List<Opener> targets = targets(cenalloc, request.display().orElse(null));
        Path converter = request.through().isPresent()
                ? Devices.converter(cenalloc, request.through().get())
                : null;
        MachineProfile profiles =
                Boards.ofMachine(cenalloc, request.profile().stream().toList());
        var refusals = new ArrayList<CenallocException>();
        for (Path camera : cameras) {
            for (Opener target : targets) {
                try (var devices = new Undo()) {
                    var found = agree(
                            cenalloc,
                            request,
                            profiles,
                            devices.add(Camera.open(cenalloc, camera)),
                            converter == null ? null : devices.add(Converter.open(cenalloc, converter)),
                            target.open(devices));
                    opened.takeOver(devices);
                    return found;
                } catch (CenallocException e) {
                    refusals.add(e);
                }
            }
        }
        // What stands against a display or a window that could be used says more than that there is none.
        CenallocException told = refusals.stream()
                .filter(e -> !(e instanceof NoMasterException || e instanceof NoCompositorException))
                .findFirst()
                .orElse(refusals.getFirst());
        refusals.remove(told);
        refusals.forEach(told::addSuppressed);
        throw told;
    }

    /** The named display, a window if that is asked for; or all displays that are free, and a window. */
    private static List<Opener> targets(Cenalloc cenalloc, @Nullable String name) throws CenallocException {
        Opener window = opened -> new Target(opened.add(Window.open(cenalloc, TITLE)), null);
        if (name != null && name.equals(WAYLAND)) {
            return List.of(window);
        }
        if (name != null) {
            Path named = Devices.display(cenalloc, name);
            return List.of(opened -> Target.of(opened.add(Display.open(cenalloc, named))));
        }
        var targets = new ArrayList<Opener>();
        for (Path node : usable(cenalloc, Kind.DISPLAY)) {
            targets.add(opened -> {
                Display display = opened.add(Display.open(cenalloc, node));
                display.checkControl();
                return Target.of(display);
            });
        }
        // Without any display, the library says what can be done where there is no compositor either.
        targets.add(targets.isEmpty() ? opened -> new Target(opened.add(Sinks.open(cenalloc, TITLE)), null) : window);
        return targets;
    }

    private static List<Path> usable(Cenalloc cenalloc, Kind kind) throws CenallocException {
        return Devices.list(cenalloc).stream()
                .filter(device -> device.kind() == kind && device.isUsable())
                .map(DeviceInfo::node)
                .toList();
    }

    private interface First {
        Path find() throws CenallocException;
    }

    /** All devices of a kind. If there is none, the library says so and what there is. */
    private static List<Path> all(Cenalloc cenalloc, Kind kind, First first) throws CenallocException {
        List<Path> found = usable(cenalloc, kind);
        return found.isEmpty() ? List.of(first.find()) : found;
    }

    private static Participants agree(
            Cenalloc cenalloc,
            Pipeline.Request request,
            MachineProfile profiles,
            Camera camera,
            @Nullable Converter converter,
            Target target)
            throws CenallocException {
        var given = request.profile();
        var ports = new ArrayList<Port>();
        ports.add(
                request.memory() == Pipeline.Memory.CAMERA
                        ? camera.exports()
                        : ProfileFile.known(profiles, given, camera.driver(), camera.node(), camera.port()));
        if (converter != null) {
            for (Port port : List.of(converter.input(), converter.output())) {
                ports.add(ProfileFile.known(profiles, given, converter.driver(), converter.node(), port));
            }
        }
        Display display = target.display();
        ports.add(
                display == null
                        ? target.sink().port()
                        : ProfileFile.known(profiles, given, display.driver(), display.node(), display.port()));
        if (request.draw()) {
            ports.add(painter());
        }
        if (request.heap().isPresent()) {
            var only = Constraints.NONE.onlyHeaps(List.of(request.heap().get()));
            ports.add(Port.of(Device.of("the user", only, "requested by --heap"), ANY_IMAGES));
        }
        return new Participants(
                camera, converter, target, profiles, Agreement.negotiate(cenalloc, request.images(), ports));
    }

    /** The CPU, with the images that the {@link Painter} draws on. */
    static Port painter() {
        return Port.of(
                Device.cpu(Direction.READ_WRITE),
                images(format -> Colours.of(format).isPresent()));
    }

    /** Images of any size in some formats. */
    static List<ImageRange> images(Predicate<PixelFormat> has) {
        return Arrays.stream(PixelFormat.values())
                .filter(has)
                .map(format -> new ImageRange(format, ImageRange.Sizes.ANY))
                .toList();
    }
}
