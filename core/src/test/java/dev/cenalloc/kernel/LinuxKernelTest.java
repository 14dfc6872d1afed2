// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.cenalloc.OnEachKernel;
import dev.cenalloc.TestContext;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** What any Linux tells. */
@OnEachKernel
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
    void parametersThatAreOnOrOffAreNumbers() throws Exception {
        Path parameter = Path.of("/sys/module/printk/parameters/time");
        assumeTrue(Files.isReadable(parameter));
        long on = Files.readString(parameter).strip().equals("Y") ? 1 : 0;
        assertEquals(on, kernel.moduleParameter("printk", "time").orElseThrow());
    }

    @Test
    void errnosOfFilesAreTold(@TempDir Path directory) throws Exception {
        Path file = Files.createFile(directory.resolve("file"));
        Path loop = Files.createSymbolicLink(directory.resolve("loop"), Path.of("loop"));
        Path missing = directory.resolve("missing");
        for (var expected : Map.of(loop, Errno.ELOOP, missing, Errno.ENOENT).entrySet()) {
            Path path = expected.getKey();
            assertEquals(-expected.getValue(), kernel.access(path, Linux.F_OK), path::toString);
            assertEquals(-expected.getValue(), kernel.deviceNumber(path), path::toString);
            for (Executable reading : List.<Executable>of(
                    () -> kernel.list(path), () -> kernel.bytes(path), () -> kernel.realPath(path))) {
                var e = assertThrows(IOException.class, reading);
                assertEquals(expected.getValue(), FileException.errno(e), e::toString);
            }
        }
        assertEquals(Errno.ENOTDIR, FileException.errno(assertThrows(IOException.class, () -> kernel.list(file))));
        assertEquals(0, kernel.access(file, Linux.R_OK));
        assertEquals(0, kernel.deviceNumber(file));
        assertEquals(List.of("file", "loop"), kernel.list(directory));
    }

    @Test
    @Timeout(60)
    void aFifoAmongTheHeapsIsNoHeap(@TempDir Path directory) throws Exception {
        String fifo = directory.resolve("system").toString();
        assertEquals(0, new ProcessBuilder("mkfifo", fifo).start().waitFor());
        try (var cenalloc = TestContext.open(kernel, directory)) {
            assertTrue(cenalloc.heaps().stream().noneMatch(heap -> heap.name().equals("system")));
        }
    }

    @Test
    void pagesAreAPowerOfTwo() {
        assertEquals(1, Long.bitCount(kernel.pageSize()));
        assertTrue(kernel.pageSize() >= 4096);
    }
}
