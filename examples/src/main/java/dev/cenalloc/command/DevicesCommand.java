// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.Devices;
import dev.cenalloc.device.Probe;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.stream.Port;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Command;

/** Lists cameras, converters, outputs and displays. */
@Command(
        description = {
            "Lists the V4L2 and DRM devices of this machine: what they are, where, and which images they give and take.",
            "No memory is offered to them: \"cenalloc probe\" does that."
        },
        footer = {
            "  cenalloc devices",
            "  cenalloc devices --json | jq -r '.devices[] | select(.kind == \"camera\") | .stablePath'"
        })
final class DevicesCommand extends Subcommand {
    /** Formats that are named to people; there may be fifty. */
    private static final int NAMED = 5;

    private static final Table<Found> DEVICES = Table.<Found>empty()
            .text("kind", "KIND", found -> found.info().kind())
            .text("driver", "DRIVER", found -> known(found.info().driver()))
            .text("node", "NODE", found -> found.info().node())
            .text("bus", "BUS", found -> known(found.info().bus()))
            .text("stablePath", "STABLE PATH", found -> found.info().stablePath())
            .data("name", found -> found.info().name())
            .data("usable", found -> found.info().isUsable())
            .data("reason", found -> found.info().reason())
            .data("gives", found -> found.gives().map(Images::data))
            .data("takes", found -> found.takes().map(Images::data));

    private static final Table<Found> PEOPLE = DEVICES.text("images", "IMAGES", found -> known(found.words()));

    /** What a device gives or takes, in short. */
    record Images(List<String> formats, int width, int height) {
        static Optional<Images> of(Optional<Port> port) {
            return port.map(images -> of(images.images(), images.otherFormats()));
        }

        /** @param others formats without a name in this library */
        static Images of(List<ImageRange> ranges, List<String> others) {
            return new Images(
                    Stream.concat(ranges.stream().map(range -> range.format().toString()), others.stream())
                            .distinct()
                            .toList(),
                    ranges.stream()
                            .mapToInt(range -> range.sizes().maxWidth())
                            .max()
                            .orElse(0),
                    ranges.stream()
                            .mapToInt(range -> range.sizes().maxHeight())
                            .max()
                            .orElse(0));
        }

        Map<String, Object> data() {
            return Map.of("formats", formats, "maxWidth", width, "maxHeight", height);
        }

        @Override
        public String toString() {
            int more = formats.size() - NAMED;
            return formats.isEmpty()
                    ? "nothing"
                    : String.join(" ", formats.subList(0, Math.min(NAMED, formats.size())))
                            + (more > 0 ? " and " + more + " more" : "")
                            + (width == 0 ? "" : " up to " + width + "x" + height);
        }
    }

    /** A device with its images; empty where it has none, or where they cannot be asked. */
    record Found(DeviceInfo info, Optional<Images> gives, Optional<Images> takes) {
        String words() {
            var words = new ArrayList<String>();
            info.reason().ifPresent(why -> words.add("not usable: " + why));
            gives.ifPresent(images -> words.add("gives " + images));
            takes.ifPresent(images -> words.add("takes " + images));
            return String.join("; ", words);
        }
    }

    private static Optional<String> known(String text) {
        return Optional.of(text).filter(words -> !words.isEmpty());
    }

    @Override
    int run(Answer answer) throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            var found = new ArrayList<Found>();
            int refused = 0;
            for (DeviceInfo info : Devices.list(cenalloc)) {
                try {
                    found.add(asked(cenalloc, info));
                } catch (CenallocException e) {
                    found.add(new Found(info, Optional.empty(), Optional.empty()));
                    answer.refused(info.node().toString(), e);
                    refused++;
                }
            }
            answer.table("devices", answer.isJson() ? DEVICES : PEOPLE, found);
            if (found.isEmpty()) {
                throw new CommandFailedException(
                        "no devices: there is neither /dev/video* nor /dev/dri/*", "see why with \"cenalloc doctor\"");
            }
            return refused == 0 ? Status.DONE : Status.FAILED;
        }
    }

    private static Found asked(Cenalloc cenalloc, DeviceInfo info) throws CenallocException {
        if (!info.isUsable() || info.kind() == DeviceInfo.Kind.RENDER || info.kind() == DeviceInfo.Kind.OTHER) {
            return new Found(info, Optional.empty(), Optional.empty());
        }
        Probe probe = Probe.of(cenalloc, info.node());
        return new Found(info, Images.of(probe.produces()), Images.of(probe.consumes()));
    }
}
