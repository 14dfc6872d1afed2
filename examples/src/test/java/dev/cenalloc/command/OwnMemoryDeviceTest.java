// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.command.MainTest.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The command on machines that lack heaps: the memory is that of the devices. The nodes of the heaps are renamed. */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "takes over camera and display, and hides the heaps of the machine, so it runs only where"
                + " -Dcenalloc.devices=required says that it may")
class OwnMemoryDeviceTest {
    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private static final Path UDMABUF = Path.of("/dev/udmabuf");
    /** On the same file system, so that a node can move there. */
    private static final Path HIDDEN = Path.of("/dev/hidden-by-a-test");

    private final List<Path> hidden = new ArrayList<>();

    private void hide(Predicate<Path> which) throws IOException {
        var nodes = new ArrayList<>(List.of(UDMABUF));
        try (var heaps = Files.list(HEAPS)) {
            heaps.forEach(nodes::add);
        }
        Files.createDirectories(HIDDEN);
        for (Path node : nodes) {
            if (which.test(node)) {
                Files.move(node, HIDDEN.resolve(node.getFileName()));
                hidden.add(node);
            }
        }
        assertFalse(hidden.isEmpty());
    }

    @AfterEach
    void show() throws IOException {
        for (Path node : hidden) {
            Files.move(HIDDEN.resolve(node.getFileName()), node);
        }
        Files.deleteIfExists(HIDDEN);
    }

    private static Outcome pipeline(String camera, String display) {
        Outcome outcome = Outcome.of(
                "pipeline",
                "--camera",
                camera,
                "--display",
                display,
                "--size",
                "640x480",
                "--fps",
                "30",
                "--frames",
                "2",
                "--no-measure",
                "--explain");
        (outcome.out() + outcome.err())
                .lines()
                .forEach(line -> assertTrue(line.length() <= 200, () -> line.length() + " columns: " + line));
        return outcome;
    }

    @Test
    void withoutAnyHeapTheCameraLendsItsOwnMemory() throws Exception {
        lends("vkms", "vivid");
    }

    /** It has memory of its own, and takes no other. */
    @Test
    @Tag("bochs")
    void withoutAnyHeapTheCardLendsItsOwnMemory() throws Exception {
        lends("bochs-drm", "bochs-drm");
    }

    private void lends(String display, String owner) throws Exception {
        hide(_ -> true);
        assertEquals(
                "",
                Outcome.of("heaps")
                        .out()
                        .lines()
                        .filter(line -> line.startsWith("system"))
                        .findAny()
                        .orElse(""));
        Outcome outcome = pipeline("vivid-000", display);
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("heap                  memory of " + owner), outcome.out());
        assertTrue(outcome.out().contains("profiles: test-drivers (driver vivid)"), outcome.out());
        assertEquals(2, outcome.out().split("there is no heap", -1).length, outcome.out());
    }

    @Test
    void withoutAHeapOfContiguousMemoryTheCameraLendsItsOwn() throws Exception {
        hide(node -> node.startsWith(HEAPS) && !node.endsWith("system"));
        Outcome outcome = pipeline("vivid-001", "vkms");
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("heap                  memory of vivid platform:vivid-001"), outcome.out());
        assertTrue(outcome.out().contains("refused system"), outcome.out());
    }

    /** The camera takes no memory of the card, which may be scattered, and the card none of the camera. */
    @Test
    @Tag("bochs")
    void whereNothingSuitsItIsSaidOnceWhatWasRefused() throws Exception {
        hide(node -> node.startsWith(HEAPS) && !node.endsWith("system"));
        Outcome outcome = pipeline("vivid-001", "bochs-drm");
        assertEquals(1, outcome.status(), outcome::toString);
        assertEquals(2, outcome.err().split("no memory suits the images in common", -1).length, outcome.err());
        assertEquals(2, outcome.err().split("refused system", -1).length, outcome.err());
        assertEquals(2, outcome.err().split("To do: ", -1).length, outcome.err());
        assertTrue(outcome.err().contains("not memory of vivid platform:vivid-001"), outcome.err());
    }
}
