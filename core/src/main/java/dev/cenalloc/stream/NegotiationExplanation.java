// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.stream.Overlap.Kind;
import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.stream.Collectors;

/** Puts into words why a negotiation chose these images. Immutable. */
final class NegotiationExplanation {
    private final ImageRequest request;
    private final FrameRate target;
    private final List<Port> ports;
    /** The best size of each format, the best format first. */
    private final List<Candidate> candidates;
    /** Tried before the chosen one, and without memory. */
    private final List<ImageRejection> rejected;

    NegotiationExplanation(
            ImageRequest request,
            FrameRate target,
            List<Port> ports,
            List<Candidate> candidates,
            List<ImageRejection> rejected) {
        this.request = request;
        this.target = target;
        this.ports = ports;
        this.candidates = candidates;
        this.rejected = rejected;
    }

    /** Why the candidate was chosen, in lines. */
    String of(Candidate chosen) {
        var lines = new ArrayList<String>();
        String takers = ports.size() > 1 ? " to " + names(ports.subList(1, ports.size())) : "";
        lines.add(chosen.image() + " at " + chosen.rate() + " frames a second, from "
                + ports.getFirst().name() + takers);
        lines.add("  format: " + whyFormat(chosen));
        alpha(chosen.kind()).forEach(what -> lines.add("  alpha: " + what));
        lines.add("  size: " + whySize(chosen));
        lines.add("  rate: " + whyRate(chosen));
        whyNot(chosen).forEach(why -> lines.add("  not " + why));
        Port.leftOut(ports).forEach(formats -> lines.add("  left out: " + formats));
        ports.forEach(port -> port.doubts().forEach(doubt -> lines.add("  doubt of " + port.name() + ": " + doubt)));
        return Printable.lines(lines);
    }

    /** What becomes of alpha, if a device has any. */
    private List<String> alpha(Kind kind) {
        var lines = new LinkedHashSet<String>();
        for (Port port : ports) {
            boolean gives = port == ports.getFirst();
            Kind own = port.own(kind, gives);
            if (!own.equals(kind)) {
                lines.add(port.name()
                        + (gives
                                ? " gives it as " + own.format() + ", and no device reads the alpha"
                                : " takes it as " + own.format() + ", is said to ignore alpha, and finds undefined"));
            }
        }
        if (kind.format().hasAlpha() && ports.size() > 1) {
            lines.add("that of " + ports.getFirst().name() + " reaches " + names(ports.subList(1, ports.size()))
                    + ": a device that blends lets through what is below");
        }
        return List.copyOf(lines);
    }

    private static String names(List<Port> some) {
        return some.stream().map(Port::name).distinct().collect(Collectors.joining(", "));
    }

    private String whyFormat(Candidate chosen) {
        if (request.format().isPresent()) {
            return "as requested";
        }
        PixelFormat format = chosen.format();
        var lessColour = new LinkedHashSet<PixelFormat>();
        var moreBytes = new LinkedHashSet<PixelFormat>();
        var alpha = new LinkedHashSet<PixelFormat>();
        var moreBuffers = new LinkedHashSet<PixelFormat>();
        var later = new LinkedHashSet<PixelFormat>();
        for (Candidate candidate : candidates.subList(place(chosen), candidates.size())) {
            PixelFormat other = candidate.format();
            if (other.colourBits() < format.colourBits()) {
                lessColour.add(other);
            } else if (other.bitsPerPixel() > format.bitsPerPixel()) {
                moreBytes.add(other);
            } else if (other.hasAlpha() && !format.hasAlpha()) {
                alpha.add(other);
            } else if (other.buffers() > format.buffers()) {
                moreBuffers.add(other);
            } else if (other != format) {
                later.add(other);
            }
        }
        var reasons = new ArrayList<String>();
        add(reasons, "more colour than ", lessColour, "");
        add(reasons, "fewer bytes than ", moreBytes, "");
        add(reasons, "without the alpha of ", alpha, "");
        add(reasons, "fewer buffers than ", moreBuffers, "");
        add(reasons, "listed before ", later, " by " + ports.getFirst().name());
        if (reasons.isEmpty()) {
            return place(chosen) == 0 ? "the only one in common" : "the only one in common with memory that suits all";
        }
        return String.join(", ", reasons);
    }

