// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.drm.FakeCard;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;

/** A display on a fake card, and what must be true when a test is over, whatever it did. */
@SuppressWarnings("NullAway") // set before each test
abstract class DisplayFixture {
    static final Path NODE = Path.of("/dev/dri/card0");
    static final long MEMORY = 64 << 20;
    static final Duration SECOND = Duration.ofSeconds(1);
    static final ImageRequest SMALL = ImageRequest.ANY.format(PixelFormat.XR24).size(640, 480);

    final FakeKernel kernel = new FakeKernel().heap("system", MEMORY);
    final FakeCard card = new FakeCard(kernel, true, true);
    String before;
    Cenalloc cenalloc;
    Display display;

    @BeforeEach
    void open() throws Exception {
        card.mayChange = true;
        kernel.device(NODE.toString(), card);
        before = card.screen();
        cenalloc = kernel.open();
        try (var buffer = cenalloc.create(1)) {
            buffer.dmaBuf(); // opens the node of the heap, for good
        }
        display = Display.open(cenalloc, NODE);
    }

    /** Whatever was done to the display, everything is given back. */
    @AfterEach
    void everythingIsGivenBack() throws Exception {
        display.close();
        display.close();
        cenalloc.close();
        assertEquals("{} {}", card.state());
        assertEquals(0, kernel.openFiles());
        assertEquals(0, kernel.openMappings());
        assertEquals(MEMORY, kernel.free());
        if (!card.isGone) {
            assertEquals(before, card.screen());
        }
    }

    Ring ring(int frames) throws CenallocException {
        return Ring.allocate(cenalloc, Canvas.negotiate(cenalloc, display, SMALL), frames);
    }

    /** An agreement of a declared device on images that the display may not have. */
    Agreement declared(PixelFormat format, int width, int height) throws CenallocException {
        var images = new ImageRange(format, ImageRange.Sizes.of(width, height));
        return Agreement.negotiate(
                cenalloc,
                ImageRequest.ANY,
                List.of(Port.of(Device.of("declared", Constraints.NONE, "test"), List.of(images))));
    }

    /** What a refused use may not change: memory, mappings, descriptors, objects of the card, and the screen. */
    String state() {
        return kernel.free() + " " + kernel.openMappings() + " " + kernel.openFiles() + " " + card.state() + " "
                + card.screen();
    }

    /** The use fails in this way, and has changed nothing. */
    <T extends Throwable> T refused(Class<T> type, Executable use) {
        String unchanged = state();
        T e = assertThrows(type, use);
        assertEquals(unchanged, state(), e::toString);
        return e;
    }
}
