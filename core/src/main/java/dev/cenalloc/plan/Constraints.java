// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.plan.Field.Rule;
import dev.cenalloc.text.Printable;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The memory that a device can use. Immutable. {@link #and} merges the constraints of two devices into constraints that
 * suit both, {@link Field} by field. Merging is commutative, associative and idempotent, so the order of attaching does
 * not matter.
 *
 * <p>A field that is not set does not limit the device: unlimited is {@link #UNLIMITED} or an unset field, never 0. Two
 * fields need explicit consent of every device: protected memory, and memory that the host of a confidential virtual
 * machine can read.
 *
 * <p>Methods that add a constraint return a new object. The new constraint is merged with an existing one of the same
 * field. All of them throw {@link IllegalArgumentException} if the constraint contradicts the others, or a value is out
 * of range.
 *
 * {@snippet :
 * var encoder = Constraints.NONE.contiguous().pitchAlignment(64).maxSize(16 << 20);
 * }
 *
 * <p>Source: cenalloc RFC 1/4 and the vocabularies that came after it (RFCv2 2015, liballocator, sysmem2).
 */
public final class Constraints {
    /** No limit; the same as an unset field. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    private static final Field[] FIELDS = Field.values();

    /** Any ordinary memory. */
    public static final Constraints NONE =
            new Constraints(Slots.UNSET, 0, null, Map.of(), null, EnumSet.noneOf(Usage.class), Map.of());

    /** The neutral element of merging: it consents to everything and limits nothing. */
    static final Constraints NEUTRAL =
            new Constraints(Slots.UNSET, Slots.CONSENTS, null, Map.of(), null, EnumSet.noneOf(Usage.class), Map.of());

    /** By {@link Slots}. Never changed. */
    final long[] numbers;

    /** By {@link Slots#bit}. */
    final int flags;
    /** The pools, by their official names; null if every heap is allowed. */
    final @Nullable Set<String> heaps;
    /** The highest address of each limited address space. */
    final Map<String, Long> highest;

    final @Nullable Set<String> near;
    /** Never changed. */
    final EnumSet<Usage> usage;
    /** Advisory fields that this version does not know, by name. They are kept and written unchanged. */
    final Map<String, String> unknown;

    Constraints(
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

    // ---- adding constraints ----

    /** {@return a copy that needs physically contiguous memory} */
    public Constraints contiguous() {
        return with(Field.CONTIGUOUS);
    }

    /**
     * {@return a copy that allows only these heaps} An unknown heap is used only if a device names it here. If all
     * named heaps are protected heaps, or {@code system_cc_shared}, the device consents to such memory.
     *
     * @param names names of nodes in {@code /dev/dma_heap} or of registered heaps, at least one. All names of the
     *     default CMA pool mean that pool
     * @throws IllegalArgumentException if {@code names} is empty or has a blank name, or has no heap in common with the
     *     heaps allowed before
     */
    public Constraints onlyHeaps(Collection<String> names) {
        Arguments.checkElements(names, "names");
        if (names.isEmpty() || names.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException(
                    "names must name at least one heap, none of them blank; Constraints.NONE allows every heap");
        }
        Set<String> pools = names.stream().map(HeapProperties::pool).collect(Collectors.toSet());
        Set<String> both = Merging.intersection(heaps, pools);
        if (both.isEmpty()) {
            throw new IllegalArgumentException(
                    Printable.of("none of " + names + " is among the heaps allowed before, " + heaps));
        }
        int consent = flags;
        if (both.stream().allMatch(name -> HeapProperties.of(name).isProtected())) {
            consent |= Slots.bit(Field.ACCEPTS_PROTECTED);
        }
        if (both.stream().allMatch(name -> HeapProperties.of(name).isDecrypted())) {
            consent |= Slots.bit(Field.ACCEPTS_DECRYPTED);
        }
        return new Constraints(numbers, consent, both, highest, near, usage, unknown).checked();
    }

    /**
     * {@return a copy with a limit on the number of segments} It does not apply behind an IOMMU.
     *
     * @param segments the largest number of segments, at least 1
     */
    public Constraints maxSegments(long segments) {
        return with(Field.MAX_SEGMENTS, segments);
    }

    /**
     * {@return a copy with a limit on the size of a segment} It does not apply behind an IOMMU.
     *
     * @param bytes the largest size of a segment, at least 1
     */
    public Constraints maxSegmentSize(long bytes) {
        return with(Field.MAX_SEGMENT_SIZE, bytes);
    }

    /**
     * {@return a copy in which no segment crosses a multiple of a boundary} It does not apply behind an IOMMU.
     *
     * @param bytes a power of two
     */
    public Constraints segmentBoundary(long bytes) {
        return with(Field.SEGMENT_BOUNDARY, bytes);
    }

    /**
     * {@return a copy with a limit on addresses} A 32-bit DMA mask is the address 0xffffffff. Addresses of different
     * address spaces cannot be compared, so each space has its own limit (review of RFCv2). It does not apply behind an
     * IOMMU.
     *
     * @param space the name of the address space, such as {@code "pci"}
     * @param address the highest usable address, at least 4095
     */
    public Constraints highestAddress(String space, long address) {
        Objects.requireNonNull(space, "space");
        if (space.isBlank() || address < Demand.PAGE - 1) {
            throw new IllegalArgumentException(
                    "an address space has a name, and the highest usable address is at least 4095, not \""
                            + Printable.of(space) + "\" and " + address);
        }
        if (address == UNLIMITED) {
            return this;
        }
        var limits = new TreeMap<>(highest);
        limits.merge(space, address, Math::min);
        return new Constraints(numbers, flags, heaps, Collections.unmodifiableMap(limits), near, usage, unknown);
    }

    /**
     * {@return a copy in which the address of the first byte is a multiple of an alignment} Memory begins at a page, so
     * alignments up to a page hold. A larger alignment is only {@linkplain Assurance#ADVISORY advice}, since a heap
     * cannot be asked for it.
     *
     * @param bytes a power of two
     */
    public Constraints baseAlignment(long bytes) {
        return with(Field.BASE_ALIGNMENT, bytes);
    }

    /**
     * {@return a copy in which the offset of each plane is a multiple of an alignment} In a buffer of bytes it is
     * advice for the code that places planes.
     *
     * @param bytes a power of two
     */
    public Constraints offsetAlignment(long bytes) {
        return with(Field.OFFSET_ALIGNMENT, bytes);
    }

    /**
     * {@return a copy in which the pitch of every plane is a multiple of an alignment}
     *
     * @param bytes at least 1
     */
    public Constraints pitchAlignment(long bytes) {
        return with(Field.PITCH_ALIGNMENT, bytes);
    }

    /**
     * {@return a copy in which the number of stored lines is a multiple of an alignment} Codecs store whole blocks:
     * 1088 lines for 1080, and the chroma begins after those.
     *
     * @param lines at least 1
     */
    public Constraints lineAlignment(long lines) {
        return with(Field.LINE_ALIGNMENT, lines);
    }

    /**
     * {@return a copy with memory behind the last line, which the device touches without showing it}
     *
     * @param lines how many lines of the last plane, at least 1
     */
    public Constraints extraLines(long lines) {
        return with(Field.EXTRA_LINES, lines);
    }

    /**
     * {@return a copy with memory before the image in each line} As of a device that has a frame around its images,
     * such as a decoder. The margin grows to whole blocks of samples.
     *
     * @param columns at least 1
     */
    public Constraints leftMargin(long columns) {
        return with(Field.LEFT_MARGIN, columns);
    }

    /**
     * {@return a copy with memory before the first line of the image} As {@link #leftMargin}.
     *
     * @param lines at least 1
     */
    public Constraints topMargin(long lines) {
        return with(Field.TOP_MARGIN, lines);
    }

    /**
     * {@return a copy with a smallest pitch of every plane}
     *
     * @param bytes the smallest pitch, at least 1
     */
    public Constraints minPitch(long bytes) {
        return with(Field.MIN_PITCH, bytes);
    }

    /**
     * {@return a copy with a largest pitch of every plane}
     *
     * @param bytes the largest pitch, at least 1
     */
    public Constraints maxPitch(long bytes) {
        return with(Field.MAX_PITCH, bytes);
    }

    /**
     * {@return a copy in which all planes of a buffer have the same pitch} Some hardware has one register for all of
     * them. In a buffer of bytes it is advice for the code that places planes, as are the two below.
     */
    public Constraints equalPitches() {
        return with(Field.EQUAL_PITCHES);
    }

    /**
     * {@return a copy in which the pitch of the first plane of a buffer tells those of the others} All planes have the
     * same number of padding pixels then, as V4L2 has it. The layouts that this library computes are so, unless a
     * device needs {@link #equalPitches}.
     */
    public Constraints proportionalPitches() {
        return with(Field.PROPORTIONAL_PITCHES);
    }

    /**
     * {@return a copy in which the first plane of a buffer begins at byte 0, and each further plane where the one
     * before it ends} For a device that is told no offsets, as by V4L2. With {@link #lineAlignment}, the second plane
     * is at exactly the pitch times the aligned number of lines.
     */
    public Constraints gapless() {
        return with(Field.GAPLESS);
    }

    /**
     * {@return a copy with a smallest size of the memory} A smaller buffer is enlarged.
     *
     * @param bytes the smallest size, at least 1
     */
    public Constraints minSize(long bytes) {
        return with(Field.MIN_SIZE, bytes);
    }

    /**
     * {@return a copy with a largest size of the memory}
     *
     * @param bytes the largest size, at least 1
     */
    public Constraints maxSize(long bytes) {
        return with(Field.MAX_SIZE, bytes);
    }

    /**
     * {@return a copy with the number of buffers that the device needs} It is advice for the code that creates buffers.
     *
     * @param count the number of buffers, at least 1
     */
    public Constraints buffers(long count) {
        return with(Field.BUFFERS, count);
    }

    /**
     * {@return a copy that needs protected memory} If another device does not accept it, there is no memory; it is
     * never replaced by ordinary memory.
     */
    public Constraints requiresProtected() {
        return with(Field.PROTECTED);
    }

    /** {@return a copy that also accepts protected memory} */
    public Constraints acceptsProtected() {
        return with(Field.ACCEPTS_PROTECTED);
    }

    /** {@return a copy that also accepts memory that the host of a confidential virtual machine can read} */
    public Constraints acceptsDecrypted() {
        return with(Field.ACCEPTS_DECRYPTED);
    }

    /** {@return a copy that needs memory that the CPU can read} */
    public Constraints cpuRead() {
        return with(Field.CPU_READ);
    }

    /** {@return a copy that needs memory that the CPU can write} */
    public Constraints cpuWrite() {
        return with(Field.CPU_WRITE);
    }

    /** {@return a copy that advises memory without cache maintenance} */
    public Constraints coherent() {
        return with(Field.COHERENT);
    }

    /** {@return a copy that needs memory of pages that the kernel manages ({@code struct page})} */
    public Constraints pages() {
        return with(Field.PAGES);
    }

    /**
     * {@return a copy that advises memory near one of these places}
     *
     * @param places names, such as {@code "numa0"}, at least one
     * @throws IllegalArgumentException if there is no name, or a blank one
     */
    public Constraints near(Collection<String> places) {
        Arguments.checkElements(places, "places");
        if (places.isEmpty() || places.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException("places must name at least one place, none of them blank");
        }
        Set<String> both = Merging.intersection(near, Set.copyOf(places));
        return new Constraints(numbers, flags, heaps, highest, both, usage, unknown);
    }

    /**
     * {@return a copy with a hint about the use of the memory}
     *
     * @param how the hint
     */
    public Constraints usage(Usage how) {
        Objects.requireNonNull(how, "how");
        EnumSet<Usage> both = EnumSet.copyOf(usage);
        both.add(how);
        return new Constraints(numbers, flags, heaps, highest, near, both, unknown);
    }

    /**
     * {@return a copy with a constraint on a numeric field}
     *
     * @param field a field whose rule is MIN, MAX or LCM
     * @param value at least 1; a power of two for base alignment, offset alignment and segment boundary; for a limit
     *     (MIN), {@link #UNLIMITED} changes nothing; for the others, it is out of range
     * @throws IllegalArgumentException if the field is not numeric, the value is out of range, or contradicts the
     *     others
     */
    public Constraints with(Field field, long value) {
        Objects.requireNonNull(field, "field");
        Rule rule = field.rule();
        if (!rule.isNumeric()) {
            throw new IllegalArgumentException(field.key() + " is not a number");
        }
        if (value == UNLIMITED && rule == Rule.MIN) {
            return this;
        }
        if (value <= 0 || value == Long.MAX_VALUE) {
            throw new IllegalArgumentException(field.key() + " must be "
                    + (rule == Rule.MIN
                            ? "at least 1, not " + value + "; for no limit leave it out, or use UNLIMITED"
                            : "from 1 to 2^63-2, not " + value));
        }
        boolean powerOfTwo =
                field == Field.BASE_ALIGNMENT || field == Field.OFFSET_ALIGNMENT || field == Field.SEGMENT_BOUNDARY;
        if (powerOfTwo && Long.bitCount(value) != 1) {
            throw new IllegalArgumentException(field.key() + " must be a power of two, not " + value);
        }
        long[] merged = numbers.clone();
        int slot = Slots.of(field);
        merged[slot] = Merging.merge(rule, merged[slot], value);
        return new Constraints(merged, flags, heaps, highest, near, usage, unknown).checked();
    }

    /**
     * {@return a copy with a field that is yes or no set}
     *
     * @param field a field whose rule is OR or AND
     * @throws IllegalArgumentException if the field has another rule, or contradicts the others
     */
    public Constraints with(Field field) {
        Objects.requireNonNull(field, "field");
        if (!field.rule().isFlag()) {
            throw new IllegalArgumentException(field.key() + " is not yes or no");
        }
        // A device that needs protected memory also accepts it.
        int implied = field == Field.PROTECTED ? Slots.bit(Field.ACCEPTS_PROTECTED) : 0;
        return new Constraints(numbers, flags | Slots.bit(field) | implied, heaps, highest, near, usage, unknown)
                .checked();
    }

    /**
     * {@return a copy with an advisory field that this version does not know} It is kept and has no effect.
     *
     * @param key its name; not the key of a {@link Field}
     * @param value its value, any text
     * @throws IllegalArgumentException if {@code key} is the key of a {@link Field}
     */
    public Constraints withUnknown(String key, String value) {
        Objects.requireNonNull(key, "key");
        Objects.requireNonNull(value, "value");
        return withUnknown(Map.of(key, value));
    }

    /**
     * {@return a copy with advisory fields that this version does not know} As {@link #withUnknown(String, String)} for
     * each; takes time in proportion to their number.
     *
     * @param fields their values by their names
     * @throws IllegalArgumentException if one of the names is the key of a {@link Field}
     */
    public Constraints withUnknown(Map<String, String> fields) {
        Objects.requireNonNull(fields, "fields");
        var more = new TreeMap<>(unknown);
        fields.forEach((key, value) -> {
            if (Field.of(key).isPresent()) {
                throw new IllegalArgumentException(key + " is a known field: set it with its own method");
            }
            more.merge(key, value, Merging::smaller);
        });
        return new Constraints(numbers, flags, heaps, highest, near, usage, Collections.unmodifiableMap(more));
    }

    private Constraints checked() {
        Suitability.contradiction(this, Demand.LEAST).ifPresent(contradiction -> {
            throw new IllegalArgumentException("no memory can satisfy " + this + ": " + contradiction);
        });
        return this;
    }

    /**
     * {@return the constraints for an allocator mask of the RFC} Bit 1 is the system heap and bit 2 the default CMA
     * pool, as in the RFC; {@code heaps} defines other bits. An undefined bit names the heap {@code
     * allocator-}<i>n</i>, which does not exist: a device with such a mask can be attached and finds no memory, as in
     * the RFC.
     *
     * @param mask at least one bit; for a device whose mask is 0, use {@link Device#undeclared}
     * @param heaps the names of heaps for bits from 0 to 31
     * @throws IllegalArgumentException if the mask is 0 or the number of a bit is out of range
     */
    public static Constraints ofAllocatorMask(int mask, Map<Integer, String> heaps) {
        Arguments.checkElements(Objects.requireNonNull(heaps, "heaps").keySet(), "heaps");
        Arguments.checkElements(heaps.values(), "heaps");
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
     * {@return constraints that suit a device with these constraints and a device with other ones} They may be
     * {@link #isImpossible() impossible}.
     *
     * @param other the constraints of the other device
     */
    public Constraints and(Constraints other) {
        return merge(List.of(this, Objects.requireNonNull(other, "other")));
    }

    /** Constraints that suit all of these; {@link #NEUTRAL} for none. */
    static Constraints merge(List<Constraints> all) {
        return all.size() == 1 ? all.getFirst() : Merging.merge(all);
    }

    /** Adds constraints of the same device; one consent suffices. */
    Constraints alsoSaying(Constraints more) {
        return ofSameDevice(more).checked();
    }

    /** As {@link #alsoSaying}, of another description of the device; the two may contradict each other. */
    Constraints ofSameDevice(Constraints more) {
        Constraints both = and(more);
        return new Constraints(
                both.numbers, flags | more.flags, both.heaps, both.highest, both.near, both.usage, both.unknown);
    }

    /**
     * {@return whether no memory on any machine can satisfy these constraints} Examples: two devices allow no heap in
     * common, limits contradict each other, or one device needs what another does not accept.
     */
    public boolean isImpossible() {
        return Suitability.contradiction(this, Demand.LEAST).isPresent();
    }

    /**
     * {@return a copy that holds for any image, without limits of pitch and size} Use it for profiles. The pitch
     * alignment is kept, since drivers mostly need it for all formats.
     */
    public Constraints ofAnyImage() {
        long[] kept = numbers.clone();
        for (Field field : List.of(Field.MIN_PITCH, Field.MAX_PITCH, Field.MIN_SIZE, Field.MAX_SIZE)) {
            kept[Slots.of(field)] = Slots.unset(field);
        }
        return new Constraints(kept, flags, heaps, highest, near, usage, unknown);
    }

    // ---- reading ----

    /** {@return the fields that are set} */
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
     * {@return whether a field is set}
     *
     * @param field any field
     */
    public boolean says(Field field) {
        Objects.requireNonNull(field, "field");
        return switch (field) {
            case HEAPS -> heaps != null;
            case HIGHEST_ADDRESS -> !highest.isEmpty();
            case NEAR -> near != null;
            case USAGE -> !usage.isEmpty();
            default -> field.rule().isFlag() ? flag(field) : numbers[Slots.of(field)] != Slots.unset(field);
        };
    }

    /** Whether these constraints can determine the merged value: they set the field or withhold consent. */
    boolean limits(Field field) {
        return field.rule() == Rule.AND ? !flag(field) : says(field);
    }

    /**
     * {@return the value of a numeric field; empty if it is not set}
     *
     * @param field a field whose rule is MIN, MAX or LCM
     * @throws IllegalArgumentException if the field has another rule
     */
    public OptionalLong number(Field field) {
        Objects.requireNonNull(field, "field");
        if (!field.rule().isNumeric()) {
            throw new IllegalArgumentException(field.key() + " is not a number");
        }
        return says(field) ? OptionalLong.of(raw(field)) : OptionalLong.empty();
    }

    /** The value of a numeric field. If it is not set: unlimited for MIN, 0 for MAX, 1 for LCM. */
    long raw(Field field) {
        return numbers[Slots.of(field)];
    }

    /**
     * {@return the value of a field that is yes or no; false for other fields}
     *
     * @param field a field whose rule is OR or AND
     */
    public boolean flag(Field field) {
        Objects.requireNonNull(field, "field");
        return (flags & Slots.bit(field)) != 0;
    }

    /** {@return the allowed heaps, each pool by its official name; empty if every heap is allowed} */
    public Optional<Set<String>> allowedHeaps() {
        return Optional.ofNullable(heaps);
    }

    /** {@return whether the memory must be physically contiguous} */
    public boolean isContiguous() {
        return flag(Field.CONTIGUOUS);
    }

    /** {@return the highest usable address of each limited address space; other spaces are not limited} */
    public Map<String, Long> highestAddresses() {
        return highest;
    }

    /** {@return the places that the memory should be near; empty if not set} */
    public Optional<Set<String>> near() {
        return Optional.ofNullable(near);
    }

    /** {@return the hints about the use of the memory} */
    public Set<Usage> usage() {
        return Collections.unmodifiableSet(usage);
    }

    /** {@return the advisory fields that this version does not know, unchanged} */
    public Map<String, String> unknown() {
        return unknown;
    }

    /** Whether a heap of this pool is allowed. */
    boolean allowsPool(String pool) {
        return heaps == null || heaps.contains(pool);
    }

    /** A copy with other allowed heaps. */
    Constraints withHeaps(Set<String> pools) {
        return new Constraints(numbers, flags, Collections.unmodifiableSet(pools), highest, near, usage, unknown);
    }

    /**
     * A copy with only one field. The other fields that need consent count as consented to. So merging the copies for
     * all fields gives these constraints again.
     */
    Constraints only(Field field) {
        long[] number = Slots.UNSET;
        if (field.rule().isNumeric()) {
            number = Slots.UNSET.clone();
            number[Slots.of(field)] = raw(field);
        }
        int flag = (field.rule() == Rule.AND ? Slots.CONSENTS & ~Slots.bit(field) : Slots.CONSENTS)
                | (flags & Slots.bit(field));
        return new Constraints(
                number,
                flag,
                field == Field.HEAPS ? heaps : null,
                field == Field.HIGHEST_ADDRESS ? highest : Map.of(),
                field == Field.NEAR ? near : null,
                field == Field.USAGE ? usage : NONE.usage,
                Map.of());
    }

    /** A copy without the limits that an IOMMU removes. */
    Constraints relaxedByIommu() {
        long[] relaxed = numbers.clone();
        for (Field field : IOMMU_RELAXES) {
            if (field.rule().isNumeric()) {
                relaxed[Slots.of(field)] = Slots.unset(field);
            }
        }
        return new Constraints(relaxed, flags, heaps, Map.of(), near, usage, unknown);
    }

    /**
     * The limits that an IOMMU removes: it maps any memory into few large segments at addresses that the device
     * reaches.
     */
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
                : Printable.of(
                        said.stream().map(field -> Wording.of(this, field)).collect(Collectors.joining(", ")));
    }
}
