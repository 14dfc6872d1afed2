// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Objection.Cause;
import dev.cenalloc.plan.Solver.Candidate;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The result of solving: the heaps to try in order, the rejected heaps, and the statements of devices that led to it.
 * Immutable, holds nothing open. Making a plan needs no device node and makes no system call. Explanations are computed
 * on request.
 */
public final class Plan {
    private final Demand demand;
    /** The devices as given, before an alternative of each was chosen. */
    private final List<Device> attached;

    private final List<Device> devices;
    private final List<Device> leftOut;
    private final List<Heap> heaps;
    private final Constraints constraints;
    private final @Nullable Layout layout;
    private final long size;
    private final Candidate[] candidates;
    /** The answers of heaps whose sources refused. */
    private final Map<Heap, Objection> refusals;

    Plan(
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

    /**
     * Merges the constraints of the devices and sorts the heaps by them. If devices have alternatives, the plan uses
     * the first combination that leaves a heap; the alternatives of the last device change first. If no combination
     * leaves a heap, the plan uses the first one. At most 1024 combinations are tried.
     *
     * @param demand the contents of the buffer
     * @param devices the devices that share the buffer
     * @param heaps the heaps to choose from, such as those of a {@code Cenalloc}
     * @return the plan; it may have no candidate
     */
    public static Plan of(Demand demand, List<Device> devices, List<Heap> heaps) {
        Objects.requireNonNull(demand, "demand");
        return Solver.solve(demand, Arguments.copy(devices, "devices"), Arguments.copy(heaps, "heaps"));
    }

    // ---- result ----

    /** {@return the devices of the plan, each with the chosen alternative, without those left out} */
    public List<Device> devices() {
        return List.copyOf(devices);
    }

    /** {@return the optional devices that are left out, since no memory suits them and the others} */
    public List<Device> leftOut() {
        return List.copyOf(leftOut);
    }

    /** {@return the merged constraints of all devices} */
    public Constraints constraints() {
        return constraints;
    }

    /**
     * {@return the number of bytes to allocate: the requested size, increased by the devices' constraints on size,
     * pitch and offsets; empty if no size satisfies them} The kernel rounds it up to whole pages.
     */
    public OptionalLong size() {
        return size < 0 ? OptionalLong.empty() : OptionalLong.of(size);
    }

    /** {@return the contents of the buffer} */
    public Demand demand() {
        return demand;
    }

    /** {@return the devices as given, before an alternative of each was chosen} */
    public List<Device> attached() {
        return attached;
    }

    /** {@return the size for messages, in bytes: {@link #size}, or if that is empty, the size of the demand} */
    public long requestedSize() {
        return size < 0 ? demand.bytes() : size;
    }

    /** {@return the layout of the image that suits all devices; empty if none does, or the demand is for bytes} */
    public Optional<Layout> layout() {
        return Optional.ofNullable(layout);
    }

    /** {@return the heaps that satisfy all devices, best first; empty if there is none} */
    public List<Heap> candidates() {
        return Arrays.stream(candidates).map(Candidate::heap).toList();
    }

    /**
     * {@return the rank of a candidate; higher numbers are tried first} The number has no unit: only its order means
     * something.
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if the heap is not a candidate
     */
    public int score(Heap heap) {
        Objects.requireNonNull(heap, "heap");
        return Arrays.stream(candidates)
                .filter(candidate -> candidate.heap().equals(heap))
                .mapToInt(Candidate::score)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(heap + " is not a candidate of this plan"));
    }

    /**
     * {@return whether some heap satisfies the constraints of all devices} That heap need not be a candidate: it may be
     * used only when named, closed to this process, or refuse the size. If this is false, it stays false with further
     * devices.
     */
    public boolean isSatisfiable() {
        return candidates.length > 0
                || rejected().stream().anyMatch(rejection -> rejection.cause() != Cause.CONSTRAINT);
    }

