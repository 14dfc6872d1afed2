// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/** What buffers leave in this process and in the kernel. */
public final class Traces {
    /** The kernel's list of dma-bufs, of whoever. */
    static final Path DMA_BUFS = Path.of("/sys/kernel/debug/dma_buf/bufinfo");

    private static final Pattern DMA_BUF = Pattern.compile("^[0-9]{8,}\\s+[0-9a-f]{8}\\s+[0-9a-f]{8}\\s+[0-9]{8}\\s");
    private static final Pattern COUNT = Pattern.compile("^([0-9]+\\s+[0-9a-f]+\\s+[0-9a-f]+\\s+)[0-9]+\\s+");

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
        return Files.readAllLines(DMA_BUFS).stream()
                .filter(line -> line.startsWith("Total ") && line.contains(" objects, "))
                .findFirst()
                .orElseThrow();
    }

    /** The same, a line each: size, flags, exporter, inode, name. Empty where the kernel does not tell. */
    public static List<String> listOfDmaBufs() throws Exception {
        if (!Files.isReadable(DMA_BUFS)) {
            return List.of();
        }
        return Files.readAllLines(DMA_BUFS).stream()
                .filter(line -> DMA_BUF.matcher(line).find())
                .map(line -> COUNT.matcher(line).replaceFirst("$1"))
                .toList();
    }
}
