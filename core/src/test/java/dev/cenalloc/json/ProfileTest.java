// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What somebody knows of a board's devices, from a file. */
class ProfileTest {
    static final String BOARD = """
            {
              "version": 1,
              "devices": {
                "camera": {"require": {"contiguous": true}},
                "display": {
                  "require": {"pitchAlignment": 64, "maxSegments": 1},
                  "advise": {"coherent": true, "sparkle": [1]},
                  "iommu": true
                }
              },
              "uses": {"camera": ["reserved"], "ui": ["system", "udmabuf"]}
            }
            """;

    private static ConstraintsFormatException refused(String json) {
        return assertThrows(ConstraintsFormatException.class, () -> Profile.read("test", json), json);
    }

    @Test
    void devicesAndUsesAreRead() throws Exception {
        Profile board = Profile.read("board.json", BOARD);
        Device camera = board.device("camera").orElseThrow();
        assertEquals(Constraints.NONE.contiguous(), camera.constraints());
        assertEquals(Origin.PROFILE, camera.origin());
        assertEquals("profile board.json", camera.detail());
        Device display = board.device("display").orElseThrow();
        assertTrue(display.isBehindIommu());
        assertEquals(
                Set.of("sparkle"), display.declared().orElseThrow().unknown().keySet());
        assertTrue(board.device("npu").isEmpty());
        assertEquals(
                Set.of("default_cma_region"),
                board.use("camera").orElseThrow().constraints().allowedHeaps().orElseThrow());
        assertTrue(board.use("npu").isEmpty());
        assertEquals(List.of("camera", "display"), board.devices());
        assertEquals(List.of("camera", "ui"), board.uses());
    }

    @Test
    void whatIsStatedGoesBeforeIt() throws Exception {
        Device profile = Profile.read("board.json", BOARD).device("camera").orElseThrow();
        Device stated = Device.of("camera", Constraints.NONE, "its data sheet");
        Device unknown = Device.undeclared("camera");
        assertEquals(stated, Device.mostTrusted(List.of(unknown, profile, stated)));
        assertEquals(profile, Device.mostTrusted(List.of(unknown, profile)));
    }

    @Test
    void itTakesPartInAPlan() throws Exception {
        Profile board = Profile.read("board.json", BOARD);
        try (var cenalloc = Cenalloc.open()) {
            String explained = cenalloc.plan(100, List.of(board.device("camera").orElseThrow()))
                    .explain();
            assertTrue(explained.contains("contiguous memory (profile board.json)"), explained);
        }
    }

