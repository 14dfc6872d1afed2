package dev.cenalloc.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class DeviceNodeTest {
    private static final Path ZERO = Path.of("/dev/zero");

    /** The number of a closed file is given to the next that is opened: no call may reach that. */
    @Test
    void useAfterCloseReachesNoOtherFile() throws IOException {
        MemorySegment memory = Arena.ofAuto().allocate(8);
        var node = new DeviceNode(ZERO);
        try (node) {
            assertTrue(node.await("nothing came"));
            assertEquals(8, node.read(memory));
        }
        List<Executable> uses = List.of(
                () -> node.await("nothing came"),
                () -> node.read(memory),
                () -> node.tryIoctl(0, memory),
                () -> node.tryFrameIoctl(0, memory),
                () -> node.ioctl("REQUEST", 0, memory),
                () -> node.frameIoctl("REQUEST", 0, memory));
        try (var other = new DeviceNode(ZERO)) {
            for (Executable use : uses) {
                var closed = assertThrows(IllegalStateException.class, use);
                assertEquals("/dev/zero is closed", closed.getMessage());
            }
            node.close(); // again
            assertEquals(8, other.read(memory));
        }
    }
}
