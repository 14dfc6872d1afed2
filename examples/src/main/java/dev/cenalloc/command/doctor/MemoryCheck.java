// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.proc.Buffer;
import dev.cenalloc.command.proc.Count;
import dev.cenalloc.command.proc.SystemFiles;
import dev.cenalloc.plan.HeapProperties;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Contiguous memory and who uses it, and what limits the memory of this process. Stateless. */
final class MemoryCheck {
    private static final String MEMINFO = "/proc/meminfo";
    private static final String SET_ASIDE = "put cma=128M on the kernel's command line and start the machine anew";
    private static final long MIB = 1 << 20;

    private final Machine machine;
    private final List<Finding> findings = new ArrayList<>();

    private MemoryCheck(Machine machine) {
        this.machine = machine;
    }

    static List<Finding> of(Machine machine) {
        var check = new MemoryCheck(machine);
        check.contiguous();
        check.limit();
        return check.findings;
    }

    private void contiguous() {
        OptionalLong total = kibibytes("CmaTotal");
        if (machine.files().text(MEMINFO).value().isEmpty()) {
            findings.add(Finding.note(Area.MEMORY, MEMINFO + " cannot be read", "it tells of memory", "mount /proc"));
        } else if (total.isEmpty() && machine.lacks("DMA_CMA")) {
            return;
        } else if (total.isEmpty()) {
            findings.add(Finding.note(
                    Area.MEMORY,
                    "the kernel has no contiguous memory (CMA)",
                    "devices that need it have only memory of their own",
                    "use a kernel with CONFIG_CMA and CONFIG_DMA_CMA"));
        } else if (total.getAsLong() == 0) {
            findings.add(Finding.note(
                    Area.MEMORY,
                    "no contiguous memory is set aside (CmaTotal is 0)",
                    "devices that need it have only memory of their own",
                    SET_ASIDE));
        } else {
            long free = kibibytes("CmaFree").orElse(0);
            String what = "contiguous memory: " + mib(total.getAsLong()) + ", of which " + mib(free) + " are free";
            List<Buffer> buffers = contiguousBuffers();
            String users = buffers.isEmpty() ? "" : "; used by " + users(buffers);
            // Movable pages of programs are moved out of the way, so that little is free is no problem by itself.
            findings.add(
                    bytes(buffers) < total.getAsLong() / 2
                            ? Finding.ok(Area.MEMORY, what + users)
                            : Finding.note(
                                    Area.MEMORY,
                                    what + users,
                                    "buffers take half of it or more",
                                    "end what is not needed, or set more aside: a larger cma= on the kernel's command"
                                            + " line"));
        }
        CmaArea.of(machine.files()).stream()
                .filter(area -> area.failed().orElse(0) > 0)
                .forEach(this::failed);
    }

    private List<Buffer> contiguousBuffers() {
        return machine.census().buffers().stream()
                .filter(buffer -> buffer.exporter()
                        .filter(name -> HeapProperties.ofExporter(name).contiguous() == HeapProperties.Trait.YES)
                        .isPresent())
                .toList();
    }

    private static long bytes(List<Buffer> buffers) {
        return buffers.stream().mapToLong(buffer -> buffer.size().orElse(0)).sum();
    }

    /** What holds them, and how much of them. */
    private static String users(List<Buffer> buffers) {
        return buffers.stream()
                .collect(Collectors.groupingBy(MemoryCheck::holders, TreeMap::new, Collectors.toList()))
                .entrySet()
                .stream()
                .map(user -> user.getKey() + ": " + mib(bytes(user.getValue())) + " in "
                        + Count.of(user.getValue().size(), "buffer"))
                .collect(Collectors.joining("; "));
    }

    private static String holders(Buffer buffer) {
        return buffer.holders().isEmpty()
                ? "no process that may be seen"
                : buffer.holders().stream()
                        .map(holder -> holder.process() + " (" + holder.pid() + ")")
                        .collect(Collectors.joining(", "));
    }

    private void failed(CmaArea area) {
        long page = pageSize();
        String largest = area.largestFree().isEmpty()
                ? ""
                : "; the largest free piece has " + mib(area.largestFree().getAsLong() * page);
        findings.add(Finding.note(
                Area.MEMORY,
                "allocations of " + mib(area.failed().orElse(0) * page) + " in all failed in the contiguous area "
                        + area.name() + " since the machine started",
                "it is too small, or in pieces"
                        + (area.used().isEmpty() ? "" : "; " + mib(area.used().getAsLong() * page) + " are in use")
                        + largest,
                "set more aside: a larger cma= on the kernel's command line"));
    }

    private void limit() {
        OptionalLong machineHas = kibibytes("MemTotal");
        Optional<MemoryLimit> limit =
                MemoryLimit.of(machine.files()).filter(least -> least.bytes() < machineHas.orElse(Long.MAX_VALUE));
        if (limit.isEmpty()) {
            findings.add(Finding.ok(Area.MEMORY, "no control group limits the memory of this process"));
            return;
        }
        MemoryLimit least = limit.get();
        findings.add(Finding.note(
                Area.MEMORY,
                "memory is limited to " + mib(least.bytes()) + " by " + least.file()
                        + (least.used().isEmpty()
                                ? ""
                                : ", of which " + mib(least.used().getAsLong()) + " are used"),
                isAccounted()
                        ? "this kernel counts memory of the system heap, too"
                        : "memory of udmabuf counts; memory of the system heap is counted to no process, so the limit"
                                + " does not hold it",
                isAccounted()
                        ? "raise the limit, if buffers do not fit"
                        : "see with \"cenalloc top\" what buffers use"));
    }

    /** Whether the kernel was told to count heaps (module parameter of dma_heap, since Linux 7.0). */
    private boolean isAccounted() {
        return machine.files()
                .text("/sys/module/dma_heap/parameters/mem_accounting")
                .value()
                .filter(value -> value.startsWith("Y"))
                .isPresent();
    }

    private OptionalLong kibibytes(String key) {
        OptionalLong number =
                SystemFiles.number(machine.files().field(MEMINFO, key).map(value -> value.replace(" kB", "")));
        return number.isEmpty() ? number : OptionalLong.of(number.getAsLong() << 10);
    }

    private long pageSize() {
        return machine.files().lines("/proc/self/smaps", "KernelPageSize:").value().orElse(List.of()).stream()
                .map(line -> line.replaceAll("\\D", ""))
                .filter(digits -> !digits.isEmpty() && digits.length() < 10)
                .mapToLong(digits -> Long.parseLong(digits) << 10)
                .min()
                .orElse(4096);
    }

    private static String mib(long bytes) {
        return String.format(Locale.ROOT, bytes % MIB == 0 ? "%.0f MiB" : "%.1f MiB", bytes / (double) MIB);
    }
}
