// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.device.DeviceInfo.Kind;
import dev.cenalloc.device.Inspection.Result;
import dev.cenalloc.device.Inspection.Subsystem;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.node.drm.DrmImporter;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One search for a device of a kind. */
final class Search {
    private final Cenalloc cenalloc;
    private final Kernel kernel;
    private final Kind kind;
    /** A name or path; null if any device of the kind will do. */
    private final @Nullable String which;
    /** Whether a display that another program controls does not fit. */
    private final boolean toShow;

    private final Inspection inspection;
    private final List<DeviceInfo> seen = new ArrayList<>();
    /** Of each device that was seen, why it does not fit. */
    private final List<String> words = new ArrayList<>();
    /** Where a name is given: those words that are of the kind, of the name, or of a node that cannot be looked at. */
    private final List<String> nearWords = new ArrayList<>();

    private @Nullable CenallocException denied;
    /** Whether a device of the kind was seen whose name is another. */
    private boolean isMisnamed;

    Search(Cenalloc cenalloc, Kind kind, @Nullable String which) {
        this(cenalloc, kind, which, false);
    }

    /** For a display that this program could show frames on now. */
    static Search toShow(Cenalloc cenalloc) {
        return new Search(cenalloc, Kind.DISPLAY, null, true);
    }

    private Search(Cenalloc cenalloc, Kind kind, @Nullable String which, boolean toShow) {
        this.cenalloc = cenalloc;
        this.kernel = Seam.kernel(cenalloc);
        this.kind = kind;
        this.which = which;
        this.toShow = toShow;
        this.inspection = new Inspection(kernel);
    }

    Path run() throws CenallocException {
        Subsystem subsystem = kind == Kind.DISPLAY ? Subsystem.DRM : Subsystem.V4L2;
        if (which != null && which.startsWith("/")) {
            return ofPath(path(which));
        }
        for (Path node : inspection.nodes(subsystem)) {
            if (fits(node)) {
                return node;
            }
        }
        throw none();
    }

    private Path path(String name) throws MissingDeviceException {
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw new MissingDeviceException(
                    Errno.ENOENT,
                    "find " + kind + " " + name,
                    null,
                    -1,
                    "see whether the path is right, and whether the locale of this process (LANG) has its characters");
        }
    }

    private Path ofPath(Path path) throws CenallocException {
        Path node;
        try {
            node = kernel.realPath(path);
        } catch (IOException e) {
            throw CenallocException.ofCall(FileException.errno(e), "stat", path, -1);
        }
        Objection objection = new Objection();
        Result result = inspection.inspect(node, objection).orElse(null);
        if (result == null) {
            throw none(path, path + " is neither a V4L2 nor a DRM device");
        }
        if (result.failure() != null) {
            throw result.failure();
        }
        if (objection.why.isPresent()) {
            seen.add(result.info());
            throw none(path, result.info().name() + " (" + node + ") is " + objection.why.get());
        }
        return node;
    }

    private boolean fits(Path node) {
        var objection = new Objection();
        Result result = inspection.inspect(node, objection).orElse(null);
        if (result == null || result.isGone()) {
            return false;
        }
        DeviceInfo info = result.info();
        CenallocException failure = result.failure();
        if (failure instanceof NoPermissionException && denied == null) {
            denied = failure;
        }
        Optional<String> why = info.reason().or(() -> objection.why);
        if (why.isEmpty()) {
            return true;
        }
        isMisnamed |= info.kind() == kind && !isNamed(info);
        seen.add(info);
        String word = info.name() + " (" + node + "), " + why.get();
        words.add(word);
        if (which != null && (info.kind() == kind || isNamed(info) || failure != null)) {
            nearWords.add(word);
        }
        return false;
    }

    private boolean isNamed(DeviceInfo info) {
        return which == null
                || which.startsWith("/")
                || info.driver().equals(which)
                || info.name().contains(which)
                || info.bus().contains(which);
    }

    /** Finds out, of a device that could be opened, why it does not fit; empty if it does. */
    private final class Objection implements Inspection.Visitor {
        Optional<String> why = Optional.empty();

        @Override
        public void visit(DeviceInfo info, @Nullable DrmImporter card) throws CenallocException {
            if (info.kind() != kind) {
                why = Optional.of(info.kind().words()
                        + info.reason().map(reason -> ": " + reason).orElse(""));
            } else if (!isNamed(info)) {
                why = Optional.of(kind.words() + " of another name");
            } else if (card != null) {
                why = card.scanouts().isEmpty()
                        ? Optional.of("a display without a connected screen")
                        : toShow && card.isControlledByAnother()
                                ? Optional.of("a display that another program controls: it is DRM master")
                                : which == null ? new DisplayTrial(cenalloc, card).objection() : Optional.empty();
            }
        }
    }

    private NoSuchDeviceException none() {
        String sought = which == null ? "no " + kind + " can be used" : "no " + kind + " '" + which + "' can be used";
        // Who mistakes a camera's name learns of outputs and converters only where there is no camera.
        List<String> near = nearWords.isEmpty() ? words : nearWords;
        String found =
                near.isEmpty() ? "no " + (kind == Kind.DISPLAY ? "DRM" : "V4L2") + " node" : String.join("; ", near);
        return none(null, sought + ". Found: " + found);
    }

    private NoSuchDeviceException none(@Nullable Path path, String what) {
        String remedy = denied != null
                ? denied.remedy()
                : isMisnamed
                        ? "give one of these names, or a node"
                        : path != null
                                ? "give the node of " + kind.words() + "; Devices.list tells which there are"
                                : kind == Kind.DISPLAY
                                        ? "connect a screen, or load the display's driver; give the name of a display"
                                                + " that can show only memory of its own"
                                        : "connect one, or load its driver; in a container, pass the node in";
        return new NoSuchDeviceException(kind, which, path, seen, what, remedy);
    }
}
