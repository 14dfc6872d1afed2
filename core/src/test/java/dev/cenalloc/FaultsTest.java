// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** Faults in every call of what is done to contexts, buffers, pools and fences. */
class FaultsTest extends CallSweep {
    private static final Path SYSTEM = Path.of("/dev/dma_heap/system");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");
    private static final Device SYSTEM_ONLY = only("system");
    private static final Device UDMABUF = only("udmabuf");
    private static final Device EITHER =
            Device.of("either", Constraints.NONE.onlyHeaps(Set.of("system", "reserved")), "test");
    private static final Device REGISTERED = only("sram");

    private static Device only(String heap) {
        return Device.of("device", Constraints.NONE.onlyHeaps(Set.of(heap)), "test");
    }

    private static FakeKernel machine() {
        return new FakeKernel()
                .heap("system", 4 << 20)
                .heap("reserved", 1 << 20)
                .heap("udmabuf", 4 << 20)
                .file("/proc/device-tree/reserved-memory/reserved/linux,cma-default", "")
                .file("/proc/zoneinfo", """
                        Node 0, zone   Normal
                                spanned  1048576
                          start_pfn:           0
                        """);
    }

    /** A buffer without memory, and an operation on it. */
    private abstract static class WithBuffer extends Scene {
        final SharedBuffer buffer;

        WithBuffer() throws CenallocException {
            super(machine());
            // A heap of the program's own, which gets its memory from the kernel as well.
            cenalloc.register("sram", HeapProperties.UNKNOWN, new DmaHeapSource(calls.kernel, SYSTEM));
            buffer = cenalloc.create(5000);
            // Another heap would be right after a fault, and it would be another result.
            buffer.attach(SYSTEM_ONLY);
        }

        @Override
        protected void end() {
            buffer.close();
        }

        /** Writes and reads back. */
        final String use(SharedBuffer used) throws Exception {
            Mapping mapping = opened(used.map(Direction.READ_WRITE));
            CpuAccess access = opened(used.access(Direction.READ_WRITE));
            mapping.segment().set(ValueLayout.JAVA_INT, 4092, 42);
            String read = " " + mapping.segment().get(ValueLayout.JAVA_INT, 4092);
            close(access);
            close(mapping);
            return used.dmaBuf().exporter() + " " + used.dmaBuf().size() + read;
        }
    }

    /** A buffer that gets memory from a device's heap, and gives it back. */
    private static final class FirstUse extends WithBuffer {
        private final Device device;

        FirstUse(Device device) throws CenallocException {
            this.device = device;
        }

        @Override
        protected String operate() throws Exception {
            SharedBuffer fresh = opened(cenalloc.create(new Image(PixelFormat.NV12, 64, 48)));
            opened(fresh.attach(device));
            fresh.name("a name");
            fresh.dmaBuf();
            String used = use(fresh);
            close(fresh);
            return used;
        }
    }

