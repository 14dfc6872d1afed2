// SPDX-License-Identifier: Apache-2.0
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

/** The use of the JSON library, with its limits. Stateless, safe for any number of threads. */
final class Json {
    /** The largest document that is read, in characters; from a stream, in bytes. */
    static final int LARGEST_DOCUMENT = 1 << 20;

    /**
     * The most entries in an object with arbitrary names. {@link Constraints} copies its entries with each addition.
     */
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
            // All documents share the table of names; a hostile document could fill it with colliding names.
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            // Only this form keeps half a surrogate pair in any encoding.
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();

    private Json() {}

    /** Writes to a generator. */
    @FunctionalInterface
    interface Content {
        void writeTo(JsonGenerator generator) throws IOException;
    }

    /** Returns the text of an object with the version and this content. */
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
