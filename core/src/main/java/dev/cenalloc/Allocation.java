// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.HeapRejection;
import dev.cenalloc.plan.Objection.Cause;
import dev.cenalloc.plan.Plan;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Allocates the memory of one buffer: tries the candidates of a plan in order, each at most once. For one thread. */
final class Allocation {
    private final Cenalloc cenalloc;
    private final String bufferName;
    private final List<Attempt> failed = new ArrayList<>();
    private final List<CenallocException> refusals = new ArrayList<>();

    /** @param bufferName the buffer's name in the kernel's lists; empty if the program gave none */
    Allocation(Cenalloc cenalloc, String bufferName) {
        this.cenalloc = cenalloc;
        this.bufferName = bufferName;
    }

    /** Allocates from the first candidate that has enough memory. */
    Storage run(Plan plan) throws CenallocException {
        return run(plan, null).orElseThrow();
    }

    /** As {@link #run(Plan)}; empty if no candidate before {@code enough} has enough memory. */
    Optional<Storage> run(Plan plan, @Nullable Heap enough) throws CenallocException {
        List<Heap> candidates = plan.candidates();
        if (candidates.isEmpty()) {
            if (cenalloc.refresh()) {
                return run(cenalloc.plan(plan.demand(), plan.attached()), enough);
            }
            throw noHeap(plan);
        }
        plan.leftOut()
                .forEach(device -> Log.info("{} is left out: no memory suits all devices with it", device.name()));
        for (Heap heap : candidates) {
            if (heap.equals(enough)) {
                return Optional.empty();
            }
            if (failed.stream().anyMatch(attempt -> attempt.heap().equals(heap.name()))) {
                continue;
            }
            try {
                // Made before the memory, so that only the record is made while nothing owns the memory.
                var choice = new Choice(heap, plan, failed);
                return Optional.of(new Storage(allocate(plan, heap), choice));
            } catch (IllegalStateException e) {
                // The heap was unregistered since the plan was made: plan again. If not, the Cenalloc is closed.
                if (cenalloc.heaps().contains(heap)) {
                    throw e;
                }
                return run(cenalloc.plan(plan.demand(), plan.attached()), enough);
            } catch (CenallocException e) {
                if (e.errno() != Errno.ENOMEM) {
                    failed.forEach(attempt -> e.addSuppressed(new IOException("before it " + attempt)));
                    throw e;
                }
                failed.add(new Attempt(heap.name(), e.errno(), e.isFromKernel(), cenalloc.state(heap)));
                refusals.add(e);
            }
        }
        var exhausted = new MemoryExhaustedException(plan, failed, cenalloc.memory(candidates));
        refusals.forEach(exhausted::addSuppressed);
        throw exhausted;
    }

    /** Allocates from one heap, and checks what is known only of existing memory. */
    private DmaBuf allocate(Plan plan, Heap heap) throws CenallocException {
        DmaBuf dmaBuf = cenalloc.allocate(heap, plan.requestedSize(), bufferName);
        boolean suits = false;
        try {
            dmaBuf.ownedByBuffer();
            Constraints constraints = plan.constraints();
            boolean cpu = constraints.flag(Field.CPU_READ) || constraints.flag(Field.CPU_WRITE);
            if (cpu && heap.properties().cpuMappable() != Trait.YES) {
                dmaBuf.map(constraints.flag(Field.CPU_WRITE) ? Direction.WRITE : Direction.READ)
                        .close();
            }
            suits = true;
            return dmaBuf;
        } finally {
            if (!suits) {
                dmaBuf.release();
            }
        }
    }

    private CenallocException noHeap(Plan plan) {
        Optional<Heap> closed = preferredWithoutPermission(plan);
        if (closed.isPresent()) {
            return CenallocException.ofCall(
                    Errno.EACCES, "open", closed.get().path().orElse(null), plan.requestedSize());
        }
        return new NoSuitableHeapException(plan, cenalloc.remedy(plan));
    }

    /** The heap that the plan would try first if this process could open every node; empty if that changes nothing. */
    private static Optional<Heap> preferredWithoutPermission(Plan plan) {
        var opened = new ArrayList<Heap>();
        for (HeapRejection rejection : plan.rejected()) {
            Heap heap = rejection.heap();
            if (rejection.cause() == Cause.NO_PERMISSION) {
                heap.path().ifPresent(node -> opened.add(heap.withNode(node, true)));
            }
        }
        return opened.isEmpty()
                ? Optional.empty()
                : Plan.of(plan.demand(), plan.attached(), opened).candidates().stream()
                        .findFirst()
                        .or(() -> Optional.of(opened.getFirst()));
    }
}
