// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.SequenceLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes a C file that compiles only if our numbers are those of FFmpeg's and EGL's headers; {@code ci/cookbook}. */
final class HeaderAssertions {
    private final List<String> lines = new ArrayList<>(List.of(
            "#include <stddef.h>",
            "#include <libavutil/hwcontext_drm.h>",
            "#define EGL_NO_X11",
            "#include <EGL/egl.h>",
            "#include <EGL/eglext.h>"));

    private int count;

    private HeaderAssertions() {}

    static void main(String[] arguments) throws Exception {
        var all = new HeaderAssertions();
        all.claim("sizeof(AVDRMFrameDescriptor)", AvDrmFrame.LAYOUT.byteSize());
        all.fields((GroupLayout) AvDrmFrame.LAYOUT, "", 0);
        all.claim("EGL_HEIGHT", EglAttributes.HEIGHT);
        all.claim("EGL_WIDTH", EglAttributes.WIDTH);
        all.claim("EGL_NONE", EglAttributes.NONE);
        all.claim("EGL_LINUX_DRM_FOURCC_EXT", EglAttributes.FOURCC);
        for (int plane = 0; plane < 4; plane++) {
            String name = "EGL_DMA_BUF_PLANE" + plane;
            all.claim(name + "_FD_EXT", EglAttributes.FD[plane]);
            all.claim(name + "_OFFSET_EXT", EglAttributes.FD[plane] + 1);
            all.claim(name + "_PITCH_EXT", EglAttributes.FD[plane] + 2);
            all.claim(name + "_MODIFIER_LO_EXT", EglAttributes.MODIFIER[plane]);
            all.claim(name + "_MODIFIER_HI_EXT", EglAttributes.MODIFIER[plane] + 1);
        }
        Files.write(Path.of(arguments[0]), all.lines);
        System.out.println(all.count);
    }

    private void claim(String what, long value) {
        lines.add("_Static_assert(" + what + " == " + value + ", \"" + what + "\");");
        count++;
    }

    /** Offset and size of each member, of the second element of an array, too. */
    private void fields(GroupLayout struct, String prefix, long offset) {
        for (MemoryLayout member : struct.memberLayouts()) {
            if (!(member instanceof PaddingLayout)) {
                String path = prefix + member.name().orElseThrow();
                claim("offsetof(AVDRMFrameDescriptor, " + path + ")", offset);
                claim("sizeof(((AVDRMFrameDescriptor *)0)->" + path + ")", member.byteSize());
                if (member instanceof SequenceLayout array && array.elementLayout() instanceof GroupLayout element) {
                    fields(element, path + "[1].", offset + element.byteSize());
                }
            }
            offset += member.byteSize();
        }
    }
}
