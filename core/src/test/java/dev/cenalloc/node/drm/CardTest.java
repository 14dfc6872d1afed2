package dev.cenalloc.node.drm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import java.nio.file.Path;
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

    @Test
    void quickQuestionsDisturbNobody() throws Exception {
        fake.isControlled = true;
        try (Card card = Card.open(kernel, NODE)) {
            assertEquals("fake", card.driver());
            assertEquals("fake card0", card.name());
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
