// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Measures what the calls on a buffer cost on this machine. One thread, which must be left alone by others. */
@Command(
        description = {
            "Measures how long the calls on a buffer take on this machine, after a warm-up: the median of all runs, and"
                    + " between which times the middle 80 percent of them lie. WALL is the time that passes, CPU that of the"
                    + " thread.",
            "allocate: and close. attach: create a buffer, attach a device, find and allocate the memory at first use,"
                    + " close. map: and unmap, without touching the memory. sync: an empty access of the CPU, from"
                    + " DMA_BUF_IOCTL_SYNC with start to that with end."
        },
        footer = {
            "  cenalloc bench",
            "  cenalloc bench --heap system --size 64KiB,32MiB --runs 200",
            "  cenalloc bench --json | jq '.rows[] | select(.call == \"sync\")'"
        })
final class BenchCommand extends Subcommand {
    /** At its 127th call a method handle is compiled for good. */
    private static final int WARM_UP_CALLS = 200;

    private static final long WARM_UP_SIZE = 4096;
    private static final long WARM_UP_NANOS = 50_000_000;
    /** Of a run; shorter ones would measure the clock. */
    private static final long RUN_NANOS = 1_000_000;

    private static final int MOST_RUNS = 1_000_000;

    private static final Table<Row> ROWS = Table.<Row>empty()
            .text("heap", "HEAP", Row::heap)
            .bytes("size", "SIZE", Row::size)
            .text("call", "CALL", Row::call)
            .number("wallMicros", "WALL µs", row -> row.wall().median())
            .number("wallMicrosLow", "FROM", row -> row.wall().low())
            .number("wallMicrosHigh", "TO", row -> row.wall().high())
            .number("cpuMicros", "CPU µs", row -> row.cpu().median())
            .number("cpuMicrosLow", "FROM", row -> row.cpu().low())
            .number("cpuMicrosHigh", "TO", row -> row.cpu().high());

    @Option(
            names = "--heap",
            paramLabel = "<heap>",
            split = ",",
            showDefaultValue = Help.Visibility.NEVER,
            description = "Only these heaps; by default all, but those that are only for devices that name them.")
    private List<String> names = List.of();

    @Option(
            names = "--size",
            paramLabel = "<bytes>",
            split = ",",
            converter = BytesConverter.class,
            defaultValue = "4KiB,1MiB,8MiB",
            description = "Sizes of buffers, in bytes, or in KiB, MiB or GiB.")
    private List<Long> sizes = List.of();

    @Option(
            names = "--runs",
            paramLabel = "<n>",
            defaultValue = "50",
            description = "How often each is measured: for at least a millisecond each time, so of short calls many.")
    private int runs;

    private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();

    /** Times in microseconds. */
    record Spread(double low, double median, double high) {
        /** @param nanos of each run, in any order; at least one */
        static Spread of(double[] nanos) {
            double[] sorted = nanos.clone();
            Arrays.sort(sorted);
            return new Spread(at(sorted, 0.1), at(sorted, 0.5), at(sorted, 0.9));
        }

        private static double at(double[] sorted, double part) {
            return sorted[(int) Math.round(part * (sorted.length - 1))] / 1e3;
        }
    }

    record Row(String heap, long size, String call, Spread wall, Spread cpu) {}

    private interface Call {
        void make() throws IOException;
    }

    @Override
    int run(Answer answer) throws Exception {
        if (runs < 1 || runs > MOST_RUNS) {
            throw wrong("--runs: from 1 to " + MOST_RUNS);
        }
        try (var cenalloc = Cenalloc.open()) {
            List<Heap> heaps = heaps(cenalloc);
            Machine machine = Machine.ofThis();
            answer.say(machine.toString());
            answer.put("machine", machine.described());
            var rows = new ArrayList<Row>();
            boolean refused = false;
            for (Heap heap : heaps) {
                answer.progress("measuring the heap " + heap.name());
                for (long size : sizes) {
                    try {
                        rows.addAll(measure(cenalloc, heap, size));
                    } catch (CenallocException e) {
                        refused = true;
                        answer.refused(heap.name() + ", " + Table.bytes(size), e);
                    }
                }
            }
            answer.table("rows", ROWS, rows);
            // Of all that there are, some may refuse; of those that were named, none.
            return !rows.isEmpty() && (!refused || names.isEmpty()) ? Status.DONE : Status.FAILED;
        }
    }