    /**
     * {@return the devices of which it is unknown what memory they take: nobody stated it, and no profile or trial
     * told} Any memory is a guess for them. {@link Device#detail} says why nothing is known. Empty if all is known.
     */
    public List<Device> unknown() {
        return devices.stream()
                .filter(device -> device.declared().isEmpty())
                .distinct()
                .toList();
    }

    /**
     * {@return whether memory of a heap suits all devices, as far as that is known before it is tried} {@link
     * Trait#NO}: the memory has not what a device needs, or the heap has no memory of that size. {@link Trait#UNKNOWN}:
     * nothing is known of what {@linkplain #unknown() some device} needs, or of the memory, or not whether the memory
     * has what a device needs, such as addresses within reach. A candidate may be such a guess. That a heap is used
     * only when named, or closed to this process, counts for nothing here.
     *
     * @param heap any heap
     */
    public Trait suitability(Heap heap) {
        Objects.requireNonNull(heap, "heap");
        Trait suits = size < 0 ? Trait.NO : Suitability.suits(constraints, demand, size, heap);
        return suits == Trait.YES && !unknown().isEmpty() ? Trait.UNKNOWN : suits;
    }

    /** {@return the heaps that are not candidates, each with the reason} */
    public List<HeapRejection> rejected() {
        return Rejections.of(this);
    }

    /** Whether no memory on any machine satisfies the devices. */
    boolean isContradictory() {
        return Suitability.contradiction(constraints, demand).isPresent();
    }

    /** The heaps to choose from. */
    List<Heap> heaps() {
        return heaps;
    }

    boolean hasCandidates() {
        return candidates.length > 0;
    }

    /** The answer of a heap whose source refused; empty if it did not. */
    Optional<Objection> refusal(Heap heap) {
        return Optional.ofNullable(refusals.get(heap));
    }

    /**
     * {@return the first of the {@link #conflicts()}; empty if the plan has a candidate, or no statement is
     * responsible}
     */
    public Optional<Conflict> conflict() {
        return conflicts().stream().findFirst();
    }

    /**
     * {@return the independent conflicts: sets of statements that leave no heap, each as small as possible, without a
     * statement in common; empty if the plan has a candidate, or no statement is responsible} At most 8 conflicts are
     * reported.
     */
    public List<Conflict> conflicts() {
        if (candidates.length > 0) {
            return List.of();
        }
        if (heaps.isEmpty() && isContradictory()) {
            return Conflict.onAnyMachine(demand, devices, heaps);
        }
        // Only among the heaps that constraints rule out.
        var ruledOut = rejected().stream()
                .filter(rejection -> rejection.cause() == Cause.CONSTRAINT)
                .map(HeapRejection::heap)
                .toList();
        return Conflict.among(demand, devices, heaps, ruledOut);
    }

