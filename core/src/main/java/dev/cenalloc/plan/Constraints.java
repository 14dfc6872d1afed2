package dev.cenalloc.plan;

import dev.cenalloc.image.Arithmetic;
import dev.cenalloc.plan.Field.Rule;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What memory a device can use. Immutable. {@link #and} combines the constraints of two devices into what suits both,
 * {@link Field} by field; it is commutative, associative and idempotent, so the order of attaching does not matter.
 *
 * <p>A device that says nothing about a field is not limited by it: unlimited is {@link #UNLIMITED} or silence, never 0.
 * Two things have to be agreed to, though, and silence is no consent: protected memory, and memory that is shared with
 * the host of a confidential machine.
 *
 * <p>Each method that adds a constraint narrows what was there and returns a new object. One that contradicts the others
 * throws {@link IllegalArgumentException}, as does a value out of its range.
 *
 * {@snippet :
 * var encoder = Constraints.NONE.contiguous().pitchAlignment(64).maxSize(16 << 20);
 * }
 *
 * <p>Source: cenalloc RFC 1/4 and the vocabularies that came after it (RFCv2 2015, liballocator, sysmem2).
 */
public final class Constraints {
    /** Says that there is no limit, as saying nothing does. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    private static final Field[] FIELDS = Field.values();
    private static final int NUMBERS = (int)
            Arrays.stream(FIELDS).filter(field -> field.rule().isNumeric()).count();
    /** Of each numeric field its place in {@link #numbers}, of the others -1. */
    private static final int[] PLACES = new int[FIELDS.length];
    /** Of each place the rule. */
    private static final Rule[] RULES = new Rule[NUMBERS];

    /** What each numeric field is if nobody says anything. */
    private static final long[] SILENCE = new long[NUMBERS];
    /** The flags, by {@link #bit}, that need everybody's consent. */
    private static final int CONSENTS;

    static {
        int place = 0;
        int consents = 0;
        for (Field field : FIELDS) {
            PLACES[index(field)] = field.rule().isNumeric() ? place : -1;
            if (field.rule().isNumeric()) {
                RULES[place] = field.rule();
                SILENCE[place++] = switch (field.rule()) {
                    case MIN -> UNLIMITED;
                    case LCM -> 1;
                    default -> 0;
                };
            }
            consents |= field.rule() == Rule.AND ? bit(field) : 0;
        }
        CONSENTS = consents;
    }

    /** Any ordinary memory will do. */
    public static final Constraints NONE =
            new Constraints(SILENCE, 0, null, Map.of(), null, EnumSet.noneOf(Usage.class), Map.of());

    /** Changes nothing, not even consent: what merging starts from. */
    static final Constraints NEUTRAL =
            new Constraints(SILENCE, CONSENTS, null, Map.of(), null, EnumSet.noneOf(Usage.class), Map.of());

    private final long[] numbers;
    private final int flags;
    /** The pools, by their official names; null is unlimited, which no set of names could say. */
    private final @Nullable Set<String> heaps;
    /** The last address, for each address space that is limited. */
    private final Map<String, Long> highest;

    private final @Nullable Set<String> near;
    private final EnumSet<Usage> usage;
    /** Advisory fields that this version does not know, by name: kept, and written again as they were read. */
    private final Map<String, String> unknown;

    private Constraints(
            long[] numbers,
            int flags,
            @Nullable Set<String> heaps,
            Map<String, Long> highest,
            @Nullable Set<String> near,
            EnumSet<Usage> usage,
            Map<String, String> unknown) {
        this.numbers = numbers;
        this.flags = flags;
        this.heaps = heaps;
        this.highest = highest;
        this.near = near;
        this.usage = usage;
        this.unknown = unknown;
    }

    private static int bit(Field field) {
        return 1 << index(field);
    }

    @SuppressWarnings("EnumOrdinal") // an index into arrays, never stored or shown
    private static int index(Field field) {
        return field.ordinal();
    }

    // ---- stating ----

    /** {@return these constraints, and the memory is one physically contiguous piece} */
    public Constraints contiguous() {
        return with(Field.CONTIGUOUS);
    }

    /**
     * {@return these constraints, and the memory comes from one of these heaps} Naming a heap that the library knows
     * nothing about is the way to use it. A list of nothing but heaps that by their names are protected, or of nothing but
     * {@code system_cc_shared}, says that the device accepts such memory.
     *
     * @param names names of nodes in {@code /dev/dma_heap} or of registered heaps, at least one; all names of the default
     *     CMA pool mean that pool, and are kept as its official one
     * @throws IllegalArgumentException if there is no name, or if these and the heaps allowed before have none in common
     */
    public Constraints onlyHeaps(Collection<String> names) {
        if (names.isEmpty() || names.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException(
                    "name at least one heap, none of them blank; Constraints.NONE allows all");
        }
        Set<String> pools = names.stream().map(HeapProperties::pool).collect(Collectors.toSet());
        Set<String> both = intersection(heaps, pools);
        if (both.isEmpty()) {
            throw new IllegalArgumentException("none of " + names + " is among the heaps allowed before, " + heaps);
        }
        int consent = flags;
        if (both.stream().allMatch(name -> HeapProperties.of(name).isProtected())) {
            consent |= bit(Field.ACCEPTS_PROTECTED);
        }
        if (both.stream().allMatch(name -> HeapProperties.of(name).isDecrypted())) {
            consent |= bit(Field.ACCEPTS_DECRYPTED);
        }
        return new Constraints(numbers, consent, both, highest, near, usage, unknown).checked();
    }

    /**
     * {@return these constraints, and the memory has at most so many segments} Not counted behind an IOMMU.
     *
     * @param segments at least 1
     */
    public Constraints maxSegments(long segments) {
        return with(Field.MAX_SEGMENTS, segments);
    }

    /**
     * {@return these constraints, and no segment is longer}
     *
     * @param bytes at least 1
     */
    public Constraints maxSegmentSize(long bytes) {
        return with(Field.MAX_SEGMENT_SIZE, bytes);
    }

    /**
     * {@return these constraints, and no segment crosses a multiple of this}
     *
     * @param bytes a power of two
     */
    public Constraints segmentBoundary(long bytes) {
        return with(Field.SEGMENT_BOUNDARY, bytes);
    }

    /**
     * {@return these constraints, and the memory lies below} A mask of 32 bits is the address 0xffffffff. An address means
     * something in one address space only, so limits of different spaces are kept apart (review of RFCv2).
     *
     * @param space the name of the address space, such as {@code "pci"}
     * @param address the last usable address, at least 4095
     */
    public Constraints highestAddress(String space, long address) {
        if (space.isBlank() || address < Demand.PAGE - 1) {
            throw new IllegalArgumentException(
                    "an address space has a name, and the last usable address is at least 4095: " + space + ", "
                            + address);
        }
        if (address == UNLIMITED) {
            return this;
        }
        var limits = new TreeMap<>(highest);
        limits.merge(space, address, Math::min);
        return new Constraints(numbers, flags, heaps, Collections.unmodifiableMap(limits), near, usage, unknown);
    }

    /**
     * {@return these constraints, and the address of the first byte is a multiple of this} Up to a page the kernel keeps
     * it; more cannot be asked of a heap, see {@link Assurance#ADVISORY}.
     *
     * @param bytes a power of two
     */
    public Constraints baseAlignment(long bytes) {
        return with(Field.BASE_ALIGNMENT, bytes);
    }

    /**
     * {@return these constraints, and each plane of an image begins at a multiple of this} For a buffer of bytes it is advice to
     * who puts planes into it.
     *
     * @param bytes a power of two
     */
    public Constraints offsetAlignment(long bytes) {
        return with(Field.OFFSET_ALIGNMENT, bytes);
    }

    /**
     * {@return these constraints, and the distance from line to line is a multiple of this, in every plane}
     *
     * @param bytes at least 1
     */
    public Constraints pitchAlignment(long bytes) {
        return with(Field.PITCH_ALIGNMENT, bytes);
    }

    /**
     * {@return these constraints, and the distance from line to line is at least this, in every plane}
     *
     * @param bytes at least 1
     */
    public Constraints minPitch(long bytes) {
        return with(Field.MIN_PITCH, bytes);
    }

    /**
     * {@return these constraints, and the distance from line to line is at most this, in every plane}
     *
     * @param bytes at least 1
     */
    public Constraints maxPitch(long bytes) {
        return with(Field.MAX_PITCH, bytes);
    }

    /**
     * {@return these constraints, and the memory has at least so many bytes: a smaller buffer grows}
     *
     * @param bytes at least 1
     */
    public Constraints minSize(long bytes) {
        return with(Field.MIN_SIZE, bytes);
    }

    /**
     * {@return these constraints, and the memory has at most so many bytes}
     *
     * @param bytes at least 1
     */
    public Constraints maxSize(long bytes) {
        return with(Field.MAX_SIZE, bytes);
    }

    /**
     * {@return these constraints, and the device wants to work with so many buffers} Advice for who creates them.
     *
     * @param count at least 1
     */
    public Constraints buffers(long count) {
        return with(Field.BUFFERS, count);
    }

    /** {@return these constraints, and the memory is protected} What nobody else accepts is then refused, never downgraded. */
    public Constraints requiresProtected() {
        return with(Field.PROTECTED);
    }

    /** {@return these constraints, and protected memory will do as well} */
    public Constraints acceptsProtected() {
        return with(Field.ACCEPTS_PROTECTED);
    }

    /** {@return these constraints, and memory shared with the host of a confidential machine will do as well} */
    public Constraints acceptsDecrypted() {
        return with(Field.ACCEPTS_DECRYPTED);
    }

    /** {@return these constraints, and the CPU can read the memory} */
    public Constraints cpuRead() {
        return with(Field.CPU_READ);
    }

    /** {@return these constraints, and the CPU can write the memory} */
    public Constraints cpuWrite() {
        return with(Field.CPU_WRITE);
    }

    /** {@return these constraints, with advice to take memory that needs no cache work} */
    public Constraints coherent() {
        return with(Field.COHERENT);
    }

    /** {@return these constraints, and the memory is made of pages that the kernel keeps account of} */
    public Constraints pages() {
        return with(Field.PAGES);
    }

    /**
     * {@return these constraints, with advice to take memory near to one of these places}
     *
     * @param places names, such as {@code "numa0"}, at least one
     */
    public Constraints near(Collection<String> places) {
        if (places.isEmpty()) {
            throw new IllegalArgumentException("name at least one place");
        }
        Set<String> both = intersection(near, Set.copyOf(places));
        return new Constraints(numbers, flags, heaps, highest, both, usage, unknown);
    }

    /**
     * {@return these constraints, with a hint at how the memory will be used}
     *
     * @param how the hint
     */
    public Constraints usage(Usage how) {
        EnumSet<Usage> both = EnumSet.copyOf(usage);
        both.add(how);
        return new Constraints(numbers, flags, heaps, highest, near, both, unknown);
    }

    /**
     * {@return these constraints, and one more of a field that is a number}
     *
     * @param field one whose rule is MIN, MAX or LCM
     * @param value at least 1; a power of two for the alignments of base and offset and for the boundary;
     *     {@link #UNLIMITED} says nothing
     * @throws IllegalArgumentException if the value is out of range, or contradicts the others
     */
    public Constraints with(Field field, long value) {
        Rule rule = field.rule();
        if (!rule.isNumeric()) {
            throw new IllegalArgumentException(field.key() + " is not a number");
        }
        if (value == UNLIMITED && rule == Rule.MIN) {
            return this;
        }
        if (value <= 0 || value == Long.MAX_VALUE) {
            throw new IllegalArgumentException(field.key() + " is at least 1, not " + value
                    + (rule == Rule.MIN ? "; to say that there is no limit, say nothing, or UNLIMITED" : ""));
        }
        boolean powerOfTwo =
                field == Field.BASE_ALIGNMENT || field == Field.OFFSET_ALIGNMENT || field == Field.SEGMENT_BOUNDARY;
        if (powerOfTwo && Long.bitCount(value) != 1) {
            throw new IllegalArgumentException(field.key() + " is a power of two, not " + value);
        }
        long[] merged = numbers.clone();
        int place = PLACES[index(field)];
        merged[place] = merge(rule, merged[place], value);
        return new Constraints(merged, flags, heaps, highest, near, usage, unknown).checked();
    }

    /**
     * {@return these constraints, and one more of a field that is yes or no}
     *
     * @param field one whose rule is OR or AND
     * @throws IllegalArgumentException if it contradicts the others
     */
    public Constraints with(Field field) {
        if (!field.rule().isFlag()) {
            throw new IllegalArgumentException(field.key() + " is not yes or no");
        }
        // Who needs it takes it.
        int implied = field == Field.PROTECTED ? bit(Field.ACCEPTS_PROTECTED) : 0;
        return new Constraints(numbers, flags | bit(field) | implied, heaps, highest, near, usage, unknown).checked();
    }

    /**
     * {@return these constraints, and an advisory field that this version does not know} It is kept, and has no effect.
     *
     * @param key its name, none of those of {@link Field}
     * @param value whatever it says
     */
    public Constraints withUnknown(String key, String value) {
        if (Field.of(key).isPresent()) {
            throw new IllegalArgumentException(key + " is known");
        }
        var more = new TreeMap<>(unknown);
        more.merge(key, value, Constraints::smaller);
        return new Constraints(numbers, flags, heaps, highest, near, usage, Collections.unmodifiableMap(more));
    }

    private static String smaller(String one, String other) {
        return one.compareTo(other) <= 0 ? one : other;
    }

    private Constraints checked() {
        Suitability.contradiction(this, Demand.LEAST).ifPresent(contradiction -> {
            throw new IllegalArgumentException("no memory can satisfy " + this + ": " + contradiction);
        });
        return this;
    }

    /**
     * {@return what an allocator mask of the RFC says, as constraints} Bit 1 is the system heap, bit 2 the default CMA
     * pool, as in the RFC; other bits as {@code heaps} says. A bit that stands for no heap names one that does not exist,
     * {@code allocator-}<i>n</i>: such a device can be attached and finds no memory, as in the RFC.
     *
     * @param mask bits, at least one; a device whose mask is 0 declares nothing, {@link Device#undeclared}
     * @param heaps what other bits, from 0 to 31, stand for
     * @throws IllegalArgumentException if the mask is 0 or a bit's number out of range
     */
    public static Constraints ofAllocatorMask(int mask, Map<Integer, String> heaps) {
        if (mask == 0) {
            throw new IllegalArgumentException("a mask of 0 declares nothing: use Device.undeclared");
        }
        if (!heaps.keySet().stream().allMatch(bit -> bit >= 0 && bit < Integer.SIZE)) {
            throw new IllegalArgumentException("bits are numbered from 0 to 31: " + heaps.keySet());
        }
        var names = new TreeMap<>(Map.of(1, HeapProperties.SYSTEM, 2, HeapProperties.DEFAULT_CMA));
        names.putAll(heaps);
        var allowed = new HashSet<String>();
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            if ((mask & 1 << bit) != 0) {
                allowed.add(names.getOrDefault(bit, "allocator-" + bit));
            }
        }
        return NONE.onlyHeaps(allowed);
    }

    // ---- merging ----

    /**
     * {@return what suits a device with these constraints and one with those} May be {@link #isImpossible()}.
     *
     * @param other the constraints of the other device
     */
    public Constraints and(Constraints other) {
        return merge(List.of(this, other));
    }

    /** What one device says, and says in addition: to consent once is enough. */
    Constraints alsoSaying(Constraints more) {
        Constraints both = and(more);
        return new Constraints(
                        both.numbers, flags | more.flags, both.heaps, both.highest, both.near, both.usage, both.unknown)
                .checked();
    }

    /** What suits all of these; {@link #NEUTRAL} for none. Linear, and for many devices cheaper than {@link #and}. */
    static Constraints merge(List<Constraints> all) {
        if (all.size() == 1) {
            return all.getFirst();
        }
        long[] numbers = SILENCE.clone();
        int flags = 0;
        int consents = CONSENTS;
        Map<String, Long> highest = Map.of();
        EnumSet<Usage> usage = NONE.usage;
        Map<String, String> unknown = Map.of();
        for (Constraints one : all) {
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = merge(RULES[i], numbers[i], one.numbers[i]);
            }
            flags |= one.flags;
            consents &= one.flags;
            if (!one.highest.isEmpty() && !one.highest.equals(highest)) {
                var limits = new TreeMap<>(highest);
                one.highest.forEach((space, address) -> limits.merge(space, address, Math::min));
                highest = limits;
            }
            if (!usage.containsAll(one.usage)) {
                usage = EnumSet.copyOf(usage);
                usage.addAll(one.usage);
            }
            if (!one.unknown.isEmpty()) {
                var more = new TreeMap<>(unknown);
                one.unknown.forEach((key, value) -> more.merge(key, value, Constraints::smaller));
                unknown = more;
            }
        }
        return new Constraints(
                numbers,
                (flags & ~CONSENTS) | consents,
                intersection(all, one -> one.heaps),
                Collections.unmodifiableMap(highest),
                intersection(all, one -> one.near),
                usage,
                Collections.unmodifiableMap(unknown));
    }

    private static long merge(Rule rule, long one, long other) {
        return switch (rule) {
            case MIN -> Math.min(one, other);
            case MAX -> Math.max(one, other);
            default -> Arithmetic.lcm(one, other);
        };
    }

    private static Set<String> intersection(@Nullable Set<String> before, Set<String> more) {
        var both = new HashSet<>(more);
        if (before != null) {
            both.retainAll(before);
        }
        return Collections.unmodifiableSet(both);
    }

    /** What all lists allow; null, no limit, if there is none. Copies once at most, and then shrinks the copy. */
    private static @Nullable Set<String> intersection(
            List<Constraints> all, Function<Constraints, @Nullable Set<String>> listOf) {
        Set<String> common = null;
        boolean copied = false;
        for (Constraints one : all) {
            Set<String> list = listOf.apply(one);
            if (list == null) {
                continue;
            }
            if (common == null) {
                common = list;
            } else if (copied) {
                common.retainAll(list);
            } else if (!list.containsAll(common)) {
                common = new HashSet<>(common);
                common.retainAll(list);
                copied = true;
            }
        }
        return common == null ? null : Collections.unmodifiableSet(common);
    }

    /**
     * {@return whether no memory at all can satisfy these, on any machine} The allowed heaps of two devices have none in
     * common, limits contradict each other, or what one device needs another does not accept.
     */
    public boolean isImpossible() {
        return Suitability.contradiction(this, Demand.LEAST).isPresent();
    }

    /**
     * {@return what these say whatever image is meant: without pitches and sizes, which are those of one} So profiles want it. To what
     * pitches are aligned is kept; drivers mostly mean it for all formats.
     */
    public Constraints ofAnyImage() {
        long[] kept = numbers.clone();
        for (Field field : List.of(Field.MIN_PITCH, Field.MAX_PITCH, Field.MIN_SIZE, Field.MAX_SIZE)) {
            int place = PLACES[index(field)];
            kept[place] = SILENCE[place];
        }
        return new Constraints(kept, flags, heaps, highest, near, usage, unknown);
    }

    // ---- reading ----

    /** {@return the fields that these constraints say something about} */
    public Set<Field> fields() {
        var said = EnumSet.noneOf(Field.class);
        for (Field field : FIELDS) {
            if (says(field)) {
                said.add(field);
            }
        }
        return said;
    }

    /**
     * {@return whether these constraints say something about a field}
     *
     * @param field any
     */
    public boolean says(Field field) {
        return switch (field) {
            case HEAPS -> heaps != null;
            case HIGHEST_ADDRESS -> !highest.isEmpty();
            case NEAR -> near != null;
            case USAGE -> !usage.isEmpty();
            default ->
                field.rule().isFlag() ? flag(field) : numbers[PLACES[index(field)]] != SILENCE[PLACES[index(field)]];
        };
    }

    /** Whether somebody with these may be the reason that a field is merged to what it is: by what is said, or not consented to. */
    boolean limits(Field field) {
        return field.rule() == Rule.AND ? !flag(field) : says(field);
    }

    /**
     * {@return the value of a field that is a number, empty if nothing is said about it}
     *
     * @param field one whose rule is MIN, MAX or LCM
     */
    public OptionalLong number(Field field) {
        if (!field.rule().isNumeric()) {
            throw new IllegalArgumentException(field.key() + " is not a number");
        }
        return says(field) ? OptionalLong.of(raw(field)) : OptionalLong.empty();
    }

    /** The value with what silence means: MIN: unlimited, MAX: 0, LCM: 1. */
    long raw(Field field) {
        return numbers[PLACES[index(field)]];
    }

    /**
     * {@return the value of a field that is yes or no}
     *
     * @param field one whose rule is OR or AND
     */
    public boolean flag(Field field) {
        return (flags & bit(field)) != 0;
    }

    /** {@return the heaps allowed, each pool by its official name; empty if all are} */
    public Optional<Set<String>> allowedHeaps() {
        return Optional.ofNullable(heaps);
    }

    /** {@return whether the memory must be one physically contiguous piece} */
    public boolean isContiguous() {
        return flag(Field.CONTIGUOUS);
    }

    /** {@return the last usable address by address space; those that are not in it are not limited} */
    public Map<String, Long> highestAddresses() {
        return highest;
    }

    /** {@return the places the memory should be near to; empty if nobody cares} */
    public Optional<Set<String>> near() {
        return Optional.ofNullable(near);
    }

    /** {@return how the memory will be used} */
    public Set<Usage> usage() {
        return Collections.unmodifiableSet(usage);
    }

    /** {@return advisory fields that this version does not know, as they were read} */
    public Map<String, String> unknown() {
        return unknown;
    }

    /** Whether a heap of this pool is allowed. */
    boolean allowsPool(String pool) {
        return heaps == null || heaps.contains(pool);
    }

    /** These, with another list of heaps allowed. */
    Constraints withHeaps(Set<String> pools) {
        return new Constraints(numbers, flags, Collections.unmodifiableSet(pools), highest, near, usage, unknown);
    }

    /**
     * What these say of one field, and nothing else; consent counts as given unless that field is about it. So merging
     * all of them gives these constraints again.
     */
    Constraints only(Field field) {
        long[] number = SILENCE;
        if (field.rule().isNumeric()) {
            number = SILENCE.clone();
            number[PLACES[index(field)]] = raw(field);
        }
        int flag = (field.rule() == Rule.AND ? CONSENTS & ~bit(field) : CONSENTS) | (flags & bit(field));
        return new Constraints(
                number,
                flag,
                field == Field.HEAPS ? heaps : null,
                field == Field.HIGHEST_ADDRESS ? highest : Map.of(),
                field == Field.NEAR ? near : null,
                field == Field.USAGE ? usage : NONE.usage,
                Map.of());
    }

    /** The constraints without those that an IOMMU relieves the memory of. */
    Constraints relaxedByIommu() {
        long[] relaxed = numbers.clone();
        for (Field field : IOMMU_RELAXES) {
            if (field.rule().isNumeric()) {
                relaxed[PLACES[index(field)]] = SILENCE[PLACES[index(field)]];
            }
        }
        return new Constraints(relaxed, flags, heaps, Map.of(), near, usage, unknown);
    }

    /** What an IOMMU sees to: it gives the device few and large segments, at addresses within its reach, whatever the memory is like. */
    static final Set<Field> IOMMU_RELAXES = Collections.unmodifiableSet(
            EnumSet.of(Field.MAX_SEGMENTS, Field.MAX_SEGMENT_SIZE, Field.SEGMENT_BOUNDARY, Field.HIGHEST_ADDRESS));

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Constraints that
                && flags == that.flags
                && Arrays.equals(numbers, that.numbers)
                && allowedHeaps().equals(that.allowedHeaps())
                && highest.equals(that.highest)
                && near().equals(that.near())
                && usage.equals(that.usage)
                && unknown.equals(that.unknown);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(numbers) * 31 + flags + allowedHeaps().hashCode() * 7 + highest.hashCode();
    }

    @Override
    public String toString() {
        Set<Field> said = fields();
        if (flag(Field.PROTECTED)) {
            said.remove(Field.ACCEPTS_PROTECTED);
        }
        return said.isEmpty()
                ? "any memory"
                : said.stream().map(field -> Wording.of(this, field)).collect(Collectors.joining(", "));
    }
}
