// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a recording of the Flight Recorder has. */
class EventsTest {
    private static final Set<String> ALL =
            Set.of("Allocate", "CpuAccess", "FenceWait", "Free", "Import", "Leak", "Map", "PoolWait", "Relocate");

    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
    private final Cenalloc cenalloc = kernel.open();

    @TempDir
    @SuppressWarnings("NullAway.Init") // set by JUnit
    private Path directory;

    @AfterEach
    void nothingIsLost() {
        System.clearProperty(DmaBuf.TRACE);
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
        assertEquals((1 << 20) + (1 << 16), kernel.free());
    }

    private interface Steps {
        void run() throws Exception;
    }

    /** The library's events while some steps run, with the thresholds that are set or, by default, without. */
    private List<RecordedEvent> recorded(Map<String, Duration> thresholds, Steps steps) throws Exception {
        try (var recording = new Recording()) {
            for (String event : ALL) {
                recording.enable("dev.cenalloc." + event).withThreshold(thresholds.getOrDefault(event, Duration.ZERO));
            }
            return recorded(recording, steps);
        }
    }

    private List<RecordedEvent> recorded(Recording recording, Steps steps) throws Exception {
        recording.start();
        steps.run();
        recording.stop();
        Path file = directory.resolve("recording.jfr");
        recording.dump(file);
        return RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().startsWith("dev.cenalloc."))
                .sorted(Comparator.comparing(RecordedEvent::getEndTime))
                .toList();
    }

    private List<RecordedEvent> recorded(Steps steps) throws Exception {
        return recorded(Map.of(), steps);
    }

    private static List<String> names(List<RecordedEvent> events) {
        return events.stream().map(EventsTest::name).toList();
    }

    private static String name(RecordedEvent event) {
        return event.getEventType().getName().substring("dev.cenalloc.".length());
    }

    private static RecordedEvent only(String name, List<RecordedEvent> events) {
        List<RecordedEvent> found =
                events.stream().filter(event -> name(event).equals(name)).toList();
        assertEquals(1, found.size(), events::toString);
        return found.getFirst();
    }

    private static Map<String, Object> values(RecordedEvent event, String... fields) {
        var values = new TreeMap<String, Object>();
        for (String field : fields) {
            values.put(field, event.getValue(field));
        }
        return values;
    }

    private static Map<String, Object> buffer(String name, DmaBuf buffer) {
        return Map.of("name", name, "inode", buffer.inode(), "size", buffer.size());
    }

    private static Map<String, Object> bufferOf(RecordedEvent event) {
        return values(event, "name", "inode", "size");
    }

    /** The method of this test that the stack of an event has. */
    private static String caller(RecordedEvent event) {
        return event.getStackTrace().getFrames().stream()
                .map(RecordedFrame::getMethod)
                .filter(method -> method.getType().getName().startsWith(EventsTest.class.getName()))
                .map(method -> method.getName())
                .findFirst()
                .orElse("nobody");
    }

    @Test
    void allocatingMappingAndFreeing() throws Exception {
        var memory = new ArrayList<DmaBuf>();
        List<RecordedEvent> events = recorded(() -> {
            try (var buffer = cenalloc.create(10_000)) {
                buffer.name("left eye");
                buffer.attach(CONTIGUOUS);
                memory.add(buffer.dmaBuf());
                buffer.map(Direction.READ).close();
                Thread.sleep(20);
            }
        });
        assertEquals(List.of("Allocate", "Map", "Free"), names(events));
        RecordedEvent allocate = events.getFirst();
        assertEquals(buffer("left eye", memory.getFirst()), bufferOf(allocate));
        assertEquals(Map.of("heap", "reserved", "requested", 10_000L), values(allocate, "heap", "requested"));
        assertEquals("lambda$allocatingMappingAndFreeing$0", caller(allocate));
        assertEquals(buffer("left eye", memory.getFirst()), bufferOf(events.get(1)));
        assertEquals("READ", events.get(1).getString("direction"));
        RecordedEvent free = events.getLast();
        assertEquals(buffer("left eye", memory.getFirst()), bufferOf(free));
        assertEquals("reserved", free.getString("heap"));
        assertTrue(free.getDuration("age").toMillis() >= 15, free::toString);
        for (RecordedEvent event : events) {
            assertEquals(List.of("cenalloc"), event.getEventType().getCategoryNames());
        }
    }

    @Test
    void adopting() throws Exception {
        int fd = kernel.foreignDmaBuf("vb2", 3 * 4096, false);
        var memory = new ArrayList<DmaBuf>();
        List<RecordedEvent> events = recorded(() -> {
            try (var buffer = cenalloc.adopt(fd)) {
                memory.add(buffer.dmaBuf());
            }
        });
        assertEquals(List.of("Import", "Free"), names(events));
        assertEquals("vb2", events.getFirst().getString("exporter"));
        assertEquals(buffer("", memory.getFirst()), bufferOf(events.getFirst()));
        assertEquals("vb2", events.getLast().getString("heap"));
    }

    @Test
    void moving() throws Exception {
        var memory = new ArrayList<Long>();
        List<RecordedEvent> events = recorded(() -> {
            try (var buffer = cenalloc.create(5000)) {
                buffer.name("right eye");
                buffer.map(Direction.WRITE).close();
                memory.add(cenalloc.buffers().getFirst().memory().orElseThrow().inode());
                buffer.relocate(CONTIGUOUS);
                memory.add(cenalloc.buffers().getFirst().memory().orElseThrow().inode());
                buffer.relocate(); // it lies well
            }
        });
        RecordedEvent moved = only("Relocate", events);
        assertEquals(
                Map.of("name", "right eye", "inode", memory.get(1), "size", 8192L, "inodeBefore", memory.get(0)),
                values(moved, "name", "inode", "size", "inodeBefore"));
        assertEquals(Map.of("from", "system", "to", "reserved"), values(moved, "from", "to"));
    }

    // ---- waiting ----

    @Test
    void accessesOfTheCpu() throws Exception {
        try (var buffer = cenalloc.allocate(cenalloc.heap("system"), 4096)) {
            buffer.name("tensor");
            Steps steps = () -> {
                buffer.access(Direction.WRITE).close();
                try (var _ = buffer.access(Direction.READ)) {
                    Thread.sleep(30);
                    buffer.access(Direction.READ).close(); // inside the other
                }
            };
            List<RecordedEvent> events = recorded(steps);
            assertEquals(
                    List.of("WRITE", "READ", "READ"),
                    events.stream().map(event -> event.getString("direction")).toList());
            assertEquals(buffer("tensor", buffer), bufferOf(events.getFirst()));
            assertTrue(events.getLast().getDuration().toMillis() >= 25, events::toString);
            assertTrue(
                    events.get(1).getDuration().compareTo(events.getLast().getDuration()) < 0, "the inner one, first");
            assertTrue(events.getLast().getDuration("waited").toMillis() < 25, "it did not wait");
            events = recorded(Map.of("CpuAccess", Duration.ofMillis(20)), steps);
            assertEquals(List.of("CpuAccess"), names(events), "the one that is over the threshold");
        }
    }

    /** Each access of any thread is one event, however they overlap. */
    @Test
    void accessesThatOverlap() throws Exception {
        int threads = 4;
        int rounds = 500;
        try (var buffer = cenalloc.allocate(cenalloc.heap("system"), 4096);
                var executor = Executors.newFixedThreadPool(threads)) {
            List<RecordedEvent> events = recorded(() -> {
                var go = new CountDownLatch(1);
                var done = new ArrayList<Future<?>>();
                for (int i = 0; i < threads; i++) {
                    done.add(executor.submit(() -> {
                        go.await();
                        for (int j = 0; j < rounds; j++) {
                            try (var _ = buffer.access(Direction.READ)) {
                                buffer.access(j % 2 == 0 ? Direction.READ : Direction.WRITE)
                                        .close();
                            }
                        }
                        return null;
                    }));
                }
                go.countDown();
                for (var one : done) {
                    one.get();
                }
            });
            Map<String, Long> counts = events.stream()
                    .collect(Collectors.groupingBy(event -> event.getString("direction"), Collectors.counting()));
            assertEquals(Map.of("READ", 3L * threads * rounds / 2, "WRITE", 1L * threads * rounds / 2), counts);
        }
    }

    @Test
    void anAccessThatBeganBeforeTheRecordingOrEndsAfterItIsNone() throws Exception {
        try (var buffer = cenalloc.allocate(cenalloc.heap("system"), 4096)) {
            CpuAccess early = buffer.access(Direction.READ);
            var late = new ArrayList<CpuAccess>();
            List<RecordedEvent> events = recorded(() -> {
                early.close();
                late.add(buffer.access(Direction.WRITE));
            });
            late.getFirst().close();
            assertEquals(List.of(), events);
            assertEquals(List.of(), recorded(() -> assertTrue(buffer.await(Direction.READ, Duration.ZERO))));
        }
    }

    @Test
    void waitsForFencesAndBuffers() throws Exception {
        var work = new FakeKernel.Work();
        try (var buffer = cenalloc.allocate(cenalloc.heap("system"), 4096);
                var fence = Fence.adopt(kernel, kernel.fence(work))) {
            buffer.importFence(fence, Direction.WRITE);
            List<RecordedEvent> events = recorded(() -> {
                assertFalse(fence.await(Duration.ofMillis(7)));
                kernel.whileWaiting = () -> work.status = 1;
                assertTrue(buffer.await(Direction.READ, SECOND));
                assertTrue(fence.isSignalled(), "which is not waiting");
            });
            assertEquals(List.of("FenceWait", "FenceWait"), names(events));
            assertEquals(
                    Map.of("inode", 0L, "timeout", 7_000_000L, "signalled", false),
                    values(events.getFirst(), "inode", "timeout", "signalled"));
            assertEquals(
                    Map.of("inode", buffer.inode(), "timeout", 1_000_000_000L, "signalled", true),
                    values(events.getLast(), "inode", "timeout", "signalled"));
        }
    }

    @Test
    void waitsForAPool() throws Exception {
        try (var pool = Pool.allocate(cenalloc, "tensor", List.of(Demand.ofBytes(100)), List.of(List.of()), 1);
                var thread = Executors.newSingleThreadExecutor()) {
            List<RecordedEvent> events = recorded(() -> {
                PoolBuffer first = pool.lend("npu", SECOND);
                assertNull(pool.tryLend("gpu"));
                assertThrows(PoolExhaustedException.class, () -> pool.lend("gpu", Duration.ZERO));
                assertThrows(PoolExhaustedException.class, () -> pool.lend("encoder", Duration.ofMillis(25)));
                Future<PoolBuffer> second = thread.submit(() -> pool.lend("display", Duration.ofMinutes(1)));
                Thread.sleep(50);
                first.close();
                second.get().close();
            });
            List<RecordedEvent> waits = events.stream()
                    .filter(event -> name(event).equals("PoolWait"))
                    .toList();
            assertEquals(
                    List.of(
                            Map.of("holder", "encoder", "lent", false, "pool", "pool of 1 tensors, 0 free"),
                            Map.of("holder", "display", "lent", true, "pool", "pool of 1 tensors, 0 free")),
                    waits.stream()
                            .map(event -> values(event, "holder", "lent", "pool"))
                            .toList());
            assertTrue(waits.getFirst().getDuration().toMillis() >= 20, waits::toString);
        }
    }

    // ---- what is lost, what fails ----

    private void lose() throws Exception {
        cenalloc.allocate(cenalloc.heap("system"), 5000).name("lost");
        Fence.adopt(kernel, kernel.fence(new FakeKernel.Work()));
    }

    @Test
    @Timeout(60)
    void whatIsLost() throws Exception {
        System.setProperty(DmaBuf.TRACE, "true");
        List<RecordedEvent> events;
        try (var _ = new LogCapture()) {
            events = recorded(() -> {
                lose();
                while (kernel.openFiles() > 1) {
                    System.gc();
                    Thread.sleep(20);
                }
                Thread.sleep(200); // the events come after the release
            });
        }
        List<RecordedEvent> leaks =
                events.stream().filter(event -> name(event).equals("Leak")).toList();
        assertEquals(
                Set.of("DmaBuf", "Fence"),
                leaks.stream().map(event -> event.getString("what")).collect(Collectors.toSet()));
        RecordedEvent buffer = leaks.stream()
                .filter(event -> "DmaBuf".equals(event.getString("what")))
                .findFirst()
                .orElseThrow();
        assertEquals(Map.of("name", "lost", "size", 8192L), values(buffer, "name", "size"));
        // Of this package, which is the library's: a program's frame would be the first.
        assertTrue(buffer.getString("allocated").contains("("), buffer::toString);
    }

    @Test
    void whatFailsIsNone() throws Exception {
        int node = kernel.open(Path.of("/dev/dma_heap/system"), 0);
        var registered =
                cenalloc.register("mean", HeapProperties.UNKNOWN, size -> kernel.foreignDmaBuf("mean", 1, false));
        List<RecordedEvent> events = recorded(() -> {
            assertThrows(CenallocException.class, () -> cenalloc.allocate(cenalloc.heap("reserved"), 1 << 20));
            assertThrows(CenallocException.class, () -> cenalloc.allocate(registered, 4096));
            assertThrows(CenallocException.class, () -> cenalloc.adopt(node));
            assertThrows(CenallocException.class, () -> cenalloc.adopt(1_000_000));
        });
        assertEquals(List.of(), events);
        try (var buffer = cenalloc.create(5000)) {
            buffer.map(Direction.WRITE).close();
            for (int call = 0; call < 2; call++) {
                int failing = call;
                events = recorded(() -> {
                    kernel.failCall(0, Errno.EIO);
                    assertThrows(
                            CenallocException.class,
                            () -> (failing == 0 ? buffer.map(Direction.READ) : buffer.access(Direction.READ)).close());
                });
                assertEquals(List.of(), events);
            }
        }
    }

    @Test
    void aMoveThatFailsIsNone() throws Exception {
        int failures = 0;
        for (int call = 0; call < 12; call++) {
            int failing = call;
            try (var buffer = cenalloc.create(5000)) {
                buffer.map(Direction.WRITE).close();
                List<RecordedEvent> events = recorded(() -> {
                    kernel.failCall(failing, Errno.EIO);
                    try {
                        buffer.relocate(CONTIGUOUS);
                    } catch (CenallocException e) {
                        assertEquals(Errno.EIO, e.errno());
                    }
                });
                kernel.failNoCall();
                boolean moved = !buffer.attachments().isEmpty();
                failures += moved ? 0 : 1;
                assertEquals(moved, names(events).contains("Relocate"), () -> events + " at call " + failing);
            }
        }
        assertTrue(failures > 4 && failures < 12, "some calls of a move were tried, and one more: " + failures);
    }

    // ---- what it costs, and what is there without any setting ----

    @Test
    void recordingMakesNoSystemCall() throws Exception {
        Steps steps = () -> {
            try (var pool = Pool.allocate(cenalloc, Demand.ofBytes(5000), List.of(), 2)) {
                for (int i = 0; i < 10; i++) {
                    try (var buffer = pool.lend("cpu", SECOND);
                            var bytes = buffer.access(Direction.READ_WRITE)) {
                        bytes.segment().fill((byte) i);
                    }
                }
            }
        };
        steps.run(); // opens the heap
        kernel.calls.clear();
        steps.run();
        var without = List.copyOf(kernel.calls);
        kernel.calls.clear();
        List<RecordedEvent> events = recorded(steps);
        assertEquals(without, kernel.calls);
        assertEquals(10, names(events).stream().filter("CpuAccess"::equals).count());
    }

    @Test
    void allAreOnByDefaultAndTheFrequentOnesHaveAThreshold() throws Exception {
        try (var recording = new Recording()) {
            List<RecordedEvent> events = recorded(recording, () -> {
                try (var buffer = cenalloc.allocate(cenalloc.heap("system"), 1)) {
                    buffer.access(Direction.READ).close();
                    try (var _ = buffer.access(Direction.WRITE)) {
                        Thread.sleep(15);
                    }
                }
            });
            assertEquals(List.of("Allocate", "CpuAccess", "Free"), names(events));
            assertEquals("WRITE", events.get(1).getString("direction"));
            assertNull(events.get(1).getStackTrace(), "it may be one a frame");
        }
        var thresholds = new TreeMap<String, String>();
        var found = new TreeSet<String>();
        jdk.jfr.FlightRecorder.getFlightRecorder().getEventTypes().stream()
                .filter(type -> type.getName().startsWith("dev.cenalloc."))
                .forEach(type -> {
                    String name = type.getName().substring("dev.cenalloc.".length());
                    found.add(name);
                    type.getSettingDescriptors().stream()
                            .filter(setting -> setting.getName().equals("threshold")
                                    && !setting.getDefaultValue().startsWith("0"))
                            .forEach(setting -> thresholds.put(name, setting.getDefaultValue()));
                });
        assertTrue(ALL.containsAll(found), found::toString);
        assertEquals("10 ms", thresholds.get("CpuAccess"));
        assertTrue(Set.of("CpuAccess", "FenceWait", "PoolWait").containsAll(thresholds.keySet()), thresholds::toString);
    }
}
