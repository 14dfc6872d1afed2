// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.node.drm.CardReader.Connector;
import dev.cenalloc.node.drm.CardReader.Plane;
import dev.cenalloc.node.drm.CardReader.Resources;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** Finds for each connected screen a CRTC and a plane of its own. Used once. For one thread. */
final class Scanouts {
    /** Values of a plane's property "type". */
    private static final int PRIMARY = 1;

    private static final int CURSOR = 2;

    /** Names of connectors by {@code DRM_MODE_CONNECTOR_*}, as the kernel's log and sysfs have them. */
    private static final List<String> CONNECTORS = List.of(
            "Unknown",
            "VGA",
            "DVI-I",
            "DVI-D",
            "DVI-A",
            "Composite",
            "SVIDEO",
            "LVDS",
            "Component",
            "DIN",
            "DP",
            "HDMI-A",
            "HDMI-B",
            "TV",
            "eDP",
            "Virtual",
            "DSI",
            "DPI",
            "Writeback",
            "SPI",
            "USB");

    private final CardReader reader;
    /** By the plane's number. */
    private final Map<Integer, KmsObject> planeObjects = new HashMap<>();

    private final List<Plane> planes = new ArrayList<>();
    /** CRTCs and planes of other screens. */
    private final Set<Integer> taken = new HashSet<>();

    Scanouts(CardReader reader) {
        this.reader = reader;
    }

    List<Scanout> all() throws CenallocException {
        Resources resources = reader.resources();
        // What drives a connector now; 0 if nothing does.
        var crtcs = new LinkedHashMap<Connector, Integer>();
        for (int id : resources.connectors()) {
            Optional<Connector> connector = reader.connector(id);
            if (connector.isPresent()
                    && connector.get().isConnected()
                    && !connector.get().isWriteback()
                    && !connector.get().modes().isEmpty()) {
                // It may be gone since.
                Optional<KmsObject> object = reader.objectIfThere(id, drm_h.DRM_MODE_OBJECT_CONNECTOR());
                if (object.isPresent()) {
                    crtcs.put(connector.get(), (int) object.get().value("CRTC_ID"));
                }
            }
        }
        if (crtcs.isEmpty()) {
            return List.of();
        }
        planes.addAll(reader.planes());
        for (Plane plane : planes) {
            planeObjects.put(plane.id(), reader.object(plane.id(), drm_h.DRM_MODE_OBJECT_PLANE()));
        }
        // What drives a screen now goes on to; no CRTC drives two.
        taken.addAll(crtcs.values());
        var scanouts = new ArrayList<Scanout>();
        for (var entry : crtcs.entrySet()) {
            scanout(entry.getKey(), entry.getValue(), resources.crtcs()).ifPresent(scanouts::add);
        }
        return scanouts;
    }

    private Optional<Scanout> scanout(Connector connector, int current, List<Integer> crtcs) throws CenallocException {
        for (int index = 0; index < crtcs.size(); index++) {
            int crtc = crtcs.get(index);
            if (crtc != current && (current != 0 || taken.contains(crtc) || !reader.reaches(connector, index))) {
                continue;
            }
            Optional<Plane> primary = primary(index, crtc);
            if (primary.isPresent()) {
                taken.add(crtc);
                taken.add(primary.get().id());
                Map<Integer, Set<Long>> formats = formats(primary.get());
                return Optional.of(new Scanout(
                        name(connector),
                        primary.get().id(),
                        crtc,
                        connector.id(),
                        connector.type() == drm_h.DRM_MODE_CONNECTOR_VIRTUAL(),
                        connector.widthMm(),
                        connector.heightMm(),
                        connector.modes(),
                        images(formats, connector.modes()),
                        others(formats),
                        connector.doubts(),
                        overlays(index, connector.modes())));
            }
        }
        return Optional.empty();
    }

    private static String name(Connector connector) {
        int type = connector.type();
        return (type >= 0 && type < CONNECTORS.size() ? CONNECTORS.get(type) : "Unknown") + "-" + connector.number();
    }

