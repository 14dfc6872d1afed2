// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.CpuAccess;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.FaultSweep;
import dev.cenalloc.Fence;
import dev.cenalloc.InjectedFault;
import dev.cenalloc.Mapping;
import dev.cenalloc.Pool;
import dev.cenalloc.PoolBuffer;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.SharedBuffer;
import dev.cenalloc.Traces;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.MachineQuestions;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.Canvas;
import dev.cenalloc.kms.Display;
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
import dev.cenalloc.stream.Port;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Faults that the kernel injects into itself while the library calls it: no memory, or memory of the caller that is not
 * there. Part of ci/soak: with {@code -Dcenalloc.faults=100000} so many, at every place; else some of each operation.
 */
@RequiresDevices
@Tag("soak") // needs a kernel on which no other test has left anything
class KernelFaultsDeviceTest {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private static Device only(String heap) {
        return Device.of("device", Constraints.NONE.onlyHeaps(Set.of(heap)), "test");
    }

    private static final Device SYSTEM = only("system");
    private static final Device CONTIGUOUS = Device.of("camera", Constraints.NONE.contiguous(), "test");

    @SuppressWarnings("NullAway.Init")
    private Cenalloc cenalloc;

    @SuppressWarnings("NullAway.Init")
    private FaultSweep sweep;

    @Test
    @Timeout(value = 1, unit = TimeUnit.DAYS)
    void aFaultOfTheKernelIsToldAndLeavesNothing() throws Exception {
        Long faults = Long.getLong("cenalloc.faults");
        try (var context = Cenalloc.open();
                var places = new FaultSweep(Long.getLong("cenalloc.seed", 13))) {
            cenalloc = context;
            sweep = places;
            buffers();
            pools();
            frames();
            questions();
            streams();
            if (faults == null) {
                sweep.some(Duration.ofSeconds(2));
            } else {
                sweep.all(faults);
            }
        }
    }

    // ---- what is left ----

    private static final class NoBuffer implements FaultSweep.State {
        private int files = -1;

        @Override
        public void check(String when) throws Exception {
            int now = Traces.openFiles();
            if (files < 0) {
                files = now; // after the first runs, which open the heaps
            }
            assertEquals(files, now, when + ": open files");
            for (int i = 0; i < 100 && !Traces.dmaBufs().startsWith("Total 0 "); i++) {
                Thread.sleep(20); // a device lets go of a buffer in its own time
            }
            // A mapping would keep its buffer, too.
            assertEquals("Total 0 objects, 0 bytes", Traces.dmaBufs(), when);
        }
    }

    private static final class SameScreen implements FaultSweep.State {
        private Optional<MachineState> before = Optional.empty();

        @Override
        public void check(String when) throws Exception {
            if (before.isEmpty()) {
                before = Optional.of(MachineState.now());
            }
            before.get().assertSame(when);
        }
    }

    private void add(String name, FaultSweep.Operation operation) {
        sweep.add(name, new NoBuffer(), operation);
    }

    // ---- buffers ----

    private static String describe(Cenalloc cenalloc) {
        return cenalloc.heaps().stream()
                .map(heap -> heap + " " + heap.isAccessible() + " " + heap.properties())
                .collect(Collectors.joining(", "));
    }

    private void buffers() {
        add("open", _ -> {
            try (var one = Cenalloc.open()) {
                return describe(one);
            }
        });
        add("refresh", _ -> {
            cenalloc.refresh();
            return describe(cenalloc);
        });
        for (Device device : List.of(SYSTEM, CONTIGUOUS, only("udmabuf"))) {
            add("use " + device.constraints(), _ -> use(device));
        }
        add("fences", _ -> fences());
        add("adopt", _ -> adopt());
        add("relocate", _ -> relocate());
    }

    private String use(Device device) throws Exception {
        try (SharedBuffer buffer = cenalloc.create(20_000)) {
            buffer.attach(device);
            buffer.name("fault");
            DmaBuf memory = buffer.dmaBuf();
            try (Mapping mapping = buffer.map(Direction.READ_WRITE);
                    CpuAccess _ = buffer.access(Direction.READ_WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_LONG, 8192, 7);
            }
            return memory.exporter() + " " + memory.size() + " "
                    + cenalloc.dump().contains("20480 bytes");
        }
    }

