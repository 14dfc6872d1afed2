package dev.cenalloc.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** What any Linux tells. */
class LinuxKernelTest {
    private final Kernel kernel = LinuxKernel.instance();

    @Test
    void mappingsAreCounted() throws Exception {
        long lines;
        try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
            lines = maps.count();
        }
        long counted = kernel.mappings().orElseThrow();
        // The JVM maps and unmaps meanwhile.
        assertTrue(Math.abs(counted - lines) < 64, () -> counted + " and " + lines);
        assertTrue(counted > 20);
    }

    @Test
    void numbersOfProcSysAreReadWhole() throws Exception {
        String name = "kernel/pid_max"; // at least 301
        try (var file = new FileInputStream("/proc/sys/" + name)) {
            String text = new String(file.readNBytes(64), StandardCharsets.US_ASCII).strip();
            assertTrue(text.length() > 2, text);
            assertEquals(text, Long.toString(kernel.sysctl(name).orElseThrow()));
        }
        assertTrue(kernel.sysctl("vm/max_map_count").orElseThrow() > 100);
        assertEquals(OptionalLong.empty(), kernel.sysctl("vm/no_such_number"));
        assertEquals(OptionalLong.empty(), kernel.sysctl("kernel/ostype"), "no number");
    }

    @Test
    void pagesAreAPowerOfTwo() {
        assertEquals(1, Long.bitCount(kernel.pageSize()));
        assertTrue(kernel.pageSize() >= 4096);
    }
}
