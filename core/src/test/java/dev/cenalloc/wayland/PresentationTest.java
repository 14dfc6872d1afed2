// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.stream.FrameSink;
import dev.cenalloc.stream.Ring;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** When frames were on the screen, by the word of a compositor. */
class PresentationTest extends WindowFixture {
    private static final long FIRST = 5_000_000_000L;
    private static final long REFRESH = 16_000_000;

    private static void told(FrameSink sink, long flips, long discarded, long nanos, long sequence) {
        assertEquals(
                flips + " shown, " + discarded + " not, last at " + nanos + ", refresh " + sequence,
                sink.flips() + " shown, " + sink.discarded() + " not, last at " + sink.lastFlipNanos() + ", refresh "
                        + sink.lastFlipSequence());
    }

    @Test
    void eachFrameIsToldWithItsTimeAndRefresh() throws Exception {
        compositor.refreshes = 0x1_FFFF_FFF0L;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        told(window, 0, 0, 0, 0);
        assertTrue(window.awaitShown(NOW), "nothing is to be shown");
        for (int i = 0; i < 40; i++) {
            window.show(lend(ring));
            assertTrue(window.awaitShown(SECOND));
            told(window, i + 1, 0, FIRST + REFRESH * i, 0x1_FFFF_FFF0L + i);
        }
    }

