package dev.cenalloc;

import dev.cenalloc.HeapProperties.Trait;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The result of solving: which heaps to try, in order, what became of the others, and who is the reason. Immutable;
 * making one asks nothing of the kernel and needs no device node. The explanations are worked out when they are asked for.
 */
public final class Plan {
    /** Alternatives and optional devices multiply; this many combinations are tried. */
    static final int COMBINATIONS = 1024;

    private static final int PLENTIFUL = 100_000;
    private static final int FOLLOWS_ADVICE = 10_000;
    private static final int AS_HINTED = 1000;

    /** Why a heap is not a candidate. */
    public enum Cause {
        /** Its memory is not what some device needs. */
        CONSTRAINT,
        /** It is used only when a device names it, and none does. */
        NOT_NAMED,
        /** It is another name of a candidate's memory. */
        SAME_POOL,
        /** This process may not open its node. */
        NO_PERMISSION,
        /** It cannot give a buffer of that size, or says no itself. */
        REFUSED
    }

    /**
     * A heap that is not a candidate.
     *
     * @param heap the heap
     * @param cause the kind of reason
     * @param statements what the devices say that rules it out, empty if it is not because of them
     * @param reason why not, in words
     */
    public record Rejection(Heap heap, Cause cause, List<Statement> statements, String reason) {
        @Override
        public String toString() {
            return heap.name() + " (" + reason + ")";
        }
    }

    private record Candidate(Heap heap, int score) {}

    private final Extent extent;
    /** As they were given, before an alternative of each was chosen. */
    private final List<Device> attached;

    private final List<Device> devices;
    private final List<Device> leftOut;
    private final List<Heap> heaps;
    private final Constraints constraints;
    private final long size;
    private final Candidate[] candidates;
    /** Of each heap that a source itself refused, what it said. */
    private final Map<Heap, String> refusals;

    private Plan(
            Extent extent,
            List<Device> attached,
            List<Device> devices,
            List<Device> leftOut,
            List<Heap> heaps,
            Constraints constraints,
            long size,
            Candidate[] candidates,
            Map<Heap, String> refusals) {
        this.extent = extent;
        this.attached = attached;
        this.devices = devices;
        this.leftOut = leftOut;
        this.heaps = heaps;
        this.constraints = constraints;
        this.size = size;
        this.candidates = candidates;
        this.refusals = refusals;
    }

    // ---- solving ----

    /**
     * Merges what the devices say and sorts the heaps by it. Of devices with alternatives, the first combination in which
     * there is a heap for all counts; the alternatives of the last device change first. If there is none, the first of all.
     */
    static Plan solve(Extent extent, List<Device> devices, List<Heap> heaps) {
        var combinations = new Combinations(devices);
        if (combinations.count() == 1) {
            return solve(extent, devices, devices, List.of(), heaps);
        }
        Plan first = null;
        while (combinations.hasNext()) {
            combinations.next();
            Plan plan = solve(extent, devices, combinations.devices(), combinations.leftOut(), heaps);
            if (plan.candidates.length > 0) {
                return plan;
            }
            first = first == null ? plan : first;
        }
        return Objects.requireNonNull(first);
    }

    private static Plan solve(
            Extent extent, List<Device> attached, List<Device> devices, List<Device> leftOut, List<Heap> heaps) {
        Constraints merged = merge(devices, heaps);
        long size = extent.size(merged);
        var found = new Candidate[heaps.size()];
        int count = 0;
        Map<Heap, String> refusals = Map.of();
        if (merged.contradiction(extent) == null) {
            for (Heap heap : heaps) {
                if (Suitability.objection(merged, size, heap) != null
                        || isUnasked(merged, heap)
                        || heap.properties().maxSize().orElse(size) < size
                        || !heap.isAccessible()) {
                    continue;
                }
                String refusal = refusal(heap, merged, size);
                if (refusal != null) {
                    refusals = refusals.isEmpty() ? new LinkedHashMap<>() : refusals;
                    refusals.put(heap, refusal);
                    continue;
                }
                found[count++] = new Candidate(heap, score(merged, heap.properties()));
            }
        }
        return new Plan(
                extent,
                attached,
                devices,
                leftOut,
                heaps,
                merged,
                size,
                Arrays.copyOf(found, sort(found, count)),
                refusals);
    }

