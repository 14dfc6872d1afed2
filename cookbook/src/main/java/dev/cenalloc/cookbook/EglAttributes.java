// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.image.Layout;
import java.util.ArrayList;
import java.util.List;

/** The attributes with which EGL_EXT_image_dma_buf_import makes an EGLImage of a buffer. */
final class EglAttributes {
    static final int HEIGHT = 0x3056;
    static final int WIDTH = 0x3057;
    static final int FOURCC = 0x3271;
    static final int NONE = 0x3038;
    /** Of each plane: EGL_DMA_BUF_PLANEn_FD_EXT; the offset and the pitch follow it. */
    static final int[] FD = {0x3272, 0x3275, 0x3278, 0x3440};
    /** Of each plane: EGL_DMA_BUF_PLANEn_MODIFIER_LO_EXT; HI follows it. */
    static final int[] MODIFIER = {0x3443, 0x3445, 0x3447, 0x3449};

    private EglAttributes() {}

    /**
     * {@return the attributes for {@code eglCreateImage} with the target EGL_LINUX_DMA_BUF_EXT} They hold the numbers
     * of descriptors: keep the buffers open until that call has returned. EGL duplicates what it keeps.
     *
     * @param layouts of the image, one for each buffer
     * @param fds {@code DmaBuf.fd()} of each
     * @param modifiers whether to name the modifier, which EGL_EXT_image_dma_buf_import_modifiers allows; without, the
     *     driver guesses it, and a linear image is only safe with it
     */
    static long[] of(List<Layout> layouts, List<Integer> fds, boolean modifiers) {
        var image = layouts.getFirst().image();
        // Planes in buffers of their own have the same code in DRM.
        var list = new ArrayList<Long>(List.of(
                (long) WIDTH, (long) image.width(),
                (long) HEIGHT, (long) image.height(),
                (long) FOURCC, Integer.toUnsignedLong(image.format().drmFourcc().orElseThrow())));
        int plane = 0;
        for (int buffer = 0; buffer < layouts.size(); buffer++) {
            for (var place : layouts.get(buffer).planes()) {
                list.addAll(List.of((long) FD[plane], (long) fds.get(buffer)));
                list.addAll(List.of((long) FD[plane] + 1, place.offset()));
                list.addAll(List.of((long) FD[plane] + 2, place.pitch()));
                if (modifiers) {
                    list.addAll(List.of((long) MODIFIER[plane], image.modifier() & 0xFFFF_FFFFL));
                    list.addAll(List.of((long) MODIFIER[plane] + 1, image.modifier() >>> 32));
                }
                plane++;
            }
        }
        list.add((long) NONE);
        return list.stream().mapToLong(Long::longValue).toArray();
    }
}
