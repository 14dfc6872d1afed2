// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.json.DeviceProfile.Content;
import dev.cenalloc.json.DeviceProfile.Iommu;
import dev.cenalloc.json.Fact.Certainty;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Reads the description of one device of a profile. For one description. */
final class DeviceReader implements ConstraintsReader.Section {
    private List<String> drivers = List.of();
    private List<String> names = List.of();
    private @Nullable Parameter parameter;
    private @Nullable Role role;
    private @Nullable Iommu iommu;
    private boolean imports = true;
    private @Nullable HeapProperties memory;
    private @Nullable Sizes sizes;
    private final List<Fact> facts = new ArrayList<>();

    private DeviceReader() {}

    /** Reads an object that is known to be JSON; places in an exception are those in the object. */
    static Content read(String name, String object) throws ConstraintsFormatException {
        var reader = new DeviceReader();
        Constraints constraints = ConstraintsReader.readDevice(object, reader);
        var content = new Content(
                name,
                reader.drivers,
                reader.names,
                reader.parameter,
                reader.role,
                constraints,
                reader.iommu,
                reader.imports,
                reader.memory,
                reader.sizes,
                List.copyOf(reader.facts));
        reader.check(content);
        return content;
    }

    /** What no single key shows. */
    private void check(Content content) throws ConstraintsFormatException {
        if (!imports && content.constraints().says(Field.HEAPS)) {
            throw whole("imports", "a device that does not import takes its own memory only: leave heaps out");
        }
        Set<String> statements = content.statements();
        for (Fact fact : facts) {
            for (String key : fact.says()) {
                if (!statements.contains(key)) {
                    throw whole(
                            "facts",
                            "a fact is the source of \"" + key + "\", which the device does not state: it states "
                                    + statements);
                }
            }
        }
    }

    private static ConstraintsFormatException whole(String key, String reason) {
        return new ConstraintsFormatException(reason, "/" + key, 1, 1);
    }

    @Override
    public boolean read(JsonParser parser, String key) throws IOException {
        switch (key) {
            case "drivers" -> drivers = strings(parser);
            case "names" -> names = strings(parser);
            case "parameter" -> parameter = parameter(parser);
            case "role" -> role = role(parser);
            case DeviceProfile.IOMMU -> iommu = iommu(parser);
            case DeviceProfile.IMPORTS -> imports = flag(parser, "true or false");
            case DeviceProfile.MEMORY -> memory = memory(parser);
            case DeviceProfile.SIZES -> sizes = sizes(parser);
            case "facts" -> facts(parser);
            default -> {
                return false;
            }
        }
        return true;
    }

    private static ConstraintsFormatException refusal(JsonParser parser, String reason) {
        return ConstraintsReader.refusal(parser, reason);
    }

    private static Parameter parameter(JsonParser parser) throws IOException {
        String wanted = "an object with one parameter, such as {\"vivid.allocators\": \"1\"}";
        expect(parser, JsonToken.START_OBJECT, wanted);
        expect(parser, parser.nextToken() == JsonToken.FIELD_NAME, wanted);
        String name = parser.currentName();
        parser.nextToken();
        String value = string(parser);
        expect(parser, parser.nextToken() == JsonToken.END_OBJECT, wanted);
        return Parameter.of(name, value)
                .orElseThrow(() -> refusal(
                        parser,
                        "\"" + name + "\" must be a module and its parameter, with a dot"
                                + " between, such as \"vivid.allocators\""));
    }

    private static Role role(JsonParser parser) throws IOException {
        String word = string(parser);
        List<String> words = Arrays.stream(Role.values()).map(Role::word).toList();
        return Role.of(word)
                .orElseThrow(() -> refusal(parser, "\"" + word + "\" is not a role: write one of " + words));
    }

    private static Iommu iommu(JsonParser parser) throws IOException {
        if (parser.currentToken() == JsonToken.VALUE_STRING && parser.getText().equals("sysfs")) {
            return Iommu.SYSFS;
        }
        return flag(parser, "true or false, or \"sysfs\" if the kernel decides") ? Iommu.YES : Iommu.NO;
    }