    /** What suits all. Stand-ins count for each device before that: two may name a heap and its stand-in. */
    static Constraints merge(List<Device> devices, List<Heap> heaps) {
        // Without any device the memory is ordinary: nobody has agreed to other.
        if (devices.isEmpty()) {
            return Constraints.NONE;
        }
        var standIns = new ArrayList<Heap>();
        for (Heap heap : heaps) {
            if (!heap.standsInFor().isEmpty()) {
                standIns.add(heap);
            }
        }
        var all = new ArrayList<Constraints>(devices.size());
        for (Device device : devices) {
            all.add(device.constraints().withStandIns(standIns));
        }
        return Constraints.merge(all);
    }

    private static boolean isUnasked(Constraints merged, Heap heap) {
        return heap.properties().onlyWhenNamed() && !Suitability.isNamed(merged, heap);
    }

    private static @Nullable String refusal(Heap heap, Constraints merged, long size) {
        try {
            return heap.refusal(merged, size).orElse(null);
        } catch (RuntimeException e) {
            // A heap of the program's own that cannot even say no is no candidate.
            return "it failed to answer: " + e;
        }
    }

    /** Plentiful memory first: scarce memory is left to those who need it. Then advice, hints, and the heap's own score. */
    private static int score(Constraints merged, HeapProperties properties) {
        return (properties.scarce() == Trait.NO ? PLENTIFUL : 0)
                + FOLLOWS_ADVICE * Suitability.advicesFollowed(merged, properties)
                + (Suitability.isAsHinted(merged, properties) ? AS_HINTED : 0)
                + properties.score();
    }

    /** Sorts, and of the heaps of the one pool that has many names keeps the best name only: how many are left. */
    private static int sort(Candidate[] found, int count) {
        Arrays.sort(found, 0, count, ORDER);
        int kept = 0;
        boolean seen = false;
        for (int i = 0; i < count; i++) {
            boolean many = found[i].heap.pool().equals(HeapProperties.DEFAULT_CMA);
            if (!many || !seen) {
                found[kept++] = found[i];
            }
            seen |= many;
        }
        return kept;
    }

    private static final Comparator<Candidate> ORDER = Comparator.<Candidate>comparingInt(candidate -> -candidate.score)
            .thenComparingInt(candidate -> HeapProperties.preference(candidate.heap.name()))
            .thenComparing(candidate -> candidate.heap.name());

    // ---- what came out ----

    /** {@return the devices that count, each with the alternative that was chosen} */
    public List<Device> devices() {
        return List.copyOf(devices);
    }

    /** {@return optional devices for which there is no memory together with the others} */
    public List<Device> leftOut() {
        return List.copyOf(leftOut);
    }

    /** {@return the constraints of all devices, merged} */
    public Constraints constraints() {
        return constraints;
    }

    /**
     * {@return the bytes to be allocated: what was asked for, grown by what the devices say of size, pitch and offsets; empty if
     * there is no such number} The kernel rounds it up to whole pages.
     */
    public OptionalLong size() {
        return size < 0 ? OptionalLong.empty() : OptionalLong.of(size);
    }

    List<Device> attached() {
        return attached;
    }

    /** The bytes for messages: those to be allocated, or if there is no such number, those asked for. */
    long requestedSize() {
        return size < 0 ? extent.bytes() : size;
    }

    /** {@return where the image lies, so that it suits everyone; empty if nothing does, or there is no image but bytes} */
    public Optional<Layout> layout() {
        return Optional.ofNullable(extent.layout(constraints));
    }

    /** {@return the heaps that satisfy everyone, best first; empty if there is none} */
    public List<Heap> candidates() {
        return Arrays.stream(candidates).map(Candidate::heap).toList();
    }