    /** It has drawn the frame, but that is not on the screen yet. */
    @Test
    void aFrameThatIsDrawnIsWaitedForUntilItIsOnTheScreen() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertFalse(window.awaitShown(NOW));
        settle(window);
        assertFalse(window.awaitShown(NOW));
        told(window, 0, 0, 0, 0);
        compositor.present();
        settle(window);
        assertTrue(window.awaitShown(NOW));
        told(window, 1, 0, FIRST, 0);
    }

    @Test
    void aFrameWhosePlaceAnotherTakesIsCountedAsDiscarded() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        for (int i = 0; i < 5; i++) {
            window.show(lend(ring)); // it has drawn the one before, so this does not wait for the screen
            settle(window);
        }
        told(window, 0, 4, 0, 0);
        compositor.present();
        settle(window);
        assertTrue(window.awaitShown(NOW));
        told(window, 1, 4, FIRST, 0);
    }

    @Test
    void aLastFrameThatIsDiscardedIsNotWaitedFor() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        settle(window);
        compositor.discard();
        int before = kernel.timeouts.size();
        assertFalse(window.awaitShown(SECOND));
        assertTrue(
                kernel.timeouts.subList(before, kernel.timeouts.size()).stream().noneMatch(one -> one > 0));
        told(window, 0, 1, 0, 0);
        compositor.presents = true;
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND), "as ever");
        told(window, 1, 1, FIRST, 0);
    }

    @Test
    void anAnswerThatIsLateIsOfItsOwnFrame() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 4);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        int first = compositor.outcomes.removeFirst(); // so that the next commit does not discard it
        window.show(lend(ring));
        compositor.pump();
        compositor.presented(first, 7_000_000_001L, 9);
        compositor.delete(first);
        settle(window);
        assertFalse(window.awaitShown(NOW), "it was the frame before");
        told(window, 1, 0, 7_000_000_001L, 9);
        compositor.present();
        settle(window);
        assertTrue(window.awaitShown(NOW));
        told(window, 2, 0, FIRST, 0);
    }

    /** After the first answer there is no such object, though its number is not free before it is deleted. */
    @Test
    void aSecondAnswerIsOfNothingAndAfterTheDeletionALie() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        int outcome = compositor.outcomes.removeFirst();
        compositor.presented(outcome, 1, 1);
        compositor.presented(outcome, 2, 2);
        compositor.event(outcome, Wire.OUTCOME_DISCARDED);
        compositor.delete(outcome);
        settle(window);
        told(window, 1, 0, 1, 1);
        compositor.presented(outcome, 3, 3);
        var e = assertThrows(ProtocolException.class, () -> settle(window));
        assertTrue(String.valueOf(e.getMessage()).contains("does not exist"), e::getMessage);
        compositor.hangUp();
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1000000000",
        "0, -1",
        "-1, 0",
        "9223372036, 0",
        "4611686018, 0",
        "0x7FFFFFFFFFFFFFFF, 999999999",
        "0x8000000000000000, 0"
    })
    void aTimeThatIsNoneIsALie(String seconds, int fraction) throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        long of = seconds.startsWith("0x") ? Long.parseUnsignedLong(seconds.substring(2), 16) : Long.parseLong(seconds);
        compositor.presented(compositor.outcomes.getFirst(), of, fraction, 0);
        var e = assertThrows(ProtocolException.class, () -> settle(window));
        assertTrue(String.valueOf(e.getMessage()).contains("was shown at"), e::getMessage);
        told(window, 0, 0, 0, 0);
        assertEquals(0, window.held());
        compositor.hangUp();
    }

    @Test
    void theLastTimeThereIsIsTaken() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        compositor.presented(compositor.outcomes.getFirst(), 4611686017L, 999_999_999, -1);
        settle(window);
        assertTrue(window.awaitShown(NOW));
        told(window, 1, 0, 4_611_686_017_999_999_999L, -1);
    }

    @Test
    void anAnswerThatIsCutIsALie() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        compositor.event(compositor.outcomes.getFirst(), Wire.OUTCOME_PRESENTED, 0, 1, 2, 3, 4);
        assertThrows(ProtocolException.class, () -> settle(window));
        compositor.hangUp();
    }

    /** The answer to the commit of the frame says nothing: it is in the content of the next commit, too. */
    @Test
    void aFrameThatIsScaledAnewIsToldOnce() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        compositor.configure(128, 96, 4);
        settle(window); // which discards the answer to the first commit
        assertEquals("128x96", compositor.destination);
        assertFalse(window.awaitShown(NOW), "not discarded");
        told(window, 0, 0, 0, 0);
        compositor.present();
        settle(window);
        assertTrue(window.awaitShown(NOW));
        told(window, 1, 0, FIRST, 0);
        int asked = compositor.outcomes.size();
        compositor.configure(64, 48, 4);
        settle(window);
        assertEquals(asked, compositor.outcomes.size(), "it was on the screen already");
        assertTrue(window.awaitShown(NOW));
    }

    @Test
    void twoAnswersOfOneFrameCountOnce() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        compositor.pump();
        int first = compositor.outcomes.removeFirst();
        compositor.configure(128, 96, 4);
        settle(window);
        compositor.presented(first, 100, 1);
        compositor.delete(first);
        settle(window);
        told(window, 1, 0, 100, 1);
        compositor.discard();
        settle(window);
        told(window, 1, 0, 100, 1);
        assertTrue(window.awaitShown(NOW));
    }

    /** It answers nothing: after some frames it is not asked any more, and what it draws counts. */
    @Test
    void aCompositorThatNeverAnswersIsAskedNoMore() throws Exception {
        compositor.presents = false;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        for (int i = 0; i < 30; i++) {
            window.show(lend(ring));
            compositor.pump();
            compositor.outcomes.clear();
            settle(window);
            assertEquals(i >= 8, window.awaitShown(NOW), "frame " + i);
        }
        told(window, 0, 0, 0, 0);
    }

    @Test
    void withoutItWhatIsDrawnCountsAsShown() throws Exception {
        compositor.hasPresentation = false;
        FrameSink window = window();
        Ring ring = ring(agreement((Window) window), 3);
        window.use(ring);
        for (int i = 0; i < 10; i++) {
            window.show(lend(ring));
            assertTrue(window.awaitShown(SECOND));
        }
        compositor.draws = false;
        window.show(lend(ring));
        compositor.pump();
        assertFalse(window.awaitShown(NOW));
        compositor.draw();
        assertTrue(window.awaitShown(NOW));
        told(window, 0, 0, 0, 0);
    }

    // ---- the clock ----

    private void shownNow(Window window, Ring ring, int clock) throws Exception {
        long before = System.nanoTime();
        compositor.nanos = System.nanoTime() + FakeKernel.ahead(clock);
        window.show(lend(ring));
        compositor.pump();
        long after = System.nanoTime();
        assertTrue(window.awaitShown(SECOND));
        assertTrue(
                window.lastFlipNanos() >= before - 1_000_000_000 && window.lastFlipNanos() <= after,
                () -> before + " < " + window.lastFlipNanos() + " < " + after);
    }

    /** Of these, 6 is told in the time of the monotonic clock. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 5, 7, 11})
    void timesOfOtherClocksAreConverted(int clock) throws Exception {
        compositor.clock = clock;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        shownNow(window, ring, clock);
        shownNow(window, ring, clock);
        assertEquals(2, window.flips());
    }

    @Test
    void theCoarseClockIsTheMonotonicOne() throws Exception {
        compositor.clock = Linux.CLOCK_MONOTONIC_COARSE;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        told(window, 1, 0, FIRST, 0);
    }

    /** 2 and 3 are the times that a process and a thread have used; -6 is that of another process. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 8, 9, 10, 12, 99, -1, -6, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void aClockThatIsUnknownTellsNothing(int clock) throws Exception {
        compositor.clock = clock;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND), "drawn");
        assertTrue(compositor.outcomes.isEmpty());
        told(window, 0, 0, 0, 0);
    }

    @Test
    void aClockThatComesLateCountsFromThenOn() throws Exception {
        compositor.clock = null;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND), "drawn");
        told(window, 0, 0, 0, 0);
        compositor.nanos = FIRST;
        compositor.refreshes = 3;
        compositor.tellClock(Linux.CLOCK_MONOTONIC);
        settle(window);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        told(window, 1, 0, FIRST, 3);
    }

    @Test
    void aClockThatCannotBeReadTellsNothing() throws Exception {
        kernel.noClocks.add(Linux.CLOCK_TAI); // as before Linux 3.10
        compositor.clock = Linux.CLOCK_TAI;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND), "drawn");
        told(window, 0, 0, 0, 0);
    }

    @Test
    void aClockThatCannotBeReadAnyMoreTellsThatFramesWereShownButNotWhen() throws Exception {
        compositor.clock = Linux.CLOCK_MONOTONIC_RAW;
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        shownNow(window, ring, Linux.CLOCK_MONOTONIC_RAW);
        kernel.noClocks.add(Linux.CLOCK_MONOTONIC_RAW);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        told(window, 2, 0, 0, 1);
    }
}