    private static HeapProperties memory(JsonParser parser) throws IOException {
        expect(parser, JsonToken.START_OBJECT, "an object such as {\"contiguous\": true}");
        HeapProperties properties = HeapProperties.UNKNOWN;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            HeapProperties more = trait(properties, key, parser);
            if (more == null) {
                throw refusal(
                        parser,
                        "\"" + key + "\" is not known of memory: it has contiguous, cpuMappable, pages and cached");
            }
            properties = more;
        }
        return properties;
    }

    /** Reads what is known of a heap, which any device may get unless it is protected. */
    static HeapProperties heap(JsonParser parser) throws IOException {
        expect(parser, JsonToken.START_OBJECT, "an object such as {\"contiguous\": true}");
        HeapProperties properties = HeapProperties.UNKNOWN.withOnlyWhenNamed(false);
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            HeapProperties more = switch (key) {
                case "scarce" -> properties.withScarce(isTrue(parser));
                case "protected" -> properties.withProtected(isTrue(parser) == Trait.YES);
                case "reach" -> reach(properties, parser);
                default -> trait(properties, key, parser);
            };
            if (more == null) {
                throw refusal(
                        parser,
                        "\"" + key + "\" is not known of a heap: it has contiguous, cpuMappable, pages, cached, scarce,"
                                + " protected and reach");
            }
            properties = more;
        }
        return properties;
    }

    private static Trait isTrue(JsonParser parser) throws IOException {
        return flag(parser, "true or false") ? Trait.YES : Trait.NO;
    }

    private static @Nullable HeapProperties trait(HeapProperties properties, String key, JsonParser parser)
            throws IOException {
        return switch (key) {
            case "contiguous" -> properties.withContiguous(isTrue(parser));
            case "cpuMappable" -> properties.withCpuMappable(isTrue(parser));
            case "pages" -> properties.withPages(isTrue(parser));
            case "cached" -> properties.withCached(isTrue(parser));
            default -> null;
        };
    }

    /** The highest address of the memory, in an address space. */
    private static HeapProperties reach(HeapProperties properties, JsonParser parser) throws IOException {
        String wanted = "an object with one address, such as {\"ram\": 1073741823}";
        expect(parser, JsonToken.START_OBJECT, wanted);
        expect(parser, parser.nextToken() == JsonToken.FIELD_NAME, wanted);
        String space = parser.currentName();
        parser.nextToken();
        expect(parser, JsonToken.VALUE_NUMBER_INT, "an address");
        long address;
        try {
            address = Long.parseLong(parser.getText());
        } catch (NumberFormatException e) {
            throw refusal(parser, "an address must be below 2^63, not " + parser.getText());
        }
        expect(parser, parser.nextToken() == JsonToken.END_OBJECT, wanted);
        try {
            return properties.withHighestAddress(space, address);
        } catch (IllegalArgumentException e) {
            throw refusal(parser, String.valueOf(e.getMessage()));
        }
    }

    private static void expect(JsonParser parser, boolean is, String wanted) throws IOException {
        if (!is) {
            throw refusal(parser, "this must be " + wanted);
        }
    }

    private static final List<String> SIZE_KEYS =
            List.of("minWidth", "maxWidth", "widthStep", "minHeight", "maxHeight", "heightStep");

    private static Sizes sizes(JsonParser parser) throws IOException {
        expect(parser, JsonToken.START_OBJECT, "an object such as {\"maxWidth\": 4096, \"maxHeight\": 2160}");
        int[] numbers = {1, Integer.MAX_VALUE, 1, 1, Integer.MAX_VALUE, 1};
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            int index = SIZE_KEYS.indexOf(key);
            if (index < 0) {
                throw refusal(parser, "\"" + key + "\" is not a limit of sizes: they have " + SIZE_KEYS);
            }
            String wanted = "an integer from 1 to " + Integer.MAX_VALUE;
            expect(parser, JsonToken.VALUE_NUMBER_INT, wanted);
            try {
                numbers[index] = Integer.parseInt(parser.getText());
            } catch (NumberFormatException e) {
                throw refusal(parser, "this must be " + wanted);
            }
        }
        try {
            return new Sizes(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]);
        } catch (IllegalArgumentException e) {
            throw refusal(parser, String.valueOf(e.getMessage()));
        }
    }

    private void facts(JsonParser parser) throws IOException {
        expect(parser, JsonToken.START_ARRAY, "a list of facts");
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (facts.size() >= Json.MOST_ENTRIES) {
                throw refusal(parser, "more than " + Json.MOST_ENTRIES + " facts: leave some out");
            }
            facts.add(fact(parser));
        }
    }

    private static Fact fact(JsonParser parser) throws IOException {
        expect(parser, JsonToken.START_OBJECT, "an object with says, source and certainty");
        List<String> says = List.of();
        String source = "";
        Certainty certainty = null;
        String note = "";
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "says" -> says = strings(parser);
                case "source" -> source = string(parser);
                case "certainty" -> certainty = certainty(parser);
                case "note" -> note = string(parser);
                default ->
                    throw refusal(
                            parser, "\"" + key + "\" is not a key of a fact: it has says, source, certainty and note");
            }
        }
        if (certainty == null) {
            throw refusal(parser, "a fact needs its certainty: read, inferred or reported");
        }
        try {
            return new Fact(says, source, certainty, note);
        } catch (IllegalArgumentException e) {
            throw refusal(parser, String.valueOf(e.getMessage()));
        }
    }

    private static Certainty certainty(JsonParser parser) throws IOException {
        String word = string(parser);
        List<String> words = Stream.of(Certainty.values()).map(Certainty::word).toList();
        return Certainty.of(word)
                .orElseThrow(() -> refusal(parser, "\"" + word + "\" is not a certainty: write one of " + words));
    }

    // ---- values ----

    private static void expect(JsonParser parser, JsonToken token, String what) throws IOException {
        if (parser.currentToken() != token) {
            throw refusal(parser, "this must be " + what);
        }
    }

    private static boolean flag(JsonParser parser, String what) throws IOException {
        boolean is = parser.currentToken() == JsonToken.VALUE_TRUE;
        if (!is) {
            expect(parser, JsonToken.VALUE_FALSE, what);
        }
        return is;
    }

    static String string(JsonParser parser) throws IOException {
        expect(parser, JsonToken.VALUE_STRING, "a string");
        return parser.getText();
    }

    static List<String> strings(JsonParser parser) throws IOException {
        expect(parser, JsonToken.START_ARRAY, "a list of strings");
        var strings = new ArrayList<String>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            String string = string(parser);
            if (string.isBlank()) {
                throw refusal(parser, "this must not be blank");
            }
            strings.add(string);
        }
        return List.copyOf(strings);
    }
}
