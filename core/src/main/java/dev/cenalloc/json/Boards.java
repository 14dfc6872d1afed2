// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.json.Profile.Matches;
import dev.cenalloc.kernel.Seam;
import dev.cenalloc.text.Nearest;
import dev.cenalloc.text.Printable;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;

/**
 * The profiles that are shipped with this library: boards, chips, and drivers that many machines have. Each statement
 * in them has its source and certainty. Files and lines are those of Linux 7.2. Stateless, safe for any number of
 * threads.
 *
 * {@snippet :
 * Device display = Boards.named("rk3588").find("display").getFirst().device();
 * }
 */
public final class Boards {
    private static final List<String> NAMES = List.of(
            "allwinner-a64",
            "allwinner-h6",
            "am62",
            "am62a",
            "amdgpu",
            "imx8mp",
            "imx93",
            "intel-ipu6",
            "j721e",
            "jetson-orin",
            "rb5",
            "rk3399",
            "rk3568",
            "rk3588",
            "rpi4",
            "rpi5",
            "stm32mp1",
            "stm32mp2",
            "test-drivers",
            "usb-camera");

    private Boards() {}

    /** {@return the names of the shipped profiles, sorted} */
    public static List<String> names() {
        return NAMES;
    }

    /**
     * {@return a shipped profile} Reads it from the library at each call.
     *
     * @param name one of {@link #names}
     * @throws IllegalArgumentException if there is no such profile; the message tells the nearest names
     * @throws UncheckedIOException if the library cannot be read, as when this process has too many open files
     */
    public static Profile named(String name) {
        if (!NAMES.contains(Objects.requireNonNull(name, "name"))) {
            throw new IllegalArgumentException(Printable.of("no board is called '" + name + "'; the nearest names are "
                    + String.join(", ", Nearest.of(name, NAMES))));
        }
        return read(name, ProfileReader::read);
    }

    private interface Part<T> {
        T of(ProfileReader reader) throws ConstraintsFormatException;
    }

    private static <T> T read(String name, Part<T> part) {
        try (InputStream json = Boards.class.getResourceAsStream("boards/" + name + ".json")) {
            if (json == null) {
                // Java does not tell why: it is missing, or cannot be opened for now.
                throw new FileNotFoundException("the library's resource boards/" + name + ".json");
            }
            return part.of(new ProfileReader(name, ConstraintsJson.text(json)));
        } catch (IOException e) {
            throw new UncheckedIOException("the shipped profile " + name + " cannot be read", e);
        }
    }

    /**
     * {@return all shipped profiles, sorted by name}
     *
     * @throws UncheckedIOException as {@link #named}
     */
    public static List<Profile> all() {
        return NAMES.stream().map(Boards::named).toList();
    }

    /**
     * {@return the profiles of this machine} The given ones come first. Then comes the shipped one of the board: the
     * one with the most specific {@code compatible} string of the machine's device tree. Then come those that PCI or
     * USB ids, or drivers of V4L2 and DRM devices recognise. A machine without a device tree, or with one that this
     * process may not read, is no error. Opens no device.
     *
     * @param cenalloc the context
     * @param own profiles that go before the shipped ones, the most trusted first
     * @throws UncheckedIOException as {@link #named}
     * @throws CenallocException ENOMEM, EMFILE, ENFILE: a question to the kernel failed for now; ask again
     */
    public static MachineProfile ofMachine(Cenalloc cenalloc, List<Profile> own) throws CenallocException {
        Objects.requireNonNull(cenalloc, "cenalloc");
        for (Profile one : Objects.requireNonNull(own, "own")) {
            Objects.requireNonNull(one, "an element of own");
        }
        var shipped = new LinkedHashMap<String, Matches>();
        for (String name : NAMES) {
            shipped.put(name, read(name, ProfileReader::readMatches));
        }
        return Recognition.of(Seam.kernel(cenalloc), List.copyOf(own), shipped, Boards::named);
    }
}
