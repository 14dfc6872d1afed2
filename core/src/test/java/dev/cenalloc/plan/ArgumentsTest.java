// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Expectation;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Profile;
import dev.cenalloc.stream.Port;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Collections that are arguments have no null elements, and names are not blank. */
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

    @Test
    void aBlankNameIsRefusedByTheNameOfItsParameter() throws Exception {
        Device device = Device.of("camera", Constraints.NONE, "test");
        Profile profile = Profile.empty("board");
        for (String blank : List.of("", " \t")) {
            for (var refused : Map.<String, List<Executable>>of(
                            "name",
                            List.of(
                                    () -> Device.of(blank, Constraints.NONE, "test"),
                                    () -> Device.of(blank, Constraints.NONE, Device.Origin.PROFILE, "test"),
                                    () -> Device.undeclared(blank),
                                    () -> Device.undeclared(blank, "test"),
                                    () -> Heap.of(blank),
                                    () -> Heap.of(blank, HeapProperties.UNKNOWN),
                                    () -> Port.of(blank, List.of(), _ -> device),
                                    () -> Profile.empty(blank),
                                    () -> Profile.read(blank, "{\"version\": 1}"),
                                    () -> Profile.read(blank, InputStream.nullInputStream())),
                            "use",
                            List.of(
                                    () -> device.withUse(blank, 0, Constraints.NONE),
                                    () -> profile.withUse(blank, List.of("system"))),
                            "where",
                            List.of(() -> HeapProperties.UNKNOWN.withPlace(blank)),
                            "heaps",
                            List.of(() -> HeapProperties.UNKNOWN.withSubstitutes(Set.of("system", blank))),
                            "names",
                            List.of(() -> Expectation.ofDevices(List.of("camera", blank))),
                            "places",
                            List.of(() -> Constraints.NONE.near(List.of("numa0", blank))))
                    .entrySet()) {
                for (Executable call : refused.getValue()) {
                    var e = assertThrows(IllegalArgumentException.class, call);
                    assertTrue(String.valueOf(e.getMessage()).startsWith(refused.getKey() + " must "), e::toString);
                }
            }
        }
    }
}
