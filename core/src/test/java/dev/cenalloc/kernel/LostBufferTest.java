// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.LogCapture;
import dev.cenalloc.SharedBuffer;
import java.time.Duration;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * The report of a buffer that was never closed. In a package whose frames are those of a program, not of the library.
 */
class LostBufferTest {
    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void nothingIsLost() {
        System.clearProperty(DmaBuf.TRACE);
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals(1 << 20, kernel.free());
    }

    /** The errors that are logged until the memory is released. */
    private String reported(LogCapture log) throws InterruptedException {
        long limit = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while ((kernel.free() < 1 << 20 || log.errors().isEmpty()) && System.nanoTime() < limit) {
            System.gc();
            Thread.sleep(20);
        }
        return log.errors();
    }

    private void lose() throws CenallocException {
        DmaBuf buffer = cenalloc.allocate(cenalloc.heap("system"), 5000);
        buffer.name("left\neye");
    }

    private void loseShared() throws CenallocException {
        SharedBuffer buffer = cenalloc.create(100);
        buffer.name("right eye");
        buffer.dmaBuf();
    }

    @Test
    void itIsAnErrorWithNameAndSize() throws Exception {
        try (var log = new LogCapture()) {
            lose();
            String report = reported(log);
            assertTrue(report.contains("the DmaBuf \"left\\neye\" of 8192 bytes was never closed"), report);
            assertTrue(report.contains("-Ddev.cenalloc.traceAllocations=true"), report);
            assertEquals(1, report.lines().count(), report);
        }
    }

    @Test
    void itBeginsWithTheFramesOfTheProgram() throws Exception {
        System.setProperty(DmaBuf.TRACE, "true");
        try (var log = new LogCapture()) {
            lose();
            assertBeginsWith("lose", reported(log));
        }
        try (var log = new LogCapture()) {
            loseShared();
            String report = reported(log);
            assertTrue(report.contains("\"right eye\" of 4096 bytes"), report);
            assertBeginsWith("loseShared", report);
        }
    }

    private static void assertBeginsWith(String method, String report) {
        String frame = "released now \\[(\\S+/)?" + Pattern.quote(LostBufferTest.class.getName() + "." + method + "(");
        assertTrue(Pattern.compile(frame).matcher(report).find(), report);
        // The frames of the library follow.
        assertTrue(report.contains("dev.cenalloc.Cenalloc.allocate"), report);
        assertFalse(report.contains("traceAllocations"), report);
    }
}
