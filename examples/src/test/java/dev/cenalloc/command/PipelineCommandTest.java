package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.plan.Device;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the command says where it goes on with a guess. */
class PipelineCommandTest {
    private static String warned(List<Device> unknown) {
        var err = new StringWriter();
        PipelineCommand.warn(unknown, new PrintWriter(err, true));
        return err.toString();
    }

    @Test
    void aBusyDeviceIsWarnedOf() {
        assertEquals(
                "cenalloc: warning: it is not known what memory uvcvideo usb-1 takes (nothing is known: the device is in"
                        + " use: VIDIOC_S_FMT gave EBUSY on /dev/video0); the memory of the frames is a guess for it, and"
                        + " it may refuse it\n",
                warned(List.of(Device.undeclared(
                        "uvcvideo usb-1",
                        "nothing is known: the device is in use: VIDIOC_S_FMT gave EBUSY on /dev/video0"))));
    }

    @Test
    void whereAllIsKnownNothingIsSaid() {
        assertEquals("", warned(List.of()));
    }
}
