package dev.cenalloc;

import dev.cenalloc.HeapProperties.Trait;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
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

    private static final Comparator<Candidate> ORDER = Comparator.<Candidate>comparingInt(candidate -> -candidate.score)
            .thenComparingInt(candidate -> HeapProperties.preference(candidate.heap.name()))
            .thenComparing(candidate -> candidate.heap.name());

    private final Extent extent;
    /** As they were given, before an alternative of each was chosen. */
    private final List<Device> attached;

    private final List<Device> devices;
    private final List<Device> leftOut;
    private final List<Heap> heaps;
    private final Constraints constraints;
    private final @Nullable Layout layout;
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
            @Nullable Layout layout,
            long size,
            Candidate[] candidates,
            Map<Heap, String> refusals) {
        this.extent = extent;
        this.attached = attached;
        this.devices = devices;
        this.leftOut = leftOut;
        this.heaps = heaps;
        this.constraints = constraints;
        this.layout = layout;
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
        Layout layout = extent.layout(merged);
        long size = layout == null ? extent.size(merged) : layout.size();
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
                layout,
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

    /** Sorts, and of the heaps of one pool keeps the best name only: how many are left. */
    private static int sort(Candidate[] found, int count) {
        Arrays.sort(found, 0, count, ORDER);
        var pools = new HashSet<String>();
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (pools.add(found[i].heap.pool())) {
                found[kept++] = found[i];
            }
        }
        return kept;
    }

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

    Extent extent() {
        return extent;
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
        return Optional.ofNullable(layout);
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
                    heap, Cause.CONSTRAINT, statements, Explanation.of(heap, size, objection, constraints, statements));
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
            if (constraints.limits(objection)) {
                var statement = Statement.of(device, objection);
                if (Suitability.objection(constraints.only(objection).withStandIns(heaps), size, heap) != null) {
                    alone.add(statement);
                }
                together.add(statement);
            }
        }
        return alone.isEmpty() ? together : alone;
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
        var speakers = devices.stream()
                .filter(device -> device.constraints().limits(field))
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
                : Explanation.of(heap, requestedSize(), objection, late, List.of(Statement.of(device, objection)));
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
        return new Explanation(this).reason(heap);
    }

    /**
     * {@return the whole of it in words, in lines: who asks for what, how far it is kept, which heaps will be tried, why the
     * others are not, and if there is none, who clashes}
     */
    public String explain() {
        return new Explanation(this).text();
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
