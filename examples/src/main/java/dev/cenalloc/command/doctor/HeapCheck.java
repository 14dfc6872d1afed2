// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.doctor.KernelConfig.State;
import dev.cenalloc.command.proc.Reading;
import dev.cenalloc.plan.HeapProperties;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The nodes of the heaps and of udmabuf: whether they are there, and whether this process may open them. Stateless. */
final class HeapCheck {
    private static final String HEAPS = "/dev/dma_heap";
    private static final String HEAP_CLASS = "/sys/class/dma_heap";
    private static final String UDMABUF = "/dev/udmabuf";
    private static final String UDMABUF_CLASS = "/sys/class/misc/udmabuf";

    private final Machine machine;
    private final List<Finding> findings = new ArrayList<>();

    private HeapCheck(Machine machine) {
        this.machine = machine;
    }

    static List<Finding> of(Machine machine) {
        return new HeapCheck(machine).findings();
    }

    private List<Finding> findings() {
        switch (machine.files().names(HEAPS)) {
            case Reading.Known<List<String>>(List<String> names) -> {
                if (judge(names)) {
                    rule();
                }
            }
            case Reading.Refused<List<String>>(String why) ->
                findings.add(Finding.problem(
                        Area.HEAPS,
                        HEAPS + " cannot be listed: " + why,
                        Permission.words(machine, HEAPS),
                        "as root: chmod a+rx " + HEAPS));
            case Reading.Absent<List<String>> _ -> noHeaps();
        }
        udmabuf();
        return findings;
    }

    /** Whether all may be opened: else the remedy for that says the rest. */
    private boolean judge(List<String> names) {
        var usable = new ArrayList<String>();
        var refused = new ArrayList<String>();
        String why = "";
        for (String name : names) {
            switch (machine.files().opened(HEAPS + "/" + name)) {
                case Reading.Known<Boolean> _ -> usable.add(name);
                // Gone again.
                case Reading.Absent<Boolean> _ -> {}
                case Reading.Refused<Boolean>(String reason) -> {
                    refused.add(name);
                    why = reason;
                }
            }
        }
        if (!usable.isEmpty()) {
            findings.add(Finding.ok(Area.HEAPS, "heaps that this process may use: " + String.join(", ", usable)));
        }
        if (!refused.isEmpty()) {
            String node = HEAPS + "/" + refused.getFirst();
            findings.add(Finding.problem(
                    Area.HEAPS,
                    "heaps that this process may not open: " + String.join(", ", refused) + ": " + why,
                    Permission.words(machine, node),
                    Permission.HEAPS.remedy(machine, node)));
        }
        if (!names.contains(HeapProperties.SYSTEM) && !machine.lacks("DMABUF_HEAPS_SYSTEM")) {
            findings.add(Finding.problem(
                    Area.HEAPS,
                    "there is no heap of ordinary memory (" + HEAPS + "/" + HeapProperties.SYSTEM + ")",
                    "devices that take any memory have none but scarce memory",
                    driver("DMABUF_HEAPS_SYSTEM", "system_heap", HEAPS + "/" + HeapProperties.SYSTEM)));
        }
        if (names.stream().noneMatch(HeapCheck::isContiguous) && !machine.lacks("DMABUF_HEAPS_CMA")) {
            findings.add(Finding.note(
                    Area.HEAPS,
                    "there is no heap of contiguous memory",
                    "devices that need it have only memory of their own, or of another device",
                    driver("DMABUF_HEAPS_CMA", "cma_heap", HEAPS + "/reserved")));
        }
        return refused.isEmpty();
    }

    private static boolean isContiguous(String heap) {
        return HeapProperties.of(heap).contiguous() == HeapProperties.Trait.YES;
    }

    private void noHeaps() {
        List<String> known = machine.names(HEAP_CLASS);
        if (machine.lacks("DMABUF_HEAPS") || machine.lacks("DMABUF_HEAPS_SYSTEM")) {
            return;
        }
        if (known.isEmpty()) {
            findings.add(Finding.problem(
                    Area.HEAPS,
                    HEAPS + " does not exist",
                    "the kernel has no heaps now",
                    driver("DMABUF_HEAPS_SYSTEM", "system_heap", HEAPS + "/" + HeapProperties.SYSTEM)));
        } else {
            findings.add(Finding.problem(
                    Area.HEAPS,
                    HEAPS + " does not exist, and the kernel has the heaps " + String.join(", ", known),
                    "the nodes were not made here, as in a container that did not get them",
                    "give them to the container, such as --device=" + HEAPS + "/" + known.getFirst()));
        }
    }

    /** What brings a node of a driver that is not there. */
    private String driver(String option, String module, String node) {
        return switch (machine.config().state(option)) {
            case MODULE -> "as root: modprobe " + module;
            case BUILT_IN ->
                option.endsWith("_CMA")
                        ? "set memory aside at boot: cma=128M on the kernel's command line"
                        : "see what hides " + node + ", such as a container";
            // One that lacks it is told of elsewhere.
            case ABSENT, UNKNOWN -> "use a kernel with CONFIG_" + option;
        };
    }

    private void rule() {
        Optional<String> rule = Permission.HEAPS.rule(machine.files());
        findings.add(rule.map(file -> Finding.ok(Area.HEAPS, "the udev rule of " + file + " gives the heaps to users"))
                .orElseGet(() -> Finding.note(
                        Area.HEAPS,
                        "no udev rule gives the heaps to users",
                        "only root may use them after the next start of the machine",
                        "if others than root are to use them, as root: " + Permission.HEAPS.newRule())));
    }

    private void udmabuf() {
        if (machine.lacks("UDMABUF")) {
            return;
        }
        switch (machine.files().opened(UDMABUF)) {
            case Reading.Known<Boolean> _ -> findings.add(Finding.ok(Area.HEAPS, "udmabuf may be used"));
            case Reading.Refused<Boolean>(String why) ->
                findings.add(Finding.note(
                        Area.HEAPS,
                        UDMABUF + " cannot be opened: " + why,
                        Permission.words(machine, UDMABUF),
                        Permission.UDMABUF.remedy(machine, UDMABUF)));
            case Reading.Absent<Boolean> _ ->
                findings.add(Finding.note(
                        Area.HEAPS,
                        UDMABUF + " does not exist",
                        "memory of programs cannot be given to devices",
                        machine.files().exists(UDMABUF_CLASS)
                                ? "give it to the container: --device=" + UDMABUF
                                : machine.config().state("UDMABUF") == State.MODULE
                                        ? "as root: modprobe udmabuf"
                                        : "use a kernel with CONFIG_UDMABUF"));
        }
    }
}
