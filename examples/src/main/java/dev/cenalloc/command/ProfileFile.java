// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.json.DeviceProfile;
import dev.cenalloc.json.MachineProfile;
import dev.cenalloc.json.Profile;
import dev.cenalloc.stream.Port;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Profiles as all commands use them: the user's file first, then those that are shipped. Stateless. */
final class ProfileFile {
    private ProfileFile() {}

    /** Which profiles were taken, in a line. */
    static String tell(MachineProfile machine) {
        return "profiles: " + machine;
    }

    /**
     * A port with what the profiles say of its device. The user's file replaces a trial: the user is to be believed. A
     * shipped profile knows a device by its driver, which may have been told by its module's parameters to need other
     * memory, so it adds to what a trial finds.
     */
    static Port known(MachineProfile machine, Optional<Profile> given, String driver, Path node, Port tried) {
        List<DeviceProfile> fit = machine.recognise(tried.name(), driver);
        boolean isGiven = !fit.isEmpty()
                && given.isPresent()
                && given.get().recognise(tried.name(), driver).containsAll(fit);
        return machine.device(tried.name(), driver, node)
                .map(device -> isGiven ? tried.withDevice(device) : tried.knowing(device))
                .orElse(tried);
    }
}