    private List<Heap> heaps(Cenalloc cenalloc) throws CenallocException, CommandFailedException {
        if (cenalloc.heaps().isEmpty()) {
            throw HeapsCommand.none();
        }
        // Some have several names.
        var heaps = new LinkedHashMap<String, Heap>();
        for (String name : names) {
            Heap heap = cenalloc.heap(name);
            heaps.putIfAbsent(heap.pool(), heap);
        }
        if (names.isEmpty()) {
            cenalloc.heaps().stream()
                    .filter(heap -> !heap.properties().onlyWhenNamed())
                    .forEach(heap -> heaps.putIfAbsent(heap.pool(), heap));
        }
        return List.copyOf(heaps.values());
    }

    private List<Row> measure(Cenalloc cenalloc, Heap heap, long size) throws IOException {
        warmUp(cenalloc, heap);
        var rows = new ArrayList<Row>();
        try (DmaBuf buffer = cenalloc.allocate(heap, size)) {
            for (Map.Entry<String, Call> call : calls(cenalloc, heap, buffer).entrySet()) {
                rows.add(measure(heap, size, call.getKey(), call.getValue()));
            }
        }
        return rows;
    }

    /** What is measured, by name. */
    private static Map<String, Call> calls(Cenalloc cenalloc, Heap heap, DmaBuf buffer) {
        long size = buffer.size();
        Device device =
                Device.of("cenalloc bench", Constraints.NONE.onlyHeaps(List.of(heap.name())), "the heap to measure");
        var calls = new LinkedHashMap<String, Call>();
        calls.put("allocate", () -> cenalloc.allocate(heap, size).close());
        calls.put("attach", () -> {
            try (var shared = cenalloc.create(size)) {
                var _ = shared.attach(device);
                var _ = shared.dmaBuf();
            }
        });
        calls.put("map", () -> buffer.map(Direction.READ_WRITE).close());
        calls.put("sync", () -> buffer.access(Direction.READ_WRITE).close());
        return calls;
    }

    private static void warmUp(Cenalloc cenalloc, Heap heap) throws IOException {
        try (DmaBuf buffer = cenalloc.allocate(heap, WARM_UP_SIZE)) {
            for (Call call : calls(cenalloc, heap, buffer).values()) {
                for (int i = 0; i < WARM_UP_CALLS; i++) {
                    call.make();
                }
            }
        }
    }

    private Row measure(Heap heap, long size, String name, Call call) throws IOException {
        long calls = callsOfARun(call);
        var wall = new double[runs];
        var cpu = new double[runs];
        for (int i = 0; i < runs; i++) {
            long start = System.nanoTime();
            long cpuStart = threads.getCurrentThreadCpuTime();
            for (long j = 0; j < calls; j++) {
                call.make();
            }
            cpu[i] = (threads.getCurrentThreadCpuTime() - cpuStart) / (double) calls;
            wall[i] = (System.nanoTime() - start) / (double) calls;
        }
        return new Row(heap.name(), size, name, Spread.of(wall), Spread.of(cpu));
    }

    /** So many that the clock costs little, by calls that are not counted. */
    private static long callsOfARun(Call call) throws IOException {
        long start = System.nanoTime();
        long calls = 0;
        long nanos;
        do {
            call.make();
            calls++;
            nanos = System.nanoTime() - start;
        } while (nanos < WARM_UP_NANOS);
        return Math.max(1, RUN_NANOS * calls / nanos);
    }

    /** Reads a number of bytes, such as 64KiB. */
    static final class BytesConverter implements ITypeConverter<Long> {
        private static final Pattern SIZE = Pattern.compile("([1-9]\\d{0,17})([KMG]?)(i?B)?");
        private static final List<String> UNITS = List.of("", "K", "M", "G");

        @Override
        public Long convert(String text) {
            var parts = SIZE.matcher(text);
            if (!parts.matches()) {
                throw new TypeConversionException(
                        "a size is a number of bytes, such as 4096, 64KiB or 8MiB, not '" + text + "'");
            }
            try {
                return Math.multiplyExact(Long.parseLong(parts.group(1)), 1L << (10 * UNITS.indexOf(parts.group(2))));
            } catch (ArithmeticException e) {
                throw new TypeConversionException(text + " is more than a number of bytes can be");
            }
        }
    }
}
