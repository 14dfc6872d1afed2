// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What objects print of themselves. See {@link HostileNamesTest} for names with control characters. */
class MessagesTest {
    private static final Device CAMERA = Device.of("camera", Constraints.NONE, "test");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void nothingIsLost() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void objectsPrintWhatTheyAre() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            assertEquals("buffer of 100 bytes", buffer.toString());
            buffer.name("left eye");
            assertEquals("buffer of 100 bytes \"left eye\"", buffer.toString());
            assertEquals("camera on " + buffer, buffer.attach(CAMERA).toString());
            try (var access = buffer.access(Direction.READ)) {
                assertEquals("CPU access READ, 1 open", access.toString());
            }
            Mapping writable = buffer.map(Direction.WRITE);
            try (var mapping = buffer.map(Direction.READ)) {
                assertEquals("read-only mapping of " + buffer.dmaBuf(), mapping.toString());
                assertEquals("mapping of " + buffer.dmaBuf(), writable.toString());
            }
            writable.close();
            assertEquals("closed mapping of " + buffer.dmaBuf(), writable.toString());
            assertEquals(
                    "system: no device rules a heap out, and this is plentiful",
                    buffer.choice().orElseThrow().toString());
        }
    }

    @Test
    void expectationsPrintWhatIsExpected() {
        assertEquals("nothing", Expectation.NONE.toString());
        assertEquals("nothing, strictly", Expectation.NONE.strict().toString());
        assertEquals("2 devices, strictly", Expectation.ofCount(2).strict().toString());
    }

    @Test
    void aFencePrintsItsDescriptor() throws Exception {
        Fence fence = Fence.adopt(kernel, kernel.fence(new FakeKernel.Work()));
        assertEquals("fence " + fence.fd(), fence.toString());
        fence.close();
        assertEquals("closed fence", fence.toString());
    }

    @Test
    void theStackOfALoggedExceptionIsKept() {
        try (var log = new LogCapture()) {
            Log.error("the buffer {} is lost", "a\nb", new Throwable("allocated here"));
            assertTrue(log.text().contains("the buffer a\\nb is lost"), log::text);
            assertTrue(log.text().contains("MessagesTest.theStackOfALoggedExceptionIsKept"), log::text);
        }
    }

    @Test
    void aClosedBufferSaysSo() {
        var buffer = cenalloc.create(100);
        buffer.close();
        var e = assertThrows(IllegalStateException.class, buffer::dmaBuf);
        assertEquals("the buffer is closed", e.getMessage());
    }
}