    @Test
    void whatIsWrittenIsReadAgain() throws Exception {
        var random = new SplittableRandom(11);
        for (int i = 0; i < 300; i++) {
            Profile profile = Profile.empty("test").withUse("use " + i, List.of("system", "x"));
            for (int n = random.nextInt(4); n >= 0; n--) {
                Device device = Device.of("d \"" + n, JsonConstraints.next(random), "test");
                profile = profile.with(random.nextBoolean() ? device.behindIommu() : device);
            }
            Profile again = Profile.read("test", profile.write());
            assertEquals(profile.devices(), again.devices());
            assertEquals(profile.uses(), again.uses());
            for (String device : profile.devices()) {
                assertEquals(profile.device(device), again.device(device), profile.write());
            }
            assertEquals(profile.write(), again.write());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[] | '' | a profile is an object",
                "{} | '' | version is missing",
                "{\"version\": 2} | /version | not 1",
                "{\"version\": 1, \"x\": 1} | /x | \"x\" is not a key",
                "{\"version\": 1, \"devices\": []} | /devices | an object",
                "{\"version\": 1, \"devices\": {\"d\": 1}} | /devices/d | an object",
                "{\"version\": 1, \"devices\": {\"d\": {\"version\": 1}}} | /devices/d/version | \"version\" is not a section",
                "{\"version\": 1, \"devices\": {\"d\": {\"iommu\": 1}}} | /devices/d/iommu | true or false",
                "{\"version\": 1, \"devices\": {\"d\": {\"iommu\": \"maybe\"}}} | /devices/d/iommu | \"sysfs\"",
                "{\"version\": 1, \"devices\": {\"d\": {\"role\": \"sink\"}}} | /devices/d/role | not a role",
                "{\"version\": 1, \"devices\": {\"d\": {\"imports\": 0}}} | /devices/d/imports | true or false",
                "{\"version\": 1, \"devices\": {\"d\": {\"imports\": false, \"require\": {\"heaps\": [\"system\"]}}}} | /devices/d/imports | own memory",
                "{\"version\": 1, \"devices\": {\"d\": {\"drivers\": [\"\"]}}} | /devices/d/drivers/0 | blank",
                "{\"version\": 1, \"devices\": {\"d\": {\"memory\": {\"fast\": true}}}} | /devices/d/memory/fast | not known",
                "{\"version\": 1, \"devices\": {\"d\": {\"parameter\": \"vivid.allocators\"}}} | /devices/d/parameter | one parameter",
                "{\"version\": 1, \"devices\": {\"d\": {\"parameter\": {}}}} | /devices/d/parameter | one parameter",
                "{\"version\": 1, \"devices\": {\"d\": {\"parameter\": {\"vivid.a\": 1}}}} | /devices/d/parameter/vivid.a | a string",
                "{\"version\": 1, \"devices\": {\"d\": {\"parameter\": {\"vivid.a\": \"1\", \"vivid.b\": \"1\"}}}} | /devices/d/parameter/vivid.b | one parameter",
                "{\"version\": 1, \"devices\": {\"d\": {\"parameter\": {\"../a.b\": \"1\"}}}} | /devices/d/parameter | with a dot",
                "{\"version\": 1, \"devices\": {\"d\": {\"sizes\": {\"maxWidth\": 0}}}} | /devices/d/sizes | minimum",
                "{\"version\": 1, \"devices\": {\"d\": {\"sizes\": {\"width\": 1}}}} | /devices/d/sizes/width | not a limit",
                "{\"version\": 1, \"devices\": {\"d\": {\"sizes\": {\"maxWidth\": 4294967296}}}} | /devices/d/sizes/maxWidth | 2147483647",
                "{\"version\": 1, \"devices\": {\"d\": {\"facts\": [{\"note\": \"n\", \"certainty\": \"read\"}]}}} | /devices/d/facts/0 | source",
                "{\"version\": 1, \"devices\": {\"d\": {\"facts\": [{\"note\": \"n\", \"source\": \"s\"}]}}} | /devices/d/facts/0 | certainty",
                "{\"version\": 1, \"devices\": {\"d\": {\"facts\": [{\"certainty\": \"read\", \"source\": \"s\"}]}}} | /devices/d/facts/0 | note",
                "{\"version\": 1, \"devices\": {\"d\": {\"facts\": [{\"certainty\": \"sure\"}]}}} | /devices/d/facts/0/certainty | read",
                "{\"version\": 1, \"devices\": {\"d\": {\"facts\": [{\"why\": \"\"}]}}} | /devices/d/facts/0/why | not a key",
                "{\"version\": 1, \"devices\": {\"d\": {\"facts\": [{\"says\": [\"iommu\"], \"certainty\": \"read\", \"source\": \"s\"}]}}} | /devices/d/facts | does not state",
                "{\"version\": 1, \"title\": 1} | /title | a string",
                "{\"version\": 1, \"matches\": []} | /matches | an object",
                "{\"version\": 1, \"matches\": {\"pci\": [\"8086\"]}} | /matches/pci | not an id",
                "{\"version\": 1, \"matches\": {\"acpi\": []}} | /matches/acpi | does not recognise",
                "{\"version\": 1, \"devices\": {\"d\": {\"require\": {\"maxSize\": 0}}}} | /devices/d/require/maxSize | 1",
                "{\"version\": 1, \"devices\": {\"d\": {\"require\": {\"sparkle\": 1}}}} | /devices/d/require/sparkle | sparkle",
                "{\"version\": 1, \"uses\": {\"u\": []}} | /uses/u | at least one heap",
                "{\"version\": 1, \"uses\": {\"u\": [1]}} | /uses/u/0 | name of a heap",
                "{\"version\": 1, \"uses\": {\"u\": \"system\"}} | /uses/u | list of heaps",
                "{\"version\": 1, \"version\": 1} | '' | JSON",
                "{\"version\": 1} {} | '' | follows",
                "{\"version\": 1 | '' | JSON"
            })
    void whatIsNoProfileIsRefusedAtItsPlace(String json, String pointer, String words) {
        ConstraintsFormatException e = refused(json);
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains(words), message);
        assertTrue(e.pointer().startsWith(pointer), () -> e.pointer() + " for " + json);
    }

    @Test
    void thePlaceIsThatInTheFile() {
        var e = refused(
                "{\n \"version\": 1,\n \"devices\": {\n  \"d\": {\n   \"require\": {\"maxSize\": 0}\n  }\n }\n}");
        assertEquals(5, e.line());
    }

    @Test
    void aProfileThatEndsEarlyIsRefused() {
        String whole = BOARD.strip();
        for (int end = 0; end < whole.length(); end++) {
            refused(whole.substring(0, end));
        }
    }

    @Test
    void whateverTheTextIsOnlyOneExceptionComesOut() {
        var random = new SplittableRandom(12);
        String alphabet = "{}[]\",:01truefalsn \\\n";
        int read = 0;
        for (int i = 0; i < 20_000; i++) {
            var text = new StringBuilder(BOARD);
            for (int n = random.nextInt(3); n >= 0; n--) {
                text.setCharAt(random.nextInt(text.length()), alphabet.charAt(random.nextInt(alphabet.length())));
            }
            try {
                Profile.read("test", text.toString());
                read++;
            } catch (ConstraintsFormatException e) {
                assertFalse(e.line() < 1);
            }
        }
        assertTrue(read > 0);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"version\": 1, \"devices\": {\"\": {}}}",
                "{\"version\": 1, \"devices\": {\" \": {}}}",
                "{\"version\": 1, \"uses\": {\"\": [\"system\"]}}"
            })
    void namesAreNotBlank(String document) {
        assertTrue(refused(document).reason().contains("must not be blank"));
    }

    @Test
    void streamsAreUtf8() throws Exception {
        byte[] bytes = BOARD.replace("camera", "caméra").getBytes(StandardCharsets.UTF_8);
        Profile board = Profile.read("board.json", new ByteArrayInputStream(bytes));
        assertTrue(board.device("caméra").isPresent());
        byte[] latin = BOARD.replace("camera", "caméra").getBytes(StandardCharsets.ISO_8859_1);
        assertThrows(
                ConstraintsFormatException.class, () -> Profile.read("board.json", new ByteArrayInputStream(latin)));
    }

    @Test
    void onlyWhatIsDeclaredOnceIsDescribed() {
        Profile profile = Profile.empty("test");
        assertThrows(IllegalArgumentException.class, () -> profile.with(Device.undeclared("x")));
        Device two = Device.of("x", Constraints.NONE, "test").or(Constraints.NONE.contiguous());
        assertThrows(IllegalArgumentException.class, () -> profile.with(two));
        assertThrows(IllegalArgumentException.class, () -> profile.withUse("u", List.of()));
    }

    private static String entries(String section, int count, String value) {
        return IntStream.range(0, count)
                .mapToObj(i -> "\"" + Integer.toString(i, 36) + "\":" + value)
                .collect(Collectors.joining(",", "{\"version\":1,\"" + section + "\":{", "}}"));
    }

    @ParameterizedTest
    @CsvSource({"devices, {}, 100000", "uses, '[\"\"]', 80000"})
    @Timeout(60)
    void aProfileHasALimitedNumberOfEntries(String section, String value, int many) throws Exception {
        String most = entries(section, 1024, value.replace("\"\"", "\"system\""));
        Profile profile = Profile.read("test", most);
        assertEquals(1024, profile.devices().size() + profile.uses().size());
        // To copy the profile for each of so many entries takes hours.
        String tooMany = entries(section, many, value.replace("\"\"", "\"a\""));
        assertTrue(tooMany.length() < 1 << 20);
        ConstraintsFormatException e = refused(tooMany);
        assertEquals("/" + section + "/" + Integer.toString(1024, 36), e.pointer());
        assertTrue(e.reason().contains("more than 1024 entries"), e.reason());
    }

    @Test
    @Timeout(60)
    void aProfileFullOfUnknownAdviceIsRead() throws Exception {
        // As many as a device may have, in as many devices as a document has room for.
        String advice = IntStream.range(0, 1024)
                .mapToObj(i -> "\"" + Integer.toString(i, 36) + "\":0")
                .collect(Collectors.joining(",", "{\"advise\":{", "}}"));
        int devices = (1 << 20) / (advice.length() + 6) - 1;
        Profile profile = Profile.read("test", entries("devices", devices, advice));
        assertEquals(devices, profile.devices().size());
    }

    /** A name in the table of interned strings stays there: hostile documents could fill it. */
    @Test
    void namesAreNotInterned() throws Exception {
        List<String> names = Stream.of("device", "use", "heap", "space", "place", "advice")
                .map(kind -> kind + System.nanoTime())
                .toList();
        Profile profile = Profile.read("test", """
                {
                  "version": 1,
                  "devices": {"%1$s": {
                    "require": {"heaps": ["%3$s"], "highestAddress": {"%4$s": 4096}},
                    "advise": {"near": ["%5$s"], "%6$s": 1}}},
                  "uses": {"%2$s": ["%3$s"]}
                }""".formatted(names.toArray()));
        assertTrue(profile.use(names.get(1)).isPresent());
        assertEquals(
                Set.of(names.get(5)),
                profile.device(names.getFirst())
                        .orElseThrow()
                        .constraints()
                        .unknown()
                        .keySet());
        // The first string of its value to be interned: the reader has interned no other.
        names.forEach(name -> assertSame(name, name.intern()));
    }

    // ---- heaps ----

    @Test
    void whatItSaysOfHeapsIsToldToAContext() throws Exception {
        var kernel = new FakeKernel().heap("vidbuf", 1 << 20);
        String text =
                "{\"version\":1,\"devices\":{},\"uses\":{},\"heaps\":{\"i915\":{\"contiguous\":false,\"cached\":true},"
                        + "\"vidbuf\":{\"contiguous\":true,\"pages\":true,\"scarce\":true,\"reach\":{\"ram\":1073741823}}}}";
        Profile profile = Profile.read("board.json", text);
        assertEquals(text, profile.write());
        assertEquals(Set.of("vidbuf", "i915"), profile.heaps().keySet());
        try (var cenalloc = kernel.open()) {
            Device camera = Device.of("camera", Constraints.NONE.contiguous(), "test");
            assertEquals(List.of(), cenalloc.plan(4096, List.of(camera)).candidates());
            profile.describe(cenalloc);
            assertEquals(
                    "vidbuf",
                    cenalloc.plan(4096, List.of(camera)).candidates().getFirst().name());
            assertEquals(
                    1073741823L,
                    cenalloc.heap("vidbuf").properties().highestAddress().orElseThrow());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"big\": true}",
                "{\"contiguous\": 1}",
                "[]",
                "{\"reach\": {}}",
                "{\"reach\": {\"ram\": -1}}",
                "{\"reach\": {\"ram\": 99999999999999999999}}",
                "{\"reach\": {\"ram\": 1, \"pci\": 2}}",
                "{\"reach\": {\"ram\": \"1\"}}"
            })
    void whatIsNotKnownOfAHeapIsRefused(String heap) {
        var e = assertThrows(
                ConstraintsFormatException.class,
                () -> Profile.read("board.json", "{\"version\": 1, \"heaps\": {\"vidbuf\": " + heap + "}}"));
        assertTrue(e.pointer().startsWith("/heaps/vidbuf"), e::pointer);
    }
}
