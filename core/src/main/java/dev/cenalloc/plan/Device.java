// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The description of a device that shares a buffer: its name and its constraints on memory. Immutable; holds nothing
 * open and needs no device node. {@link #or}, {@link #optional}, {@link #behindIommu}, {@link #alsoSaying}, {@link
 * #named}, {@link #withSource}, {@link #withUse} and {@link #forUse} return a changed copy.
 */
public final class Device {
    /** Where the constraints of a device come from, the most trusted origin first. */
    public enum Origin {
        /** The caller stated them. */
        STATED,
        /** A board profile has them. */
        PROFILE,
        /** A trial found them: a {@code Probe} or the caller offered memory of the real size to the driver. */
        TRIAL_IMPORT,
        /** The kernel's description of the device has them. */
        SYSFS,
        /** Nothing is known. */
        UNKNOWN
    }

    private static final String PLANE = " plane ";

    private final String name;
    /** The use and plane, to follow the name; empty if there is none. */
    private final String use;
    /** In the order of preference; empty if nothing is declared. */
    private final List<Constraints> alternatives;

    /** The first alternative, without the limits that an IOMMU removes. */
    private final Constraints constraints;

    private final Origin origin;
    private final String detail;
    /** Of the fields that have a source of their own. */
    private final Map<Field, String> sources;

    private final boolean iommu;
    private final boolean optional;
    /** By use and plane, see {@link #forUse}. */
    private final Map<String, Constraints> uses;

    private Device(
            String name,
            String use,
            List<Constraints> alternatives,
            Origin origin,
            String detail,
            Map<Field, String> sources,
            boolean iommu,
            boolean optional,
            Map<String, Constraints> uses) {
        this.name = Arguments.name(name, "name");
        this.use = use;
        this.alternatives = List.copyOf(alternatives);
        this.origin = Objects.requireNonNull(origin, "origin");
        this.detail = Objects.requireNonNull(detail, "detail");
        this.sources = sources;
        this.iommu = iommu;
        this.optional = optional;
        this.uses = uses;
        Constraints first = alternatives.isEmpty() ? Constraints.NONE : alternatives.getFirst();
        this.constraints = iommu ? first.relaxedByIommu() : first;
    }

    /**
     * {@return a device that states its constraints}
     *
     * @param name the name in explanations, such as {@code "vivid (camera)"}
     * @param constraints the memory that it can use
     * @param detail the source of the constraints, as text, such as {@code "its data sheet"}
     * @throws IllegalArgumentException if the name is blank
     */
    public static Device of(String name, Constraints constraints, String detail) {
        return of(name, constraints, Origin.STATED, detail);
    }

    /**
     * {@return a device with constraints from another origin}
     *
     * @param name the name in explanations
     * @param constraints the memory that it can use
     * @param origin the kind of source of the constraints
     * @param detail the source, as text, such as the name of a profile
     * @throws IllegalArgumentException if the name is blank
     */
    public static Device of(String name, Constraints constraints, Origin origin, String detail) {
        Arguments.name(name, "name");
        Objects.requireNonNull(constraints, "constraints");
        return new Device(name, "", List.of(constraints), origin, detail, Map.of(), false, false, Map.of());
    }

    /**
     * {@return a device with unknown constraints} It counts as unconstrained, and attaching it logs a warning: the
     * memory may not suit it (RFC 1/4, a mask of zero).
     *
     * @param name the name in explanations
     * @throws IllegalArgumentException if the name is blank
     */
    public static Device undeclared(String name) {
        return undeclared(name, "declares nothing");
    }

    /**
     * {@return a device with unknown constraints, with the reason}
     *
     * @param name the name in explanations
     * @param detail why they are unknown, as text
     * @throws IllegalArgumentException if the name is blank
     */
    public static Device undeclared(String name, String detail) {
        return new Device(name, "", List.of(), Origin.UNKNOWN, detail, Map.of(), false, false, Map.of());
    }

    /**
     * {@return a copy with another text about the source of its constraints, of all fields}
     *
     * @param other the text
     */
    public Device withDetail(String other) {
        Objects.requireNonNull(other, "other");
        return new Device(name, use, alternatives, origin, other, Map.of(), iommu, optional, uses);
    }

    /**
     * {@return a copy with another name}
     *
     * @param other the name in explanations
     * @throws IllegalArgumentException if the name is blank
     */
    public Device named(String other) {
        return new Device(
                Arguments.name(other, "other"), use, alternatives, origin, detail, sources, iommu, optional, uses);
    }

    /**
     * {@return a copy with a text about the source of one field of its constraints}
     *
     * @param field any field
     * @param source the text, such as the file and line of a driver
     */
    public Device withSource(Field field, String source) {
        Objects.requireNonNull(field, "field");
        Objects.requireNonNull(source, "source");
        var more = new EnumMap<Field, String>(Field.class);
        more.putAll(sources);
        more.put(field, source);
        return new Device(
                name, use, alternatives, origin, detail, Collections.unmodifiableMap(more), iommu, optional, uses);
    }

    /**
     * {@return the description with the most trusted {@link Origin} of several descriptions of one device} Of two with
     * the same origin, the first. The descriptions are not merged.
     *
     * @param descriptions at least one. A description without constraints is returned only if no other has any
     * @throws IllegalArgumentException if the list is empty
     */
    public static Device mostTrusted(List<Device> descriptions) {
        Arguments.checkElements(descriptions, "descriptions");
        return descriptions.stream()
                .min(Comparator.comparing((Device device) -> device.alternatives.isEmpty())
                        .thenComparing(Device::origin))
                .orElseThrow(() -> new IllegalArgumentException("descriptions must not be empty"));
    }

    /**
     * {@return a copy that has the constraints of another description of the same device, too} Each constraint keeps
     * its source. If this description has no constraints, the copy has those of the other, and their origin; if the
     * other has none, the copy is equal to this.
     *
     * @param more what else is known of the device, such as what a profile says of one that was tried; of its
     *     alternatives the first counts
     */
    public Device alsoSaying(Device more) {
        Objects.requireNonNull(more, "more");
        if (more.alternatives.isEmpty()) {
            return this;
        }
        boolean isKnown = !alternatives.isEmpty();
        List<Constraints> both = isKnown
                ? alternatives.stream()
                        .map(one -> one.ofSameDevice(more.constraints))
                        .toList()
                : List.of(more.constraints);
        var from = new EnumMap<Field, String>(Field.class);
        for (Field field : both.getFirst().fields()) {
            boolean one = isKnown && constraints.says(field);
            boolean other = more.constraints.says(field);
            from.put(
                    field,
                    one && other
                            ? detail(field) + "; " + more.detail(field)
                            : one || !other ? detail(field) : more.detail(field));
        }
        return new Device(
                name,
                use,
                both,
                isKnown ? origin : more.origin,
                detail + "; " + more.detail,
                Collections.unmodifiableMap(from),
                iommu || more.iommu,
                optional,
                uses);
    }

    /**
     * {@return the CPU as a device: it needs memory that it can map} To state how much the CPU uses the memory, make a
     * device with {@link Constraints#cpuRead}, {@link Constraints#cpuWrite} and a {@link Constraints#usage}.
     *
     * @param direction the accesses of the CPU
     */
    public static Device cpu(Direction direction) {
        Objects.requireNonNull(direction, "direction");
        Constraints needs = switch (direction) {
            case READ -> Constraints.NONE.cpuRead();
            case WRITE -> Constraints.NONE.cpuWrite();
            case READ_WRITE -> Constraints.NONE.cpuRead().cpuWrite();
        };
        return of("CPU", needs, "what a mapping needs");
    }

    /**
     * {@return a copy with an alternative, which is tried if the constraints before it leave no heap} The order of
     * calls is the order of preference. If several devices have alternatives, those of the device attached last are
     * tried first. At most 1024 combinations are tried.
     *
     * @param fallback the alternative constraints
     * @throws IllegalStateException if this device has no constraints
     */
    public Device or(Constraints fallback) {
        Objects.requireNonNull(fallback, "fallback");
        if (alternatives.isEmpty()) {
            throw new IllegalStateException(
                    Printable.of(name) + " declares no constraints, so it can have no alternative");
        }
        var more = new ArrayList<>(alternatives);
        more.add(fallback);
        return new Device(name, use, more, origin, detail, sources, iommu, optional, uses);
    }

    /** {@return a copy that is left out if memory suits the other devices, but not all devices with this one} */
    public Device optional() {
        return new Device(name, use, alternatives, origin, detail, sources, iommu, true, uses);
    }

    /**
     * {@return a copy behind an IOMMU} Its limits on segments and addresses do not apply to the memory: the IOMMU maps
     * the memory into few large segments at addresses that the device reaches (review of RFCv2). {@link
     * Constraints#contiguous} still applies, since it is a property of the memory itself.
     */
    public Device behindIommu() {
        return new Device(name, use, alternatives, origin, detail, sources, true, optional, uses);
    }

    /**
     * {@return a copy with additional constraints for one plane in one use} Attach {@link #forUse} to the buffer of
     * that plane.
     *
     * @param use the name of the use, such as {@code "scanout"}
     * @param plane the number of the plane, from 0
     * @param constraints the additional constraints
     * @throws IllegalArgumentException if {@code plane} is negative, or {@code use} is blank
     */
    public Device withUse(String use, int plane, Constraints constraints) {
        Arguments.name(use, "use");
        Objects.requireNonNull(constraints, "constraints");
        if (plane < 0) {
            throw new IllegalArgumentException("planes are numbered from 0, not " + plane);
        }
        var more = new TreeMap<>(uses);
        more.merge(key(use, plane), constraints, Constraints::alsoSaying);
        return new Device(name, use, alternatives, origin, detail, sources, iommu, optional, more);
    }

    /**
     * {@return the device to attach to the buffer of one plane in one use} It has the constraints of this device and
     * those of {@link #withUse} for the plane.
     *
     * @param use the name of a use of {@link #withUse}
     * @param plane the number of the plane; a plane without additional constraints has those of this device
     * @throws IllegalArgumentException if the device has no such use
     */
    public Device forUse(String use, int plane) {
        Objects.requireNonNull(use, "use");
        if (uses.keySet().stream().noneMatch(key -> key.startsWith(use + PLANE))) {
            throw new IllegalArgumentException(
                    Printable.of(name + " has no use called " + use + "; it has " + uses.keySet()));
        }
        String key = key(use, plane);
        Constraints more = uses.get(key);
        List<Constraints> both = alternatives;
        if (more != null) {
            both = alternatives.isEmpty()
                    ? List.of(more)
                    : alternatives.stream().map(one -> one.alsoSaying(more)).toList();
        }
        return new Device(name, ", " + key, both, origin, detail, sources, iommu, optional, Map.of());
    }

    private static String key(String use, int plane) {
        return use + PLANE + plane;
    }

    /** {@return the name without the use; see {@link #forUse}} */
    public String baseName() {
        return name;
    }

    /** {@return the name in explanations, with the use; see {@link #forUse}} */
    public String name() {
        return name + use;
    }

    /** {@return the first of the {@link #alternatives()}; empty if the device has no constraints} */
    public Optional<Constraints> declared() {
        return alternatives.stream().findFirst();
    }

    /** {@return the alternative constraints, in the order of preference; empty if the device has none} */
    public List<Constraints> alternatives() {
        return alternatives;
    }

    /** {@return the effective constraints: the first alternative, without the limits that an IOMMU removes} */
    public Constraints constraints() {
        return constraints;
    }

    /** This device with only one of its alternatives. */
    Device choosing(int alternative) {
        return alternatives.size() <= 1
                ? this
                : new Device(
                        name,
                        use,
                        List.of(alternatives.get(alternative)),
                        origin,
                        detail,
                        sources,
                        iommu,
                        optional,
                        uses);
    }

    /** {@return the kind of source of the constraints} */
    public Origin origin() {
        return origin;
    }

    /** {@return the source of the constraints, as text} */
    public String detail() {
        return detail;
    }

    /**
     * {@return the source of one field of the constraints, as text: that of {@link #withSource}, else {@link
     * #detail()}}
     *
     * @param field any field
     */
    public String detail(Field field) {
        return sources.getOrDefault(Objects.requireNonNull(field, "field"), detail);
    }

    /** {@return whether the device is behind an IOMMU} */
    public boolean isBehindIommu() {
        return iommu;
    }

    /** {@return whether the device may be left out} */
    public boolean isOptional() {
        return optional;
    }

    /** The limits that the IOMMU removes, as text; empty if there are none. */
    String relaxed() {
        if (!iommu || alternatives.isEmpty()) {
            return "";
        }
        Constraints stated = alternatives.getFirst();
        String relaxed = String.join(
                ", ",
                stated.fields().stream()
                        .filter(Constraints.IOMMU_RELAXES::contains)
                        .map(field -> Wording.of(stated, field))
                        .toList());
        return relaxed.isEmpty() ? "" : "; not needed behind its IOMMU: " + relaxed;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Device that
                && name.equals(that.name)
                && use.equals(that.use)
                && alternatives.equals(that.alternatives)
                && origin == that.origin
                && detail.equals(that.detail)
                && sources.equals(that.sources)
                && iommu == that.iommu
                && optional == that.optional
                && uses.equals(that.uses);
    }

    @Override
    public int hashCode() {
        return Objects.hash(name, use, alternatives, origin, detail);
    }

    @Override
    public String toString() {
        return Printable.of(name() + ": " + constraints() + relaxed() + " (" + detail + ")");
    }
}
