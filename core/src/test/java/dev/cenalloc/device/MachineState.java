// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Traces;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What a stream must leave as it was: what the virtual display (vkms) shows, by the kernel's own account, the
 * descriptors of this process, and the dma-bufs of the machine. A value.
 *
 * @param screen framebuffers, modes and places
 * @param files how many descriptors are open
 * @param buffers the dma-bufs of the whole machine
 */
record MachineState(String screen, int files, List<String> buffers) {
    private static final Path CARDS = Path.of("/sys/kernel/debug/dri");

    static MachineState now() throws Exception {
        try (var open = Files.list(Path.of("/proc/self/fd"))) {
            return new MachineState(screenNow(), (int) open.count(), Traces.listOfDmaBufs());
        }
    }

    private static String screenNow() throws IOException {
        var state = new StringBuilder();
        List<Path> cards;
        try (var entries = Files.list(CARDS)) {
            cards = entries.filter(card -> String.valueOf(card.getFileName()).matches("\\d{1,2}"))
                    .sorted()
                    .toList();
        }
        for (Path card : cards) {
            if (Files.exists(card.resolve("state"))
                    && Files.readString(card.resolve("name")).startsWith("vkms")) {
                Files.readAllLines(card.resolve("state")).stream()
                        .filter(line -> line.matches(
                                "\\s+(fb|crtc|enable|active|mode|crtc-pos|src-pos)=.*|\\w+\\[.*|\\s+mode: .*"))
                        .forEach(line -> state.append(line).append('\n'));
            }
        }
        assertTrue(state.toString().contains("fb="), "the display tells what it shows");
        return state.toString();
    }

    /** Those that there were not when this was taken. */
    private List<String> newBuffers() throws Exception {
        var now = new ArrayList<>(Traces.listOfDmaBufs());
        buffers.forEach(now::remove);
        return now;
    }

    /** Checks that all is as it was when this was taken. */
    void assertSame(String when) throws Exception {
        MachineState now = now();
        assertEquals(screen, now.screen, when);
        assertEquals(files, now.files, when);
        // The display lets go of what it has shown in its own time.
        for (int i = 0; i < 100 && !newBuffers().isEmpty(); i++) {
            Thread.sleep(20);
        }
        assertEquals(List.of(), newBuffers(), when);
    }
}