    /**
     * {@return how good a choice a candidate is; the higher is tried first}
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if it is not
     */
    public int score(Heap heap) {
        return Arrays.stream(candidates)
                .filter(candidate -> candidate.heap.equals(heap))
                .mapToInt(Candidate::score)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(heap.name() + " is not a candidate of this plan"));
    }

    /**
     * {@return whether some heap satisfies the constraints of all} It need not be a candidate: it may be one that is used only
     * when named, that this process has no permission for, or that refuses. If there is none, no further device changes
     * that.
     */
    public boolean isSatisfiable() {
        return candidates.length > 0 || rejected().stream().anyMatch(rejection -> rejection.cause != Cause.CONSTRAINT);
    }

    /** Whether other constraints leave a heap for this extent, used only when named or not. */
    boolean satisfies(Constraints other) {
        return other.contradiction(extent) == null
                && heaps.stream().anyMatch(heap -> Suitability.objection(other, extent.size(other), heap) == null);
    }

    /** {@return the heaps that are not candidates, each with the reason} */
    public List<Rejection> rejected() {
        var chosen = candidates();
        var rejected = new ArrayList<Rejection>();
        for (Heap heap : heaps) {
            if (!chosen.contains(heap)) {
                rejected.add(reject(heap, chosen));
            }
        }
        return rejected;
    }

    private Rejection reject(Heap heap, List<Heap> chosen) {
        if (constraints.contradiction(extent) != null) {
            return new Rejection(heap, Cause.CONSTRAINT, List.of(), "no memory satisfies these devices together");
        }
        Field objection = Suitability.objection(constraints, size, heap);
        if (objection != null) {
            List<Statement> statements = statementsAgainst(heap, objection);
            return new Rejection(
                    heap, Cause.CONSTRAINT, statements, describe(heap, size, objection, constraints, statements));
        }
        if (isUnasked(constraints, heap)) {
            return new Rejection(heap, Cause.NOT_NAMED, List.of(), "used only when a device names it");
        }
        long most = heap.properties().maxSize().orElse(size);
        if (most < size) {
            return new Rejection(
                    heap, Cause.REFUSED, List.of(), "gives at most " + most + " bytes in one buffer, not " + size);
        }
        if (!heap.isAccessible()) {
            return new Rejection(
                    heap,
                    Cause.NO_PERMISSION,
                    List.of(),
                    "this process may not open "
                            + heap.path().map(Object::toString).orElse(heap.name()));
        }
        String refusal = refusals.get(heap);
        if (refusal != null) {
            return new Rejection(heap, Cause.REFUSED, List.of(), refusal);
        }
        String twin = chosen.stream()
                .filter(other -> other.pool().equals(heap.pool()))
                .map(Heap::name)
                .findFirst()
                .orElse("a candidate");
        return new Rejection(heap, Cause.SAME_POOL, List.of(), "another name of the pool of " + twin);
    }

    /** Those that rule the heap out alone; if none does, those whose value counts. */
    private List<Statement> statementsAgainst(Heap heap, Field objection) {
        var alone = new ArrayList<Statement>();
        var together = new ArrayList<Statement>();
        for (Device device : devices) {
            Constraints constraints = device.constraints();
            boolean consents = objection.rule() == Field.Rule.AND;
            if (consents ? !constraints.flag(objection) : constraints.says(objection)) {
                var statement = Statement.of(device, objection);
                if (Suitability.objection(constraints.only(objection).withStandIns(heaps), size, heap) != null) {
                    alone.add(statement);
                }
                together.add(statement);
            }
        }
        return alone.isEmpty() ? together : alone;
    }

    private static String describe(
            Heap heap, long size, Field objection, Constraints merged, List<Statement> statements) {
        String who = who(statements);
        HeapProperties properties = heap.properties();
        return switch (objection) {
            case HEAPS ->
                statements.isEmpty() ? "no heap is allowed by all" : "not among the heaps that " + who + " allows";
            case CONTIGUOUS ->
                (properties.contiguous() == Trait.NO ? "its memory is scattered" : "may give scattered memory")
                        + " and " + who + " needs it contiguous";
            case MAX_SEGMENTS ->
                "its memory may fall into " + Suitability.segments(merged, size, properties) + " segments and " + who
                        + " takes at most " + merged.raw(Field.MAX_SEGMENTS);
            case PROTECTED -> "its memory is not protected and " + who + " needs it to be";
            case ACCEPTS_PROTECTED -> "its memory is protected and " + who + " does not accept that";
            case ACCEPTS_DECRYPTED -> "the host can read its memory and " + who + " does not accept that";
            case CPU_READ, CPU_WRITE -> "the CPU cannot map its memory and " + who + " needs that";
            case PAGES ->
                (properties.pages() == Trait.NO ? "its memory has no pages" : "its memory may have no pages") + " and "
                        + who + " needs them";
            case HIGHEST_ADDRESS -> "its memory may lie beyond what " + who + " reaches";
            default -> objection.key() + " of " + who;
        };
    }

    /** {@return the smallest set of statements that leaves no heap; empty if there is a candidate, or no statement is to blame} */
    public Optional<Conflict> conflict() {
        if (candidates.length > 0) {
            return Optional.empty();
        }
        // Among the heaps that the devices could have had, were it not for what they say.
        var ruledOut = rejected().stream()
                .filter(rejection -> rejection.cause == Cause.CONSTRAINT)
                .map(Rejection::heap)
                .toList();
        var conflict = heaps.isEmpty() && constraints.contradiction(extent) != null
                ? Conflict.onAnyMachine(extent, devices, heaps)
                : Conflict.among(extent, devices, heaps, ruledOut);
        return conflict.statements().isEmpty() ? Optional.empty() : Optional.of(conflict);
    }

    // ---- explaining ----

    /** {@return all that the devices say, in the order in which they were attached} */
    public List<Statement> statements() {
        return devices.stream().flatMap(device -> Statement.of(device).stream()).toList();
    }

    /**
     * {@return who narrowed a field: the statements without which the merged value would be another} Of several that say the
     * same, all. Of consent, who did not give it.
     *
     * @param field any
     */
    public List<Statement> narrowing(Field field) {
        boolean consent = field.rule() == Field.Rule.AND;
        var speakers = devices.stream()
                .filter(device -> consent != device.constraints().says(field))
                .toList();
        var narrowing = speakers.stream()
                .filter(speaker -> !isSpared(field, speaker))
                .map(device -> Statement.of(device, field))
                .toList();
        return narrowing.isEmpty()
                ? speakers.stream().map(device -> Statement.of(device, field)).toList()
                : narrowing;
    }

    /** Whether the field would be merged to the same without this device, and those that say the same. */
    private boolean isSpared(Field field, Device speaker) {
        Constraints said = speaker.constraints().only(field);
        var others = devices.stream()
                .map(device -> device.constraints().only(field))
                .filter(other -> !other.equals(said))
                .toList();
        Constraints all = merge(devices, List.of()).only(field);
        return Constraints.merge(others).only(field).equals(all);
    }

    /**
     * {@return how far each field that some device speaks of is kept for memory of a heap}
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if it is not
     */
    public Map<Field, Assurance> assurances(Heap heap) {
        score(heap);
        var assurances = new EnumMap<Field, Assurance>(Field.class);
        for (Field field : constraints.fields()) {
            assurances.put(field, Suitability.assurance(field, constraints, extent, heap.properties()));
        }
        return assurances;
    }

    /**
     * {@return into how many segments memory of a heap may fall for these devices, at worst} From the size, and so from the
     * layout: scattered memory into single pages, every memory at the length that a segment may have.
     *
     * @param heap any
     * @throws IllegalStateException if nothing suits all devices, so that there is no size
     */
    public long segments(Heap heap) {
        if (size < 0) {
            throw new IllegalStateException("there is no size that suits everyone");
        }
        return Suitability.segments(constraints, size, heap.properties());
    }

    /** Why the storage that this plan led to does not suit a device that comes late; empty if it does. */
    String mismatch(Heap heap, Device device, long storageSize) {
        Constraints late = device.constraints().withStandIns(heaps);
        Field objection = Suitability.objection(late, requestedSize(), heap);
        return objection == null
                ? mismatch(heap, late, storageSize)
                : describe(heap, requestedSize(), objection, late, List.of(Statement.of(device, objection)));
    }

    /** Whether the storage that this plan led to suits all devices of another plan, where it is and as it is laid out. */
    boolean suits(Plan other, Heap heap, long storageSize) {
        return other.candidates().contains(heap)
                && Suitability.objection(other.constraints, requestedSize(), heap) == null
                && mismatch(heap, other.constraints, storageSize).isEmpty();
    }

    /** What of the storage does not suit, beside what is known of its heap; empty if it does. */
    private String mismatch(Heap heap, Constraints late, long storageSize) {
        String refusal = refusal(heap, late, storageSize);
        if (refusal != null) {
            return refusal;
        }
        if (storageSize < late.raw(Field.MIN_SIZE) || requestedSize() > late.raw(Field.MAX_SIZE)) {
            return "it has " + requestedSize() + " bytes, " + storageSize + " in whole pages";
        }
        long segment = Math.min(late.raw(Field.MAX_SEGMENT_SIZE), late.raw(Field.SEGMENT_BOUNDARY));
        if (late.isContiguous() && segment < requestedSize()) {
            return "it is one segment of " + requestedSize() + " bytes";
        }
        return layout().map(layout -> layout.mismatch(late)).orElse("");
    }

    /**
     * {@return why this heap was, or would be, chosen, in one sentence}
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if it is not
     */
    public String reason(Heap heap) {
        score(heap);
        String needs = rejected().stream()
                .filter(rejection -> rejection.cause == Cause.CONSTRAINT)
                .flatMap(rejection -> rejection.statements.stream())
                .distinct()
                .map(Statement::toString)
                .collect(Collectors.joining("; "));
        if (!needs.isEmpty()) {
            return needs;
        }
        return heap.properties().scarce() == Trait.NO
                ? "no device rules a heap out, and this is plentiful"
                : "no device rules a heap out, and there is no plentiful kind here";
    }

    /**
     * {@return the whole of it in words, in lines: who asks for what, how far it is kept, which heaps will be tried, why the
     * others are not, and if there is none, who clashes}
     */
    public String explain() {
        var text = new StringBuilder();
        text.append(extent);
        if (size >= 0 && (size != extent.bytes() || extent.image() != null)) {
            text.append(", which makes ").append(size).append(" bytes");
        }
        text.append(" for ").append(devices.isEmpty() ? "no device (unconstrained)" : names(devices));
        layout().ifPresent(layout ->
                layout.planes().forEach(plane -> text.append("\n  plane: ").append(plane)));
        for (Device device : devices) {
            text.append("\n  ").append(device);
        }
        for (Device device : leftOut) {
            text.append("\n  left out: ").append(device);
        }
        text.append("\nTogether: ").append(together()).append('.');
        text.append("\nTo try: ");
        text.append(
                candidates.length == 0
                        ? "no heap."
                        : Arrays.stream(candidates)
                                .map(candidate -> candidate.heap.name() + " (score " + candidate.score + ")")
                                .collect(Collectors.joining(", ", "", ".")));
        if (candidates.length > 0) {
            describeAssurances(text, candidates[0].heap);
        }
        for (Rejection rejection : rejected()) {
            text.append("\n  not ").append(rejection.heap.name()).append(": ").append(rejection.reason);
        }
        conflict().ifPresent(conflict -> {
            text.append("\nThese clash:");
            conflict.statements().forEach(statement -> text.append("\n  ").append(statement));
        });
        return text.toString();
    }

    /** The merged constraints, each with who narrowed it. */
    private String together() {
        String together = constraints.fields().stream()
                .map(field -> constraints.describe(field) + " (" + who(narrowing(field)) + ")")
                .collect(Collectors.joining(", "));
        return together.isEmpty() ? constraints.toString() : together;
    }

    private static String who(List<Statement> statements) {
        return statements.stream()
                .map(statement -> statement.device().name())
                .distinct()
                .collect(Collectors.joining(", "));
    }

    private void describeAssurances(StringBuilder text, Heap heap) {
        Map<Field, Assurance> assurances = assurances(heap);
        for (Assurance assurance : Assurance.values()) {
            String fields = assurances.entrySet().stream()
                    .filter(entry -> entry.getValue() == assurance)
                    .map(entry -> entry.getKey().key())
                    .collect(Collectors.joining(", "));
            if (!fields.isEmpty()) {
                text.append("\n  with ")
                        .append(heap.name())
                        .append(
                                switch (assurance) {
                                    case ENFORCED -> ", guaranteed: ";
                                    case CHECKED -> ", checked after the allocation: ";
                                    case ADVISORY -> ", only advice: ";
                                })
                        .append(fields);
            }
        }
    }

    private static String names(List<Device> devices) {
        return devices.stream().map(Device::name).collect(Collectors.joining(", "));
    }

    /** Two plans are equal if they say the same: the same extent, constraints and devices, the same heaps in the same order. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Plan that
                && extent.equals(that.extent)
                && constraints.equals(that.constraints)
                && devices.equals(that.devices)
                && leftOut.equals(that.leftOut)
                && Set.copyOf(heaps).equals(Set.copyOf(that.heaps))
                && candidates().equals(that.candidates());
    }

    @Override
    public int hashCode() {
        return Objects.hash(extent, constraints, devices, candidates());
    }

    @Override
    public String toString() {
        return explain();
    }
}