    /** The place of a candidate's format. */
    private int place(Candidate chosen) {
        int place = 0;
        while (!candidates.get(place).kind().equals(chosen.kind())) {
            place++;
        }
        return place;
    }

    private static void add(List<String> reasons, String before, Collection<PixelFormat> formats, String after) {
        if (!formats.isEmpty()) {
            reasons.add(formats.stream().map(PixelFormat::toString).collect(Collectors.joining(", ", before, after)));
        }
    }

    private String whySize(Candidate chosen) {
        if (request.size().isPresent()) {
            return "as requested";
        }
        Candidate best = candidates.get(place(chosen));
        if (!best.equals(chosen)) {
            return "the largest that was tried for which there is memory; there is none for " + best.size();
        }
        if (chosen.overlaps().stream().allMatch(overlap -> overlap.sizes().equals(chosen.size()))) {
            return "the only one in common";
        }
        if (chosen.rate().compareTo(target) < 0) {
            return "the largest in common; none reaches a rate of " + target;
        }
        Overlap largest = Collections.max(chosen.overlaps(), Comparator.comparingLong(Overlap::area));
        return largest.area() > (long) chosen.size().maxWidth() * chosen.size().maxHeight()
                ? "the largest in common that reaches a rate of " + target + "; " + largest.largest() + " does not"
                : "the largest in common";
    }

    private String whyRate(Candidate chosen) {
        if (request.rate().isEmpty()) {
            List<Rates> rates = chosen.rates();
            return rates.getFirst().equals(Rates.of(chosen.rate())) && rates.size() == 1
                    ? "the only one in common at this size"
                    : Candidate.highest(rates).equals(Rates.ANY.max())
                            ? "no device sets a limit; the nearest to the usual " + Negotiation.USUAL
                            : "the highest in common at this size";
        }
        int above = chosen.rate().compareTo(target);
        return above == 0
                ? "as requested"
                : above > 0
                        ? "the nearest above the requested " + target + ", which not all have at this size"
                        : "the nearest to the requested " + target + ", which is not reached at this size";
    }

    /** Why better formats were not chosen; images without memory for the same reason are one line. */
    private List<String> whyNot(Candidate chosen) {
        var all = new LinkedHashSet<Kind>();
        ports.forEach(port -> all.addAll(port.kinds(request, port == ports.getFirst())));
        List<List<ImageRejection>> groups = ImageRejection.groups(rejected);
        var lines = new ArrayList<String>();
        for (PixelFormat format :
                Candidate.ranked(all).stream().map(Kind::format).distinct().toList()) {
            groups.stream()
                    .filter(group -> group.getFirst().image().format() == format)
                    .map(ImageRejection::words)
                    .forEach(lines::add);
            boolean isCommon = candidates.stream().anyMatch(candidate -> candidate.format() == format);
            boolean isBetter = Candidate.BEST_FORMAT.compare(new Kind(format, Image.LINEAR), chosen.kind()) < 0;
            if (isBetter && !isCommon) {
                lines.add(format + " (" + whyNotCommon(format) + ")");
            }
        }
        return lines;
    }

    private String whyNotCommon(PixelFormat format) {
        List<Port> only = ports.stream()
                .map(port -> port.only(format, port == ports.getFirst()))
                .toList();
        List<Port> without =
                only.stream().filter(port -> port.images().isEmpty()).toList();
        return without.isEmpty()
                ? ImageConflict.of(request, only).toString()
                : "not offered by " + names(without) + ImageConflict.definedOnlyBy(format, "; ");
    }
}
