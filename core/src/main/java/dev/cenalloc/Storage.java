package dev.cenalloc;

import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Objection;
import dev.cenalloc.plan.Plan;
import java.util.Optional;

/** The memory of a buffer and how it was chosen. The {@link SharedBuffer} closes the memory. */
record Storage(DmaBuf dmaBuf, Choice choice) {
    /** Why the memory does not suit a device; empty if it suits. */
    Optional<Objection> objection(Device device) {
        return choice.plan().objection(choice.heap(), dmaBuf.size(), device);
    }

    /** Whether the memory suits all devices of another plan, as it is laid out. */
    boolean suits(Plan plan) {
        return choice.plan().suits(choice.heap(), dmaBuf.size(), plan);
    }

    Storage withPlan(Plan plan) {
        return new Storage(dmaBuf, new Choice(choice.heap(), plan, choice.failed()));
    }
}
