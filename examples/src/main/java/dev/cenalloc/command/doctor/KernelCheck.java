// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.doctor.Finding.Level;
import dev.cenalloc.command.doctor.KernelConfig.State;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The kernel's version, and the options it was built with. Stateless. */
final class KernelCheck {
    private static final String HEAPS = "DMABUF_HEAPS";

    /**
     * An option that matters.
     *
     * @param parent without which it is not offered; empty if it has none of these
     * @param without what is missing without it
     */
    private record Option(String name, String parent, Level level, String without) {}

    private static final List<Option> OPTIONS = List.of(
            new Option(HEAPS, "", Level.PROBLEM, "there is no /dev/dma_heap, so no heap but udmabuf"),
            new Option("DMABUF_HEAPS_SYSTEM", HEAPS, Level.PROBLEM, "there is no heap of ordinary memory"),
            new Option("DMABUF_HEAPS_CMA", HEAPS, Level.NOTE, "there is no heap of contiguous memory"),
            new Option("DMA_CMA", "", Level.NOTE, "no contiguous memory can be set aside at boot"),
            new Option("UDMABUF", "", Level.NOTE, "users without access to the heaps have no memory to share"),
            new Option("SYNC_FILE", "", Level.NOTE, "buffers exchange no fences, so programs wait for each other"),
            new Option("VIDEO_DEV", "", Level.NOTE, "there are no cameras (V4L2)"),
            new Option("DRM", "", Level.NOTE, "there are no displays (DRM)"));

    private KernelCheck() {}

    static List<Finding> of(Machine machine) {
        var findings = new ArrayList<Finding>();
        findings.add(version(machine));
        Optional<String> source = machine.config().source();
        if (source.isEmpty()) {
            findings.add(Finding.note(
                    Area.KERNEL,
                    "the options of this kernel are not known",
                    "there is neither /proc/config.gz nor "
                            + String.join(" nor ", KernelConfig.places(machine.release())),
                    "none is needed where the nodes are there; else load the module \"configs\", or put the kernel's"
                            + " configuration at /boot/config-" + machine.release()));
            return findings;
        }
        Set<String> absent = new TreeSet<>();
        Stream.Builder<String> present = Stream.builder();
        for (Option option : OPTIONS) {
            if (machine.isBeforeHeaps() && option.name().startsWith(HEAPS)) {
                continue;
            }
            State state = machine.config().state(option.name());
            if (state != State.ABSENT) {
                present.add(option.name() + (state == State.MODULE ? " (module)" : ""));
            } else if (absent.add(option.name()) && !absent.contains(option.parent())) {
                findings.add(new Finding(
                        option.level(),
                        Area.KERNEL,
                        "the kernel was built without CONFIG_" + option.name(),
                        option.without(),
                        Optional.of("use a kernel with CONFIG_" + option.name())));
            }
        }
        List<String> names = present.build().toList();
        if (!names.isEmpty()) {
            findings.add(Finding.ok(Area.KERNEL, "built with " + String.join(", ", names) + ", says " + source.get()));
        }
        return findings;
    }

    private static Finding version(Machine machine) {
        String release = machine.release();
        if (release.isEmpty()) {
            return Finding.note(
                    Area.KERNEL,
                    "the version of the kernel is not known",
                    "/proc/sys/kernel/osrelease does not tell it",
                    "mount /proc");
        }
        return machine.isBeforeHeaps()
                ? Finding.problem(
                        Area.KERNEL,
                        "Linux " + release,
                        "it has no dma-buf heaps: they came with Linux 5.6",
                        "use Linux 5.6 or later")
                : Finding.ok(Area.KERNEL, "Linux " + release);
    }
}
