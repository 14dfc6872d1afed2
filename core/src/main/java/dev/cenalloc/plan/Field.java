package dev.cenalloc.plan;

import java.util.Arrays;
import java.util.Optional;

/**
 * One thing that {@link Constraints} can say about memory. Every field merges by one {@link Rule}, and each rule is
 * commutative, associative and idempotent, so the order in which devices are attached does not matter (but where they have alternatives, see {@link Device#or}).
 */
public enum Field {
    /** The heaps the memory may come from (RFC 1/4, the access mask). */
    HEAPS("heaps", Rule.INTERSECTION),
    /** The memory is one physically contiguous piece, whatever lies between it and the device. */
    CONTIGUOUS("contiguous", Rule.OR),
    /** Into how many physically contiguous segments the memory may fall (RFCv2). */
    MAX_SEGMENTS("maxSegments", Rule.MIN),
    /** Bytes in one segment at most (RFCv2). */
    MAX_SEGMENT_SIZE("maxSegmentSize", Rule.MIN),
    /** No segment crosses a multiple of this many bytes; a power of two (RFCv2). */
    SEGMENT_BOUNDARY("segmentBoundary", Rule.MIN),
    /** The last byte that the device reaches, for each address space: addresses of different spaces compare to nothing. */
    HIGHEST_ADDRESS("highestAddress", Rule.MIN_PER_SPACE),
    /** Bytes, a power of two, of which the first byte's address is a multiple. */
    BASE_ALIGNMENT("baseAlignment", Rule.LCM),
    /** Bytes, a power of two, of which each plane's offset in the memory is a multiple. */
    OFFSET_ALIGNMENT("offsetAlignment", Rule.LCM),
    /** Bytes of which the distance from line to line is a multiple, in every plane. */
    PITCH_ALIGNMENT("pitchAlignment", Rule.LCM),
    /** Bytes from line to line at least, in every plane. */
    MIN_PITCH("minPitch", Rule.MAX),
    /** Bytes from line to line at most, in every plane. */
    MAX_PITCH("maxPitch", Rule.MIN),
    /** Bytes of memory at least. */
    MIN_SIZE("minSize", Rule.MAX),
    /** Bytes of memory at most, of what is asked for: the kernel rounds up to whole pages. */
    MAX_SIZE("maxSize", Rule.MIN),
    /** How many buffers the device wants to work with. */
    BUFFERS("buffers", Rule.MAX),
    /** The memory is protected: the CPU cannot read it. */
    PROTECTED("protected", Rule.OR),
    /** The device can use protected memory. Silence is no consent. */
    ACCEPTS_PROTECTED("acceptsProtected", Rule.AND),
    /** The CPU reads it. */
    CPU_READ("cpuRead", Rule.OR),
    /** The CPU writes it. */
    CPU_WRITE("cpuWrite", Rule.OR),
    /** Device and CPU see each other's writes without cache work. */
    COHERENT("coherent", Rule.OR),
    /** The device's data may lie in memory shared with the host of a confidential machine. Silence is no consent. */
    ACCEPTS_DECRYPTED("acceptsDecrypted", Rule.AND),
    /** The memory is made of pages that the kernel keeps account of ({@code struct page}). */
    PAGES("pages", Rule.OR),
    /** The places, such as NUMA nodes, that the memory should be near to. */
    NEAR("near", Rule.INTERSECTION),
    /** How the memory will be used: see {@link Usage}. */
    USAGE("usage", Rule.UNION);

    /** How two statements about a field become one. */
    public enum Rule {
        /** What both allow. */
        INTERSECTION,
        /** What either asks for. */
        UNION,
        /** If either says so. */
        OR,
        /** Only if both say so. */
        AND,
        /** The smaller limit; no limit is above all. */
        MIN,
        /** The larger demand. */
        MAX,
        /** The least common multiple. */
        LCM,
        /** The smaller limit within one address space. */
        MIN_PER_SPACE;

        /** Whether a value of such a field is one number. */
        boolean isNumeric() {
            return this == MIN || this == MAX || this == LCM;
        }

        /** Whether a value of such a field is yes or no. */
        boolean isFlag() {
            return this == OR || this == AND;
        }
    }

    private final String key;
    private final Rule rule;

    Field(String key, Rule rule) {
        this.key = key;
        this.rule = rule;
    }

    /** {@return the name in JSON and in explanations} */
    public String key() {
        return key;
    }

    /** {@return how two statements become one} */
    public Rule rule() {
        return rule;
    }

    /**
     * {@return whether it only changes the order in which heaps are tried, never which heaps} The others decide.
     */
    public boolean isAdvisory() {
        return switch (this) {
            case BUFFERS, COHERENT, NEAR, USAGE -> true;
            default -> false;
        };
    }

    /** {@return the field with this name, empty if there is none} */
    static Optional<Field> of(String key) {
        return Arrays.stream(values()).filter(field -> field.key.equals(key)).findFirst();
    }
}
