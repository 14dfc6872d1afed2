// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.lang.management.ManagementFactory;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import javax.management.Attribute;
import javax.management.JMX;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.openmbean.CompositeData;
import javax.management.openmbean.TabularData;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a context counts, lists, and shows to JMX. */
class StatisticsTest {
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
    private final Cenalloc cenalloc = kernel.open();
    private final MBeanServer server = ManagementFactory.getPlatformMBeanServer();

    @AfterEach
    void nothingIsLost() throws Exception {
        System.clearProperty(DmaBuf.TRACE);
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals((1 << 20) + (1 << 16), kernel.free());
        assertEquals(
                0, server.queryNames(new ObjectName("dev.cenalloc:*"), null).size());
    }

    private Heap heap(String name) throws CenallocException {
        return cenalloc.heap(name);
    }

    // ---- counting ----

    @Test
    void eachHeapAndAllTogether() throws Exception {
        var nothing = new HeapUsage(0, 0, 0, 0, 0);
        assertEquals(nothing, cenalloc.statistics().total());
        assertEquals(cenalloc.heaps(), List.copyOf(cenalloc.statistics().heaps().keySet()));
        try (var one = cenalloc.allocate(heap("system"), 5000);
                var two = cenalloc.create(100)) {
            two.attach(CONTIGUOUS);
            two.dmaBuf();
            cenalloc.allocate(heap("system"), 4096).close();
            assertThrows(CenallocException.class, () -> cenalloc.allocate(heap("reserved"), 1 << 20));
            Statistics counted = cenalloc.statistics();
            assertEquals(
                    Map.of(
                            heap("system"), new HeapUsage(1, 8192, 3 * 4096, 2, 0),
                            heap("reserved"), new HeapUsage(1, 4096, 4096, 1, 1)),
                    counted.heaps());
            assertEquals(new HeapUsage(2, 3 * 4096, 4 * 4096, 3, 1), counted.total());
            assertEquals(nothing, counted.adopted());
            assertEquals(counted.heaps().get(heap("system")), cenalloc.usage(heap("system")));
            one.duplicate().close(); // the same memory
            assertEquals(counted, cenalloc.statistics());
        }
        assertEquals(new HeapUsage(0, 0, 4 * 4096, 3, 1), cenalloc.statistics().total());
    }

    @Test
    void whatIsAdopted() throws Exception {
        try (var _ = cenalloc.adopt(kernel.foreignDmaBuf("vb2", 8192, false))) {
            assertThrows(CenallocException.class, () -> cenalloc.adopt(1_000_000));
            int small = kernel.foreignDmaBuf("vb2", 4096, false);
            assertThrows(CenallocException.class, () -> cenalloc.adopt(small, Demand.ofBytes(5000), null));
            var expected = new HeapUsage(1, 8192, 3 * 4096, 1, 2);
            assertEquals(expected, cenalloc.statistics().adopted());
            assertEquals(expected, cenalloc.statistics().total());
            assertEquals(0, cenalloc.usage(heap("system")).allocations());
        }
        assertEquals(0, cenalloc.statistics().total().bytes());
    }

    @Test
    void aSourceThatFailsIsCounted() throws Exception {
        Heap mean = cenalloc.register("mean", HeapProperties.UNKNOWN, size -> kernel.foreignDmaBuf("mean", 1, false));
        for (int i = 1; i < 4; i++) {
            assertThrows(CenallocException.class, () -> cenalloc.allocate(mean, 4096));
            assertEquals(new HeapUsage(0, 0, 1, 0, i), cenalloc.usage(mean));
        }
        assertThrows(IllegalArgumentException.class, () -> cenalloc.allocate(mean, 0));
        assertEquals(3, cenalloc.usage(mean).failures(), "a mistake of the program is none of the heap");
    }

    @Test
    void manyThreads() throws Exception {
        int threads = 8;
        int rounds = 300;
        Heap system = heap("system");
        var most = new AtomicLong();
        try (var executor = Executors.newFixedThreadPool(threads)) {
            var go = new CountDownLatch(1);
            var done = new ArrayList<Future<Long>>();
            for (int i = 0; i < threads; i++) {
                var random = new Random(i);
                done.add(executor.submit(() -> {
                    long failed = 0;
                    go.await();
                    for (int j = 0; j < rounds; j++) {
                        // Some do not fit beside those of the other threads.
                        try (var _ = cenalloc.allocate(system, 4096L * (1 + random.nextInt(64)))) {
                            HeapUsage now = cenalloc.usage(system);
                            // A buffer counts until its descriptor is closed, so that another may have its memory.
                            assertTrue(now.bytes() <= now.peakBytes() && now.peakBytes() <= 2 << 20, now::toString);
                            assertTrue(now.buffers() >= 1 && now.buffers() <= threads, now::toString);
                            most.accumulateAndGet(now.bytes(), Math::max);
                        } catch (CenallocException e) {
                            failed++;
                        }
                    }
                    return failed;
                }));
            }
            go.countDown();
            long failed = 0;
            for (var one : done) {
                failed += one.get();
            }
            HeapUsage in = cenalloc.usage(system);
            assertEquals(new HeapUsage(0, 0, in.peakBytes(), 1L * threads * rounds - failed, failed), in);
            assertTrue(in.peakBytes() >= most.get(), in::toString);
            assertEquals(in, cenalloc.statistics().total());
        }
    }

    // ---- listing ----

