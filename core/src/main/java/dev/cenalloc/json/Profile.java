package dev.cenalloc.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What somebody knows of the devices of a board, as a file that is checked in or shipped with it: constraints by the name of
 * a device, and heaps by use, as an administrator's table. Immutable.
 *
 * {@snippet lang=json :
 * {
 *   "version": 1,
 *   "devices": {
 *     "vivid platform:vivid-001": {"require": {"contiguous": true}},
 *     "rockchip-vop": {"require": {"pitchAlignment": 64}, "iommu": true}
 *   },
 *   "uses": {
 *     "camera": ["default_cma_region"]
 *   }
 * }
 * }
 *
 * <p>A device has {@code require} and {@code advise} as {@link ConstraintsJson} describes them, and {@code iommu} if it is
 * behind one ({@link Device#behindIommu}). A use has the heaps that its buffers may come from. All but the version may be
 * left out; what is not as described is refused. There are at most 1024 devices and as many uses in a document.
 */
public final class Profile {
    private static final int VERSION = 1;

    private final String name;
    private final Map<String, Device> devices;
    private final Map<String, List<String>> uses;

    private Profile(String name, Map<String, Device> devices, Map<String, List<String>> uses) {
        this.name = name;
        this.devices = Collections.unmodifiableMap(devices);
        this.uses = Collections.unmodifiableMap(uses);
    }

    /**
     * {@return a profile that says nothing yet}
     *
     * @param name what explanations call it, such as the name of its file
     */
    public static Profile empty(String name) {
        return new Profile(Objects.requireNonNull(name), Map.of(), Map.of());
    }

    /**
     * {@return the profile in a document}
     *
     * @param name what explanations call it, such as the name of its file
     * @param json the text, at most 2<sup>20</sup> characters
     * @throws ConstraintsFormatException if it is not as described above
     */
    public static Profile read(String name, String json) throws ConstraintsFormatException {
        return new Reader(name, json).read();
    }

    /**
     * {@return the profile in a stream, which is read to its end and not closed}
     *
     * @param name what explanations call it, such as the name of its file
     * @param json UTF-8, at most 2<sup>20</sup> bytes
     * @throws ConstraintsFormatException if it is not as described above
     * @throws IOException of the stream
     */
    public static Profile read(String name, InputStream json) throws IOException {
        return read(name, ConstraintsJson.text(json));
    }

    /** {@return the document for this profile} In one line; reading it gives an equal one. */
    public String write() {
        return Json.document(VERSION, generator -> {
            generator.writeObjectFieldStart("devices");
            for (Map.Entry<String, Device> device : devices.entrySet()) {
                generator.writeObjectFieldStart(device.getKey());
                ConstraintsWriter.write(generator, device.getValue().declared().orElseThrow());
                if (device.getValue().isBehindIommu()) {
                    generator.writeBooleanField("iommu", true);
                }
                generator.writeEndObject();
            }
            generator.writeEndObject();
            generator.writeObjectFieldStart("uses");
            for (Map.Entry<String, List<String>> use : uses.entrySet()) {
                generator.writeArrayFieldStart(use.getKey());
                for (String heap : use.getValue()) {
                    generator.writeString(heap);
                }
                generator.writeEndArray();
            }
            generator.writeEndObject();
        });
    }

    /**
     * {@return this profile with a device more, or another description of one}
     *
     * @param device with one set of constraints
     * @throws IllegalArgumentException if it declares nothing, or alternatives
     */
    public Profile with(Device device) {
        if (device.alternatives().size() != 1) {
            throw new IllegalArgumentException(device.name() + " does not declare one set of constraints");
        }
        var more = new TreeMap<>(devices);
        more.put(
                device.name(),
                described(name, device.name(), device.alternatives().getFirst(), device.isBehindIommu()));
        return new Profile(name, more, uses);
    }

    /**
     * {@return this profile with another use}
     *
     * @param use a name
     * @param heaps names of heaps, at least one
     */
    public Profile withUse(String use, List<String> heaps) {
        var more = new TreeMap<>(uses);
        more.put(use, checked(heaps));
        return new Profile(name, devices, more);
    }

    private static List<String> checked(List<String> heaps) {
        Constraints.NONE.onlyHeaps(heaps); // refuses what names no heaps
        return List.copyOf(heaps);
    }

    private static Device described(String profile, String device, Constraints constraints, boolean iommu) {
        Device described = Device.of(device, constraints, Origin.PROFILE, "profile " + profile);
        return iommu ? described.behindIommu() : described;
    }

    /**
     * {@return what the profile says of a device, with {@link Source#PROFILE}; empty if nothing} With other descriptions of it,
     * {@link Device#mostTrusted} decides.
     *
     * @param device its name
     */
    public Optional<Device> device(String device) {
        return Optional.ofNullable(devices.get(device));
    }

    /**
     * {@return a participant that allows the heaps of a use; empty if the profile does not know it}
     *
     * @param use its name
     */
    public Optional<Device> use(String use) {
        return Optional.ofNullable(uses.get(use))
                .map(heaps -> Device.of(
                        use, Constraints.NONE.onlyHeaps(heaps), Origin.PROFILE, "profile " + name + ", table of uses"));
    }

    /** {@return the names of the devices that it describes} */
    public List<String> devices() {
        return List.copyOf(devices.keySet());
    }

    /** {@return the uses that it has heaps for} */
    public List<String> uses() {
        return List.copyOf(uses.keySet());
    }

    /** Reads one document. */
    private static final class Reader {
        private final String name;
        private final String text;
        private final Map<String, Device> devices = new TreeMap<>();
        private final Map<String, List<String>> uses = new TreeMap<>();
        private boolean versioned;

        Reader(String name, String text) {
            this.name = Objects.requireNonNull(name);
            this.text = text;
        }

        Profile read() throws ConstraintsFormatException {
            if (text.length() > Json.LARGEST_DOCUMENT) {
                throw ConstraintsReader.tooLong();
            }
            try (JsonParser parser = Json.FACTORY.createParser(text)) {
                try {
                    document(parser);
                } catch (JacksonException e) {
                    JsonLocation place = e.getLocation() == null ? parser.currentLocation() : e.getLocation();
                    throw refusal(parser, "this is not JSON, or too much of it: " + e.getOriginalMessage(), place);
                }
            } catch (ConstraintsFormatException e) {
                throw e;
            } catch (IOException e) {
                throw new UncheckedIOException("a string cannot fail", e);
            }
            return new Profile(name, devices, uses);
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
                    case "devices" -> entries(parser, this::device);
                    case "uses" -> entries(parser, this::use);
                    default -> throw refusal(parser, "a profile has version, devices and uses, and no \"" + key + "\"");
                }
            }
            if (parser.nextToken() != null) {
                throw refusal(parser, "something follows the profile: a document has one");
            }
            if (!versioned) {
                throw refusal(parser, "the version is missing: write \"version\": " + VERSION);
            }
        }

        private void version(JsonParser parser) throws IOException {
            versioned = true;
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || !parser.getText().equals(String.valueOf(VERSION))) {
                throw refusal(parser, "the version is not " + VERSION + ", the only one that is known here");
            }
        }

        private interface Entry {
            void read(JsonParser parser, String key) throws IOException;
        }

        private static void entries(JsonParser parser, Entry entry) throws IOException {
            if (parser.currentToken() != JsonToken.START_OBJECT) {
                throw refusal(parser, "here belongs an object, with a name for each entry");
            }
            int count = 0;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                if (++count > Json.MOST_ENTRIES) {
                    throw refusal(parser, "more than " + Json.MOST_ENTRIES + " entries: leave some out");
                }
                String key = parser.currentName();
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
                var described = ConstraintsReader.readDevice(object);
                devices.put(device, described(name, device, described.constraints(), described.behindIommu()));
            } catch (ConstraintsFormatException e) {
                // Its place is within the object.
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
                throw refusal(parser, "here belongs a list of heaps");
            }
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                if (parser.currentToken() != JsonToken.VALUE_STRING) {
                    throw refusal(parser, "here belongs the name of a heap");
                }
                heaps.add(parser.getText());
            }
            try {
                uses.put(use, checked(heaps));
            } catch (IllegalArgumentException e) {
                throw refusal(parser, String.valueOf(e.getMessage()));
            }
        }

        private static ConstraintsFormatException refusal(JsonParser parser, String reason) {
            return refusal(parser, reason, parser.currentTokenLocation());
        }

        private static ConstraintsFormatException refusal(JsonParser parser, String reason, JsonLocation place) {
            return new ConstraintsFormatException(
                    reason,
                    parser.getParsingContext().pathAsPointer().toString(),
                    Math.max(1, place.getLineNr()),
                    Math.max(1, place.getColumnNr()));
        }
    }
}
