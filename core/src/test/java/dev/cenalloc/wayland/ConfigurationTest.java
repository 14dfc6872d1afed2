// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What people do to a window: its sizes and states, one after another and at any moment, and its end. */
class ConfigurationTest extends WindowFixture {
    private static final int MAXIMIZED = 1;
    private static final int FULLSCREEN = 2;
    private static final int RESIZING = 3;
    private static final int ACTIVATED = 4;
    private static final int TILED_LEFT = 5;
    private static final int TILED_BOTTOM = 8;

    /** A window that shows an image of 64x48. */
    private Window shown(Ring ring) throws Exception {
        Window window = running(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        return window;
    }

    /** Of three frames, as a window wants them. */
    private Ring ring(int width, int height) throws CenallocException {
        try (Window asked = Window.open(cenalloc, ScriptedCompositor.SOCKET, "asked")) {
            return ring(agreement(asked, ImageRequest.ANY.size(width, height)), 3);
        }
    }

    private void becomes(Window window, String size, int width, int height, int... states) throws Exception {
        int serial = compositor.configure(width, height, states);
        int commits = compositor.commits;
        settle(window);
        assertEquals(size, compositor.destination);
        assertEquals(serial, compositor.acknowledged.getLast());
        assertEquals(commits + 1, compositor.commits, "at once");
        assertTrue(window.toString().contains(size), window::toString);
    }

    @Test
    void oneStateFollowsAnother() throws Exception {
        Window window = shown(ring(64, 48));
        becomes(window, "64x48", 0, 0);
        becomes(window, "128x96", 200, 96, RESIZING, ACTIVATED);
        becomes(window, "160x120", 200, 120, RESIZING);
        becomes(window, "200x120", 200, 120, ACTIVATED, MAXIMIZED);
        becomes(window, "160x120", 200, 120, ACTIVATED);
        becomes(window, "128x96", 128, 1000, FULLSCREEN);
        becomes(window, "128x1000", 128, 1000, FULLSCREEN, MAXIMIZED);
        becomes(window, "100x400", 100, 400, TILED_LEFT, TILED_BOTTOM);
        becomes(window, "64x48", 0, 0, ACTIVATED);
        becomes(window, "64x48", 0, 0, MAXIMIZED);
        becomes(window, "2147483647x1", Integer.MAX_VALUE, 1, MAXIMIZED);
        becomes(window, "1x1", Integer.MAX_VALUE, 1, RESIZING);
        becomes(window, "2147483647x1610612735", Integer.MAX_VALUE, 0);
        becomes(window, "2147483647x2147483647", 0, Integer.MAX_VALUE);
        becomes(window, "64x48", 0, 0);
    }

    /** States of later versions, and of none. */
    @ParameterizedTest
    @ValueSource(ints = {0, 9, 13, 99, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void statesThatAreUnknownChangeNothing(int state) throws Exception {
        Window window = shown(ring(64, 48));
        becomes(window, "128x96", 128, 100, state, ACTIVATED);
        becomes(window, "128x100", 128, 100, state, MAXIMIZED);
    }

    @Test
    void statesThatAreCutAreLeftOut() throws Exception {
        Window window = shown(ring(64, 48));
        compositor.event(
                compositor.object(Wire.TOPLEVEL), Wire.TOPLEVEL_CONFIGURE, 128, 100, new byte[] {4, 0, 0, 0, 1, 0, 0});
        compositor.configure();
        settle(window);
        assertEquals("128x96", compositor.destination);
    }

    @Test
    void aSizeIsNotInForceBeforeItIsSaid() throws Exception {
        Ring ring = ring(64, 48);
        Window window = shown(ring);
        int commits = compositor.commits;
        compositor.tellSize(128, 96);
        settle(window);
        assertEquals("64x48", compositor.destination);
        assertEquals(commits, compositor.commits);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals("64x48", compositor.destination);
        compositor.tellSize(320, 240); // another takes its place
        int serial = compositor.configure();
        settle(window);
        assertEquals("320x240", compositor.destination);
        assertEquals(serial, compositor.acknowledged.getLast());
    }

    /** The size is told while the answer to the one before is under way. */
    @Test
    void sizesThatComeFasterThanTheyAreAnsweredAreAllAnswered() throws Exception {
        Ring ring = ring(64, 48);
        Window window = shown(ring);
        int commits = compositor.commits;
        int first = compositor.configure(128, 96, RESIZING);
        int second = compositor.configure(256, 192, RESIZING);
        while (window.handleEvents(NOW)) {} // and the compositor has not read the answers yet
        int third = compositor.configure(512, 384);
        compositor.pump();
        assertEquals("256x192", compositor.destination);
        assertFalse(compositor.acknowledged.contains(third), "of that it knows nothing yet");
        assertTrue(compositor.acknowledged.contains(first));
        assertTrue(compositor.acknowledged.contains(second));
        settle(window);
        assertEquals("512x384", compositor.destination);
        assertEquals(third, compositor.acknowledged.getLast());
        assertEquals(commits + 3, compositor.commits);
    }

    @Test
    void aSizeThatComesBetweenAFrameAndItsDrawingIsAnsweredWithThatFrame() throws Exception {
        Ring ring = ring(64, 48);
        compositor.draws = false;
        Window window = running(ring);
        RingFrame frame = lend(ring);
        window.show(frame);
        compositor.pump();
        int buffer = compositor.currentBuffer();
        int serial = compositor.configure(128, 96);
        compositor.draws = true;
        assertTrue(window.awaitShown(SECOND));
        assertEquals("128x96", compositor.destination);
        assertEquals(serial, compositor.acknowledged.getLast());
        assertEquals(buffer, compositor.currentBuffer());
        assertTrue(frame.isLent(), "it is on the screen");
        assertEquals(1, window.held());
    }

    @Test
    void beforeTheFirstFrameSizesAreAnsweredAndNothingIsShown() throws Exception {
        Ring ring = ring(64, 48);
        Window window = running(ring);
        int commits = compositor.commits;
        int serial = compositor.configure(128, 96, ACTIVATED);
        settle(window);
        assertEquals(serial, compositor.acknowledged.getLast());
        assertEquals(commits, compositor.commits);
        assertEquals("", compositor.destination);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
        assertEquals("128x96", compositor.destination);
    }

    @Test
    void imagesOfAnotherShapeAreScaledIntoTheSameWindow() throws Exception {
        Window window = shown(ring(64, 48));
        becomes(window, "128x96", 128, 100);
        Ring other = ring(agreement(window, ImageRequest.ANY.size(50, 100)), 3);
        window.use(other);
        window.show(lend(other));
        assertTrue(window.awaitShown(SECOND));
        assertEquals("50x100", compositor.destination);
        becomes(window, "128x100", 128, 100, MAXIMIZED);
    }

    // ---- the end ----

    @Test
    void framesComeBackAlsoAfterSomebodyWantsTheWindowClosed() throws Exception {
        Ring ring = ring(64, 48);
        compositor.releases = false;
        Window window = running(ring);
        RingFrame first = lend(ring);
        window.show(first);
        RingFrame second = lend(ring);
        window.show(second);
        compositor.pump();
        compositor.requestClose();
        settle(window);
        assertTrue(window.isCloseRequested());
        assertTrue(first.isLent() && second.isLent(), "that is only asked");
        compositor.releaseOthers();
        compositor.releases = true;
        window.show(lend(ring)); // the program goes on
        assertTrue(window.awaitShown(SECOND));
        assertTrue(window.isCloseRequested(), "as before");
        window.close();
        assertEquals(3, ring.pool().free());
        assertTrue(window.isCloseRequested());
    }

    /** All of it lies in the socket when the close begins. */
    @Test
    void whatComesDuringTheCloseIsHandled() throws Exception {
        Ring ring = ring(64, 48);
        compositor.releases = false;
        Window window = running(ring);
        window.show(lend(ring));
        window.show(lend(ring));
        compositor.pump();
        compositor.configure(128, 96);
        compositor.requestClose();
        compositor.ping(5);
        compositor.configure(256, 192, MAXIMIZED);
        window.close();
        assertEquals(3, ring.pool().free());
        assertThrows(IllegalStateException.class, () -> window.handleEvents(NOW));
    }
}
