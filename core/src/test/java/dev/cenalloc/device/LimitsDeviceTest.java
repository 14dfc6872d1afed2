// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.CpuAccess;
import dev.cenalloc.Fence;
import dev.cenalloc.Mapping;
import dev.cenalloc.MemoryExhaustedException;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.Traces;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.Listener;
import dev.cenalloc.share.ReceivedFrame;
import dev.cenalloc.share.Receiver;
import dev.cenalloc.share.Sender;
import dev.cenalloc.share.SentFrame;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Limits of this process and of its control group, of which everything reaches: the exception names the limit and what
 * can be done, nothing is left, and when the limit is raised everything works again.
 */
@RequiresDevices
class LimitsDeviceTest {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final Device SYSTEM = only("system");
    private static final long MIB = 1 << 20;

    private MachineState before = new MachineState("", 0, List.of());

    private interface Operation {
        void run(Cenalloc cenalloc) throws Exception;
    }

    private static Device only(String heap) {
        return Device.of("device", Constraints.NONE.onlyHeaps(Set.of(heap)), "test");
    }

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        // What the JDK opens once for all, for sockets and processes.
        ServerSocketChannel.open(StandardProtocolFamily.UNIX).close();
        new ProcessBuilder("true").start().waitFor();
        before = MachineState.now();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        before.assertSame("at the end");
        assertEquals(0, Traces.mappedDmaBufs());
    }

    // ---- RLIMIT_NOFILE ----

    private static void use(Cenalloc cenalloc, String heap) throws Exception {
        try (SharedBuffer buffer = cenalloc.create(20_000)) {
            buffer.attach(only(heap));
            try (Mapping mapping = buffer.map(Direction.READ_WRITE);
                    CpuAccess _ = buffer.access(Direction.READ_WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_LONG, 8192, 7);
            }
            buffer.relocate(Device.of("second", Constraints.NONE, "test"));
            assertEquals(7, read(buffer));
        }
    }

    private static long read(SharedBuffer buffer) throws Exception {
        try (Mapping mapping = buffer.map(Direction.READ)) {
            return mapping.segment().get(ValueLayout.JAVA_LONG, 8192);
        }
    }

    private static void fences(Cenalloc cenalloc) throws Exception {
        try (SharedBuffer buffer = cenalloc.create(4096)) {
            buffer.attach(SYSTEM);
            try (Fence one = buffer.dmaBuf().exportFence(Direction.READ);
                    Fence other = buffer.dmaBuf().exportFence(Direction.WRITE);
                    Fence both = one.merge(other)) {
                assertTrue(both.await(Duration.ZERO));
            }
        }
    }

    private static void lend(Cenalloc cenalloc) throws Exception {
        try (Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(5000), List.of(SYSTEM), 3)) {
            try (PoolBuffer buffer = pool.lend("test", Duration.ZERO);
                    var bytes = buffer.access(Direction.WRITE)) {
                bytes.segment().set(ValueLayout.JAVA_LONG, 0, 1);
            }
            pool.grow(2);
            assertEquals(5, pool.size());
        }
    }

    private static void share(Cenalloc cenalloc) throws Exception {
        try (var listener = Listener.open(cenalloc, Address.ofAbstract("cenalloc-limits"));
                var sender = new Sender(Connection.connect(cenalloc, Address.ofAbstract("cenalloc-limits")));
                var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT)));
                SharedBuffer buffer = cenalloc.create(new Image(PixelFormat.NV12, 64, 48))) {
            SentFrame frame = sender.add(List.of(buffer), "", "");
            assertTrue(sender.send(frame, 1, 0, null, LIMIT));
            try (ReceivedFrame received = Objects.requireNonNull(receiver.next(LIMIT))) {
                assertEquals(1, received.sequence());
            }
            assertEquals(frame, sender.returned(LIMIT));
        }
    }

    @Test
    void tooManyOpenFilesAreToldByEveryOperation() throws Exception {
        StreamRun devices = StreamRun.find();
        var operations = new TreeMap<String, Operation>();
        operations.put("open", _ -> Cenalloc.open().close());
        operations.put("system", cenalloc -> use(cenalloc, "system"));
        operations.put("udmabuf", cenalloc -> use(cenalloc, "udmabuf"));
        operations.put("fences", LimitsDeviceTest::fences);
        operations.put("pool", LimitsDeviceTest::lend);
        operations.put("share", LimitsDeviceTest::share);
        operations.put("probe", cenalloc -> {
            assertTrue(Probe.of(cenalloc, devices.camera()).produces().isPresent());
            assertTrue(Probe.of(cenalloc, devices.display()).consumes().isPresent());
        });
        operations.put("stream", _ -> devices.direct(LinuxKernel.instance(), StreamRun::showSome));
        operations.put("lent", _ -> devices.lent(LinuxKernel.instance(), StreamRun::showSome));
        try (var cenalloc = Cenalloc.open();
                var limit = new ProcessLimit("nofile")) {
            for (var one : operations.entrySet()) {
                one.getValue().run(cenalloc); // loads what it needs, and opens the heaps
                MachineState open = MachineState.now();
                int free = lowestFree();
                int refused = 0;
                while (isRefused(limit, free + refused, one.getValue(), cenalloc, one.getKey())) {
                    refused++;
                    open.assertSame(one.getKey());
                }
                assertTrue(refused > 0, () -> one.getKey() + " needs descriptors");
                open.assertSame(one.getKey());
                System.out.println(one.getKey() + ": " + refused + " limits refused");
            }
        }
    }

    /** The number of the next file that is opened. */
    private static int lowestFree() {
        int number = 0;
        while (Files.exists(Path.of("/proc/self/fd/" + number), LinkOption.NOFOLLOW_LINKS)) {
            number++;
        }
        return number;
    }

    /** Whether a process with descriptors below a number only cannot do it, which must be told so. */
    private static boolean isRefused(ProcessLimit limit, int most, Operation operation, Cenalloc cenalloc, String name)
            throws Exception {
        Throwable thrown = null;
        limit.set(most);
        try {
            operation.run(cenalloc);
        } catch (Throwable e) {
            thrown = e;
        }
        limit.giveBack();
        if (thrown == null) {
            return false;
        }
        String when = name + " with descriptors below " + most;
        try {
            var e = assertInstanceOf(CenallocException.class, thrown, when);
            assertEquals("EMFILE", e.errnoName(), when);
            assertTrue(e.remedy().contains("ulimit -n"), when);
        } catch (AssertionError e) {
            e.addSuppressed(thrown);
            throw e;
        }
        return true;
    }

    // ---- RLIMIT_AS ----

    private static long addressSpace() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                        .filter(line -> line.startsWith("VmSize:"))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                        .findFirst()
                        .orElseThrow()
                * 1024;
    }

    @Test
    void tooLittleAddressSpaceIsTold() throws Exception {
        try (var cenalloc = Cenalloc.open();
                var limit = new ProcessLimit("as");
                SharedBuffer buffer = cenalloc.create(128 * MIB);
                Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(128 * MIB), List.of(SYSTEM), 1)) {
            buffer.attach(SYSTEM);
            buffer.map(Direction.READ).close();
            long mappings = Traces.mappings();
            // The JVM itself needs some.
            limit.set(addressSpace() + 64 * MIB);
            try {
                var mapped = assertThrows(CenallocException.class, () -> buffer.map(Direction.READ));
                assertNoAddressSpace(mapped);
                try (PoolBuffer lent = pool.lend("test", LIMIT)) {
                    assertNoAddressSpace(assertThrows(CenallocException.class, () -> lent.access(Direction.READ)));
                    assertFalse(lent.isAccessed());
                }
            } finally {
                limit.giveBack();
            }
            assertEquals(0, Traces.mappedDmaBufs());
            assertTrue(Traces.mappings() < mappings + 100);
            buffer.map(Direction.READ).close();
            try (PoolBuffer lent = pool.lend("test", LIMIT);
                    var bytes = lent.access(Direction.WRITE)) {
                assertEquals(128 * MIB, bytes.segment().byteSize());
            }
        }
    }

    private static void assertNoAddressSpace(CenallocException e) {
        assertEquals(Errno.ENOMEM, e.errno(), e::getMessage);
        assertEquals("mmap", e.call());
        assertTrue(e.reason().contains("no address space"), e::reason);
        assertTrue(e.remedy().contains("RLIMIT_AS (ulimit -v)"), e::remedy);
    }

    // ---- memory of a control group ----

    private static final Path GROUPS = Path.of("/sys/fs/cgroup");

    @Test
    void theLimitOfAControlGroupIsToldBeforeTheKernelKills() throws Exception {
        boolean mounts = !Files.exists(GROUPS.resolve("cgroup.procs"));
        if (mounts) {
            run("mount", "-t", "cgroup2", "cgroup2", GROUPS.toString());
        }
        Path group = GROUPS.resolve("cenalloc-test");
        String pid = Long.toString(ProcessHandle.current().pid());
        long most = 256 * MIB;
        long size = 44 * MIB; // five of them, and the JVM has some room
        try (var cenalloc = Cenalloc.open()) {
            Files.writeString(GROUPS.resolve("cgroup.subtree_control"), "+memory");
            Files.createDirectory(group);
            Files.writeString(group.resolve("memory.max"), Long.toString(most));
            Files.writeString(group.resolve("cgroup.procs"), pid);
            var buffers = new ArrayList<SharedBuffer>();
            try {
                var e = assertThrows(MemoryExhaustedException.class, () -> {
                    while (buffers.size() < most / size) {
                        buffers.add(udmabuf(cenalloc, size));
                    }
                    buffers.add(udmabuf(cenalloc, size));
                });
                assertEquals(most / size, buffers.size(), e::getMessage);
                String told = Objects.requireNonNull(e.getSuppressed()[0].getMessage());
                assertTrue(told.contains("control group of this process may use only"), told);
                buffers.removeLast().close();
                buffers.add(udmabuf(cenalloc, size));
                // The kernel does not charge memory of a heap to a group.
                try (SharedBuffer other = cenalloc.create(size)) {
                    other.attach(SYSTEM);
                    assertEquals(size, other.dmaBuf().size());
                }
                Files.writeString(group.resolve("memory.max"), "max");
                buffers.add(udmabuf(cenalloc, size));
            } finally {
                buffers.forEach(SharedBuffer::close);
            }
            String events = Files.readString(group.resolve("memory.events"));
            assertTrue(events.contains("oom_kill 0"), events);
        } finally {
            Files.writeString(GROUPS.resolve("cgroup.procs"), pid);
            Files.deleteIfExists(group);
            if (mounts) {
                run("umount", "--lazy", GROUPS.toString());
            }
        }
    }

    private static SharedBuffer udmabuf(Cenalloc cenalloc, long size) throws Exception {
        var buffer = cenalloc.create(size);
        boolean allocated = false;
        try {
            buffer.attach(only("udmabuf"));
            buffer.dmaBuf();
            allocated = true;
            return buffer;
        } finally {
            if (!allocated) {
                buffer.close();
            }
        }
    }

    private static void run(String... command) throws Exception {
        var process = new ProcessBuilder(command).inheritIO().start();
        assertEquals(0, process.waitFor(), () -> String.join(" ", command));
    }
}
