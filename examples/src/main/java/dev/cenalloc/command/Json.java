// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Writes values of Java as JSON. Stateless. */
final class Json {
    private static final JsonFactory FACTORY = JsonFactory.builder()
            // Names of processes and files are any bytes: only this form is valid in every encoding.
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();

    private Json() {}

    /** A value that is JSON already, such as a document of {@code dev.cenalloc.json}. */
    record Document(String text) {}

    /**
     * The text of an object, in one line. Values are maps, collections, numbers, booleans, {@link Document}s, optional
     * values of these, and others, of which the text is taken. What is null or empty is left out of an object.
     */
    static String object(Map<String, ?> values) {
        var text = new StringWriter();
        try (JsonGenerator generator = FACTORY.createGenerator(text)) {
            write(generator, values);
        } catch (IOException e) {
            throw new UncheckedIOException("a string cannot fail", e);
        }
        return text.toString();
    }

    /** The value in an optional one; null if it is empty. */
    static @Nullable Object present(@Nullable Object value) {
        return switch (value) {
            case Optional<?> optional -> optional.orElse(null);
            case OptionalInt optional -> optional.isPresent() ? optional.getAsInt() : null;
            case OptionalLong optional -> optional.isPresent() ? optional.getAsLong() : null;
            case OptionalDouble optional -> optional.isPresent() ? optional.getAsDouble() : null;
            case null, default -> value;
        };
    }

    private static void write(JsonGenerator generator, @Nullable Object value) throws IOException {
        switch (present(value)) {
            case null -> generator.writeNull();
            case Map<?, ?> map -> writeObject(generator, map);
            case Collection<?> values -> {
                generator.writeStartArray();
                for (Object one : values) {
                    write(generator, one);
                }
                generator.writeEndArray();
            }
            case Document document -> generator.writeRawValue(document.text());
            case Boolean is -> generator.writeBoolean(is);
            case BigInteger number -> generator.writeNumber(number);
            // JSON has no infinity and no NaN.
            case Double number when !Double.isFinite(number) -> generator.writeNull();
            case Double number -> generator.writeNumber(number);
            case Number number -> generator.writeNumber(number.longValue());
            case Object other -> generator.writeString(other.toString());
        }
    }

    private static void writeObject(JsonGenerator generator, Map<?, ?> map) throws IOException {
        generator.writeStartObject();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            Object value = present(entry.getValue());
            if (value != null) {
                generator.writeFieldName(String.valueOf(entry.getKey()));
                write(generator, value);
            }
        }
        generator.writeEndObject();
    }
}
