// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/** Looks for what hinders sharing dma-bufs on a machine. Stateless; changes nothing. */
public final class Doctor {
    private Doctor() {}

    /** All findings, by area. */
    public static List<Finding> examine(Machine machine) {
        Stream<Function<Machine, List<Finding>>> checks = Stream.of(
                JavaCheck::of,
                KernelCheck::of,
                HeapCheck::of,
                MemoryCheck::of,
                LimitCheck::of,
                ProcessCheck::of,
                CameraCheck::of,
                DisplayCheck::of);
        return checks.flatMap(check -> check.apply(machine).stream()).toList();
    }
}
