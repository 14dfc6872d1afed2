// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.stream;

import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import dev.cenalloc.plan.Assurance;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.Plan;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A device's own memory that suits all devices, too, and is known to be better than the heap that was chosen: the heap
 * is scarce and the memory is not, or the heap does not promise addresses that the device reaches, for which its driver
 * allocates that memory.
 *
 * @param memory of a device that takes part
 * @param plans of each buffer of the image, in that memory
 * @param reason why it is better, in words
 */
record BetterMemory(DeviceMemory memory, List<Plan> plans, String reason) {
    /**
     * Looks for such memory. Only memory that may be better is tried, so the usual choice costs no trial.
     *
     * @param chosen the plan of each buffer of the image, with heaps
     * @param refusals takes why memory that was tried cannot be used, in words
     */
    static Optional<BetterMemory> of(
            Negotiation negotiation,
            List<Port> ports,
            Image image,
            List<Plan> chosen,
            Map<DeviceMemory, String> refusals) {
        boolean isScarce =
                chosen.stream().anyMatch(plan -> heap(plan).properties().scarce() == Trait.YES);
        for (Port port : ports) {
            DeviceMemory memory = port.memory().orElse(null);
            if (memory == null || !(isScarce || isOutOfReachOnlyOf(port.name(), chosen))) {
                continue;
            }
            var own = new ArrayList<Plan>();
            try {
                if (negotiation.inMemoryOf(port, memory, image, own, refusals)
                        && own.stream()
                                .flatMap(plan -> plan.attached().stream())
                                .noneMatch(device -> device.declared().isEmpty())) {
                    Optional<String> reason = reason(port.name(), chosen, heap(own.getFirst()));
                    if (reason.isPresent()) {
                        return Optional.of(new BetterMemory(memory, List.copyOf(own), reason.get()));
                    }
                }
            } catch (CenallocException e) {
                // There is a heap: what is wrong with other memory is no reason to fail.
                // A format that was left changed is set again before it is used.
                refusals.put(memory, String.valueOf(e.getMessage()));
            }
        }
        return Optional.empty();
    }

    private static Optional<String> reason(String owner, List<Plan> chosen, Heap own) {
        for (Plan plan : chosen) {
            Heap heap = heap(plan);
            if (heap.properties().scarce() == Trait.YES && own.properties().scarce() == Trait.NO) {
                return Optional.of("it spares " + heap.name() + ", which is scarce");
            }
        }
        return isOutOfReachOnlyOf(owner, chosen)
                ? Optional.of("its driver allocates it where " + owner + " reaches it, which "
                        + heap(chosen.getFirst()).name() + " does not promise")
                : Optional.empty();
    }

    /** Whether memory of the chosen heaps may lie beyond what this device reaches, and no other. */
    private static boolean isOutOfReachOnlyOf(String name, List<Plan> chosen) {
        List<String> limited = chosen.stream()
                .filter(plan -> plan.assurances(heap(plan)).get(Field.HIGHEST_ADDRESS) == Assurance.ADVISORY)
                .flatMap(plan -> plan.attached().stream())
                .filter(device -> !device.constraints().highestAddresses().isEmpty())
                .map(Device::name)
                .distinct()
                .toList();
        return limited.equals(List.of(name));
    }

    private static Heap heap(Plan plan) {
        return plan.candidates().getFirst();
    }
}
