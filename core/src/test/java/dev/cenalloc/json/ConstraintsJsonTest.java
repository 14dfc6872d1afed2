// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Usage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConstraintsJsonTest {
    /** Every field that can be together with the others, and what nobody knows. */
    static final Constraints MUCH = Constraints.NONE
            .onlyHeaps(List.of("system", "linux,cma"))
            .contiguous()
            .maxSegments(16)
            .maxSegmentSize(1 << 20)
            .segmentBoundary(1L << 32)
            .highestAddress("pci", 0xffff_ffffL)
            .highestAddress("soc", Long.MAX_VALUE - 1)
            .baseAlignment(65536)
            .offsetAlignment(256)
            .pitchAlignment(48)
            .lineAlignment(16)
            .extraLines(2)
            .leftMargin(32)
            .topMargin(16)
            .minPitch(100)
            .maxPitch(10_000)
            .equalPitches()
            .proportionalPitches()
            .gapless()
            .minSize(5000)
            .maxSize(1 << 24)
            .buffers(4)
            .acceptsProtected()
            .cpuRead()
            .cpuWrite()
            .coherent()
            .acceptsDecrypted()
            .pages()
            .near(List.of("numa1", "numa0"))
            .usage(Usage.CPU_HEAVY)
            .usage(Usage.DEVICE_ONLY)
            .withUnknown("later", "{\"a\": [1.0, \"\\u00e4\"]}");

    private static final String MUCH_TEXT = """
            {"version":1,"require":{"heaps":["default_cma_region","system"],"contiguous":true,"maxSegments":16,\
            "maxSegmentSize":1048576,"segmentBoundary":4294967296,\
            "highestAddress":{"pci":4294967295,"soc":9223372036854775806},"baseAlignment":65536,"offsetAlignment":256,\
            "pitchAlignment":48,"lineAlignment":16,"extraLines":2,"leftMargin":32,"topMargin":16,"minPitch":100,"maxPitch":10000,\
            "equalPitches":true,"proportionalPitches":true,"gapless":true,"minSize":5000,"maxSize":16777216,\
            "acceptsProtected":true,"cpuRead":true,"cpuWrite":true,"acceptsDecrypted":true,"pages":true},\
            "advise":{"buffers":4,"coherent":true,"near":["numa0","numa1"],"usage":["CPU_HEAVY","DEVICE_ONLY"],\
            "later":{"a": [1.0, "\\u00e4"]}}}""";

    private static String require(String fields) {
        return "{\"version\": 1, \"require\": {" + fields + "}}";
    }

    private static String advise(String fields) {
        return "{\"version\": 1, \"advise\": {" + fields + "}}";
    }

    private static ConstraintsFormatException refusal(String json) {
        var refusal = assertThrows(ConstraintsFormatException.class, () -> ConstraintsJson.read(json), json);
        assertIsUseful(refusal);
        return refusal;
    }

    private static void assertIsUseful(ConstraintsFormatException refusal) {
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains("line " + refusal.line() + ", column " + refusal.column()), message);
        assertTrue(refusal.line() >= 1 && refusal.column() >= 1, message);
        assertTrue(message.length() < 1200, () -> message.length() + " characters of message");
    }

    /** That a document is refused at this place, with these words. */
    private static void assertRefused(String json, String pointer, String words) {
        var refusal = refusal(json);
        assertEquals(pointer, refusal.pointer(), () -> json + ": " + refusal.getMessage());
        assertTrue(String.valueOf(refusal.getMessage()).contains(words), refusal::getMessage);
    }

    private static Constraints readBytes(byte[] json) throws IOException {
        return ConstraintsJson.read(new ByteArrayInputStream(json));
    }

    // ---- what is written is read ----

    @Test
    void theTextIsAsDocumented() throws Exception {
        assertEquals(MUCH_TEXT, ConstraintsJson.write(MUCH));
        assertEquals(MUCH, ConstraintsJson.read(MUCH_TEXT));
        assertEquals(MUCH, readBytes(MUCH_TEXT.getBytes(StandardCharsets.UTF_8)));
        var said = EnumSet.copyOf(MUCH.fields());
        said.add(Field.PROTECTED); // contradicts the CPU's
        assertEquals(EnumSet.allOf(Field.class), said, "a new field belongs into this test");
    }

    @ParameterizedTest
    @EnumSource(Field.class)
    void everyFieldIsReadAsWritten(Field field) throws Exception {
        Constraints constraints = switch (field) {
            case HEAPS -> Constraints.NONE.onlyHeaps(Set.of("system"));
            case NEAR -> Constraints.NONE.near(Set.of("numa0"));
            case HIGHEST_ADDRESS -> Constraints.NONE.highestAddress("pci", 4095);
            case USAGE -> Constraints.NONE.usage(Usage.DEVICE_ONLY);
            default ->
                switch (field.rule()) {
                    case OR, AND -> Constraints.NONE.with(field);
                    default -> Constraints.NONE.with(field, 1L << 40);
                };
        };
        assertNotEquals(Constraints.NONE, constraints);
        String json = ConstraintsJson.write(constraints);
        assertEquals(constraints, ConstraintsJson.read(json));
        var tree = new JsonMapper().readTree(json);
        assertEquals(1, tree.get("version").asInt());
        assertTrue(
                tree.at((field.isAdvisory() ? "/advise/" : "/require/") + field.key())
                                .isValueNode()
                        || !tree.at((field.isAdvisory() ? "/advise/" : "/require/") + field.key())
                                .isEmpty(),
                json);
    }

    @Test
    void randomConstraintsAreReadAsWritten() throws Exception {
        var random = new SplittableRandom(42);
        var seen = EnumSet.noneOf(Field.class);
        var texts = new HashSet<String>();
        for (int i = 0; i < 5000; i++) {
            Constraints constraints = JsonConstraints.next(random);
            String json = ConstraintsJson.write(constraints);
            assertEquals(constraints, ConstraintsJson.read(json), json);
            assertEquals(constraints, readBytes(json.getBytes(StandardCharsets.UTF_8)), json);
            seen.addAll(constraints.fields());
            texts.add(json);
        }
        assertEquals(EnumSet.allOf(Field.class), seen);
        assertTrue(texts.size() > 3000, () -> "only " + texts.size() + " different ones");
    }

    @Test
    void aDocumentMayLeaveAlmostEverythingOut() throws Exception {
        assertEquals(Constraints.NONE, ConstraintsJson.read("{\"version\":1}"));
        assertEquals(
                Constraints.NONE, ConstraintsJson.read(" { \"advise\" : {} ,\r\n\"require\":{}, \"version\":1 } \t"));
        assertEquals("{\"version\":1,\"require\":{},\"advise\":{}}", ConstraintsJson.write(Constraints.NONE));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"maxSize\": \"unlimited\"",
                "\"maxSegments\": \"unlimited\", \"segmentBoundary\": \"unlimited\"",
                "\"maxSize\": 9223372036854775807",
                "\"highestAddress\": {\"pci\": \"unlimited\"}",
                "\"highestAddress\": {}",
                "\"contiguous\": false",
                "\"acceptsProtected\": false"
            })
    void whatSaysAsMuchAsSilence(String fields) throws Exception {
        assertEquals(Constraints.NONE, ConstraintsJson.read(require(fields)));
    }

    @Test
    void adviceThatContradictsItselfIsNotSilence() throws Exception {
        Constraints nothing =
                Constraints.NONE.acceptsProtected().near(Set.of("numa0")).near(Set.of("numa1"));
        assertEquals(Set.of(), nothing.near().orElseThrow());
        assertEquals(nothing, ConstraintsJson.read(ConstraintsJson.write(nothing)));
        assertNotEquals(Constraints.NONE, ConstraintsJson.read(advise("\"near\": []")));
    }

    @Test
    void consentThatIsGoneDoesNotComeBack() throws Exception {
        Constraints names = Constraints.NONE.onlyHeaps(Set.of("protected,video"));
        assertEquals(names, ConstraintsJson.read(require("\"heaps\": [\"protected,video\"]")));
        assertTrue(names.flag(Field.ACCEPTS_PROTECTED));
        Constraints merged = names.and(Constraints.NONE);
        assertFalse(merged.flag(Field.ACCEPTS_PROTECTED));
        assertFalse(ConstraintsJson.read(ConstraintsJson.write(merged)).flag(Field.ACCEPTS_PROTECTED));
        // Whatever the order, and the other consent stays.
        for (String json : List.of(
                require("\"acceptsProtected\": false, \"acceptsDecrypted\": true, \"heaps\": [\"protected,video\"]"),
                require("\"heaps\": [\"protected,video\"], \"acceptsDecrypted\": true, \"acceptsProtected\": false"))) {
            assertEquals(merged.acceptsDecrypted(), ConstraintsJson.read(json));
        }
        assertRefused(require("\"protected\": true, \"acceptsProtected\": false"), "", "leave acceptsProtected out");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "null",
                "true",
                "-0",
                "1.50",
                "1E+400",
                "123456789012345678901234567890",
                "\"\"",
                "\"a\\u00e4\\\"\\\\\"",
                "\"ä😀\"",
                "[]",
                "[ 1 , [ ] ]",
                "{ }",
                "{\"b\": 1,\n \"a\": {\"version\": 2, \"require\": null}}"
            })
    void unknownAdviceIsKeptAsItIs(String value) throws Exception {
        for (String json :
                List.of(advise("\"x\": " + value + " , \"buffers\": 2"), advise("\"buffers\": 2,\"x\":" + value))) {
            Constraints constraints = ConstraintsJson.read(json);
            assertEquals(Map.of("x", value), constraints.unknown());
            assertEquals(2, constraints.number(Field.BUFFERS).orElseThrow());
            String written = ConstraintsJson.write(constraints);
            assertTrue(written.contains("\"x\":" + value), written);
            assertEquals(constraints, ConstraintsJson.read(written));
            assertEquals(constraints, readBytes(written.getBytes(StandardCharsets.UTF_8)));
        }
    }

    @Test
    void unknownAdviceOfALongDocument() throws Exception {
        // Longer than any buffer of the parser.
        String value = "[\"" + "ä".repeat(100_000) + "\", 1.0]";
        String json = advise("\"x\": [" + " ".repeat(50_000) + "1], \"y\": " + value + ", \"z\": 1e1");
        Constraints constraints = ConstraintsJson.read(json);
        assertEquals(Map.of("x", "[" + " ".repeat(50_000) + "1]", "y", value, "z", "1e1"), constraints.unknown());
        assertEquals(constraints, ConstraintsJson.read(ConstraintsJson.write(constraints)));
    }

    @Test
    void whatNoDocumentSaysIsNotWritten() {
        Constraints empty = Constraints.NONE.onlyHeaps(Set.of("a")).and(Constraints.NONE.onlyHeaps(Set.of("b")));
        assertTrue(empty.isImpossible());
        assertThrows(IllegalArgumentException.class, () -> ConstraintsJson.write(empty));
        for (String value : List.of(
                "", " 1", "not JSON", "1,\"buffers\":2", "1}}", "{\"a\":1,\"a\":1}", "[".repeat(63) + "]".repeat(63))) {
            Constraints constraints = Constraints.NONE.withUnknown("x", value);
            assertThrows(IllegalArgumentException.class, () -> ConstraintsJson.write(constraints), value);
        }
        Constraints huge = Constraints.NONE.onlyHeaps(Set.of("x".repeat(Json.LARGEST_DOCUMENT)));
        assertThrows(IllegalArgumentException.class, () -> ConstraintsJson.write(huge));
    }

    // ---- what is refused ----

    @ParameterizedTest
    @ValueSource(strings = {"2", "0", "-1", "1.0", "1e0", "\"1\"", "null", "true", "[1]", "{}", "99999999999999999999"})
    void anotherVersionIsRefused(String version) {
        assertRefused("{\"version\": " + version + "}", "/version", "the version is not 1");
        // Before anything that such a version may have.
        assertRefused(
                "{\"new\": 1, \"require\": {\"new\": 1}, \"version\": " + version + "}",
                "/version",
                "the version is not 1");
    }

    @Test
    void noVersionIsRefused() {
        assertRefused("{}", "", "\"version\": 1");
        assertRefused("{\"require\": {\"version\": 1}}", "", "\"version\": 1");
    }

    @Test
    void aFieldInTheWrongPlaceIsRefused() {
        for (Field field : Field.values()) {
            // With a value that nobody would accept: the place is what is wrong first.
            String fields = "\"" + field.key() + "\": null";
            if (field.isAdvisory()) {
                assertRefused(require(fields), "/require/" + field.key(), "write it in advise");
            } else {
                assertRefused(advise(fields), "/advise/" + field.key(), "write it in require");
            }
        }
    }

    @Test
    void anUnknownRequirementIsRefused() {
        assertRefused(require("\"maxsize\": 1"), "/require/maxsize", "\"maxsize\"");
        assertRefused(require("\"contiguous\": true, \"\": 1"), "/require/", "is not a known field");
    }

    @Test
    void otherKeysAreRefused() {
        assertRefused("{\"version\": 1, \"prefer\": {}}", "/prefer", "\"prefer\"");
        assertRefused("{\"version\": 1, \"heaps\": [\"system\"]}", "/heaps", "write fields in require or advise");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0",
                "-0",
                "-1",
                "1.5",
                "2.0",
                "1e3",
                "1.5e-3",
                "1E400",
                "9223372036854775808",
                "18446744073709551617",
                "-9223372036854775809",
                "null",
                "true",
                "false",
                "\"12\"",
                "\"Unlimited\"",
                "\"\"",
                "[1]",
                "{}"
            })
    void aNumberIsAnIntegerFromOneOn(String value) {
        for (Field field : Field.values()) {
            switch (field.rule()) {
                case MIN, MAX, LCM -> {
                    String section = field.isAdvisory() ? "advise" : "require";
                    String fields = "\"" + field.key() + "\": " + value;
                    assertRefused(
                            field.isAdvisory() ? advise(fields) : require(fields),
                            "/" + section + "/" + field.key(),
                            "1");
                }
                case MIN_PER_SPACE ->
                    assertRefused(
                            require("\"" + field.key() + "\": {\"soc\": 8192, \"pci\": " + value + "}"),
                            "/require/" + field.key() + "/pci",
                            "");
                default -> {}
            }
        }
    }

    @Test
    void onlyALimitIsUnlimited() {
        for (String key : List.of("minSize", "minPitch", "baseAlignment", "offsetAlignment", "pitchAlignment")) {
            assertRefused(require("\"" + key + "\": \"unlimited\""), "/require/" + key, "this must be an integer");
            assertRefused(require("\"" + key + "\": 9223372036854775807"), "/require/" + key, key);
        }
        assertRefused(advise("\"buffers\": \"unlimited\""), "/advise/buffers", "this must be an integer");
        assertRefused(
                require("\"highestAddress\": \"unlimited\""), "/require/highestAddress", "for each address space");
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "0", "1", "\"true\"", "[]", "[true]", "{}"})
    void aFlagIsTrueOrFalse(String value) {
        for (Field field : Field.values()) {
            switch (field.rule()) {
                case OR, AND -> {
                    String section = field.isAdvisory() ? "advise" : "require";
                    String fields = "\"" + field.key() + "\": " + value;
                    assertRefused(
                            field.isAdvisory() ? advise(fields) : require(fields),
                            "/" + section + "/" + field.key(),
                            "true or false");
                }
                default -> {}
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            ignoreLeadingAndTrailingWhitespace = false,
            quoteCharacter = '\'',
            value = {
                "null|''|a list of strings",
                "\"system\"|''|a list of strings",
                "{}|''|a list of strings",
                "[]|''|at least one",
                "[1]|/0|a string",
                "[\"CPU_HEAVY\", null]|/1|a string",
                "[[\"CPU_HEAVY\"]]|/0|a string"
            })
    void aListHasStrings(String value, String where, String words) {
        assertRefused(require("\"heaps\": " + value), "/require/heaps" + where, words);
        if (!value.equals("[]")) {
            assertRefused(advise("\"near\": " + value), "/advise/near" + where, words);
        }
        assertRefused(advise("\"usage\": " + value), "/advise/usage" + where, words);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            ignoreLeadingAndTrailingWhitespace = false,
            quoteCharacter = '\'',
            value = {
                "\"baseAlignment\": 3|/require/baseAlignment|power of two",
                "\"segmentBoundary\": 4097|/require/segmentBoundary|power of two",
                "\"highestAddress\": {\"pci\": 4094}|/require/highestAddress/pci|4095",
                "\"highestAddress\": {\" \": 4095}|/require/highestAddress/ |has a name",
                "\"highestAddress\": [4095]|/require/highestAddress|address space",
                "\"heaps\": [\"system\", \" \"]|/require/heaps|blank",
                "\"minSize\": 2, \"maxSize\": 1|/require/maxSize|no memory can satisfy",
                "\"maxSize\": 1, \"minSize\": 2|/require/minSize|no memory can satisfy",
                "\"protected\": true, \"cpuRead\": true|/require/cpuRead|the CPU cannot access",
                "\"contiguous\": true, \"heaps\": [\"system\"]|/require/heaps|scattered"
            })
    void whatConstraintsRefuseIsRefused(String fields, String pointer, String words) {
        assertRefused(require(fields), pointer, words);
    }

    @Test
    void anUnknownUsageIsRefused() {
        assertRefused(advise("\"usage\": [\"CPU_HEAVY\", \"cpu_heavy\"]"), "/advise/usage", "CPU_HEAVY, DEVICE_ONLY");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"version\": 1, \"version\": 1}",
                "{\"version\": 1, \"require\": {}, \"require\": {}}",
                "{\"version\": 1, \"require\": {\"maxSize\": 5, \"maxSize\": 5}}",
                "{\"version\": 1, \"require\": {\"maxSize\": 5, \"max\\u0053ize\": 5}}",
                "{\"version\": 1, \"require\": {\"highestAddress\": {\"pci\": 5000, \"pci\": 5000}}}",
                "{\"version\": 1, \"advise\": {\"x\": 1, \"x\": 1}}",
                "{\"version\": 1, \"advise\": {\"x\": [{\"a\": 1, \"a\": 1}]}}"
            })
    void aKeyTwiceIsRefused(String json) {
        assertTrue(String.valueOf(refusal(json).getMessage()).contains("Duplicate"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "null",
                "1",
                "\"x\"",
                "[]",
                "[{\"version\": 1}]",
                "{\"version\": 1} {}",
                "{\"version\": 1}{\"version\": 1}",
                "{\"version\": 1}, ",
                "{\"version\": 1} x",
                "{\"version\": 1}\0",
                "{\"version\": 1,}",
                "{\"version\": 01}",
                "{\"version\": +1}",
                "{'version': 1}",
                "{version: 1}",
                "{\"version\": 1 /* comment */}",
                "{\"version\": 1} // comment",
                "{\"version\": 1, \"require\": null}",
                "{\"version\": 1, \"require\": []}",
                "{\"version\": 1, \"advise\": 1}",
                "{\"version\": 1, \"advise\": {\"x\": NaN}}",
                "{\"version\": 1, \"advise\": {\"x\": \"\\x\"}}",
                "{\"version\": 1, \"advise\": {\"x\": \"\n\"}}",
                "\ufeff{\"version\": 1}"
            })
    void whatIsNoDocumentIsRefused(String json) {
        refusal(json);
    }

    @Test
    void thePlaceIsThatOfTheValue() {
        var refusal = refusal("{\"version\": 1,\n \"require\": {\n  \"maxSize\": 1.5}}");
        assertEquals("/require/maxSize", refusal.pointer());
        assertEquals(3, refusal.line());
        assertEquals(14, refusal.column());
        var escaped = refusal(require("\"a/b~c\": 1"));
        assertEquals("/require/a~1b~0c", escaped.pointer());
    }

    // ---- hostile input ----

    @Test
    void aDocumentThatEndsEarlyIsRefused() throws Exception {
        String text = MUCH_TEXT.replace("\\u00e4", "ä€😀");
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        readBytes(bytes);
        for (int length = 0; length < bytes.length; length++) {
            byte[] part = Arrays.copyOf(bytes, length);
            assertIsUseful(assertThrows(ConstraintsFormatException.class, () -> readBytes(part)));
        }
        for (int length = 0; length < text.length(); length++) {
            refusal(text.substring(0, length));
        }
    }

    @Test
    void whateverTheBytesAreOnlyOneExceptionComesOut() throws Exception {
        var random = new SplittableRandom(7);
        byte[][] seeds = {
            MUCH_TEXT.getBytes(StandardCharsets.UTF_8),
            require("\"protected\": true, \"acceptsProtected\": false, \"heaps\": [\"protected,ä\"]")
                    .getBytes(StandardCharsets.UTF_8),
            advise("\"x\": {\"a\": [1.5e3, null, \"\\ud83d\"]}, \"usage\": [\"CPU_HEAVY\"]")
                    .getBytes(StandardCharsets.UTF_8),
            require("\"highestAddress\": {\"pci\": \"unlimited\"}, \"maxSize\": \"unlimited\", \"minSize\": 1")
                    .getBytes(StandardCharsets.UTF_8)
        };
        int read = 0;
        int refused = 0;
        for (int i = 0; i < 50_000; i++) {
            byte[] mutant = mutant(seeds, random);
            try {
                Constraints constraints = readBytes(mutant);
                assertFalse(constraints.isImpossible());
                assertEquals(constraints, ConstraintsJson.read(ConstraintsJson.write(constraints)));
                read++;
            } catch (ConstraintsFormatException e) {
                assertIsUseful(e);
                refused++;
            } catch (Exception | Error e) {
                throw new AssertionError(new String(mutant, StandardCharsets.ISO_8859_1), e);
            }
        }
        // Neither all nonsense nor all harmless, or nothing was tried.
        assertTrue(read > 500 && refused > 10_000, read + " read, " + refused + " refused");
    }

    private static final String[] PIECES = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "0",
        "-",
        ".",
        "e",
        "1e999999999",
        "null",
        "true",
        "false",
        "\"unlimited\"",
        "9223372036854775807",
        "9223372036854775808",
        "\"maxSize\":",
        "\"heaps\":",
        "\"x\":",
        " ",
        "\n"
    };

    private static byte[] mutant(byte[][] seeds, SplittableRandom random) {
        byte[] bytes = seeds[random.nextInt(seeds.length)];
        int changes = random.nextInt(1, 4);
        for (int i = 0; i < changes; i++) {
            int at = random.nextInt(bytes.length + 1);
            int end = Math.min(bytes.length, at + random.nextInt(8));
            byte[] piece;
            switch (random.nextInt(6)) {
                case 0 -> piece = new byte[0];
                case 1 -> {
                    piece = new byte[random.nextInt(1, 5)];
                    random.nextBytes(piece);
                }
                case 2 -> piece = new byte[] {(byte) random.nextInt(32, 127)};
                case 3 -> {
                    byte[] other = seeds[random.nextInt(seeds.length)];
                    int from = random.nextInt(other.length);
                    piece = Arrays.copyOfRange(other, from, Math.min(other.length, from + random.nextInt(40)));
                }
                case 4 -> {
                    piece = PIECES[random.nextInt(PIECES.length)].getBytes(StandardCharsets.UTF_8);
                    end = at;
                }
                default -> piece = PIECES[random.nextInt(PIECES.length)].getBytes(StandardCharsets.UTF_8);
            }
            var changed = new byte[at + piece.length + bytes.length - end];
            System.arraycopy(bytes, 0, changed, 0, at);
            System.arraycopy(piece, 0, changed, at, piece.length);
            System.arraycopy(bytes, end, changed, at + piece.length, bytes.length - end);
            bytes = changed;
            if (bytes.length == 0) {
                return bytes;
            }
        }
        return bytes;
    }

    @Test
    void randomBytesAreRefused() {
        var random = new SplittableRandom(11);
        for (int i = 0; i < 5000; i++) {
            byte[] bytes = new byte[random.nextInt(200)];
            random.nextBytes(bytes);
            assertIsUseful(assertThrows(ConstraintsFormatException.class, () -> readBytes(bytes)));
        }
    }

    @Test
    void badEncodingIsRefusedWhereItIs() {
        // Overlong, half a pair, alone, beyond the last character, UTF-16.
        for (String hex : List.of("c080", "eda0bd", "80", "f4908080", "ff")) {
            byte[] bad = HexFormat.of().parseHex(hex);
            byte[] before = "{\"version\": 1,\n\"advise\": {\"ä".getBytes(StandardCharsets.UTF_8);
            byte[] bytes = Arrays.copyOf(before, before.length + bad.length);
            System.arraycopy(bad, 0, bytes, before.length, bad.length);
            var refusal = assertThrows(ConstraintsFormatException.class, () -> readBytes(bytes), hex);
            assertTrue(String.valueOf(refusal.getMessage()).contains("UTF-8"), refusal::getMessage);
            assertEquals(2, refusal.line());
            assertEquals(14, refusal.column());
        }
        for (var charset : List.of(StandardCharsets.UTF_16LE, StandardCharsets.UTF_16, StandardCharsets.UTF_32BE)) {
            byte[] bytes = "{\"version\": 1}".getBytes(charset);
            assertThrows(ConstraintsFormatException.class, () -> readBytes(bytes), charset.name());
        }
    }

    @Test
    void deepNestingIsRefused() throws Exception {
        for (int depth : new int[] {63, 100, 1000, 100_000, 500_000}) {
            refusal("[".repeat(depth));
            refusal(advise("\"x\": " + "[".repeat(depth)));
            refusal(advise("\"x\": " + "{\"a\":".repeat(depth)));
            refusal(advise("\"x\": " + "[".repeat(depth) + "]".repeat(depth)));
            refusal(require("\"heaps\": " + "[".repeat(depth)));
        }
        ConstraintsJson.read(advise("\"x\": " + "[".repeat(62) + "]".repeat(62)));
    }

    /** A stream that says what each byte is. */
    private abstract static class Source extends InputStream {
        abstract int next() throws IOException;

        @Override
        public int read() throws IOException {
            return next();
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            for (int i = 0; i < length; i++) {
                into[offset + i] = (byte) next();
            }
            return length;
        }
    }

    @Test
    void aHugeDocumentIsRefusedAndNotReadToItsEnd() throws Exception {
        String least = "{\"version\":1}";
        String most = least + " ".repeat(Json.LARGEST_DOCUMENT - least.length());
        ConstraintsJson.read(most);
        assertRefused(most + " ", "", "at most 1048576");
        readBytes(most.getBytes(StandardCharsets.UTF_8));
        var endless = new Source() {
            private long given;

            @Override
            int next() {
                // Three bytes each: one byte beyond the end is within a character.
                return new int[] {0xe2, 0x82, 0xac}[(int) (given++ % 3)];
            }
        };
        var refusal = assertThrows(ConstraintsFormatException.class, () -> ConstraintsJson.read(endless));
        assertTrue(String.valueOf(refusal.getMessage()).contains("at most 1048576"), refusal::getMessage);
        assertEquals(Json.LARGEST_DOCUMENT + 1, endless.given);
    }

    @Test
    void whatTheStreamThrowsComesOut() {
        var broken = new IOException("broken");
        var stream = new Source() {
            @Override
            int next() throws IOException {
                throw broken;
            }
        };
        assertSame(broken, assertThrows(IOException.class, () -> ConstraintsJson.read(stream)));
    }

    @Test
    void hugePartsAreRefusedInTime() throws Exception {
        int large = 900_000;
        refusal(require("\"maxSize\": " + "9".repeat(large)));
        refusal(require("\"maxSize\": 1e" + "9".repeat(large)));
        refusal(require("\"maxSize\": 0." + "9".repeat(large)));
        refusal(require("\"maxSize\": \"" + "9".repeat(large) + "\""));
        refusal(require("\"" + "x".repeat(large) + "\": 1"));
        refusal(advise("\"" + "x".repeat(large) + "\": 1"));
        refusal("{\"version\": \"" + "x".repeat(large) + "\"}");
        refusal(advise("\"usage\": [\"" + "x".repeat(large) + "\"]"));
        refusal(require("\"heaps\": [\"system\"], \"contiguous\": true, \"heaps\": [\"" + "x".repeat(large) + "\"]"));
        var many = new StringBuilder();
        for (int i = 0; i < 60_000; i++) {
            many.append(i == 0 ? "" : ",").append("\"k").append(i).append("\":9999");
        }
        assertRefused(advise(many.toString()), "/advise/k1024", "more than 1024");
        assertRefused(require("\"highestAddress\": {" + many + "}"), "/require/highestAddress/k1024", "more than 1024");
        // Long lists are fine.
        String names = "\"" + "x\",\"".repeat(200_000) + "y\"";
        assertEquals(
                Set.of("x", "y"),
                ConstraintsJson.read(require("\"heaps\": [" + names + "]"))
                        .allowedHeaps()
                        .orElseThrow());
        Constraints huge = ConstraintsJson.read(require("\"heaps\": [\"" + "x".repeat(large) + "\"]"));
        assertEquals(huge, ConstraintsJson.read(ConstraintsJson.write(huge)));
        // A message does not repeat them.
        refusal(require("\"heaps\": [\"" + "x".repeat(large) + "\"], \"minSize\": 2, \"maxSize\": 1"));
    }
}
