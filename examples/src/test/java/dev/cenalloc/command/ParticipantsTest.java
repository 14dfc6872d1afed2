// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ParticipantsTest {
    /** Otherwise the devices might agree on images that turn out to be none to draw on. */
    @ParameterizedTest
    @EnumSource
    void thePainterTakesPartWithWhatItDrawsOn(PixelFormat format) {
        boolean offered = Participants.painter().images().stream().anyMatch(range -> range.format() == format);
        assertEquals(draws(format), offered);
    }

    private static boolean draws(PixelFormat format) {
        try {
            var _ = new Painter(
                    Layout.of(new Image(format, 640, 480), 0, LayoutRules.NONE).orElseThrow());
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}
