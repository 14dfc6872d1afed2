package dev.cenalloc.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A participant: something that will use a buffer and puts constraints on its memory. Immutable; owns nothing, needs no
 * device node. {@link #or}, {@link #optional}, {@link #behindIommu}, {@link #withUse} and {@link #forUse} return a changed
 * copy.
 */
public final class Device {
    /** How it is known what a device needs, the most trusted first; the first that says something wins. */
    public enum Origin {
        /** The caller says so. */
        STATED,
        /** A profile says so. */
        PROFILE,
        /** The driver was offered memory, at the real size: by a {@code Probe}, or by the caller. */
        TRIAL_IMPORT,
        /** The kernel's description of the device. */
        SYSFS,
        /** Nothing is known. */
        UNKNOWN
    }

    private static final String PLANE = " plane ";

    private final String name;
    /** As what it is used, to follow the name; empty if that does not matter. */
    private final String use;
    /** In the order of preference; empty if nothing is declared. */
    private final List<Constraints> alternatives;

    /** What counts of the first of them. */
    private final Constraints constraints;

    private final Origin origin;
    private final String detail;
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
            boolean iommu,
            boolean optional,
            Map<String, Constraints> uses) {
        this.name = Objects.requireNonNull(name);
        this.use = use;
        this.alternatives = List.copyOf(alternatives);
        this.origin = Objects.requireNonNull(origin);
        this.detail = Objects.requireNonNull(detail);
        this.iommu = iommu;
        this.optional = optional;
        this.uses = uses;
        Constraints first = alternatives.isEmpty() ? Constraints.NONE : alternatives.getFirst();
        this.constraints = iommu ? first.relaxedByIommu() : first;
    }

    /**
     * {@return a device that states its constraints}
     *
     * @param name what explanations call it, such as {@code "vivid (camera)"}
     * @param constraints what memory it can use
     * @param detail where the constraints come from, in words, such as {@code "its data sheet"}
     */
    public static Device of(String name, Constraints constraints, String detail) {
        return of(name, constraints, Origin.STATED, detail);
    }

    /**
     * {@return a device with constraints from elsewhere}
     *
     * @param name what explanations call it
     * @param constraints what memory it can use
     * @param origin the kind of place where the constraints come from
     * @param detail the same in words, such as the name of a profile
     */
    public static Device of(String name, Constraints constraints, Origin origin, String detail) {
        return new Device(name, "", List.of(constraints), origin, detail, false, false, Map.of());
    }

    /**
     * {@return a device of which nothing is known} It counts as unconstrained, and attaching it logs a warning: the
     * memory may turn out not to suit it (RFC 1/4, a mask of zero).
     *
     * @param name what explanations call it
     */
    public static Device undeclared(String name) {
        return undeclared(name, "declares nothing");
    }

    /**
     * {@return a device of which nothing is known, with the reason}
     *
     * @param name what explanations call it
     * @param detail why nothing is known, in words
     */
    public static Device undeclared(String name, String detail) {
        return new Device(name, "", List.of(), Origin.UNKNOWN, detail, false, false, Map.of());
    }

    /**
     * {@return this device with another account of where its constraints come from}
     *
     * @param other in words
     */
    public Device withDetail(String other) {
        return new Device(name, use, alternatives, origin, other, iommu, optional, uses);
    }

    /**
     * {@return of several descriptions of one device the one to go by: of the most trusted {@link Origin}} What is stated goes
     * before a profile, that before a trial, that before what the kernel tells; nothing of the others is mixed in. Of two of
     * one origin the first.
     *
     * @param descriptions at least one; those that declare nothing count only if none declares anything
     */
    public static Device mostTrusted(List<Device> descriptions) {
        return descriptions.stream()
                .min(Comparator.comparing((Device device) -> device.alternatives.isEmpty())
                        .thenComparing(Device::origin))
                .orElseThrow(() -> new IllegalArgumentException("at least one description"));
    }

    /**
     * {@return the CPU, a participant like any other: it needs memory that it can map} With {@link Usage#CPU_HEAVY} or
     * {@link Usage#DEVICE_ONLY} among its constraints it tells how much.
     *
     * @param direction what the CPU will do
     */
    public static Device cpu(Direction direction) {
        Constraints needs = switch (direction) {
            case READ -> Constraints.NONE.cpuRead();
            case WRITE -> Constraints.NONE.cpuWrite();
            case READ_WRITE -> Constraints.NONE.cpuRead().cpuWrite();
        };
        return of("CPU", needs, "what a mapping needs");
    }

    /**
     * {@return this device with something else that it can use, if what it said before leaves no heap} The order of
     * calls is the order of preference. Among several such devices the one attached last gives way first, and no more than
     * 1024 combinations are tried.
     *
     * @param fallback other constraints
     * @throws IllegalStateException if it declares nothing
     */
    public Device or(Constraints fallback) {
        if (alternatives.isEmpty()) {
            throw new IllegalStateException(name + " declares nothing that there could be an alternative to");
        }
        var more = new ArrayList<>(alternatives);
        more.add(Objects.requireNonNull(fallback));
        return new Device(name, use, more, origin, detail, iommu, optional, uses);
    }

    /** {@return this device, as one that is left out if there is no memory for all with it, and is for the others} */
    public Device optional() {
        return new Device(name, use, alternatives, origin, detail, iommu, true, uses);
    }

    /**
     * {@return this device behind an IOMMU} Its limits on segments and addresses do not concern the memory: the IOMMU gives it
     * few and large segments, at addresses within its reach (review of RFCv2). {@link Constraints#contiguous} stays: it is said of
     * the memory itself.
     */
    public Device behindIommu() {
        return new Device(name, use, alternatives, origin, detail, true, optional, uses);
    }

    /**
     * {@return this device with what it needs in addition for one plane in one use} A buffer for that plane attaches
     * {@link #forUse}.
     *
     * @param use a name, such as {@code "scanout"}
     * @param plane from 0 on
     * @param constraints the additional ones
     */
    public Device withUse(String use, int plane, Constraints constraints) {
        if (plane < 0) {
            throw new IllegalArgumentException("planes are numbered from 0 on, not " + plane);
        }
        var more = new TreeMap<>(uses);
        more.merge(key(use, plane), constraints, Constraints::alsoSaying);
        return new Device(name, use, alternatives, origin, detail, iommu, optional, more);
    }

    /**
     * {@return the device as it takes part in a buffer for one plane in one use} What was said with {@link #withUse} adds to
     * what it needs anyway.
     *
     * @param use as there
     * @param plane as there; of one that nothing was said of, it needs what it needs anyway
     * @throws IllegalArgumentException if nothing was said of that use
     */
    public Device forUse(String use, int plane) {
        if (uses.keySet().stream().noneMatch(key -> key.startsWith(use + PLANE))) {
            throw new IllegalArgumentException(name + " has no use " + use + ": " + uses.keySet());
        }
        String key = key(use, plane);
        Constraints more = uses.get(key);
        List<Constraints> both = alternatives;
        if (more != null) {
            both = alternatives.isEmpty()
                    ? List.of(more)
                    : alternatives.stream().map(one -> one.alsoSaying(more)).toList();
        }
        return new Device(name, ", " + key, both, origin, detail, iommu, optional, Map.of());
    }

    private static String key(String use, int plane) {
        return use + PLANE + plane;
    }

    /** {@return the name without the use; see {@link #forUse}} */
    public String baseName() {
        return name;
    }

    /** {@return what explanations call it} */
    public String name() {
        return name + use;
    }

    /** {@return what it declares, in the first place; empty if nothing} */
    public Optional<Constraints> declared() {
        return alternatives.stream().findFirst();
    }

    /** {@return what it declares, in the order of preference; empty if nothing} */
    public List<Constraints> alternatives() {
        return alternatives;
    }

    /** {@return the constraints that count: what it declares in the first place without what an IOMMU sees to, or none} */
    public Constraints constraints() {
        return constraints;
    }

    /** This device with only one of its alternatives. */
    Device choosing(int alternative) {
        return alternatives.size() <= 1
                ? this
                : new Device(name, use, List.of(alternatives.get(alternative)), origin, detail, iommu, optional, uses);
    }

    /** {@return the kind of place where the constraints come from} */
    public Origin origin() {
        return origin;
    }

    /** {@return where the constraints come from, in words} */
    public String detail() {
        return detail;
    }

    /** {@return whether it is behind an IOMMU} */
    public boolean isBehindIommu() {
        return iommu;
    }

    /** {@return whether it may be left out} */
    public boolean isOptional() {
        return optional;
    }

    /** What an IOMMU takes off it, in words; empty if nothing. */
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
        return name() + ": " + constraints() + relaxed() + " (" + detail + ")";
    }
}
