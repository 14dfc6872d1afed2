// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import java.util.List;

/**
 * What a plane is given to show images: the layouts of its framebuffers, and where in those the image begins. A value.
 *
 * <p>If there is memory before the image, the framebuffer has all of that and the plane shows a part, as hardware does
 * everywhere. A framebuffer that begins in the middle of memory is what few drivers take at any byte, and what vkms
 * reads elsewhere: it adds the offset twice ({@code vkms_plane_atomic_update} of 6.12 and 7.2 takes the addresses of
 * the planes, and {@code packed_pixels_addr} adds their offsets).
 *
 * @param layouts one for each buffer
 * @param x in pixels
 * @param y in lines
 */
public record Source(List<Layout> layouts, int x, int y) {
    /**
     * The framebuffer for images.
     *
     * @param images where an image lies, in each of its buffers
     */
    public static Source of(List<Layout> images) {
        Layout first = images.getFirst();
        boolean isPart = first.image().modifier() == Image.LINEAR
                && images.stream()
                        .allMatch(one -> one.whole().isPresent()
                                && one.leftMargin() == first.leftMargin()
                                && one.topMargin() == first.topMargin());
        return isPart
                ? new Source(
                        images.stream().map(one -> one.whole().orElseThrow()).toList(), (int) first.leftMargin(), (int)
                                first.topMargin())
                : new Source(images, 0, 0);
    }
}
