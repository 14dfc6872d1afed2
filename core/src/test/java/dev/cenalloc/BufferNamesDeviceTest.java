// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Linux;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The names of buffers in the kernel's own lists, whether the program gave one or not. */
@RequiresHeap({"system", "reserved", "udmabuf"})
class BufferNamesDeviceTest {
    private static final Path BUFINFO = Path.of("/sys/kernel/debug/dma_buf/bufinfo");

    /** The name in both lists, which must agree. */
    private static String nameOf(DmaBuf buffer) throws Exception {
        String name = Files.readAllLines(Path.of("/proc/self/fdinfo/" + buffer.fd())).stream()
                .filter(line -> line.startsWith("name:"))
                .map(line -> line.substring("name:".length()).strip())
                .findFirst()
                .orElse("");
        // size, flags, mode, count, exp_name, ino, name
        List<String> found = Files.readAllLines(BUFINFO).stream()
                .map(line -> line.split("\t", -1))
                .filter(columns -> columns.length >= 7 && columns[5].matches("0*" + buffer.inode()))
                .map(columns -> columns[6].strip())
                .toList();
        assertEquals(List.of(name), found, () -> "in " + BUFINFO);
        return name;
    }

    private static void isOurs(DmaBuf buffer) throws Exception {
        String name = nameOf(buffer);
        assertTrue(name.matches("cenalloc " + ProcessHandle.current().pid() + "\\.\\d+"), name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"system", "reserved", "udmabuf"})
    void ofEachHeap(String heap) throws Exception {
        Device only = Device.of("only " + heap, Constraints.NONE.onlyHeaps(List.of(heap)), "test");
        try (var cenalloc = Cenalloc.open();
                var plain = cenalloc.allocate(cenalloc.heap(heap), 10_000);
                var shared = cenalloc.create(10_000);
                var named = cenalloc.create(10_000);
                var pool = Pool.allocate(cenalloc, "tensor", List.of(Demand.ofBytes(100)), List.of(List.of(only)), 2)) {
            isOurs(plain);
            shared.attach(only);
            isOurs(shared.dmaBuf());
            assertTrue(!nameOf(plain).equals(nameOf(shared.dmaBuf())));
            assertTrue(cenalloc.dump().contains('"' + nameOf(shared.dmaBuf()) + '"'), cenalloc::dump);
            named.attach(only);
            named.name("left eye, which looks at the street"); // cut to 31 bytes
            assertEquals("left eye, which looks at the st", nameOf(named.dmaBuf()));
            assertEquals("tensor 1", nameOf(pool.buffers().get(1).buffers().getFirst()));
        }
    }

    /** What another process exported keeps its name. */
    @Test
    void ofWhatIsAdopted() throws Exception {
        try (var theirs = Cenalloc.open();
                var ours = Cenalloc.open();
                var buffer = theirs.allocate(theirs.heap("system"), 4096)) {
            buffer.name("theirs");
            try (var adopted = ours.adopt(Linux.dup(buffer.fd()))) {
                assertEquals("theirs", nameOf(adopted.dmaBuf()));
                assertEquals("theirs", ours.buffers().getFirst().name());
            }
        }
    }
}
