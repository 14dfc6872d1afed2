// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class CountTest {
    @ParameterizedTest
    @CsvSource({"0, 0 frames", "1, 1 frame", "2, 2 frames", "-1, -1 frames", "11, 11 frames", "1001, 1001 frames"})
    void theWordFollowsTheNumber(long number, String said) {
        assertEquals(said, Count.of(number, "frame"));
    }

    @ParameterizedTest
    @CsvSource({"0, 0 processes", "1, 1 process", "21, 21 processes"})
    void aWordMayHaveAFormOfItsOwn(long number, String said) {
        assertEquals(said, Count.of(number, "process", "processes"));
    }
}
