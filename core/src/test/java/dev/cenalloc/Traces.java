// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What buffers leave in this process and in the kernel. */
public final class Traces {
    private Traces() {}

    public static int openFiles() throws Exception {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return (int) files.count();
        }
    }

    /** Mappings of this process, of anything. */
    public static int mappings() throws Exception {
        return maps().size();
    }

    /** Those of dma-bufs. */
    public static long mappedDmaBufs() throws Exception {
        return maps().stream().filter(line -> line.contains("/dmabuf:")).count();
    }

    private static List<String> maps() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/maps"));
    }

    /** The dma-bufs that the kernel has, of whoever: {@code "Total N objects, B bytes"}. */
    public static String dmaBufs() throws Exception {
        return Files.readAllLines(Path.of("/sys/kernel/debug/dma_buf/bufinfo")).stream()
                .filter(line -> line.startsWith("Total ") && line.contains(" objects, "))
                .findFirst()
                .orElseThrow();
    }
}
