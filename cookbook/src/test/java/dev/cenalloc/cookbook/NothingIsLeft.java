// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** After each test this process has no dma-buf open or mapped. */
final class NothingIsLeft implements AfterEachCallback {
    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        assertEquals(List.of(), dmaBufs());
    }

    static List<String> dmaBufs() throws IOException {
        var found = new ArrayList<String>();
        try (var files = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path file : files) {
                try {
                    String target = Files.readSymbolicLink(file).toString();
                    if (target.startsWith("/dmabuf")) {
                        found.add(file + ": " + target);
                    }
                } catch (NoSuchFileException _) {
                    // That of the directory itself, or of another thread.
                }
            }
        }
        try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
            lines.filter(line -> line.contains("/dmabuf")).forEach(found::add);
        }
        return found;
    }
}
