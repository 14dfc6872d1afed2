// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.LogCapture;
import dev.cenalloc.OnEachKernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.Listener;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Devices, sockets and contexts that a program lost without closing them are closed, and the log says so. */
@OnEachKernel
class LostDescriptorTest {
    private static final Path NODE = Path.of("/dev/zero");

    private interface Loss {
        void happen() throws Exception;
    }

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);

    private void assertReleased(String what, Loss loss) throws Exception {
        try (var log = new LogCapture()) {
            loss.happen();
            String expected = what + " was never closed; it is closed now";
            long limit = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while ((kernel.openFiles() > 0 || !log.errors().contains(expected)) && System.nanoTime() < limit) {
                System.gc();
                Thread.sleep(20);
            }
            assertEquals(0, kernel.openFiles());
            assertTrue(log.errors().contains(expected), log::text);
        }
    }

    @Test
    void aContext() throws Exception {
        assertReleased("the Cenalloc that allocates from /dev/dma_heap/system", () -> {
            Cenalloc lost = kernel.open();
            lost.allocate(lost.heap("system"), 1).close();
            assertEquals(1, kernel.openFiles());
        });
    }

    @Test
    void aListenerAndAConnection() throws Exception {
        try (Cenalloc cenalloc = kernel.open()) {
            assertReleased("the socket at @lost", () -> Listener.open(cenalloc, Address.ofAbstract("lost")));
            assertReleased("a connection to another process", () -> {
                try (var listener = Listener.open(cenalloc, Address.ofAbstract("lost"))) {
                    Connection.connect(cenalloc, listener.address());
                }
            });
        }
    }

    @Test
    void whatCameOverAConnectionAndWasNotTaken() throws Exception {
        assertReleased("a connection to another process", () -> {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment bytes = arena.allocate(8, 4);
                assertEquals(0, kernel.socketPair(bytes));
                var sender = new UnixSocket(kernel, bytes.get(ValueLayout.JAVA_INT, 0));
                var receiver = new UnixSocket(kernel, bytes.get(ValueLayout.JAVA_INT, 4));
                var passed = new Descriptor(kernel, kernel.memoryFile(new byte[1]));
                assertEquals(0, sender.send(bytes, 0, 1, List.of(passed, passed), 0));
                sender.close();
                passed.close();
                assertEquals(1, receiver.receive(bytes, 0, 0));
                assertEquals(2, receiver.available());
                assertEquals(3, kernel.openFiles());
            }
        });
    }

    /** On the real kernel, which has the device everywhere. */
    @Test
    void aDevice() throws Exception {
        assertReleased("the device /dev/zero", () -> DeviceNode.open(LinuxKernel.instance(), NODE));
    }

    @Test
    void whatIsClosedIsNotTold() throws Exception {
        try (var log = new LogCapture()) {
            for (int i = 0; i < 10; i++) {
                DeviceNode.open(LinuxKernel.instance(), NODE).close();
            }
            DeviceNode.open(LinuxKernel.instance(), Path.of("/dev/null"));
            while (!log.errors().contains("the device /dev/null was never closed")) {
                System.gc();
                Thread.sleep(20);
            }
            assertFalse(log.errors().contains("/dev/zero"), log::text);
        }
    }
}
