// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.Faults;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every call of every operation fails in turn, with every errno that it may plausibly give. Afterwards descriptors,
 * mappings and memory are back where they were, the error is the one that the kernel gave, and the same object can be
 * used.
 */
class FaultsTest {
    private static final long MEMORY = (4 << 20) + (1 << 20) + (4 << 20);
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");
    private static final Device UDMABUF = Device.of("desktop", Constraints.NONE.onlyHeaps(Set.of("udmabuf")), "test");

    private static final Device REGISTERED = Device.of("npu", Constraints.NONE.onlyHeaps(Set.of("sram")), "test");

    /** What is done to a buffer; what it has before, if it must have something. */
    enum Operation {
        FIRST_USE {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                buffer.dmaBuf();
            }
        },
        MAP {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                try (var mapping = buffer.map(Direction.READ_WRITE)) {
                    mapping.segment().fill((byte) 7);
                }
            }
        },
        ACCESS {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                buffer.access(Direction.WRITE).close();
            }
        },
        NAME {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                buffer.name("a name");
                buffer.dmaBuf();
            }
        },
        UDMABUF_FIRST_USE {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                try (var _ = buffer.attach(UDMABUF)) {
                    buffer.dmaBuf();
                }
            }
        },
        REGISTERED_FIRST_USE {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                try (var _ = buffer.attach(REGISTERED)) {
                    buffer.dmaBuf();
                }
            }
        },
        RELOCATE {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                buffer.map(Direction.READ).close();
                buffer.relocate(CONTIGUOUS).close();
            }
        },
        FENCES {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                DmaBuf dmaBuf = buffer.dmaBuf();
                dmaBuf.await(Direction.READ, Duration.ZERO);
                if (!dmaBuf.exchangesFences()) {
                    return;
                }
                try (Fence reads = dmaBuf.exportFence(Direction.READ);
                        Fence writes = dmaBuf.exportFence(Direction.WRITE);
                        Fence both = reads.merge(writes)) {
                    dmaBuf.exportFence(Direction.READ_WRITE, reads);
                    both.await(Duration.ZERO);
                    dmaBuf.importFence(both, Direction.WRITE);
                }
            }
        },
        ADOPT {
            @Override
            void run(SharedBuffer buffer) throws CenallocException {
                buffer.dmaBuf();
            }

            @Override
            SharedBuffer buffer(Cenalloc cenalloc, FakeKernel kernel) throws CenallocException {
                return cenalloc.adopt(kernel.foreignDmaBuf("camera", 4096, false));
            }
        };

        abstract void run(SharedBuffer buffer) throws CenallocException;

        SharedBuffer buffer(Cenalloc cenalloc, FakeKernel kernel) throws CenallocException {
            return cenalloc.create(5000);
        }
    }

    private static FakeKernel kernel() {
        return new FakeKernel()
                .heap("system", 4 << 20)
                .heap("reserved", 1 << 20)
                .heap("udmabuf", 4 << 20);
    }

    private static Cenalloc open(FakeKernel kernel) throws CenallocException {
        Cenalloc cenalloc = kernel.open();
        // A heap of the program's own, which gets its memory from the kernel as well.
        var source = new DmaHeapSource(kernel, Path.of("/dev/dma_heap/system"));
        cenalloc.register("sram", HeapProperties.UNKNOWN, source);
        return cenalloc;
    }

    @HostOnly
    @ParameterizedTest
    @EnumSource(Operation.class)
    void everyFaultOfEveryCallGivesEverythingBack(Operation operation) throws Exception {
        int calls = callsOf(operation);
        assertTrue(calls > 0);
        var outcomes = new ArrayList<String>();
        for (int call = 0; call < calls; call++) {
            for (int errno : Faults.ERRNOS) {
                outcomes.add(fail(operation, call, errno));
            }
        }
        // Some faults are survived (a name, an interrupted call, the next heap); most are told.
        assertTrue(outcomes.contains("told"), operation + ": " + outcomes);
    }

    private static int callsOf(Operation operation) throws Exception {
        FakeKernel kernel = kernel();
        try (var cenalloc = open(kernel);
                var buffer = operation.buffer(cenalloc, kernel)) {
            operation.run(buffer);
            return kernel.calls.size();
        }
    }

    private static String fail(Operation operation, int call, int errno) throws Exception {
        String what = operation + ", call " + call + ", " + Errno.name(errno);
        FakeKernel kernel = kernel();
        String outcome = "survived";
        try (var cenalloc = open(kernel)) {
            kernel.failCall(call, errno);
            SharedBuffer buffer = null;
            try {
                buffer = operation.buffer(cenalloc, kernel);
                operation.run(buffer);
            } catch (CenallocException e) {
                assertEquals(errno, e.errno(), () -> what + ": " + e);
                outcome = "told";
            }
            kernel.failNoCall();
            if (buffer != null) {
                assertEquals(0, kernel.openMappings(), what);
                assertStillUsable(buffer, what);
                buffer.close();
            }
            long nodes = kernel.openFiles();
            assertTrue(nodes <= 3, () -> what + ": only the nodes of the heaps may be open, not " + nodes + " files");
            assertEquals(MEMORY, kernel.free(), what);
        }
        assertEquals(0, kernel.openFiles(), what);
        assertEquals(0, kernel.openMappings(), what);
        return outcome;
    }

    private static void assertStillUsable(SharedBuffer buffer, String what) throws Exception {
        assertEquals(List.of(), buffer.attachments(), what);
        try (var mapping = buffer.map(Direction.WRITE);
                var _ = buffer.access(Direction.WRITE)) {
            mapping.segment().set(ValueLayout.JAVA_BYTE, 4095, (byte) 1);
        }
    }
}