    @Test
    void buffersAreListedAsData() throws Exception {
        System.setProperty(DmaBuf.TRACE, "true");
        Instant before = Instant.now().minusMillis(1);
        try (var image = cenalloc.create(new Image(PixelFormat.NV12, 64, 64));
                var none = cenalloc.create(100);
                var plain = cenalloc.allocate(heap("system"), 5000);
                var _ = plain.map(Direction.READ);
                var _ = plain.map(Direction.READ)) {
            none.name("none yet");
            image.attach(CONTIGUOUS);
            image.dmaBuf();
            List<BufferInfo> all = cenalloc.buffers();
            assertEquals(3, all.size());
            BufferInfo first = all.getFirst();
            assertEquals(Demand.ofBytes(8192), first.demand());
            assertEquals(plain.name(), first.name());
            assertTrue(first.name().matches("cenalloc \\d+\\.\\d+"), first::name);
            assertEquals(List.of(), first.devices());
            BufferInfo.Memory memory = first.memory().orElseThrow();
            assertEquals(
                    new BufferInfo.Memory(plain.inode(), 8192, "system", 1, 2, memory.since(), memory.allocated()),
                    memory);
            assertTrue(memory.since().isAfter(before)
                    && memory.since().isBefore(Instant.now().plusMillis(1)));
            assertFalse(memory.allocated().isEmpty());
            assertEquals(List.of(CONTIGUOUS), all.get(1).devices());
            assertEquals(CONTIGUOUS.constraints(), all.get(1).constraints());
            assertEquals("reserved", all.get(1).memory().orElseThrow().heap());
            assertEquals(Optional.empty(), all.getLast().memory());
            assertEquals("none yet", all.getLast().name());
            String text = all.stream().map(BufferInfo::toString).collect(Collectors.joining("\n"));
            assertEquals(
                    text + "\n3 buffers, " + (8192 + image.dmaBuf().size()) + " bytes of memory",
                    cenalloc.dump().replaceAll("\n {4,}", " "));
            assertTrue(text.contains(", mapped 2 times, since 20"), text);
            assertTrue(text.contains(", allocated by " + memory.allocated().getFirst()), text);
        }
        assertEquals(List.of(), cenalloc.buffers());
    }

    // ---- names ----

    @Test
    void whatHasNoNameGetsOne() throws Exception {
        String ours = "cenalloc " + ProcessHandle.current().pid() + ".";
        try (var one = cenalloc.create(100);
                var two = cenalloc.create(100);
                var three = cenalloc.allocate(heap("system"), 1);
                var pool = Pool.allocate(cenalloc, Demand.ofBytes(1), List.of(), 2)) {
            two.name("mine");
            assertTrue(one.dmaBuf().name().startsWith(ours), one.dmaBuf()::toString);
            assertEquals("mine", two.dmaBuf().name());
            String third = three.name();
            assertTrue(third.startsWith(ours) && !third.equals(one.dmaBuf().name()), third);
            assertTrue(third.length() <= 31, third);
            three.name("other");
            assertEquals("other", three.name());
            assertEquals("buffer 1", pool.buffers().get(1).buffers().getFirst().name());
        }
        try (var buffer = cenalloc.adopt(kernel.foreignDmaBuf("vb2", 4096, false))) {
            assertEquals("", buffer.dmaBuf().name(), "it is another's");
        }
    }

    // ---- JMX ----

    @Test
    void aPublishedContextIsAnMXBean() throws Exception {
        cenalloc.publish("camera service_2.a-b");
        var name = new ObjectName("dev.cenalloc:type=Cenalloc,name=camera service_2.a-b");
        CenallocMXBean bean = JMX.newMXBeanProxy(server, name, CenallocMXBean.class);
        try (var buffer = cenalloc.allocate(heap("system"), 5000);
                var _ = cenalloc.adopt(kernel.foreignDmaBuf("vb2", 4096, false))) {
            cenalloc.allocate(heap("system"), 8192).close();
            assertThrows(CenallocException.class, () -> cenalloc.allocate(heap("reserved"), 1 << 20));
            List<Object> values = server
                    .getAttributes(name, new String[] {"Buffers", "Bytes", "PeakBytes", "Allocations", "Failures"})
                    .asList()
                    .stream()
                    .map(Attribute::getValue)
                    .toList();
            assertEquals(List.<Object>of(2, 12_288L, 20_480L, 3L, 1L), values);
            var adopted = (CompositeData) server.getAttribute(name, "Adopted");
            assertEquals(4096L, adopted.get("bytes"));
            var heaps = (TabularData) server.getAttribute(name, "Heaps");
            var system = (CompositeData) heaps.get(new Object[] {"system"}).get("value");
            assertEquals(16_384L, system.get("peakBytes"));
            assertEquals(
                    Map.of("system", cenalloc.usage(heap("system")), "reserved", cenalloc.usage(heap("reserved"))),
                    bean.getHeaps());
            assertEquals(cenalloc.dump(), bean.dump());
            assertTrue(bean.dump().contains(buffer.name()), bean::dump);
        }
        assertEquals(0, bean.getBuffers());
        assertThrows(IllegalStateException.class, () -> cenalloc.publish("twice"));
        try (var other = kernel.open()) {
            var e = assertThrows(IllegalArgumentException.class, () -> other.publish("camera service_2.a-b"));
            assertTrue(String.valueOf(e.getMessage()).contains("published by this name"), e::toString);
            other.publish("a=b,c:\"*?\n");
            assertEquals(
                    2, server.queryNames(new ObjectName("dev.cenalloc:*"), null).size());
            server.unregisterMBean(name); // by the program itself
            cenalloc.close();
            cenalloc.close();
        }
        assertThrows(IllegalStateException.class, () -> cenalloc.publish("late"));
        assertThrows(IllegalArgumentException.class, () -> cenalloc.publish(" "));
    }
}
