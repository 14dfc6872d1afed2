// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Plan;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The example in the documentation of the package prints what the documentation says. */
class PackageExampleTest {
    private static final Image IMAGE = new Image(PixelFormat.NV12, 1000, 480);
    private static final Device DISPLAY =
            Device.of("display", Constraints.NONE.maxSegments(16).maxPitch(16_384), "its data sheet");
    private static final Device ENCODER =
            Device.of("encoder", Constraints.NONE.contiguous().maxPitch(8192), "board profile");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 20);

    private static Device gpu(int minPitch) {
        return Device.of("gpu", Constraints.NONE.pitchAlignment(256).minPitch(minPitch), "its driver");
    }

    private static List<String> documented() throws Exception {
        String file = "core/src/main/java/dev/cenalloc/package-info.java";
        Path path = Files.exists(Path.of(file)) ? Path.of(file) : Path.of("..", file);
        String text = Files.readString(path);
        return text.substring(text.indexOf("<pre>") + "<pre>".length(), text.indexOf("</pre>"))
                .lines()
                .map(line -> line.replaceFirst("^ \\* ?", ""))
                .filter(line -> !line.isBlank() && !line.equals("…"))
                .toList();
    }

    @Test
    void theExplanationHasTheLinesOfTheDocumentation() throws Exception {
        try (var cenalloc = kernel.open()) {
            Plan plan = cenalloc.plan(IMAGE, List.of(DISPLAY, gpu(8193), ENCODER));
            List<String> printed = plan.explain().lines().toList();
            List<String> documented = documented();
            assertEquals(6, documented.size());
            assertTrue(printed.containsAll(documented), plan::explain);
            assertEquals(documented.getFirst(), printed.getFirst());
            assertEquals(documented.getLast(), printed.getLast());
            Plan mended = cenalloc.plan(IMAGE, List.of(DISPLAY, gpu(1024), ENCODER));
            assertEquals(
                    List.of("reserved"),
                    mended.candidates().stream().map(Heap::name).toList());
        }
    }

    @Test
    void attachingThemThrowsTheSameConflict() throws Exception {
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(IMAGE)) {
            buffer.attach(DISPLAY);
            buffer.attach(gpu(8193));
            var e = assertThrows(IncompatibleConstraintsException.class, () -> buffer.attach(ENCODER));
            List<String> statements = e.conflicts().getFirst().statements().stream()
                    .map(statement -> "  " + statement)
                    .toList();
            assertEquals(documented().subList(4, 6), statements);
        }
    }
}
