// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.CenallocException;
import dev.cenalloc.kernel.Kernel;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The value that a parameter of a driver's module must have, where that decides what a device is. A value.
 *
 * @param module the module, which may be a part of the kernel
 * @param name the parameter, which sysfs shows
 * @param value as sysfs shows it
 */
record Parameter(String module, String name, String value) {
    private static final Pattern KEY = Pattern.compile("(\\w+)\\.(\\w+)");
    /** A driver of several devices has a list of values, and numbers them. */
    private static final Pattern NUMBER = Pattern.compile("(\\d{1,9})$");

    /**
     * {@return a parameter of that name; empty if it is none}
     *
     * @param key module and parameter, as on the kernel's command line
     */
    static Optional<Parameter> of(String key, String value) {
        Matcher parts = KEY.matcher(key);
        return parts.matches() ? Optional.of(new Parameter(parts.group(1), parts.group(2), value)) : Optional.empty();
    }

    /** Module and parameter, as on the kernel's command line. */
    String key() {
        return module + "." + name;
    }

    /** Whether the kernel tells this value for a device, or nothing, also because the question failed for now. */
    boolean mayHold(Kernel kernel, String device) {
        String[] values;
        try {
            values = Recognition.text(kernel, Path.of("/sys/module", module, "parameters", name))
                    .split(",", -1);
        } catch (CenallocException e) {
            return true;
        }
        Matcher number = NUMBER.matcher(device);
        int place = values.length > 1 && number.find() ? Integer.parseInt(number.group(1)) : 0;
        // A list without an entry for the device tells nothing.
        return place >= values.length
                || values[place].isBlank()
                || values[place].strip().equals(value);
    }
}
