package dev.cenalloc.plan;

import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Objection.Cause;
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

    private record Candidate(Heap heap, int score) {}

    private static final Comparator<Candidate> ORDER = Comparator.<Candidate>comparingInt(candidate -> -candidate.score)
            .thenComparingInt(candidate -> HeapProperties.preference(candidate.heap.name()))
            .thenComparing(candidate -> candidate.heap.name());

    private final Demand demand;
    /** As they were given, before an alternative of each was chosen. */
    private final List<Device> attached;

    private final List<Device> devices;
    private final List<Device> leftOut;
    private final List<Heap> heaps;
    private final Constraints constraints;
    private final @Nullable Layout layout;
    private final long size;
    private final Candidate[] candidates;
    /** Of each heap whose source refused, its answer. */
    private final Map<Heap, Objection> refusals;

    private Plan(
            Demand demand,
            List<Device> attached,
            List<Device> devices,
            List<Device> leftOut,
            List<Heap> heaps,
            Constraints constraints,
            @Nullable Layout layout,
            long size,
            Candidate[] candidates,
            Map<Heap, Objection> refusals) {
        this.demand = demand;
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
     * Merges the constraints of the devices and sorts the heaps by them. Of devices with alternatives, the first combination
     * counts that leaves a heap; the alternatives of the last device change first. If no combination does, the first counts.
     *
     * @param demand what the buffer is for
     * @param devices the participants, declared or real
     * @param heaps the heaps to choose from, such as those of a {@code Cenalloc}
     * @return the plan; it may have no candidate
     */
    public static Plan of(Demand demand, List<Device> devices, List<Heap> heaps) {
        return solve(Objects.requireNonNull(demand, "demand"), List.copyOf(devices), List.copyOf(heaps));
    }

    private static Plan solve(Demand demand, List<Device> devices, List<Heap> heaps) {
        var combinations = new Combinations(devices);
        if (combinations.count() == 1) {
            return solve(demand, devices, devices, List.of(), heaps);
        }
        Plan first = null;
        while (combinations.hasNext()) {
            combinations.next();
            Plan plan = solve(demand, devices, combinations.devices(), combinations.leftOut(), heaps);
            if (plan.candidates.length > 0) {
                return plan;
            }
            first = first == null ? plan : first;
        }
        return Objects.requireNonNull(first);
    }

    private static Plan solve(
            Demand demand, List<Device> attached, List<Device> devices, List<Device> leftOut, List<Heap> heaps) {
        Constraints merged = merge(devices, heaps);
        Layout layout = demand.layout(merged).orElse(null);
        long size = layout == null ? demand.size(merged) : layout.size();
        var found = new Candidate[heaps.size()];
        int count = 0;
        Map<Heap, Objection> refusals = Map.of();
        if (Suitability.contradiction(merged, demand).isEmpty()) {
            for (Heap heap : heaps) {
                if (Suitability.objection(merged, size, heap).isPresent()
                        || isUnasked(merged, heap)
                        || heap.properties().maxSize().orElse(size) < size
                        || !heap.isAccessible()) {
                    continue;
                }
                Optional<Objection> refusal = heap.refusal(merged, size);
                if (refusal.isPresent()) {
                    refusals = refusals.isEmpty() ? new LinkedHashMap<>() : refusals;
                    refusals.put(heap, refusal.get());
                    continue;
                }
                found[count++] = new Candidate(heap, score(merged, heap.properties()));
            }
        }
        return new Plan(
                demand,
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

    /** What suits all. Substitutes count for each device before that: two devices may name a heap and its substitute. */
    static Constraints merge(List<Device> devices, List<Heap> heaps) {
        // Without any device the memory is ordinary: nobody has agreed to other.
        if (devices.isEmpty()) {
            return Constraints.NONE;
        }
        var substitutes = new ArrayList<Heap>();
        for (Heap heap : heaps) {
            if (!heap.substitutes().isEmpty()) {
                substitutes.add(heap);
            }
        }
        var all = new ArrayList<Constraints>(devices.size());
        for (Device device : devices) {
            all.add(Substitutes.allow(device.constraints(), substitutes));
        }
        return Constraints.merge(all);
    }

    private static boolean isUnasked(Constraints merged, Heap heap) {
        return heap.properties().onlyWhenNamed() && !Suitability.isNamed(merged, heap);
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

    /** {@return what the buffer is for} */
    public Demand demand() {
        return demand;
    }

    /** {@return the heaps that there are} */
    List<Heap> heaps() {
        return heaps;
    }

    /** {@return the devices as they were given, before an alternative of each was chosen} */
    public List<Device> attached() {
        return attached;
    }

    /** {@return the bytes for messages: those to be allocated, or if there is no such number, those of the demand} */
    public long requestedSize() {
        return size < 0 ? demand.bytes() : size;
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
        return candidates.length > 0
                || rejected().stream().anyMatch(rejection -> rejection.cause() != Cause.CONSTRAINT);
    }

    /** {@return the heaps that are not candidates, each with the reason} */
    public List<HeapRejection> rejected() {
        var chosen = candidates();
        var rejected = new ArrayList<HeapRejection>();
        for (Heap heap : heaps) {
            if (!chosen.contains(heap)) {
                rejected.add(reject(heap, chosen));
            }
        }
        return rejected;
    }

    private HeapRejection reject(Heap heap, List<Heap> chosen) {
        if (isContradictory()) {
            return rejection(heap, Cause.CONSTRAINT, "no memory satisfies these devices together");
        }
        Optional<Field> field = Suitability.objection(constraints, size, heap);
        if (field.isPresent()) {
            List<Statement> statements = statementsAgainst(heap, field.get());
            String reason = Explanation.of(heap, size, field.get(), constraints, statements);
            return new HeapRejection(heap, new Objection(Cause.CONSTRAINT, reason), statements);
        }
        if (isUnasked(constraints, heap)) {
            return rejection(heap, Cause.NOT_NAMED, "used only when a device names it");
        }
        long most = heap.properties().maxSize().orElse(size);
        if (most < size) {
            return rejection(heap, Cause.REFUSED, "gives at most " + most + " bytes in one buffer, not " + size);
        }
        if (!heap.isAccessible()) {
            String node = heap.path().map(Object::toString).orElse(heap.name());
            return rejection(heap, Cause.NO_PERMISSION, "this process may not open " + node);
        }
        Objection refusal = refusals.get(heap);
        if (refusal != null) {
            return new HeapRejection(heap, refusal, List.of());
        }
        String twin = chosen.stream()
                .filter(other -> other.pool().equals(heap.pool()))
                .map(Heap::name)
                .findFirst()
                .orElse("a candidate");
        return rejection(heap, Cause.SAME_POOL, "another name of the pool of " + twin);
    }

    private static HeapRejection rejection(Heap heap, Cause cause, String reason) {
        return new HeapRejection(heap, new Objection(cause, reason), List.of());
    }

    /** Whether no memory on any machine satisfies the devices. */
    boolean isContradictory() {
        return Suitability.contradiction(constraints, demand).isPresent();
    }

    /** The statements that rule the heap out alone; if none does, those that set the merged value. */
    private List<Statement> statementsAgainst(Heap heap, Field field) {
        var alone = new ArrayList<Statement>();
        var together = new ArrayList<Statement>();
        for (Device device : devices) {
            Constraints said = device.constraints();
            if (said.limits(field)) {
                var statement = Statement.of(device, field);
                if (Suitability.objection(Substitutes.allow(said.only(field), heaps), size, heap)
                        .isPresent()) {
                    alone.add(statement);
                }
                together.add(statement);
            }
        }
        return alone.isEmpty() ? together : alone;
    }

    /**
     * {@return the first of the {@link #conflicts()}; empty if there is a candidate, or no statement is responsible}
     */
    public Optional<Conflict> conflict() {
        return conflicts().stream().findFirst();
    }

    /**
     * {@return the sets of statements that leave no heap, each as small as possible, none with a statement of another; empty
     * if there is a candidate, or no statement is responsible}
     */
    public List<Conflict> conflicts() {
        if (candidates.length > 0) {
            return List.of();
        }
        if (heaps.isEmpty() && isContradictory()) {
            return Conflict.onAnyMachine(demand, devices, heaps);
        }
        // Among the heaps that are ruled out by constraints only.
        var ruledOut = rejected().stream()
                .filter(rejection -> rejection.cause() == Cause.CONSTRAINT)
                .map(HeapRejection::heap)
                .toList();
        return Conflict.among(demand, devices, heaps, ruledOut);
    }

    /**
     * Looks for conflicts that exist whatever heaps there are.
     *
     * @param demand what the buffer is for
     * @param devices the participants
     * @param heaps the heaps whose {@linkplain HeapProperties#substitutes substitutes} count
     * @return the conflicts of the devices' first alternatives; empty if some combination of alternatives can be satisfied
     */
    public static List<Conflict> contradictions(Demand demand, List<Device> devices, List<Heap> heaps) {
        var combinations = new Combinations(devices);
        List<Device> first = null;
        while (combinations.hasNext()) {
            combinations.next();
            List<Device> chosen = combinations.devices();
            if (Suitability.contradiction(merge(chosen, heaps), demand).isEmpty()) {
                return List.of();
            }
            first = first == null ? chosen : first;
        }
        List<Conflict> conflicts = Conflict.onAnyMachine(demand, first == null ? devices : first, heaps);
        return combinations.endedEarly()
                ? conflicts.stream().map(Conflict::endedEarly).toList()
                : conflicts;
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
            assurances.put(field, Suitability.assurance(field, constraints, demand, heap.properties()));
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

    /**
     * {@return why memory that this plan led to does not suit one device more; empty if it suits} Of a device with
     * alternatives, the objection to the first is told.
     *
     * @param heap where the memory comes from
     * @param storageSize the bytes of the memory, in whole pages
     * @param late the device
     */
    public Optional<Objection> objection(Heap heap, long storageSize, Device late) {
        Optional<Objection> first = Optional.empty();
        for (int i = 0; i < Math.max(1, late.alternatives().size()); i++) {
            Optional<Objection> objection = objectionTo(heap, storageSize, late.choosing(i));
            if (objection.isEmpty()) {
                return objection;
            }
            first = first.isEmpty() ? objection : first;
        }
        return first;
    }

    private Optional<Objection> objectionTo(Heap heap, long storageSize, Device late) {
        Constraints said = Substitutes.allow(late.constraints(), heaps);
        Optional<Field> field = Suitability.objection(said, requestedSize(), heap);
        return field.isEmpty()
                ? objectionTo(heap, storageSize, said)
                : Optional.of(new Objection(
                        Cause.CONSTRAINT,
                        Explanation.of(
                                heap, requestedSize(), field.get(), said, List.of(Statement.of(late, field.get())))));
    }

    /**
     * {@return whether memory that this plan led to suits all devices of another plan, as it is laid out}
     *
     * @param heap where the memory comes from
     * @param storageSize the bytes of the memory, in whole pages
     * @param other the other plan
     */
    public boolean suits(Heap heap, long storageSize, Plan other) {
        return other.candidates().contains(heap)
                && Suitability.objection(other.constraints, requestedSize(), heap)
                        .isEmpty()
                && objectionTo(heap, storageSize, other.constraints).isEmpty();
    }

    /** What of the memory does not suit, beside what is known of its heap. */
    private Optional<Objection> objectionTo(Heap heap, long storageSize, Constraints late) {
        Optional<Objection> refusal = heap.refusal(late, storageSize);
        return refusal.isPresent()
                ? refusal
                : storageObjection(storageSize, late).map(reason -> new Objection(Cause.CONSTRAINT, reason));
    }

    private Optional<String> storageObjection(long storageSize, Constraints late) {
        if (storageSize < late.raw(Field.MIN_SIZE) || requestedSize() > late.raw(Field.MAX_SIZE)) {
            return Optional.of("it has " + requestedSize() + " bytes, " + storageSize + " in whole pages");
        }
        long segment = Math.min(late.raw(Field.MAX_SEGMENT_SIZE), late.raw(Field.SEGMENT_BOUNDARY));
        if (late.isContiguous() && segment < requestedSize()) {
            return Optional.of("it is one segment of " + requestedSize() + " bytes");
        }
        return layout().flatMap(planned -> Suitability.objection(late, planned));
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
     * others are not, and if there is none, all conflicts}
     */
    public String explain() {
        return new Explanation(this).text();
    }

    /** Two plans are equal if they say the same: the same demand, constraints and devices, the same heaps in the same order. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Plan that
                && demand.equals(that.demand)
                && constraints.equals(that.constraints)
                && devices.equals(that.devices)
                && leftOut.equals(that.leftOut)
                && Set.copyOf(heaps).equals(Set.copyOf(that.heaps))
                && candidates().equals(that.candidates());
    }

    @Override
    public int hashCode() {
        return Objects.hash(demand, constraints, devices, candidates());
    }

    @Override
    public String toString() {
        return explain();
    }
}