    enum Operation implements Scene.Maker {
        OPEN {
            @Override
            public Scene scene() throws CenallocException {
                return new Scene(machine()) {
                    @Override
                    protected String operate() throws Exception {
                        var context = opened(TestContext.open(calls.kernel, Path.of("/dev/dma_heap")));
                        String heaps = describe(context);
                        close(context);
                        return heaps;
                    }
                };
            }
        },
        REFRESH {
            @Override
            public Scene scene() throws CenallocException {
                return new Scene(machine()) {
                    @Override
                    protected String operate() throws Exception {
                        return cenalloc.refresh() + describe(cenalloc);
                    }
                };
            }
        },
        ALLOCATE {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    @Override
                    protected String operate() throws Exception {
                        var said = new StringBuilder();
                        for (String heap : List.of("system", "reserved", "udmabuf", "sram")) {
                            DmaBuf memory = opened(cenalloc.allocate(cenalloc.heap(heap), 5000));
                            said.append(memory.exporter()).append(memory.size());
                            close(memory);
                        }
                        return said.toString();
                    }
                };
            }
        },
        REGISTER {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    @Override
                    protected String operate() throws Exception {
                        var source = new DmaHeapSource(calls.kernel, SYSTEM);
                        opened(source::close);
                        var heap = cenalloc.register("tcm", HeapProperties.UNKNOWN, source);
                        opened(() -> {
                            if (cenalloc.heaps().contains(heap)) {
                                cenalloc.unregister(heap);
                            }
                        });
                        DmaBuf memory = opened(cenalloc.allocate(heap, 5000));
                        close(memory);
                        cenalloc.unregister(heap);
                        return "" + cenalloc.heaps().size();
                    }
                };
            }
        },
        FIRST_USE {
            @Override
            public Scene scene() throws CenallocException {
                return new FirstUse(CONTIGUOUS);
            }
        },
        UDMABUF_FIRST_USE {
            @Override
            public Scene scene() throws CenallocException {
                return new FirstUse(UDMABUF);
            }
        },
        REGISTERED_FIRST_USE {
            @Override
            public Scene scene() throws CenallocException {
                return new FirstUse(REGISTERED);
            }
        },
        ON_ONE_BUFFER {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    @Override
                    protected String operate() throws Exception {
                        buffer.name("a name");
                        String used = use(buffer);
                        CpuAccess reading = opened(buffer.access(Direction.READ));
                        CpuAccess writing = opened(buffer.access(Direction.WRITE));
                        close(writing);
                        close(reading);
                        DmaBuf memory = buffer.dmaBuf();
                        return used
                                + memory.properties()
                                + memory.await(Direction.READ_WRITE, Duration.ZERO)
                                + cenalloc.buffers().size()
                                + buffer.explain();
                    }
                };
            }
        },
        RELOCATE {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    @Override
                    protected String operate() throws Exception {
                        SharedBuffer moved = opened(cenalloc.create(5000));
                        opened(moved.attach(EITHER));
                        Mapping mapping = opened(moved.map(Direction.WRITE));
                        mapping.segment().set(ValueLayout.JAVA_INT, 1000, 7);
                        close(mapping);
                        opened(moved.relocate(CONTIGUOUS));
                        moved.relocate();
                        Mapping after = opened(moved.map(Direction.READ));
                        String read = "" + after.segment().get(ValueLayout.JAVA_INT, 1000);
                        close(after);
                        String exporter = moved.dmaBuf().exporter();
                        close(moved);
                        return read + exporter;
                    }
                };
            }
        },
        FENCES {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    private int passed;

                    @Override
                    protected void prepare() {
                        passed = received(fake.fence(signalled()));
                    }

                    @Override
                    protected String operate() throws Exception {
                        DmaBuf memory = buffer.dmaBuf();
                        boolean exchanges = memory.exchangesFences();
                        Fence reads = opened(memory.exportFence(Direction.READ));
                        Fence writes = opened(memory.exportFence(Direction.WRITE));
                        Fence both = opened(reads.merge(writes));
                        memory.exportFence(Direction.READ_WRITE, reads);
                        boolean over = both.await(Duration.ZERO) && both.awaitEnd(Duration.ZERO);
                        memory.importFence(both, Direction.WRITE);
                        Fence adopted = opened(Fence.adopt(calls.kernel, passed));
                        boolean done = adopted.isSignalled();
                        close(adopted);
                        close(reads);
                        close(writes);
                        close(both);
                        return exchanges + " " + over + " " + done;
                    }
                };
            }
        },
        ADOPT {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    private int passed;

                    @Override
                    protected void prepare() {
                        passed = received(fake.foreignDmaBuf("camera", 8192, false));
                    }

                    @Override
                    protected String operate() throws Exception {
                        SharedBuffer adopted = opened(cenalloc.adopt(passed, Demand.ofBytes(5000), null));
                        String used = use(adopted);
                        DmaBuf twin = opened(adopted.dmaBuf().duplicate());
                        DmaBuf taken = opened(DmaBuf.ofProcess(
                                calls.kernel, 1, adopted.dmaBuf().fd()));
                        String said = used + twin.size() + taken.exporter() + taken.name();
                        close(taken);
                        close(twin);
                        close(adopted);
                        return said;
                    }
                };
            }
        },
        POOL {
            @Override
            public Scene scene() throws CenallocException {
                return new WithBuffer() {
                    @Override
                    protected String operate() throws Exception {
                        Pool pool = opened(Pool.allocate(cenalloc, Demand.ofBytes(5000), List.of(CONTIGUOUS), 2));
                        PoolBuffer first = opened(pool.lend("test", Duration.ZERO));
                        MappedAccess access = opened(first.access(Direction.WRITE));
                        access.segment().set(ValueLayout.JAVA_INT, 0, 3);
                        close(access);
                        Fence work = opened(first.buffers().getFirst().exportFence(Direction.READ));
                        close(first, () -> first.close(work));
                        close(work);
                        String said = pool.free() + pool.holders();
                        pool.grow(1);
                        PoolBuffer again = opened(pool.lend("again", Duration.ZERO));
                        close(again);
                        said += pool.size() + " " + pool.trim(2) + " " + pool.size();
                        close(pool);
                        return said;
                    }
                };
            }
        };

        private static FakeKernel.Work signalled() {
            var work = new FakeKernel.Work();
            work.status = 1;
            return work;
        }

        private static String describe(Cenalloc cenalloc) {
            return cenalloc.heaps().stream()
                    .map(heap -> heap + " " + heap.isAccessible() + " " + heap.properties())
                    .collect(Collectors.joining(", "));
        }
    }

    @Override
    protected List<Operation> operations() {
        return List.of(Operation.values());
    }
}
