package dev.cenalloc.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.text.Printable;
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
 * The known constraints of the devices of a board, as a file that is shipped with the board or checked in: constraints
 * by the name of a device, and heaps by use, as in an administrator's table. Immutable.
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
 * <p>A device has {@code require} and {@code advise} as {@link ConstraintsJson} describes them, and {@code iommu} if it
 * is behind an IOMMU ({@link Device#behindIommu}). A use has the heaps that its buffers may come from. Only the version
 * is mandatory. A document that differs from this description is refused. It has at most 1024 devices and 1024 uses.
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
     * {@return a profile without devices and uses}
     *
     * @param name its name in explanations, such as the name of its file
     * @throws IllegalArgumentException if the name is blank
     */
    public static Profile empty(String name) {
        return new Profile(checked(name, "name"), Map.of(), Map.of());
    }

    /**
     * {@return the profile in a document}
     *
     * @param name its name in explanations, such as the name of its file
     * @param json the text, at most 2<sup>20</sup> characters
     * @throws IllegalArgumentException if the name is blank
     * @throws ConstraintsFormatException if it is not as described above
     */
    public static Profile read(String name, String json) throws ConstraintsFormatException {
        return new Reader(checked(name, "name"), Objects.requireNonNull(json, "json")).read();
    }

    /**
     * {@return the profile in a stream} Reads the stream to its end, or to the largest size of a document, and does not
     * close it. Blocks as the stream does.
     *
     * @param name its name in explanations, such as the name of its file
     * @param json the text in UTF-8, at most 2<sup>20</sup> bytes
     * @throws IllegalArgumentException if the name is blank
     * @throws ConstraintsFormatException if it is not as described above
     * @throws IOException as the stream throws it
     */
    public static Profile read(String name, InputStream json) throws IOException {
        checked(name, "name");
        return read(name, ConstraintsJson.text(Objects.requireNonNull(json, "json")));
    }

    /** {@return the document for this profile, in one line} Reading it returns an equal profile. */
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
     * {@return this profile with a device added, or replaced if it has one of this name}
     *
     * @param device a device with one set of constraints
     * @throws IllegalArgumentException if it declares no constraints, or alternatives
     */
    public Profile with(Device device) {
        if (Objects.requireNonNull(device, "device").alternatives().size() != 1) {
            throw new IllegalArgumentException(
                    Printable.of(device.name()) + " does not declare one set of constraints");
        }
        var more = new TreeMap<>(devices);
        more.put(
                device.name(),
                described(name, device.name(), device.alternatives().getFirst(), device.isBehindIommu()));
        return new Profile(name, more, uses);
    }

    /**
     * {@return this profile with a use added, or replaced if it has one of this name}
     *
     * @param use the name of the use
     * @param heaps the names of the heaps, at least one
     * @throws IllegalArgumentException if the use is blank, or there is no heap
     */
    public Profile withUse(String use, List<String> heaps) {
        checked(use, "use");
        Objects.requireNonNull(heaps, "heaps");
        var more = new TreeMap<>(uses);
        more.put(use, checked(heaps));
        return new Profile(name, devices, more);
    }

    private static String checked(String name, String parameter) {
        if (Objects.requireNonNull(name, parameter).isBlank()) {
            throw new IllegalArgumentException(parameter + " must not be blank");
        }
        return name;
    }

    private static List<String> checked(List<String> heaps) {
        Constraints.NONE.onlyHeaps(heaps); // refuses an empty list
        return List.copyOf(heaps);
    }

    private static Device described(String profile, String device, Constraints constraints, boolean iommu) {
        Device described = Device.of(device, constraints, Origin.PROFILE, "profile " + profile);
        return iommu ? described.behindIommu() : described;
    }

    /**
     * {@return the device with its constraints and {@link Origin#PROFILE}; empty if the profile does not have it} If
     * there are other descriptions of the device, {@link Device#mostTrusted} selects one.
     *
     * @param device the name of the device
     */
    public Optional<Device> device(String device) {
        return Optional.ofNullable(devices.get(Objects.requireNonNull(device, "device")));
    }

    /**
     * {@return a device that allows the heaps of a use, for plans; empty if the profile does not have the use}
     *
     * @param use the name of the use
     */
    public Optional<Device> use(String use) {
        return Optional.ofNullable(uses.get(Objects.requireNonNull(use, "use")))
                .map(heaps -> Device.of(
                        use, Constraints.NONE.onlyHeaps(heaps), Origin.PROFILE, "profile " + name + ", table of uses"));
    }

    /** {@return the names of its devices, sorted} */
    public List<String> devices() {
        return List.copyOf(devices.keySet());
    }

    /** {@return the names of its uses, sorted} */
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
            this.name = name;
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
                    throw refusal(parser, "this is not JSON, or exceeds a limit: " + e.getOriginalMessage(), place);
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
                    default ->
                        throw refusal(
                                parser, "\"" + key + "\" is not a key of a profile: it has version, devices and uses");
                }
            }
            if (parser.nextToken() != null) {
                throw refusal(parser, "text follows the profile: leave it out");
            }
            if (!versioned) {
                throw refusal(parser, "the version is missing: write \"version\": " + VERSION);
            }
        }

        private void version(JsonParser parser) throws IOException {
            versioned = true;
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || !parser.getText().equals(String.valueOf(VERSION))) {
                throw refusal(parser, "the version is not " + VERSION + ", the only known one: use a newer library");
            }
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
                var described = ConstraintsReader.readDevice(object);
                devices.put(device, described(name, device, described.constraints(), described.behindIommu()));
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