    private String fences() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(4096)) {
            buffer.attach(SYSTEM);
            DmaBuf memory = buffer.dmaBuf();
            boolean exchanged = memory.exchangesFences();
            boolean waited = memory.await(Direction.READ, Duration.ZERO);
            try (Fence one = memory.exportFence(Direction.READ);
                    Fence other = memory.exportFence(Direction.WRITE);
                    Fence both = one.merge(other)) {
                memory.exportFence(Direction.WRITE, one);
                memory.importFence(both, Direction.READ);
                return exchanged + " " + waited + " " + both.await(Duration.ZERO) + " " + both.isSignalled();
            }
        }
    }

    private String adopt() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(4096)) {
            buffer.attach(SYSTEM);
            DmaBuf memory = buffer.dmaBuf();
            try (DmaBuf twin = memory.duplicate();
                    DmaBuf stolen = DmaBuf.ofProcess(ProcessHandle.current().pid(), memory.fd())) {
                int fd = Linux.dup(memory.fd());
                if (fd < 0) {
                    throw CenallocException.ofCall(-fd, "dup", null, -1);
                }
                try (SharedBuffer adopted = cenalloc.adopt(fd)) {
                    return twin.size() + " " + stolen.size() + " "
                            + adopted.dmaBuf().exporter();
                }
            }
        }
    }

    private String relocate() throws Exception {
        try (SharedBuffer buffer = cenalloc.create(9000)) {
            buffer.attach(SYSTEM);
            try (Mapping mapping = buffer.map(Direction.WRITE)) {
                mapping.segment().set(ValueLayout.JAVA_LONG, 0, 42);
            }
            buffer.relocate(Device.of("second", Constraints.NONE, "test"));
            try (Mapping mapping = buffer.map(Direction.READ)) {
                return buffer.dmaBuf().exporter() + " " + mapping.segment().get(ValueLayout.JAVA_LONG, 0);
            }
        }
    }

    private void pools() {
        add("pool", _ -> {
            try (Pool pool = Pool.allocate(cenalloc, Demand.ofBytes(5000), List.of(SYSTEM), 3)) {
                try (PoolBuffer buffer = pool.lend("test", Duration.ZERO);
                        var bytes = buffer.access(Direction.WRITE)) {
                    bytes.segment().set(ValueLayout.JAVA_LONG, 0, 1);
                }
                pool.grow(2);
                return pool.size() + " " + pool.trim(4) + " " + pool.free();
            }
        });
    }

    // ---- frames for other processes ----

    private void frames() {
        add("share", _ -> {
            try (var listener = Listener.open(cenalloc, Address.ofAbstract("cenalloc-faults"));
                    var sender = new Sender(Connection.connect(cenalloc, Address.ofAbstract("cenalloc-faults")));
                    var receiver = new Receiver(Objects.requireNonNull(listener.accept(LIMIT), "connection"));
                    SharedBuffer buffer = cenalloc.create(new Image(PixelFormat.NV12, 64, 48))) {
                buffer.attach(SYSTEM);
                SentFrame frame = sender.add(List.of(buffer), "left", "");
                String said = sender.connection().peer().pid()
                                == ProcessHandle.current().pid()
                        ? "we "
                        : "they ";
                for (int i = 0; i < 2; i++) {
                    said += sender.send(frame, i, 0, null, LIMIT);
                    try (ReceivedFrame received = Objects.requireNonNull(receiver.next(LIMIT), "frame")) {
                        said += received.name()
                                + received.sequence()
                                + received.buffers().getFirst().dmaBuf().size();
                    }
                    said += sender.returned(LIMIT) == frame;
                }
                sender.remove(frame);
                return said;
            }
        });
    }

    // ---- what devices are asked ----

    private void questions() throws Exception {
        // A node that cannot be looked at is in the list, with the reason.
        sweep.addWithOtherWays(
                "devices", new NoBuffer(), _ -> Devices.list(cenalloc).toString());
        StreamRun devices = StreamRun.find();
        for (String name : List.of("camera", "converter", "display")) {
            Path node = switch (name) {
                case "camera" -> devices.camera();
                case "converter" -> devices.converter();
                default -> devices.display();
            };
            // The converter has no XR24.
            Layout picture =
                    Layout.of(new Image(name.equals("converter") ? PixelFormat.RG16 : PixelFormat.XR24, 320, 180));
            add("ports of " + name, _ -> {
                Probe probe = Probe.of(cenalloc, node);
                return probe + " " + images(probe.produces()) + images(probe.consumes()) + images(probe.exports());
            });
            sweep.addWithOtherWays("trial of " + name, new NoBuffer(), fault -> trial(node, picture, fault));
        }
        var machine = new MachineQuestions();
        add("boards", _ -> machine.ask(cenalloc));
    }

    private static String images(Optional<Port> port) {
        return port.map(Port::images).toString();
    }

    /** A fault in the first trial must not be remembered: the second one, of the same context, is without. */
    private static String trial(Path node, Layout picture, InjectedFault fault) throws Exception {
        try (var one = Cenalloc.open()) {
            Optional<CenallocException> told = Optional.empty();
            try {
                Probe.of(one, node).device(picture);
            } catch (CenallocException e) {
                told = Optional.of(e);
            }
            fault.disarm();
            Device device = Probe.of(one, node).device(picture);
            if (told.isPresent()) {
                throw told.get();
            }
            return device + " " + device.constraints() + " " + device.detail();
        }
    }

    // ---- streams ----

    private void streams() throws Exception {
        StreamRun devices = StreamRun.find();
        var kernel = LinuxKernel.instance();
        sweep.add("camera to display", new SameScreen(), _ -> {
            devices.direct(kernel, StreamRun::showSome);
            return "";
        });
        sweep.add("lent by the camera", new SameScreen(), _ -> {
            devices.lent(kernel, StreamRun::showSome);
            return "";
        });
        sweep.add("with a converter", new SameScreen(), _ -> {
            devices.converted(kernel, StreamRun::showSome);
            return "";
        });
        sweep.add("writeback", new SameScreen(), _ -> {
            devices.direct(kernel, StreamRun::captureOne);
            return "";
        });
        sweep.add("canvas", new SameScreen(), _ -> canvas(devices.display()));
    }

    private String canvas(Path node) throws Exception {
        try (var display = Display.open(cenalloc, node);
                Canvas canvas = display.canvas(2)) {
            for (int i = 0; i < 2; i++) {
                try (var frame = canvas.next(LIMIT);
                        var pixels = frame.access(Direction.WRITE)) {
                    pixels.segment().fill((byte) i);
                }
            }
            return display.mode().toString();
        }
    }
}
