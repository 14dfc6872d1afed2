package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Collections that are arguments have no null elements. */
class ArgumentsTest {
    @Test
    @SuppressWarnings("NullAway") // the subject of the test
    void aNullElementIsRefusedByName() {
        var nothing = new ArrayList<String>();
        nothing.add(null);
        var noDevice = new ArrayList<Device>();
        noDevice.add(null);
        var noHeap = new ArrayList<Heap>();
        noHeap.add(null);
        for (var refused : Map.<String, Executable>of(
                        "an element of names", () -> Constraints.NONE.onlyHeaps(nothing),
                        "an element of places", () -> Constraints.NONE.near(nothing),
                        "an element of devices", () -> Plan.of(Demand.ofBytes(1), noDevice, List.of()),
                        "an element of heaps", () -> Plan.of(Demand.ofBytes(1), List.of(), noHeap),
                        "an element of descriptions", () -> Device.mostTrusted(noDevice),
                        "an element of planes",
                                () -> new Layout(
                                        new Image(PixelFormat.R8, 1, 1), 0, Arrays.asList((Layout.Plane) null), 1),
                        "an element of rates", () -> new ImageRange(PixelFormat.R8, Sizes.ANY, (Rates) null))
                .entrySet()) {
            var e = assertThrows(NullPointerException.class, refused.getValue());
            assertEquals(refused.getKey(), e.getMessage());
        }
    }
}
