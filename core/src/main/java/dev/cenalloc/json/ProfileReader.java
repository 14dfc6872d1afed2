// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.cenalloc.json.Profile.Matches;
import dev.cenalloc.plan.HeapProperties;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Reads one document of a profile. */
final class ProfileReader {
    private final String name;
    private final String text;
    private String title = "";
    private Matches matches = Matches.NONE;
    private final Map<String, DeviceProfile> devices = new LinkedHashMap<>();
    private final Map<String, List<String>> uses = new TreeMap<>();
    private final Map<String, HeapProperties> heaps = new TreeMap<>();
    private boolean versioned;

    ProfileReader(String name, String text) {
        this.name = name;
        this.text = text;
    }

    Profile read() throws ConstraintsFormatException {
        parse(this::document);
        return new Profile(name, title, matches, devices, uses, heaps);
    }

    /** Reads what recognises a machine, and not what follows it in the document. */
    Matches readMatches() throws ConstraintsFormatException {
        parse(this::untilMatches);
        return matches;
    }

    private interface Part {
        void read(JsonParser parser) throws IOException;
    }

    private void parse(Part part) throws ConstraintsFormatException {
        if (text.length() > Json.LARGEST_DOCUMENT) {
            throw ConstraintsReader.tooLong();
        }
        try (JsonParser parser = Json.FACTORY.createParser(text)) {
            try {
                part.read(parser);
            } catch (JacksonException e) {
                JsonLocation place = e.getLocation() == null ? parser.currentLocation() : e.getLocation();
                throw ConstraintsReader.refusal(
                        parser, "this is not JSON, or exceeds a limit: " + e.getOriginalMessage(), place);
            }
        } catch (ConstraintsFormatException e) {
            throw e;
        } catch (IOException e) {
            throw new UncheckedIOException("a string cannot fail", e);
        }
    }

    private void untilMatches(JsonParser parser) throws IOException {
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean found = parser.currentName().equals("matches");
            parser.nextToken();
            if (found) {
                matches = matches(parser);
                return;
            }
            parser.skipChildren();
        }
    }

    private void document(JsonParser parser) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw refusal(parser, "a profile is an object: write {\"version\": 1, \"devices\": {...}}");
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "version" -> version(parser);
                case "title" -> title = DeviceReader.string(parser);
                case "matches" -> matches = matches(parser);
                case "devices" -> entries(parser, this::device);
                case "uses" -> entries(parser, this::use);
                case "heaps" -> entries(parser, (at, heap) -> heaps.put(heap, DeviceReader.heap(at)));
                default ->
                    throw refusal(
                            parser,
                            "\"" + key + "\" is not a key of a profile: it has version, title, matches, devices, uses"
                                    + " and heaps");
            }
        }
        if (parser.nextToken() != null) {
            throw refusal(parser, "text follows the profile: leave it out");
        }
        if (!versioned) {
            throw refusal(parser, "the version is missing: write \"version\": " + Profile.VERSION);
        }
    }

    private void version(JsonParser parser) throws IOException {
        versioned = true;
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                || !parser.getText().equals(String.valueOf(Profile.VERSION))) {
            throw refusal(
                    parser, "the version is not " + Profile.VERSION + ", the only known one: use a newer library");
        }
    }

    private static Matches matches(JsonParser parser) throws IOException {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw refusal(parser, "this must be an object such as {\"compatible\": [\"vendor,board\"]}");
        }
        List<String> compatible = List.of();
        List<String> pci = List.of();
        List<String> usb = List.of();
        List<String> drivers = List.of();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            switch (key) {
                case "compatible" -> compatible = DeviceReader.strings(parser);
                case "pci" -> pci = ids(parser);
                case "usb" -> usb = ids(parser);
                case "drivers" -> drivers = DeviceReader.strings(parser);
                default ->
                    throw refusal(
                            parser,
                            "\"" + key + "\" does not recognise a machine: write compatible, pci, usb or drivers");
            }
        }
        return new Matches(compatible, pci, usb, drivers);
    }

    private static List<String> ids(JsonParser parser) throws IOException {
        List<String> ids = DeviceReader.strings(parser);
        for (String id : ids) {
            if (!id.matches("[0-9a-f]{4}:[0-9a-f]{4}")) {
                throw refusal(parser, "\"" + id + "\" is not an id: write vendor and device, such as \"8086:9a19\"");
            }
        }
        return ids;
    }

    private interface Entry {
        void read(JsonParser parser, String key) throws IOException;
    }

    private static void entries(JsonParser parser, Entry entry) throws IOException {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw refusal(parser, "this must be an object, with a name for each entry");
        }
        int count = 0;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            if (++count > Json.MOST_ENTRIES) {
                throw refusal(parser, "more than " + Json.MOST_ENTRIES + " entries: leave some out");
            }
            String key = parser.currentName();
            if (key.isBlank()) {
                throw refusal(parser, "the name of an entry must not be blank");
            }
            parser.nextToken();
            entry.read(parser, key);
        }
    }

    private void device(JsonParser parser, String device) throws IOException {
        JsonLocation place = parser.currentTokenLocation();
        String pointer = parser.getParsingContext().pathAsPointer().toString();
        long start = place.getCharOffset();
        parser.skipChildren();
        parser.finishToken();
        String object =
                text.substring((int) start, (int) parser.currentLocation().getCharOffset());
        try {
            devices.put(device, new DeviceProfile(name, DeviceReader.read(device, object)));
        } catch (ConstraintsFormatException e) {
            // The location is relative to the object.
            throw new ConstraintsFormatException(
                    e.reason(),
                    pointer + e.pointer(),
                    place.getLineNr() + e.line() - 1,
                    e.line() == 1 ? place.getColumnNr() + e.column() - 1 : e.column());
        }
    }

    private void use(JsonParser parser, String use) throws IOException {
        var heaps = new ArrayList<String>();
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw refusal(parser, "this must be a list of heaps");
        }
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_STRING) {
                throw refusal(parser, "this must be the name of a heap");
            }
            heaps.add(parser.getText());
        }
        try {
            uses.put(use, Profile.checked(heaps));
        } catch (IllegalArgumentException e) {
            throw refusal(parser, String.valueOf(e.getMessage()));
        }
    }

    private static ConstraintsFormatException refusal(JsonParser parser, String reason) {
        return ConstraintsReader.refusal(parser, reason);
    }
}
