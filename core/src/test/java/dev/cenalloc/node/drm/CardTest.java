// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.kernel.FakeKernel;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a card tells, and what it cannot be believed. */
class CardTest {
    private static final Path NODE = Path.of("/dev/dri/card0");

    private final FakeKernel kernel = new FakeKernel();
    private final FakeCard fake = new FakeCard(kernel, true, true);

    @BeforeEach
    void plug() {
        kernel.device(NODE.toString(), fake);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "crtcs",
                "connectors",
                "modes",
                "encoders",
                "planes",
                "formats",
                "properties",
                "blob",
                "modifiers",
                "offset"
            })
    void absurdCountsAreATypedError(String what) throws Exception {
        fake.absurd = what;
        try (Card card = Card.open(kernel, NODE)) {
            var e = assertThrows(CenallocException.class, card::scanouts);
            assertEquals(Errno.EPROTO, e.errno());
            assertTrue(e.toString().contains("report it to the authors of the driver"), e.toString());
        }
        assertEquals("{} {}", fake.state());
        assertEquals(0, kernel.openFiles());
    }

    /** A chain of DisplayPort loses connectors; the driver's lists are read in many calls. */
    @Test
    void aScreenThatIsUnpluggedBetweenTwoCallsIsLeftOut() throws Exception {
        fake.hasTwo = true;
        var found = new TreeSet<String>();
        int calls = 0;
        for (int call = 0; call == 0 || call < calls; call++) {
            fake.hasLostOther = false;
            try (Card card = Card.open(kernel, NODE)) {
                int before = kernel.calls.size();
                kernel.atCall(call, () -> fake.hasLostOther = true);
                String names =
                        card.scanouts().stream().map(Scanout::name).toList().toString();
                calls = Math.max(calls, kernel.calls.size() - before);
                assertTrue(names.contains("Virtual-1"), names);
                found.add(names);
                assertTrue(card.hasConnectedOutput());
            }
        }
        assertEquals(Set.of("[Virtual-1]", "[Virtual-1, Virtual-2]"), found);
        assertEquals("{} {}", fake.state());
    }

    @Test
    void aConnectorThatIsGoneIsTold() throws Exception {
        fake.hasTwo = true;
        try (Card card = Card.open(kernel, NODE)) {
            Scanout other = card.scanouts().getLast();
            fake.hasLostOther = true;
            var e = assertThrows(CenallocException.class, () -> card.connector(other.connector()));
            assertEquals(Errno.ENOENT, e.errno());
            assertSame(CenallocException.class, e.getClass(), "the node is there");
            assertTrue(e.reason().contains("display object 1008 is gone"), e::reason);
        }
    }

    /** It went away since its connector was read: the next may reach the CRTC, or nothing does. */
    @Test
    void anEncoderThatIsGoneReachesNothing() throws Exception {
        fake.hasTwo = true; // the second has no CRTC yet, so that encoders are asked
        try (Card card = Card.open(kernel, NODE)) {
            fake.encoders = List.of(FakeCard.LOST_ENCODER, FakeCard.ENCODER);
            assertEquals(2, card.scanouts().size());
            assertTrue(card.writeback(FakeCard.CRTC).isPresent());
            fake.encoders = List.of(FakeCard.LOST_ENCODER);
            assertEquals(
                    List.of("Virtual-1"),
                    card.scanouts().stream().map(Scanout::name).toList());
            assertTrue(card.writeback(FakeCard.CRTC).isEmpty());
        }
    }

    @Test
    void anEncoderThatFailsInAnotherWayIsTold() throws Exception {
        fake.hasTwo = true;
        try (Card card = Card.open(kernel, NODE)) {
            fake.beforeRequest = request -> fake.isGone |= request == drm_h.DRM_IOCTL_MODE_GETENCODER();
            var e = assertThrows(DeviceGoneException.class, card::scanouts);
            assertEquals("DRM_IOCTL_MODE_GETENCODER", e.call());
        }
    }

    /** From any call on, the whole card is gone. */
    @Test
    void aCardThatIsUnpluggedBetweenTwoCallsIsTold() throws Exception {
        fake.hasTwo = true;
        int calls;
        try (Card card = Card.open(kernel, NODE)) {
            int before = kernel.calls.size();
            assertEquals(2, card.scanouts().size());
            calls = kernel.calls.size() - before;
        }
        for (int call = 0; call < calls - 1; call++) { // the last gives the control back
            fake.isGone = false;
            try (Card card = Card.open(kernel, NODE)) {
                kernel.atCall(call, () -> fake.isGone = true);
                assertThrows(DeviceGoneException.class, card::scanouts, "call " + call);
            }
        }
        assertTrue(calls > 30, calls + " calls");
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void quickQuestionsDisturbNobody() throws Exception {
        fake.isControlled = true;
        try (Card card = Card.open(kernel, NODE)) {
            assertEquals("fake", card.driver());
            assertEquals("fake card0", card.name());
            assertSame(card.name(), card.name(), "each frame asks for it");
            assertTrue(card.setsModes());
            assertTrue(card.importsDmaBufs());
            assertTrue(card.hasConnectedOutput());
            fake.isConnected = false;
            assertFalse(card.hasConnectedOutput());
            assertEquals(-Errno.EBUSY, card.acquireMaster());
        }
        assertTrue(fake.showsConsole());
    }

    @Test
    void controlIsGivenBackWithTheLastThatNeedsIt() throws Exception {
        try (Card card = Card.open(kernel, NODE)) {
            assertEquals(0, card.acquireMaster());
            assertEquals(0, card.acquireMaster());
            card.releaseMaster();
            assertTrue(fake.state().contains("master"));
            card.releaseMaster();
            assertFalse(fake.state().contains("master"));
        }
    }

    @Test
    void aPropertyThatIsMissingIsATypedError() throws Exception {
        try (Card card = Card.open(kernel, NODE)) {
            KmsObject plane = card.plane(card.scanouts().getFirst().plane());
            assertEquals(
                    Errno.EINVAL,
                    assertThrows(CenallocException.class, () -> plane.value("rotation"))
                            .errno());
            assertThrows(CenallocException.class, () -> new AtomicRequest.Builder().set(plane, "rotation", 1));
        }
    }
}
