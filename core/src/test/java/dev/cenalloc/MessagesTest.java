package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Printable;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What objects print of themselves, and that names cannot forge a line. */
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
    void controlCharactersAreEscaped() {
        String plain = "vivid platform:vivid-000, M\u00fcnchen \uD83D\uDCF7";
        assertSame(plain, Printable.of(plain));
        assertEquals(
                "a\\nb\\u000d\\u001b[31m\\u2028\\u202e\\ud83d", Printable.of("a\nb\r\u001b[31m\u2028\u202e\ud83d"));
    }

    @Test
    void namesDoNotForgeLinesOfTheDump() throws Exception {
        try (var buffer = cenalloc.create(100)) {
            int lines = cenalloc.dump().split("\n", -1).length;
            buffer.name("x\n0 buffers, 0 bytes of memory\u001b[2J");
            assertEquals(lines, cenalloc.dump().split("\n", -1).length);
            buffer.attach(
                    Device.of("evil\ncamera", Constraints.NONE.onlyHeaps(java.util.Set.of("system", "a\nb")), "\r"));
            String dump = cenalloc.dump();
            assertEquals(lines + 1, dump.split("\n", -1).length, dump);
            assertTrue(dump.contains("x\\n0 buffers") && dump.contains("evil\\ncamera"), dump);
            assertTrue(dump.chars().allMatch(c -> c == '\n' || !Character.isISOControl(c)), dump);
        }
    }

    @Test
    void namesDoNotForgeLinesOfTheLog() throws Exception {
        try (var log = new LogCapture();
                var buffer = cenalloc.create(100)) {
            buffer.attach(Device.undeclared("evil\nERROR camera"));
            assertTrue(log.text().contains("evil\\nERROR camera"), log::text);
            assertEquals(1, log.text().lines().count());
        }
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
