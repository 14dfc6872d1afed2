// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.image;

import dev.cenalloc.image.KernelFormats.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Writes the codes of {@link PixelFormat} as C assertions on the names in the kernel's headers. {@code ci/abi} compiles
 * them. Argument: the file to write.
 */
final class FormatAssertions {
    /** Younger than the oldest headers that are compiled against. */
    private static final List<String> YOUNG = List.of("V4L2_PIX_FMT_NV15");

    private static final List<String> HEADERS = List.of(
            "// Made by FormatAssertions.java; compiled by ci/abi, never run.",
            "#include <linux/videodev2.h>",
            "#include <drm/drm_fourcc.h>");

    private FormatAssertions() {}

    public static void main(String[] args) throws Exception {
        var lines = new ArrayList<>(HEADERS);
        for (Row row : KernelFormats.rows()) {
            row.drm()
                    .ifPresent(name -> lines.add(
                            assertion("DRM_FORMAT_" + name, row.format().drmFourcc())));
            row.v4l2()
                    .ifPresent(name -> lines.add(
                            assertion("V4L2_PIX_FMT_" + name, row.format().v4l2Fourcc())));
        }
        Files.write(Path.of(args[0]), lines);
        System.out.println((lines.size() - HEADERS.size()) + " codes");
    }

    private static String assertion(String name, OptionalInt code) {
        String assertion = "_Static_assert(%s == 0x%xU, \"%s\");".formatted(name, code.orElseThrow(), name);
        return YOUNG.contains(name) ? "#ifdef " + name + "\n" + assertion + "\n#endif" : assertion;
    }
}
