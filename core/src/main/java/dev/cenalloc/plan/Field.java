// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import java.util.Arrays;
import java.util.Optional;

/**
 * One property of memory that {@link Constraints} can limit. Each field merges by one {@link Rule}. All rules are
 * commutative, associative and idempotent, so the order in which devices are attached does not matter, except for
 * devices with alternatives: see {@link Device#or}.
 */
public enum Field {
    /** The heaps that the memory may come from (RFC 1/4, the access mask). */
    HEAPS("heaps", Rule.INTERSECTION),
    /** The memory is physically contiguous, with or without an IOMMU. */
    CONTIGUOUS("contiguous", Rule.OR),
    /** The largest number of physically contiguous segments (RFCv2). */
    MAX_SEGMENTS("maxSegments", Rule.MIN),
    /** The largest size of a segment in bytes (RFCv2). */
    MAX_SEGMENT_SIZE("maxSegmentSize", Rule.MIN),
    /** No segment crosses a multiple of this number of bytes, a power of two (RFCv2). */
    SEGMENT_BOUNDARY("segmentBoundary", Rule.MIN),
    /**
     * The highest address that the device reaches, for each address space. Addresses of different spaces are not
     * compared.
     */
    HIGHEST_ADDRESS("highestAddress", Rule.MIN_PER_SPACE),
    /** The address of the first byte is a multiple of this number of bytes, a power of two. */
    BASE_ALIGNMENT("baseAlignment", Rule.LCM),
    /** The offset of each plane is a multiple of this number of bytes, a power of two. */
    OFFSET_ALIGNMENT("offsetAlignment", Rule.LCM),
    /** The pitch of every plane is a multiple of this number of bytes. */
    PITCH_ALIGNMENT("pitchAlignment", Rule.LCM),
    /** The number of lines that are stored is a multiple of this number. The chroma of the image begins after them. */
    LINE_ALIGNMENT("lineAlignment", Rule.LCM),
    /** Lines of memory behind the last line of the image, which the device touches. */
    EXTRA_LINES("extraLines", Rule.MAX),
    /** Columns of memory before the image in each line, at least this many. */
    LEFT_MARGIN("leftMargin", Rule.MAX),
    /** Lines of memory before the first line of the image, at least this many. */
    TOP_MARGIN("topMargin", Rule.MAX),
    /** The smallest pitch of any plane in bytes. */
    MIN_PITCH("minPitch", Rule.MAX),
    /** The largest pitch of any plane in bytes. */
    MAX_PITCH("maxPitch", Rule.MIN),
    /** All planes of a buffer have the same pitch. */
    EQUAL_PITCHES("equalPitches", Rule.OR),
    /**
     * The pitch of the first plane of a buffer tells those of the others: all planes have the same number of padding
     * pixels. V4L2 describes images in one buffer so.
     */
    PROPORTIONAL_PITCHES("proportionalPitches", Rule.OR),
    /**
     * The first plane of a buffer begins at byte 0, and each further plane where the one before it ends. V4L2 describes
     * images in one buffer so.
     */
    GAPLESS("gapless", Rule.OR),
    /** The smallest size of the memory in bytes. */
    MIN_SIZE("minSize", Rule.MAX),
    /** The largest requested size in bytes. The kernel rounds the memory up to whole pages. */
    MAX_SIZE("maxSize", Rule.MIN),
    /** The number of buffers that the device needs. */
    BUFFERS("buffers", Rule.MAX),
    /** The memory is protected: the CPU cannot access it. */
    PROTECTED("protected", Rule.OR),
    /** The device can use protected memory. Needs explicit consent of every device. */
    ACCEPTS_PROTECTED("acceptsProtected", Rule.AND),
    /** The CPU reads it. */
    CPU_READ("cpuRead", Rule.OR),
    /** The CPU writes it. */
    CPU_WRITE("cpuWrite", Rule.OR),
    /** The device and the CPU see each other's writes without cache maintenance. */
    COHERENT("coherent", Rule.OR),
    /**
     * The data may lie in memory that the host of a confidential virtual machine can read. Needs explicit consent of
     * every device.
     */
    ACCEPTS_DECRYPTED("acceptsDecrypted", Rule.AND),
    /** The memory consists of pages that the kernel manages ({@code struct page}). */
    PAGES("pages", Rule.OR),
    /** The places, such as NUMA nodes, that the memory should be near. */
    NEAR("near", Rule.INTERSECTION),
    /** Hints about the use of the memory: see {@link Usage}. */
    USAGE("usage", Rule.UNION);

    /** How two values of a field are merged. */
    public enum Rule {
        /** The common elements. */
        INTERSECTION,
        /** All elements. */
        UNION,
        /** True if either is. */
        OR,
        /** True only if both are. */
        AND,
        /** The smaller limit. Unlimited is the largest. */
        MIN,
        /** The larger number. */
        MAX,
        /** The least common multiple. */
        LCM,
        /** The smaller limit, for each address space. */
        MIN_PER_SPACE;

        /** Whether the value is one number. */
        boolean isNumeric() {
            return this == MIN || this == MAX || this == LCM;
        }

        /** Whether the value is yes or no. */
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

    /** {@return how two values are merged} */
    public Rule rule() {
        return rule;
    }

    /**
     * {@return whether the field only changes the order in which heaps are tried} The other fields rule heaps out.
     */
    public boolean isAdvisory() {
        return switch (this) {
            case BUFFERS, COHERENT, NEAR, USAGE -> true;
            default -> false;
        };
    }

    /** Whether it is about where the lines of an image lie, and not about the memory. */
    boolean isOfLayout() {
        return switch (this) {
            case OFFSET_ALIGNMENT,
                    PITCH_ALIGNMENT,
                    LINE_ALIGNMENT,
                    EXTRA_LINES,
                    LEFT_MARGIN,
                    TOP_MARGIN,
                    MIN_PITCH,
                    MAX_PITCH,
                    EQUAL_PITCHES,
                    PROPORTIONAL_PITCHES,
                    GAPLESS -> true;
            default -> false;
        };
    }

    /** {@return the field with this name, empty if there is none} */
    static Optional<Field> of(String key) {
        return Arrays.stream(values()).filter(field -> field.key.equals(key)).findFirst();
    }
}
