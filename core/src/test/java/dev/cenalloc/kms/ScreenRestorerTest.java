// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.LogCapture;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is on the screens when a program ends without closing its displays. */
class ScreenRestorerTest extends DisplayFixture {
    @Test
    void whenTheProgramEndsTheScreenIsRestored() throws Exception {
        try (Ring ring = ring(2)) {
            var frames = TestFrame.of(ring);
            display.use(ring);
            display.show(frames.get(0).lendAgain());
            assertFalse(card.showsConsole());
            ScreenRestorer.restoreAll();
            assertEquals(before, card.screen());
            int commits = card.commits;
            assertThrows(
                    IllegalStateException.class,
                    () -> display.show(frames.get(1).lendAgain()));
            ScreenRestorer.restoreAll();
            assertEquals(commits, card.commits);
        }
    }

    /** In whatever order they are restored: each fails once, and the other is restored. */
    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void aScreenThatFailsKeepsNoOtherFromBeingRestored(boolean isFirst, boolean isError) throws Exception {
        var otherCard = new FakeCard(kernel, true, true);
        otherCard.mayChange = true;
        String otherBefore = otherCard.screen();
        kernel.device("/dev/dri/card1", otherCard);
        FakeCard failing = isFirst ? card : otherCard;
        try (Display other = Display.open(cenalloc, Path.of("/dev/dri/card1"));
                Ring ring = ring(2);
                Ring otherRing = Ring.allocate(cenalloc, Canvas.negotiate(cenalloc, other, SMALL), 2);
                var log = new LogCapture()) {
            display.use(ring);
            display.show(TestFrame.of(ring).getFirst().lendAgain());
            other.use(otherRing);
            other.show(TestFrame.of(otherRing).getFirst().lendAgain());
            failing.beforeRequest = _ -> {
                if (isError) {
                    throw new StackOverflowError("fails");
                }
                throw new IllegalStateException("fails");
            };
            ScreenRestorer.restoreAll();
            failing.beforeRequest = _ -> {};
            assertEquals(before.equals(card.screen()), !isFirst);
            assertEquals(otherBefore.equals(otherCard.screen()), isFirst);
            assertTrue(log.errors().contains("what was on a screen is not put back"), log::errors);
        }
        assertEquals("{} {}", otherCard.state());
        if (isFirst) {
            // The last close of the card makes the kernel bring its console back, which the fake does not.
            display.close();
            before = card.screen();
        }
    }
}