    /**
     * Finds the conflicts that exist on any machine.
     *
     * @param demand the contents of the buffer
     * @param devices the devices that share the buffer
     * @param heaps heaps of this machine, for their {@linkplain HeapProperties#substitutes substitutes}
     * @return the conflicts of the devices' first alternatives; empty if some combination of alternatives can be
     *     satisfied
     */
    public static List<Conflict> contradictions(Demand demand, List<Device> devices, List<Heap> heaps) {
        Objects.requireNonNull(demand, "demand");
        Arguments.checkElements(devices, "devices");
        Arguments.checkElements(heaps, "heaps");
        var combinations = new Combinations(devices);
        List<Device> first = null;
        while (combinations.hasNext()) {
            combinations.next();
            List<Device> chosen = combinations.devices();
            if (Suitability.contradiction(Solver.merge(chosen, heaps), demand).isEmpty()) {
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

    /** {@return the statements of all devices, in the order of the devices} */
    public List<Statement> statements() {
        return devices.stream().flatMap(device -> Statement.of(device).stream()).toList();
    }

    /**
     * {@return the statements that determine the merged value of a field: without them it would be another} If several
     * devices state the same value, all of them. For a field that needs consent, the devices that do not consent.
     *
     * @param field any field
     */
    public List<Statement> narrowing(Field field) {
        Objects.requireNonNull(field, "field");
        var speakers = devices.stream()
                .filter(device -> device.constraints().limits(field))
                .toList();
        Set<Constraints> decisive = decisive(field);
        var narrowing = speakers.stream()
                .filter(speaker -> decisive.contains(speaker.constraints().only(field)))
                .map(device -> Statement.of(device, field))
                .toList();
        return narrowing.isEmpty()
                ? speakers.stream().map(device -> Statement.of(device, field)).toList()
                : narrowing;
    }

    /**
     * What is said of a field without which the merged value would be another, however many devices say it. Merges each
     * twice with those before it and after it, so that it is linear in the number of devices.
     */
    private Set<Constraints> decisive(Field field) {
        List<Constraints> said = devices.stream()
                .map(device -> device.constraints().only(field))
                .distinct()
                .toList();
        var after = new Constraints[said.size() + 1];
        after[said.size()] = Constraints.NEUTRAL;
        for (int i = said.size() - 1; i >= 0; i--) {
            after[i] = after[i + 1].and(said.get(i));
        }
        var decisive = new HashSet<Constraints>();
        Constraints before = Constraints.NEUTRAL;
        for (int i = 0; i < said.size(); i++) {
            if (!before.and(after[i + 1]).equals(after[0])) {
                decisive.add(said.get(i));
            }
            before = before.and(said.get(i));
        }
        return decisive;
    }

    /**
     * {@return how far memory of a heap keeps each field that a device states}
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if the heap is not a candidate
     */
    public Map<Field, Assurance> assurances(Heap heap) {
        score(heap);
        var assurances = new EnumMap<Field, Assurance>(Field.class);
        for (Field field : constraints.fields()) {
            assurances.put(field, Suitability.assurance(field, constraints, demand, heap));
        }
        return assurances;
    }

    /**
     * {@return the largest number of segments into which memory of a heap may fall for these devices} It follows from
     * the size: each page of scattered memory may be a segment, and no segment is longer than the devices allow.
     *
     * @param heap any heap
     * @throws IllegalStateException if no size satisfies all devices, so that {@link #size} is empty
     */
    public long segments(Heap heap) {
        Objects.requireNonNull(heap, "heap");
        if (size < 0) {
            throw new IllegalStateException("no size satisfies all devices");
        }
        return Suitability.segments(constraints, size, heap);
    }

    /**
     * {@return why memory allocated by this plan does not suit a further device; empty if it suits} For a device with
     * alternatives that all fail, the objection to the first one.
     *
     * @param heap the heap of the memory
     * @param storageSize the size of the memory in bytes, in whole pages
     * @param late the further device
     */
    public Optional<Objection> objection(Heap heap, long storageSize, Device late) {
        Objects.requireNonNull(heap, "heap");
        Objects.requireNonNull(late, "late");
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
     * {@return whether memory allocated by this plan, with this plan's layout, suits all devices of another plan}
     *
     * @param heap the heap of the memory
     * @param storageSize the size of the memory in bytes, in whole pages
     * @param other the other plan
     */
    public boolean suits(Heap heap, long storageSize, Plan other) {
        Objects.requireNonNull(heap, "heap");
        Objects.requireNonNull(other, "other");
        return other.candidates().contains(heap)
                && Suitability.objection(other.constraints, requestedSize(), heap)
                        .isEmpty()
                && objectionTo(heap, storageSize, other.constraints).isEmpty();
    }

    /** The objection to the memory itself, after its heap was found suitable. */
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
     * {@return why this heap is chosen, in one sentence}
     *
     * @param heap one of the {@link #candidates()}
     * @throws IllegalArgumentException if the heap is not a candidate
     */
    public String reason(Heap heap) {
        score(heap);
        return new Explanation(this).reason(heap);
    }

    /**
     * {@return the plan as text, in lines: what each device needs, how far it is kept, which heaps are tried, why the
     * others are not, and if there is no candidate, every conflict}
     */
    public String explain() {
        return new Explanation(this).text();
    }

    /**
     * Two plans are equal if demand, constraints and devices are equal, and the candidates are equal in the same order.
     */
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
