// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.device.DeviceInfo.Kind;
import dev.cenalloc.kernel.FileException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.Sysfs;
import dev.cenalloc.node.drm.DrmImporter;
import dev.cenalloc.node.v4l2.VideoNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Looks at the device nodes of this machine. Each node is opened once. For one thread. */
final class Inspection {
    /** Where nodes of a subsystem are, how they are called, and where the links to them are that last. */
    enum Subsystem {
        V4L2("/dev", "video(\\d+)", "/dev/v4l/by-path"),
        // Cards have numbers below 64, render nodes from 128 on.
        DRM("/dev/dri", "(?:card|renderD)(\\d+)", "/dev/dri/by-path");

        private final Path directory;
        private final Pattern nodes;
        private final Path links;

        Subsystem(String directory, String nodes, String links) {
            this.directory = Path.of(directory);
            this.nodes = Pattern.compile(nodes);
            this.links = Path.of(links);
        }
    }

    /** What is asked of an open device beside its kind. */
    interface Visitor {
        /** Asks; {@code card} is the open card, or null for a V4L2 node. */
        void visit(DeviceInfo info, @Nullable DrmImporter card) throws CenallocException;
    }

    /** What became of a node: what it is, and the failure, if it failed. */
    record Result(DeviceInfo info, @Nullable CenallocException failure) {
        /** Whether the node vanished since the directory was read. */
        boolean isGone() {
            return failure instanceof MissingDeviceException;
        }
    }

    private final Kernel kernel;
    /** Links by the node that they lead to. */
    private final Map<Path, Path> links = new HashMap<>();

    Inspection(Kernel kernel) {
        this.kernel = kernel;
    }

    List<DeviceInfo> list() throws CenallocException {
        var found = new ArrayList<DeviceInfo>();
        for (Subsystem subsystem : Subsystem.values()) {
            for (Path node : nodes(subsystem)) {
                inspect(node, (_, _) -> {})
                        .filter(result -> !result.isGone())
                        .map(Result::info)
                        .ifPresent(found::add);
            }
        }
        return List.copyOf(found);
    }

    /** The nodes of a subsystem, by number. */
    List<Path> nodes(Subsystem subsystem) throws CenallocException {
        for (Path link : entries(subsystem.links)) {
            try {
                links.putIfAbsent(kernel.realPath(link), link);
            } catch (IOException e) {
                // It leads nowhere now, so it is no path to a node.
            }
        }
        record Numbered(Path node, long number) {}
        var nodes = new ArrayList<Numbered>();
        for (Path entry : entries(subsystem.directory)) {
            Matcher name = subsystem.nodes.matcher(String.valueOf(entry.getFileName()));
            if (name.matches() && name.group(1).length() < 10) {
                nodes.add(new Numbered(entry, Long.parseLong(name.group(1))));
            }
        }
        return nodes.stream()
                .sorted(Comparator.comparingLong(Numbered::number))
                .map(Numbered::node)
                .toList();
    }

    private List<Path> entries(Path directory) throws CenallocException {
        try {
            return kernel.list(directory).stream().map(directory::resolve).toList();
        } catch (IOException e) {
            int errno = FileException.errno(e);
            if (errno == Errno.ENOENT) {
                return List.of();
            }
            throw CenallocException.ofCall(errno, "opendir", directory, -1);
        }
    }

    /** Opens a node and asks what it is; empty if it is no device of these subsystems. */
    Optional<Result> inspect(Path node, Visitor visitor) {
        long number = kernel.deviceNumber(node);
        if (number < 0) {
            return Optional.of(failed(node, "", "", CenallocException.ofCall((int) -number, "stat", node, -1)));
        }
        try {
            return switch (Kernel.major(number)) {
                case Importers.V4L2 -> Optional.of(video(node, number, visitor));
                case Importers.DRM -> Optional.of(card(node, number, visitor));
                default -> Optional.empty();
            };
        } catch (CenallocException e) {
            String driver = "";
            String bus = "";
            try {
                driver = Sysfs.driver(kernel, kernel.sysfs(number)).orElse("");
                bus = Sysfs.place(kernel, kernel.sysfs(number)).orElse("");
            } catch (CenallocException noName) {
                e.addSuppressed(noName); // the list has the node all the same, and why it cannot be used
            }
            return Optional.of(failed(node, driver, bus, e));
        }
    }

    private Result video(Path node, long number, Visitor visitor) throws CenallocException {
        try (VideoNode video = VideoNode.open(kernel, node, number)) {
            Kind kind = switch (video.kind()) {
                case CAMERA -> Kind.CAMERA;
                case CONVERTER -> Kind.CONVERTER;
                case OUTPUT -> Kind.OUTPUT;
                case OTHER -> Kind.OTHER;
            };
            return visit(
                    info(kind, video.name(), video.driver(), node)
                            .withReason(kind == Kind.OTHER ? "it has no video in buffers" : null),
                    null,
                    visitor);
        }
    }

    private Result card(Path node, long number, Visitor visitor) throws CenallocException {
        try (DrmImporter card = DrmImporter.open(kernel, node, number)) {
            Kind kind = card.consumes().isPresent() ? Kind.DISPLAY : Kind.RENDER;
            return visit(info(kind, card.name(), card.driver(), node), card, visitor);
        }
    }

    private static Result visit(DeviceInfo info, @Nullable DrmImporter card, Visitor visitor) {
        try {
            visitor.visit(info, card);
            return new Result(info, null);
        } catch (CenallocException e) {
            return new Result(info.withReason(e.reason()), e);
        }
    }

    private DeviceInfo info(Kind kind, String name, String driver, Path node) {
        String bus = name.startsWith(driver + " ") ? name.substring(driver.length() + 1) : "";
        return new DeviceInfo(kind, name, driver, bus, node, stablePath(node), Optional.empty());
    }

    private Result failed(Path node, String driver, String bus, CenallocException e) {
        String name = (driver + " " + bus).strip();
        return new Result(
                new DeviceInfo(
                        Kind.OTHER,
                        name.isEmpty() ? String.valueOf(node.getFileName()) : name,
                        driver,
                        bus,
                        node,
                        stablePath(node),
                        Optional.of(e.reason())),
                e);
    }

    private Optional<Path> stablePath(Path node) {
        return Optional.ofNullable(links.get(node));
    }
}
