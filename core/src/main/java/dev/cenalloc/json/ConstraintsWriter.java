// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Field.Rule;
import dev.cenalloc.plan.Usage;
import java.io.IOException;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Writes constraints, including impossible ones, as the two sections of a document. Stateless. */
final class ConstraintsWriter {
    private ConstraintsWriter() {}

    static void write(JsonGenerator generator, Constraints constraints) throws IOException {
        section(generator, constraints, false);
        section(generator, constraints, true);
    }

    private static void section(JsonGenerator generator, Constraints constraints, boolean advisory) throws IOException {
        generator.writeObjectFieldStart(advisory ? "advise" : "require");
        for (Field field : Field.values()) {
            if (field.isAdvisory() != advisory) {
                continue;
            }
            if (constraints.says(field)) {
                generator.writeFieldName(field.key());
                value(generator, constraints, field);
            } else if (isImpliedConsent(constraints, field)) {
                generator.writeBooleanField(field.key(), false);
            }
        }
        if (advisory) {
            for (Map.Entry<String, String> field : constraints.unknown().entrySet()) {
                unknown(generator, field.getKey(), field.getValue());
            }
        }
        generator.writeEndObject();
    }

    private static void value(JsonGenerator generator, Constraints constraints, Field field) throws IOException {
        switch (field) {
            case HEAPS -> strings(generator, constraints.allowedHeaps().orElseThrow());
            case NEAR -> strings(generator, constraints.near().orElseThrow());
            case USAGE ->
                strings(generator, constraints.usage().stream().map(Usage::name).toList());
            case HIGHEST_ADDRESS -> {
                generator.writeStartObject();
                for (Map.Entry<String, Long> limit :
                        constraints.highestAddresses().entrySet()) {
                    generator.writeNumberField(limit.getKey(), limit.getValue());
                }
                generator.writeEndObject();
            }
            default -> {
                if (field.rule() == Rule.OR || field.rule() == Rule.AND) {
                    generator.writeBoolean(true);
                } else {
                    number(generator, field, constraints.number(field).getAsLong());
                }
            }
        }
    }

    /** Alignments without a common multiple have no number; only merged constraints can have them. */
    private static void number(JsonGenerator generator, Field field, long value) throws IOException {
        if (field.rule() == Rule.LCM && value == Long.MAX_VALUE) {
            generator.writeNull();
        } else {
            generator.writeNumber(value);
        }
    }

    /** Sorted, so that equal constraints give equal documents. */
    private static void strings(JsonGenerator generator, Collection<String> strings) throws IOException {
        generator.writeStartArray();
        for (String string : new TreeSet<>(strings)) {
            generator.writeString(string);
        }
        generator.writeEndArray();
    }

    /**
     * Whether the written fields would be read as consent. Merged constraints may have lost the consent and still have
     * the heaps that imply it; then the consent must be written as withdrawn.
     */
    private static boolean isImpliedConsent(Constraints constraints, Field field) {
        if (field.rule() != Rule.AND) {
            return false;
        }
        if (field == Field.ACCEPTS_PROTECTED && constraints.flag(Field.PROTECTED)) {
            return true;
        }
        Set<String> heaps = constraints.allowedHeaps().orElse(Set.of());
        return !heaps.isEmpty() && Constraints.NONE.onlyHeaps(heaps).flag(field);
    }

    /** Unchanged if it is JSON, else as a string, so that it cannot become part of the syntax. */
    private static void unknown(JsonGenerator generator, String key, String value) throws IOException {
        generator.writeFieldName(key);
        if (Json.isValue(value)) {
            generator.writeRawValue(value);
        } else {
            generator.writeString(value);
        }
    }
}
