// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What a stream must leave as it was: what the virtual display (vkms) shows, by the kernel's own account, the
 * descriptors of this process, and the dma-bufs of the machine. A value.
 *
 * @param screen framebuffers, modes and places
 * @param files how many descriptors are open
 */
record MachineState(String screen, int files) {
    private static final Path CARDS = Path.of("/sys/kernel/debug/dri");
    private static final Path BUFFERS = Path.of("/sys/kernel/debug/dma_buf/bufinfo");

    static MachineState now() throws IOException {
        try (var open = Files.list(Path.of("/proc/self/fd"))) {
            return new MachineState(screenNow(), (int) open.count());
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

    /** How many dma-bufs there are on the whole machine. */
    private static int dmaBufs() throws IOException {
        return Files.readAllLines(BUFFERS).stream()
                .filter(line -> line.matches("Total \\d+ objects.*"))
                .map(line -> Integer.parseInt(line.replaceAll("\\D+(\\d+) objects.*", "$1")))
                .findFirst()
                .orElseThrow();
    }

    /** Checks that all is as it was when this was taken. */
    void assertSame(String when) throws Exception {
        MachineState now = now();
        assertEquals(screen, now.screen, when);
        assertEquals(files, now.files, when);
        // The display lets go of what it has shown in its own time.
        for (int i = 0; i < 100 && dmaBufs() > 0; i++) {
            Thread.sleep(20);
        }
        assertEquals(0, dmaBufs(), when);
    }
}
