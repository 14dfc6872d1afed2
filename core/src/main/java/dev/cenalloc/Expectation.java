// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Device;
import dev.cenalloc.text.Count;
import dev.cenalloc.text.Printable;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/**
 * The devices that are to be attached to a buffer before its first use. An earlier first use logs a warning that names
 * the missing devices; if the expectation is {@link #strict}, it throws. Immutable.
 */
public final class Expectation {
    /** No device is expected. */
    public static final Expectation NONE = new Expectation(Set.of(), 0, false, false);

    private final Set<String> names;
    private final int count;
    private final boolean untilComplete;
    private final boolean strict;

    private Expectation(Set<String> names, int count, boolean untilComplete, boolean strict) {
        this.names = names;
        this.count = count;
        this.untilComplete = untilComplete;
        this.strict = strict;
    }

    /**
     * {@return an expectation of devices by name}
     *
     * @param names the names of the devices, at least one
     * @throws IllegalArgumentException if there is no name, or a blank one
     */
    public static Expectation ofDevices(Collection<String> names) {
        Set<String> devices = Set.copyOf(Objects.requireNonNull(names, "names"));
        if (devices.isEmpty() || devices.stream().anyMatch(String::isBlank)) {
            throw new IllegalArgumentException("names must name at least one device, none of them blank");
        }
        return new Expectation(devices, 0, false, false);
    }

    /**
     * {@return an expectation of a number of devices}
     *
     * @param count the number of devices, at least 1
     * @throws IllegalArgumentException if the count is below 1
     */
    public static Expectation ofCount(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("count must be at least 1, not " + count);
        }
        return new Expectation(Set.of(), count, false, false);
    }

    /** {@return the expectation that {@link SharedBuffer#complete} is called} */
    public static Expectation ofCompletion() {
        return new Expectation(Set.of(), 0, true, false);
    }

    /** {@return this expectation, with an exception in place of the warning} */
    public Expectation strict() {
        return new Expectation(names, count, untilComplete, true);
    }

    boolean isStrict() {
        return strict;
    }

    /** Names the missing devices; empty if none is missing. */
    String missing(List<Device> attached) {
        if (untilComplete) {
            return "the call of complete()";
        }
        if (count > attached.size()) {
            return count - attached.size() + " of " + Count.of(count, "device");
        }
        var absent = new TreeSet<>(names);
        attached.forEach(device -> {
            absent.remove(device.name());
            absent.remove(device.baseName());
        });
        return String.join(", ", absent);
    }

    @Override
    public String toString() {
        String what = untilComplete
                ? "until complete"
                : count > 0 ? Count.of(count, "device") : Printable.of(names.toString());
        return (names.isEmpty() && count == 0 && !untilComplete ? "nothing" : what) + (strict ? ", strictly" : "");
    }
}
