// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** Any text as caps: what is read, is written and read again, is the same. */
public final class CapsFuzz implements FuzzTarget {
    @Override
    public List<byte[]> seeds() {
        var texts = new ArrayList<String>(List.of(
                "video/x-raw(memory:DMABuf, meta:Other), x={1, \"a,b\", [2, 3]}, format=NV12, width=64, height=48",
                "video/x-raw, title=(string)\"a \\\", width=(int)9\", format=(string)\"NV\\12\", width=64, height=48",
                "video/x-raw(memory:DMABuf), format=(string)DMA_DRM, drm-format=(string)NV12:0x0100000000000002,"
                        + " width=(int)640, height=(int)480, interlace-mode=mixed; audio/x-raw"));
        for (VideoFormat format : VideoFormat.values()) {
            texts.add(Objects.requireNonNull(Caps.write(new Image(format.pixels(), 33, 17), FrameRate.of(30))));
        }
        return texts.stream().map(text -> text.getBytes(StandardCharsets.UTF_8)).toList();
    }

    @Override
    public boolean read(byte[] input) {
        Caps caps = Caps.of(new String(input, StandardCharsets.UTF_8));
        Image image = caps.image();
        assertEquals(image != null, caps.objection().isEmpty(), caps::objection);
        if (image == null) {
            return false;
        }
        FrameRate told = caps.rate();
        FrameRate rate = told == null ? FrameRate.of(30) : told;
        String text = Caps.write(image, rate);
        if (text != null) {
            Caps again = Caps.of(text);
            assertEquals(image, again.image(), text);
            assertEquals(rate, again.rate(), text);
        }
        return true;
    }
}
