package dev.cenalloc.json;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import dev.cenalloc.plan.Constraints;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;

/** How this module uses the JSON library. Stateless, safe for any number of threads. */
final class Json {
    /** Characters, and of a stream bytes, in a document that is read. */
    static final int LARGEST_DOCUMENT = 1 << 20;

    /** In one object with names of the writer's choice. {@link Constraints} copies what it has with each addition. */
    static final int MOST_ENTRIES = 1024;

    private static final int DEEPEST_NESTING = 64;
    private static final int LONGEST_NAME = 1024;
    private static final int LONGEST_NUMBER = 1000;

    static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxDocumentLength(LARGEST_DOCUMENT)
                    .maxStringLength(LARGEST_DOCUMENT)
                    .maxNestingDepth(DEEPEST_NESTING)
                    .maxNameLength(LONGEST_NAME)
                    .maxNumberLength(LONGEST_NUMBER)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // The table of names is shared by all documents, and names that collide on purpose fill it.
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            // Half a surrogate pair survives any encoding only in this form.
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();

    private Json() {}

    /** Something that is written to a generator. */
    @FunctionalInterface
    interface Content {
        void writeTo(JsonGenerator generator) throws IOException;
    }

    /** The text of an object with this content, begun with the version. */
    static String document(int version, Content content) {
        var text = new StringWriter();
        try (JsonGenerator generator = FACTORY.createGenerator(text)) {
            generator.writeStartObject();
            generator.writeNumberField("version", version);
            content.writeTo(generator);
            generator.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("a string cannot fail", e);
        }
        return text.toString();
    }

    /** Whether a text is one JSON value. */
    static boolean isValue(String text) {
        try (JsonParser parser = FACTORY.createParser(text)) {
            if (parser.nextToken() == null) {
                return false;
            }
            parser.skipChildren();
            return parser.nextToken() == null;
        } catch (JacksonException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException("a string cannot fail", e);
        }
    }
}
