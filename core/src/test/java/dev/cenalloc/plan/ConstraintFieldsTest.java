// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each field of a constraint set: its range, its merge rule, what silence means. */
class ConstraintFieldsTest {
    private static final Constraints NONE = Constraints.NONE;

    @ParameterizedTest
    @EnumSource(Field.class)
    void silenceSaysNothingAndIsNeverZero(Field field) {
        assertFalse(NONE.says(field));
        if (field.rule().isNumeric()) {
            assertEquals(OptionalLong.empty(), NONE.number(field));
            assertThrows(IllegalArgumentException.class, () -> NONE.with(field, 0));
            assertThrows(IllegalArgumentException.class, () -> NONE.with(field, -1));
            assertThrows(IllegalArgumentException.class, () -> NONE.with(field, Long.MIN_VALUE));
        } else {
            assertThrows(IllegalArgumentException.class, () -> NONE.with(field, 1));
        }
    }

    @ParameterizedTest
    @EnumSource(Field.class)
    void unlimitedIsAValueOfItsOwn(Field field) {
        switch (field.rule()) {
            case MIN -> {
                assertEquals(NONE, NONE.with(field, Constraints.UNLIMITED));
                // The trap of 2012: with 0 for unlimited, the smaller of the two would be "unlimited".
                Constraints limited = NONE.with(field, 4096);
                assertEquals(limited, limited.and(NONE));
                assertEquals(limited, NONE.and(limited));
            }
            case MAX, LCM -> {
                var e = assertThrows(IllegalArgumentException.class, () -> NONE.with(field, Constraints.UNLIMITED));
                assertEquals(field.key() + " must be from 1 to 2^63-2, not " + Long.MAX_VALUE, e.getMessage());
            }
            default -> assertThrows(IllegalArgumentException.class, () -> NONE.number(field));
        }
    }

    @Test
    void limitsMergeToTheSmaller() {
        Constraints merged =
                NONE.maxSegments(16).maxSize(1000).and(NONE.maxSegments(4).maxPitch(512));
        assertEquals(4, merged.number(Field.MAX_SEGMENTS).orElseThrow());
        assertEquals(1000, merged.number(Field.MAX_SIZE).orElseThrow());
        assertEquals(512, merged.number(Field.MAX_PITCH).orElseThrow());
    }

    @Test
    void demandsMergeToTheLarger() {
        Constraints merged =
                NONE.minSize(100).minPitch(64).buffers(2).and(NONE.minSize(50).buffers(3));
        assertEquals(100, merged.number(Field.MIN_SIZE).orElseThrow());
        assertEquals(64, merged.number(Field.MIN_PITCH).orElseThrow());
        assertEquals(3, merged.number(Field.BUFFERS).orElseThrow());
    }

    @Test
    void alignmentsMergeToTheLeastCommonMultiple() {
        assertEquals(
                192,
                NONE.pitchAlignment(64)
                        .and(NONE.pitchAlignment(48))
                        .number(Field.PITCH_ALIGNMENT)
                        .orElseThrow());
        assertEquals(
                4096,
                NONE.baseAlignment(4096)
                        .and(NONE.baseAlignment(64))
                        .number(Field.BASE_ALIGNMENT)
                        .orElseThrow());
        // Two large primes: no common multiple below 2^63.
        Constraints none = NONE.pitchAlignment(9_223_372_036_854_775_783L).and(NONE.pitchAlignment(2_147_483_647));
        assertTrue(none.isImpossible());
        assertTrue(none.and(NONE.pitchAlignment(8)).isImpossible());
    }

    @ParameterizedTest
    @ValueSource(longs = {3, 6, 4095, 4097, (1L << 40) + 1})
    void alignmentsOfAddressesArePowersOfTwo(long bytes) {
        assertThrows(IllegalArgumentException.class, () -> NONE.baseAlignment(bytes));
        assertThrows(IllegalArgumentException.class, () -> NONE.offsetAlignment(bytes));
        assertThrows(IllegalArgumentException.class, () -> NONE.segmentBoundary(bytes));
        assertEquals(
                bytes, NONE.pitchAlignment(bytes).number(Field.PITCH_ALIGNMENT).orElseThrow());
    }

    @Test
    void addressesCompareWithinOneSpaceOnly() {
        Constraints merged = NONE.highestAddress("pci", 0xffff_ffffL)
                .and(NONE.highestAddress("pci", 0xfff_ffffL))
                .and(NONE.highestAddress("soc", 0x3fff_ffffL));
        assertEquals(Map.of("pci", 0xfff_ffffL, "soc", 0x3fff_ffffL), merged.highestAddresses());
        assertEquals(NONE, NONE.highestAddress("pci", Constraints.UNLIMITED));
        assertThrows(IllegalArgumentException.class, () -> NONE.highestAddress("pci", 0));
        assertThrows(IllegalArgumentException.class, () -> NONE.highestAddress(" ", 0xffff_ffffL));
    }

    @Test
    void contradictionsWithinOneDeviceAreRefusedAtOnce() {
        assertThrows(IllegalArgumentException.class, () -> NONE.minSize(100).maxSize(99));
        assertThrows(IllegalArgumentException.class, () -> NONE.minPitch(100).maxPitch(99));
        assertThrows(
                IllegalArgumentException.class,
                () -> NONE.pitchAlignment(64).minPitch(65).maxPitch(127));
        assertThrows(
                IllegalArgumentException.class, () -> NONE.requiresProtected().cpuRead());
        assertThrows(IllegalArgumentException.class, () -> NONE.cpuWrite().requiresProtected());
        assertThrows(
                IllegalArgumentException.class,
                () -> NONE.maxSegments(4).maxSegmentSize(4096).minSize(4 * 4096 + 1));
        assertThrows(
                IllegalArgumentException.class,
                () -> NONE.minSize(8192).contiguous().maxSegmentSize(4096));
        assertThrows(
                IllegalArgumentException.class,
                () -> NONE.onlyHeaps(Set.of("system")).contiguous());
        NONE.maxSegments(4).maxSegmentSize(4096).minSize(4 * 4096);
    }

