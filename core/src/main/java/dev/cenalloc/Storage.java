// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Objection;
import dev.cenalloc.plan.Plan;
import java.util.Optional;

/** The memory of a buffer and its choice. The {@link SharedBuffer} closes the memory. A value. */
record Storage(DmaBuf dmaBuf, Choice choice) {
    /** The reason why the memory does not suit a device; empty if it suits. */
    Optional<Objection> objection(Device device) {
        return choice.plan().objection(choice.heap(), dmaBuf.size(), device);
    }

    /** Whether the memory, with its layout, suits all devices of another plan. */
    boolean suits(Plan plan) {
        return choice.plan().suits(choice.heap(), dmaBuf.size(), plan);
    }

    Storage withPlan(Plan plan) {
        return new Storage(dmaBuf, new Choice(choice.heap(), plan, choice.failed()));
    }
}
