// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.json.Profile;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProbeCommandTest {
    /** What was found with one image holds for others, as far as it is written down. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsOfTheDeviceIsWrittenDownAndWhatIsOfTheImageIsNot(boolean iommu) throws Exception {
        var constraints = Constraints.NONE.contiguous().minPitch(4096);
        Device device = Device.of("the device", constraints, Device.Origin.TRIAL_IMPORT, "on trial");
        var profile = Profile.empty("test").with(ProbeCommand.ofAnyImage(iommu ? device.behindIommu() : device));
        Device read =
                Profile.read("board.json", profile.write()).device("the device").orElseThrow();
        assertEquals(iommu, read.isBehindIommu());
        assertEquals(Constraints.NONE.contiguous(), read.constraints());
    }
}
