// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import javafx.scene.image.PixelBuffer;

/**
 * An image of JavaFX over the memory of a frame. JavaFX reads it when it is updated, and uploads it to its renderer.
 */
final class JavaFx {
    private JavaFx() {}

    /**
     * {@return the pixels for a {@code WritableImage}} JavaFX keeps the address as long as it has the image: keep the
     * mapping open until nothing shows the image any more. What it shows changes by {@link PixelBuffer#updateBuffer} on
     * JavaFX's thread, within an access of the CPU that lasts until the pulse after it.
     *
     * @param layout of an image in AR24. A pixel buffer has no pitch: demand the layout without padding ({@code
     *     Demand.ofLayout(Layout.of(image))})
     * @param memory of the mapping
     */
    static PixelBuffer<ByteBuffer> pixels(Layout layout, MemorySegment memory) {
        var image = layout.image();
        // Of XR24 JavaFX would take the fourth byte, which means nothing, for alpha.
        if (image.format() != PixelFormat.AR24) {
            throw new IllegalArgumentException("JavaFX shows AR24, not " + image);
        }
        var place = layout.planes().getFirst();
        if (place.pitch() != layout.rowBytes(0)) {
            throw new IllegalArgumentException("a pixel buffer has no pitch, and lines are padded: " + layout
                    + ". To do: pass Demand.ofLayout(Layout.of(image)) to create");
        }
        var pixels =
                memory.asSlice(place.offset(), layout.rows(0) * place.pitch()).asByteBuffer();
        var format = javafx.scene.image.PixelFormat.getByteBgraPreInstance();
        return new PixelBuffer<>(image.width(), image.height(), pixels, format);
    }
}
