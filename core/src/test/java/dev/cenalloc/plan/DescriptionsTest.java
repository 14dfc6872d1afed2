// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.plan.Device.Origin;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Several descriptions of one device together: what a trial found and what a profile has. */
class DescriptionsTest {
    private static final Device TRIAL = Device.of(
            "camera usb-1", Constraints.NONE.contiguous().pitchAlignment(64), Origin.TRIAL_IMPORT, "on trial");
    private static final Device PROFILE = Device.of(
                    "camera",
                    Constraints.NONE.pitchAlignment(96).highestAddress("ram", 0xffff_ffffL),
                    Origin.PROFILE,
                    "profile board")
            .withSource(Field.HIGHEST_ADDRESS, "profile board: driver.c:7");

    @Test
    void eachConstraintKeepsItsSource() {
        Device both = TRIAL.alsoSaying(PROFILE);
        assertEquals(
                Constraints.NONE.contiguous().pitchAlignment(192).highestAddress("ram", 0xffff_ffffL),
                both.constraints());
        assertEquals("camera usb-1", both.name());
        assertEquals(Origin.TRIAL_IMPORT, both.origin());
        assertEquals("on trial", both.detail(Field.CONTIGUOUS));
        assertEquals("on trial; profile board", both.detail(Field.PITCH_ALIGNMENT));
        assertEquals("profile board: driver.c:7", both.detail(Field.HIGHEST_ADDRESS));
        assertEquals("on trial; profile board", both.detail());
    }

    @Test
    void theOneThatIsKnownCounts() {
        Device busy = Device.undeclared("camera usb-1", "it is in use");
        assertSame(TRIAL, TRIAL.alsoSaying(busy));
        Device known = busy.alsoSaying(PROFILE);
        assertEquals(PROFILE.constraints(), known.constraints());
        assertEquals(Origin.PROFILE, known.origin());
        assertEquals("it is in use; profile board", known.detail());
        assertEquals("profile board: driver.c:7", known.detail(Field.HIGHEST_ADDRESS));
        assertEquals("profile board", known.detail(Field.PITCH_ALIGNMENT));
    }

    @Test
    void oneConsentSuffices() {
        Device consenting = Device.of("gpu", Constraints.NONE.acceptsProtected(), Origin.PROFILE, "profile");
        assertTrue(TRIAL.alsoSaying(consenting).constraints().flag(Field.ACCEPTS_PROTECTED));
        assertFalse(TRIAL.alsoSaying(PROFILE).constraints().flag(Field.ACCEPTS_PROTECTED));
    }

    @Test
    void behindAnIommuTheLimitsOfTheOtherDoNotApplyEither() {
        Device profile = Device.of("camera", Constraints.NONE.maxSegments(1), Origin.PROFILE, "profile");
        Device both = TRIAL.behindIommu().alsoSaying(profile);
        assertTrue(both.isBehindIommu());
        assertEquals(TRIAL.constraints(), both.constraints());
    }

    @Test
    void alternativesGetThemAll() {
        Device both = TRIAL.or(Constraints.NONE.cpuRead()).alsoSaying(PROFILE);
        assertEquals(
                List.of(
                        TRIAL.constraints().and(PROFILE.constraints()),
                        Constraints.NONE.cpuRead().and(PROFILE.constraints())),
                both.alternatives());
    }

    /** As of two descriptions of which one is wrong: it is a conflict, with both sources, and no exception here. */
    @Test
    void descriptionsMayContradictEachOther() {
        Device heaps = Device.of("camera", Constraints.NONE.onlyHeaps(List.of("a")), Origin.PROFILE, "profile");
        Device others = Device.of("camera", Constraints.NONE.onlyHeaps(List.of("b")), Origin.TRIAL_IMPORT, "trial");
        Plan plan = Plan.of(
                Demand.ofBytes(4096),
                List.of(others.alsoSaying(heaps)),
                List.of(Heap.of("a", HeapProperties.UNKNOWN), Heap.of("b", HeapProperties.UNKNOWN)));
        assertEquals(List.of(), plan.candidates());
        assertTrue(plan.explain().contains("trial; profile"), plan::explain);
    }
}
