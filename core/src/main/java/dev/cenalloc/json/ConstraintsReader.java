// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Field.Rule;
import dev.cenalloc.plan.Usage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Reads one document in two passes. The first checks that it is JSON of a known version, the second interprets it. So a
 * newer document is refused for its version, wherever the version is in it, and not for its new fields.
 */
final class ConstraintsReader {
    private static final String UNLIMITED = "unlimited";

    private static final Map<String, Field> FIELDS =
            Arrays.stream(Field.values()).collect(Collectors.toUnmodifiableMap(Field::key, Function.identity()));

    private final String text;
    private final JsonParser parser;
    /** Reads the other keys of a device in a profile, which has the version; null for a document of its own. */
    private final @Nullable Section more;

    private final EnumSet<Field> withdrawn = EnumSet.noneOf(Field.class);
    private Constraints constraints = Constraints.NONE;

    private ConstraintsReader(String text, JsonParser parser, @Nullable Section more) {
        this.text = text;
        this.parser = parser;
        this.more = more;
    }

    /** Reads other keys than the two sections of constraints. */
    interface Section {
        /** Reads the value that the parser is at; false if the key is unknown. */
        boolean read(JsonParser parser, String key) throws IOException;
    }

    static Constraints read(String text) throws ConstraintsFormatException {
        if (text.length() > Json.LARGEST_DOCUMENT) {
            throw tooLong();
        }
        pass(text, null, ConstraintsReader::checkVersion);
        return pass(text, null, ConstraintsReader::interpret).constraints;
    }

    /** As {@link #read}, for a device in a profile; the text is known to be JSON. */
    static Constraints readDevice(String text, Section more) throws ConstraintsFormatException {
        return pass(text, more, ConstraintsReader::interpret).constraints;
    }

    static ConstraintsFormatException tooLong() {
        return new ConstraintsFormatException(
                "a document has at most " + Json.LARGEST_DOCUMENT + " characters: leave some out", "", 1, 1);
    }

    @FunctionalInterface
    private interface Pass {
        void run(ConstraintsReader reader) throws IOException;
    }

    private static ConstraintsReader pass(String text, @Nullable Section more, Pass pass)
            throws ConstraintsFormatException {
        try (JsonParser parser = Json.FACTORY.createParser(text)) {
            var reader = new ConstraintsReader(text, parser, more);
            try {
                pass.run(reader);
                return reader;
            } catch (JacksonException e) {
                // An exceeded limit has no location.
                JsonLocation place = e.getLocation() == null ? parser.currentLocation() : e.getLocation();
                throw reader.refusal("this is not JSON, or exceeds a limit: " + e.getOriginalMessage(), place);
            }
        } catch (ConstraintsFormatException e) {
            throw e;
        } catch (IOException e) {
            throw new UncheckedIOException("a string cannot fail", e);
        }
    }

    private ConstraintsFormatException refusal(String reason) {
        return refusal(reason, parser.currentTokenLocation());
    }

    private ConstraintsFormatException refusal(String reason, JsonLocation place) {
        return refusal(parser, reason, place);
    }

    /** What is wrong at the token that a parser is at. */
    static ConstraintsFormatException refusal(JsonParser parser, String reason) {
        return refusal(parser, reason, parser.currentTokenLocation());
    }

    static ConstraintsFormatException refusal(JsonParser parser, String reason, JsonLocation place) {
        return new ConstraintsFormatException(
                reason,
                parser.getParsingContext().pathAsPointer().toString(),
                Math.max(1, place.getLineNr()),
                Math.max(1, place.getColumnNr()));
    }

    // ---- the passes ----

