// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Objection.Cause;
import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Puts one plan into words, once. For one thread. */
final class Explanation {
    private final Plan plan;
    private final List<String> lines = new ArrayList<>();

    Explanation(Plan plan) {
        this.plan = plan;
    }

    /** The whole plan, in lines. Names may be any text, so each line is escaped. */
    String text() {
        lines.add(plan.demand() + size() + " for "
                + (plan.devices().isEmpty() ? "no device (unconstrained)" : names(plan.devices())));
        plan.layout().ifPresent(layout -> layout.planes().forEach(plane -> lines.add("  plane: " + plane)));
        plan.devices().forEach(device -> lines.add("  " + device));
        plan.leftOut().forEach(device -> lines.add("  left out: " + device));
        lines.add("Together: " + together() + ".");
        List<Heap> candidates = plan.candidates();
        lines.add(
                candidates.isEmpty()
                        ? "No heap suits."
                        : (candidates.size() == 1 ? "Heap: " : "Heaps, best first: ") + heaps(candidates) + ".");
        if (!candidates.isEmpty()) {
            describeAssurances(candidates.getFirst());
            if (!plan.unknown().isEmpty()) {
                lines.add("  a guess for " + names(plan.unknown()) + ", of which it is unknown what memory it takes");
            }
        }
        rejections().forEach((reason, names) -> lines.add("  not " + String.join(", ", names) + ": " + reason));
        plan.devices().forEach(this::describeAbsentHeaps);
        plan.leftOut().forEach(this::describeAbsentHeaps);
        List<Conflict> conflicts = plan.conflicts();
        for (int i = 0; i < conflicts.size(); i++) {
            lines.add((conflicts.size() == 1 ? "Conflict" : "Conflict " + (i + 1))
                    + (conflicts.get(i).isSmallest()
                            ? ":"
                            : ", of so many statements that a smaller one was not sought:"));
            conflicts.get(i).statements().forEach(statement -> lines.add("  " + statement));
        }
        return Printable.lines(lines);
    }

    /** The size to allocate, if it is not that of the demand. */
    private String size() {
        Demand demand = plan.demand();
        return plan.size().isPresent()
                        && (plan.size().getAsLong() != demand.bytes()
                                || demand.image().isPresent())
                ? ", which makes " + plan.size().getAsLong() + " bytes"
                : "";
    }

    /** The names of the rejected heaps by reason, since several heaps may have the same reason. */
    private Map<String, List<String>> rejections() {
        var names = new LinkedHashMap<String, List<String>>();
        for (HeapRejection rejection : plan.rejected()) {
            names.computeIfAbsent(rejection.reason(), _ -> new ArrayList<>())
                    .add(rejection.heap().name());
        }
        return names;
    }

    /** Reports a device that allows only heaps that do not exist here: a misspelt name, or another kernel. */
    private void describeAbsentHeaps(Device device) {
        var absent = new TreeSet<String>();
        for (Constraints alternative : device.alternatives()) {
            Constraints allowed = Substitutes.allow(alternative, plan.heaps());
            if (plan.heaps().stream().anyMatch(heap -> allowed.allowsPool(heap.pool()))) {
                return;
            }
            absent.addAll(alternative.allowedHeaps().orElse(Set.of()));
        }
        if (!absent.isEmpty()) {
            lines.add("  " + device.name() + ": no heap called " + String.join(" or ", absent) + "; "
                    + (plan.heaps().isEmpty() ? "there is no heap" : "there are " + heaps(plan.heaps())));
        }
    }

    /** The merged constraints, each with the devices that determine it. */
    private String together() {
        String together = plan.constraints().fields().stream()
                .map(field -> Wording.of(plan.constraints(), field) + " (" + devices(plan.narrowing(field)) + ")")
                .collect(Collectors.joining(", "));
        return together.isEmpty() ? plan.constraints().toString() : together;
    }

    private static String devices(List<Statement> statements) {
        return statements.stream()
                .map(statement -> statement.device().name())
                .distinct()
                .collect(Collectors.joining(", "));
    }

    private void describeAssurances(Heap heap) {
        Map<Field, Assurance> assurances = plan.assurances(heap);
        for (Assurance assurance : Assurance.values()) {
            String fields = assurances.entrySet().stream()
                    .filter(entry -> entry.getValue() == assurance)
                    .map(entry -> entry.getKey().key())
                    .collect(Collectors.joining(", "));
            String kept = switch (assurance) {
                case ENFORCED -> ", guaranteed: ";
                case CHECKED -> ", checked after the allocation: ";
                case ADVISORY -> ", only advice: ";
            };
            if (!fields.isEmpty()) {
                lines.add("  with " + heap.name() + kept + fields);
            }
        }
    }

    private static String heaps(List<Heap> heaps) {
        return heaps.stream().map(Heap::name).collect(Collectors.joining(", "));
    }

    private static String names(List<Device> devices) {
        return devices.stream().map(Device::name).collect(Collectors.joining(", "));
    }

    /** As {@link Plan#reason}. */
    String reason(Heap heap) {
        String needs = plan.rejected().stream()
                .filter(rejection -> rejection.cause() == Cause.CONSTRAINT)
                .flatMap(rejection -> rejection.statements().stream())
                .distinct()
                .map(Statement::toString)
                .collect(Collectors.joining("; "));
        if (!needs.isEmpty()) {
            return needs;
        }
        if (heap.properties().scarce() == Trait.NO) {
            return "no device rules a heap out, and this is plentiful";
        }
        return plan.candidates().stream().anyMatch(other -> other.properties().scarce() == Trait.NO)
                ? "no device rules a heap out; plentiful heaps are tried before this one"
                : "no device rules a heap out, and no candidate is known to be plentiful";
    }

    /** Why memory of a heap does not satisfy these statements. */
    static String of(Heap heap, long size, Field objection, Constraints merged, List<Statement> statements) {
        String devices = devices(statements);
        HeapProperties properties = heap.properties();
        return switch (objection) {
            case HEAPS ->
                statements.isEmpty() ? "no heap is allowed by all" : "not among the heaps that " + devices + " allows";
            case CONTIGUOUS ->
                (properties.contiguous() == Trait.NO ? "its memory is scattered" : "may give scattered memory")
                        + " and " + devices + " needs it contiguous";
            case MAX_SEGMENTS ->
                "its memory may fall into " + Suitability.segments(merged, size, heap) + " segments and " + devices
                        + " takes at most " + merged.raw(Field.MAX_SEGMENTS);
            case PROTECTED -> "its memory is not protected and " + devices + " needs it to be";
            case ACCEPTS_PROTECTED -> "its memory is protected and " + devices + " does not accept that";
            case ACCEPTS_DECRYPTED -> "the host can read its memory and " + devices + " does not accept that";
            case CPU_READ, CPU_WRITE -> "the CPU cannot map its memory and " + devices + " needs that";
            case PAGES ->
                (properties.pages() == Trait.NO ? "its memory has no pages" : "its memory may have no pages") + " and "
                        + devices + " needs them";
            case HIGHEST_ADDRESS -> "its memory may lie beyond what " + devices + " reaches";
            default -> objection.key() + " of " + devices;
        };
    }
}
