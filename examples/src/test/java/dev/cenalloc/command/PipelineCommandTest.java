// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.plan.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the command says where it goes on with a guess, and where a wish was not met. */
class PipelineCommandTest {
    @Test
    void aBusyDeviceIsWarnedOf() {
        assertEquals(
                "it is not known what memory uvcvideo usb-1 takes (nothing is known: the device is in use:"
                        + " VIDIOC_S_FMT gave EBUSY on /dev/video0); the memory of the frames is a guess for it, and it"
                        + " may refuse it",
                PipelineCommand.doubt(Device.undeclared(
                        "uvcvideo usb-1",
                        "nothing is known: the device is in use: VIDIOC_S_FMT gave EBUSY on /dev/video0")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "30 | 1 | 30 | 1 | 29.9 | ''",
                "30 | 1 | 30 | 1 | 60 | ''",
                "30 | 1 | 30 | 1 | 7.031 | 7.03 frames a second were shown, and 30 are asked for",
                "1000 | 1 | 60 | 1 | 7 | 7.00 frames a second were shown, and 1000 are asked for: the nearest that the"
                        + " devices have in common is 60",
                "5 | 1 | 15 | 1 | 15 | 15.00 frames a second were shown, and 5 are asked for: the nearest that the devices"
                        + " have in common is 15",
                "30000 | 1001 | 30000 | 1001 | 29.97 | ''"
            })
    void aWishForARateThatIsNotMetIsSaid(
            long frames, long seconds, long agreed, long agreedSeconds, double shown, String told) {
        assertEquals(
                told,
                PipelineCommand.unmet(new FrameRate(frames, seconds), new FrameRate(agreed, agreedSeconds), shown));
    }
}