    private void checkVersion() throws IOException {
        boolean found = false;
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw refusal(
                    "a constraint set is an object: write {\"version\": 1, \"require\": {...}, \"advise\": {...}}");
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean isVersion = parser.currentName().equals("version");
            JsonToken value = parser.nextToken();
            if (isVersion) {
                found = true;
                if (value != JsonToken.VALUE_NUMBER_INT
                        || !parser.getText().equals(String.valueOf(ConstraintsJson.VERSION))) {
                    throw refusal("the version is not " + ConstraintsJson.VERSION
                            + ", the only known one: write the constraints in that version, or use a newer library");
                }
            }
            parser.skipChildren();
        }
        if (parser.nextToken() != null) {
            throw refusal("text follows the constraint set: leave it out");
        }
        if (!found) {
            throw refusal("the version is missing: write \"version\": " + ConstraintsJson.VERSION);
        }
    }

    private void interpret() throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw refusal("this must be an object with require and advise");
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            if (key.equals("require") || key.equals("advise")) {
                section(key.equals("advise"));
            } else if (more != null ? !more.read(parser, key) : !key.equals("version")) { // that was checked
                throw refusal("\"" + key + "\" is not a section: write fields in require or advise");
            }
        }
        if (!withdrawn.isEmpty()) {
            constraints = constraints.and(consents());
            if (constraints.isImpossible()) {
                throw refusal("protected memory is required and not accepted: leave acceptsProtected out");
            }
        }
    }

    /**
     * Constraints with every consent except the withdrawn ones: merged with them, other constraints lose only these.
     */
    private Constraints consents() {
        Constraints given = Constraints.NONE;
        for (Field field : Field.values()) {
            if (field.rule() == Rule.AND && !withdrawn.contains(field)) {
                given = given.with(field);
            }
        }
        return given;
    }

    // ---- the fields ----

    private void section(boolean advisory) throws IOException {
        expect(JsonToken.START_OBJECT, "an object with fields");
        var unknown = new HashMap<String, String>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            Field field = FIELDS.get(key);
            if (field == null && !advisory) {
                throw refusal(
                        "\"" + key + "\" is not a known field, and an unknown requirement cannot be kept: correct the"
                                + " name, or write it in advise if it is only advice");
            }
            if (field != null && field.isAdvisory() != advisory) {
                throw refusal(
                        key + (advisory ? " is required: write it in require" : " is advice: write it in advise"));
            }
            parser.nextToken();
            try {
                if (field == null) {
                    unknown.put(key, value(unknown.size()));
                } else {
                    constraints = stated(field);
                }
            } catch (IllegalArgumentException e) {
                throw refusal(String.valueOf(e.getMessage()));
            }
        }
        // At once: each copy of the constraints copies the unknown fields as well.
        constraints = constraints.withUnknown(unknown);
    }

    /** The text of the value of one more unknown field. */
    private String value(int others) throws IOException {
        if (others >= Json.MOST_ENTRIES) {
            throw refusal("more than " + Json.MOST_ENTRIES + " unknown fields: leave some out");
        }
        long start = parser.currentTokenLocation().getCharOffset();
        parser.skipChildren();
        // The parser reads a string only when its value is requested.
        parser.finishToken();
        long end = parser.currentLocation().getCharOffset();
        return text.substring((int) start, (int) end);
    }

    private Constraints stated(Field field) throws IOException {
        return switch (field) {
            case HEAPS -> constraints.onlyHeaps(atLeastOne(strings()));
            case NEAR -> near(strings());
            case USAGE -> usage();
            case HIGHEST_ADDRESS -> highestAddresses();
            default ->
                switch (field.rule()) {
                    case OR, AND -> flag(field);
                    case MIN -> isUnlimited() ? constraints : constraints.with(field, number(" or \"unlimited\""));
                    default -> constraints.with(field, number(""));
                };
        };
    }

    private Constraints flag(Field field) throws IOException {
        if (parser.currentToken() == JsonToken.VALUE_TRUE) {
            return constraints.with(field);
        }
        expect(JsonToken.VALUE_FALSE, "true or false");
        if (field.rule() == Rule.AND) {
            withdrawn.add(field);
        }
        return constraints;
    }

    private Constraints highestAddresses() throws IOException {
        expect(
                JsonToken.START_OBJECT,
                "an object with an address for each address space, such as {\"pci\": 4294967295}");
        Constraints limited = constraints;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            if (limited.highestAddresses().size() >= Json.MOST_ENTRIES) {
                throw refusal("more than " + Json.MOST_ENTRIES + " address spaces: leave some out");
            }
            String space = parser.currentName();
            parser.nextToken();
            if (isUnlimited()) {
                continue;
            }
            try {
                limited = limited.highestAddress(space, number(" or \"unlimited\""));
            } catch (IllegalArgumentException e) {
                // Not with the others, since the location is this one.
                throw refusal(String.valueOf(e.getMessage()));
            }
        }
        return limited;
    }

    private Constraints near(List<String> places) {
        // Contradicting advice leaves an empty list, which differs from no advice.
        return places.isEmpty() ? constraints.near(List.of("here")).near(List.of("there")) : constraints.near(places);
    }

    private Constraints usage() throws IOException {
        Constraints used = constraints;
        for (String name : atLeastOne(strings())) {
            used = used.usage(Arrays.stream(Usage.values())
                    .filter(usage -> usage.name().equals(name))
                    .findFirst()
                    .orElseThrow(() -> refusal(
                            "\"" + name + "\" is not a usage: write some of " + Arrays.toString(Usage.values()))));
        }
        return used;
    }

    // ---- values ----

    private void expect(JsonToken token, String what) throws IOException {
        if (parser.currentToken() != token) {
            throw refusal("this must be " + what);
        }
    }

    private boolean isUnlimited() throws IOException {
        return parser.currentToken() == JsonToken.VALUE_STRING
                && parser.getText().equals(UNLIMITED);
    }

    private long number(String orElse) throws IOException {
        String wanted = "an integer from 1 to " + Long.MAX_VALUE + ", in digits only" + orElse;
        expect(JsonToken.VALUE_NUMBER_INT, wanted);
        try {
            return Long.parseLong(parser.getText());
        } catch (NumberFormatException e) {
            throw refusal("this must be " + wanted);
        }
    }

    private List<String> strings() throws IOException {
        expect(JsonToken.START_ARRAY, "a list of strings");
        var strings = new ArrayList<String>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.VALUE_STRING, "a string");
            strings.add(parser.getText());
        }
        return strings;
    }

    private List<String> atLeastOne(List<String> strings) throws IOException {
        if (strings.isEmpty()) {
            throw refusal("this list is empty: name at least one, or leave the field out");
        }
        return strings;
    }
}