    /** The primary plane of a CRTC: the one that it has now, else the first that is free. */
    private Optional<Plane> primary(int crtcIndex, int crtc) throws CenallocException {
        var candidates = new ArrayList<Plane>();
        var current = new HashSet<Plane>();
        for (Plane plane : planes) {
            KmsObject object = planeObject(plane);
            if (plane.reaches(crtcIndex) && object.value("type") == PRIMARY && !taken.contains(plane.id())) {
                candidates.add(plane);
                if (object.value("CRTC_ID") == crtc) {
                    current.add(plane);
                }
            }
        }
        return candidates.stream().min(Comparator.comparing(plane -> !current.contains(plane)));
    }

    private List<Scanout.Overlay> overlays(int crtcIndex, List<Scanout.Mode> modes) throws CenallocException {
        var overlays = new ArrayList<Scanout.Overlay>();
        for (Plane plane : planes) {
            long type = planeObject(plane).value("type");
            if (plane.reaches(crtcIndex) && type != PRIMARY) {
                Map<Integer, Set<Long>> formats = formats(plane);
                overlays.add(new Scanout.Overlay(plane.id(), type == CURSOR, images(formats, modes), others(formats)));
            }
        }
        return overlays;
    }

    private KmsObject planeObject(Plane plane) {
        return Objects.requireNonNull(planeObjects.get(plane.id()));
    }

    /** The formats without a name here. */
    private static List<String> others(Map<Integer, Set<Long>> codes) {
        return codes.keySet().stream()
                .filter(code -> PixelFormat.ofDrm(code).isEmpty())
                .map(PixelFormat::characters)
                .toList();
    }

    /** What a plane takes, in a mode or another; the planes of an image may lie in buffers of their own. */
    private static List<ImageRange> images(Map<Integer, Set<Long>> codes, List<Scanout.Mode> modes) {
        var formats = new LinkedHashMap<PixelFormat, Set<Long>>();
        codes.forEach((code, modifiers) -> Arrays.stream(PixelFormat.values())
                .filter(format -> format.drmFourcc().equals(OptionalInt.of(code)))
                .forEach(format -> formats.put(format, modifiers)));
        var images = new LinkedHashSet<ImageRange>();
        for (var known : formats.entrySet()) {
            for (long modifier : known.getValue()) {
                for (Scanout.Mode mode : modes) {
                    if (modes.stream().noneMatch(other -> exceeds(other, mode))) {
                        images.add(new ImageRange(
                                known.getKey(),
                                modifier,
                                ImageRange.Sizes.upTo(mode.width(), mode.height()),
                                // A frame may stay on the screen for any time.
                                List.of(ImageRange.Rates.upTo(mode.refresh()))));
                    }
                }
            }
        }
        return List.copyOf(images);
    }

    /** Whether another mode can do all that this one can, and more. */
    private static boolean exceeds(Scanout.Mode candidate, Scanout.Mode mode) {
        int rates = candidate.refresh().compareTo(mode.refresh());
        return candidate.width() >= mode.width()
                && candidate.height() >= mode.height()
                && rates >= 0
                && (candidate.width() > mode.width() || candidate.height() > mode.height() || rates > 0);
    }

    /** The formats of a plane, with their modifiers. */
    private Map<Integer, Set<Long>> formats(Plane plane) throws CenallocException {
        Map<Integer, Set<Long>> codes = new LinkedHashMap<>();
        plane.formats().forEach(code -> codes.put(code, Set.of(Image.LINEAR)));
        KmsObject object = planeObject(plane);
        if (object.has("IN_FORMATS") && object.value("IN_FORMATS") != 0) {
            try (Arena arena = Arena.ofConfined()) {
                // In the order of the plane's list; a format without modifiers is none.
                Map<Integer, Set<Long>> modifiers =
                        reader.modifiers(reader.blob(arena, (int) object.value("IN_FORMATS")));
                codes.replaceAll((code, _) -> modifiers.getOrDefault(code, Set.of()));
                modifiers.forEach(codes::putIfAbsent);
            }
        }
        return codes;
    }
}