    @Test
    void theProductOfSegmentsAndSizeCannotOverflow() {
        NONE.maxSegments(Long.MAX_VALUE - 1).maxSegmentSize(Long.MAX_VALUE - 1).minSize(1L << 60);
        assertThrows(
                IllegalArgumentException.class,
                () -> NONE.maxSegments(1L << 31).maxSegmentSize(1L << 31).minSize((1L << 62) + 1));
        NONE.maxSegments(1L << 31).maxSegmentSize(1L << 31).minSize(1L << 62);
    }

    @Test
    void twoDevicesThatAreFineAloneMayNotBeTogether() {
        Constraints pieces = NONE.maxSegments(4).minSize(1 << 20);
        Constraints small = NONE.maxSegmentSize(65_536);
        assertFalse(pieces.isImpossible());
        assertTrue(pieces.and(small).isImpossible());
        assertTrue(NONE.requiresProtected().and(NONE).isImpossible(), "silence is no consent");
        assertFalse(NONE.requiresProtected().and(NONE.acceptsProtected()).isImpossible());
    }

    @Test
    void consentNeedsEveryone() {
        Constraints yes = NONE.acceptsDecrypted().acceptsProtected();
        assertTrue(yes.and(yes).flag(Field.ACCEPTS_DECRYPTED));
        assertFalse(yes.and(NONE).flag(Field.ACCEPTS_DECRYPTED));
        assertFalse(NONE.and(yes).flag(Field.ACCEPTS_PROTECTED));
        // Who lists nothing but such heaps has agreed to them.
        assertTrue(NONE.onlyHeaps(Set.of("protected,secure-video")).flag(Field.ACCEPTS_PROTECTED));
        assertTrue(NONE.onlyHeaps(Set.of("system_cc_shared")).flag(Field.ACCEPTS_DECRYPTED));
        assertFalse(NONE.onlyHeaps(Set.of("system_cc_shared", "system")).flag(Field.ACCEPTS_DECRYPTED));
    }

    @Test
    void theMaskOfTheRfcNamesHeaps() {
        assertEquals(
                Set.of("system", "default_cma_region"),
                Constraints.ofAllocatorMask(0b110, Map.of()).allowedHeaps().orElseThrow());
        assertEquals(
                Set.of("carveout"),
                Constraints.ofAllocatorMask(1 << 31, Map.of(31, "carveout"))
                        .allowedHeaps()
                        .orElseThrow());
        assertEquals(
                Set.of("allocator-5"),
                Constraints.ofAllocatorMask(1 << 5, Map.of()).allowedHeaps().orElseThrow());
        assertThrows(IllegalArgumentException.class, () -> Constraints.ofAllocatorMask(0, Map.of()));
        assertThrows(IllegalArgumentException.class, () -> Constraints.ofAllocatorMask(1, Map.of(32, "x")));
        assertTrue(Constraints.ofAllocatorMask(0b010, Map.of())
                .and(Constraints.ofAllocatorMask(0b100, Map.of()))
                .isImpossible());
    }

    @Test
    void whatIsUnknownIsKept() {
        Constraints one = NONE.withUnknown("sparkle", "3").contiguous();
        assertEquals(Map.of("sparkle", "3"), one.and(NONE).unknown());
        assertThrows(IllegalArgumentException.class, () -> NONE.withUnknown("contiguous", "true"));
        assertTrue(one.isContiguous());
    }

    @Test
    void blankNamesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> NONE.onlyHeaps(List.of("system", "")));
        assertThrows(IllegalArgumentException.class, () -> NONE.near(List.of()));
        assertThrows(IllegalArgumentException.class, () -> NONE.near(List.of("numa0", " ")));
    }

    @Test
    void everythingThatIsSaidCanBeReadAndIsShown() {
        Constraints all = NONE.onlyHeaps(Set.of("reserved"))
                .contiguous()
                .maxSegments(3)
                .maxSegmentSize(1 << 30)
                .segmentBoundary(1L << 32)
                .highestAddress("pci", 0xffff_ffffL)
                .baseAlignment(4096)
                .offsetAlignment(64)
                .pitchAlignment(64)
                .lineAlignment(16)
                .extraLines(1)
                .leftMargin(8)
                .topMargin(1)
                .equalPitches()
                .proportionalPitches()
                .gapless()
                .minPitch(128)
                .maxPitch(8192)
                .minSize(1000)
                .maxSize(1 << 20)
                .buffers(3)
                .acceptsProtected()
                .acceptsDecrypted()
                .cpuRead()
                .cpuWrite()
                .coherent()
                .pages()
                .near(Set.of("numa0"))
                .usage(Usage.CPU_HEAVY);
        var expected = java.util.EnumSet.complementOf(java.util.EnumSet.of(Field.PROTECTED));
        assertEquals(expected, all.fields());
        for (Field field : expected) {
            assertTrue(all.toString().contains(Wording.of(all, field)), field::key);
            assertEquals(field, Field.of(field.key()).orElseThrow());
        }
        Constraints again =
                Constraints.merge(all.fields().stream().map(all::only).toList());
        assertEquals(all, again, "the parts are the whole");
    }
}
