// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.cenalloc.Choice;
import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.plan.Assurance;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapRejection;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.plan.Statement;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Explanations as JSON, version 1: the content of {@link Plan#explain} and {@link Choice#explain}. For writing only.
 * Makes no system call. Stateless, safe for any number of threads.
 *
 * <p>A plan is an object with
 *
 * <ul>
 *   <li>{@code size} in bytes, absent if {@link Plan#size} is empty
 *   <li>{@code layout}, absent if {@link Plan#layout} is empty: {@code format} (a
 *       {@link dev.cenalloc.image.PixelFormat}), {@code width}, {@code height}, {@code modifier}, {@code buffer}, and
 *       {@code planes}, each with {@code offset} and {@code pitch} in bytes, and {@code lines}
 *   <li>{@code devices} and {@code leftOut}: {@code name}, {@code source}, {@code detail}, {@code behindIommu},
 *       {@code optional}, the {@code constraints} that were chosen, and in {@code alternatives} all declared ones
 *   <li>{@code constraints}: the merged constraints of all devices
 *   <li>{@code narrowing}: for each field of the merged constraints, the statements that determine its value
 *   <li>{@code candidates}, best first: {@code heap}, {@code score}, and in {@code assurances} how far each field is
 *       guaranteed
 *   <li>{@code rejected}: {@code heap}, {@code cause}, {@code reason}, {@code statements}
 *   <li>{@code conflicts}, those of {@link Plan#conflicts}, empty if there is none: {@code smallest} and
 *       {@code statements}
 * </ul>
 *
 * <p>Constraints are objects with {@code require} and {@code advise}, as {@link ConstraintsJson} describes them. Unlike
 * there, they may be impossible: a list of heaps may be empty, and alignments without a common multiple are
 * {@code null}. An unknown field whose value is not JSON is a string. A statement has {@code device}, {@code source},
 * {@code detail}, {@code field}, and {@code value} in words.
 *
 * <p>A choice is an object with the chosen {@code heap}, the {@code reason}, the heaps that {@code failed} before
 * ({@code heap}, {@code errno} and its {@code name}), and the {@code plan}.
 */
public final class PlanJson {
    private static final int VERSION = 1;

    private PlanJson() {}

    /**
     * {@return the document for a plan, in one line} Takes as long as {@link Plan#explain}.
     *
     * @param plan the plan
     */
    public static String write(Plan plan) {
        Objects.requireNonNull(plan, "plan");
        return Json.document(VERSION, generator -> plan(generator, plan));
    }

    /**
     * {@return the document for a choice, in one line} Takes as long as {@link Choice#explain}.
     *
     * @param choice the choice
     */
    public static String write(Choice choice) {
        Objects.requireNonNull(choice, "choice");
        return Json.document(VERSION, generator -> {
            generator.writeStringField("heap", choice.heap().name());
            generator.writeStringField("reason", choice.reason());
            generator.writeArrayFieldStart("failed");
            for (Attempt attempt : choice.failed()) {
                generator.writeStartObject();
                generator.writeStringField("heap", attempt.heap());
                generator.writeNumberField("errno", attempt.errno());
                generator.writeStringField("name", attempt.errnoName());
                generator.writeEndObject();
            }
            generator.writeEndArray();
            generator.writeObjectFieldStart("plan");
            plan(generator, choice.plan());
            generator.writeEndObject();
        });
    }

    private static void layout(JsonGenerator generator, Layout layout) throws IOException {
        Image image = layout.image();
        generator.writeObjectFieldStart("layout");
        generator.writeStringField("format", image.format().name());
        generator.writeNumberField("width", image.width());
        generator.writeNumberField("height", image.height());
        generator.writeNumberField("modifier", image.modifier());
        generator.writeNumberField("buffer", layout.buffer());
        generator.writeArrayFieldStart("planes");
        for (Layout.Plane plane : layout.planes()) {
            generator.writeStartObject();
            generator.writeNumberField("offset", plane.offset());
            generator.writeNumberField("pitch", plane.pitch());
            generator.writeNumberField("lines", plane.lines());
            generator.writeEndObject();
        }
        generator.writeEndArray();
        generator.writeEndObject();
    }

    private static void plan(JsonGenerator generator, Plan plan) throws IOException {
        if (plan.size().isPresent()) {
            generator.writeNumberField("size", plan.size().getAsLong());
        }
        if (plan.layout().isPresent()) {
            layout(generator, plan.layout().get());
        }
        devices(generator, "devices", plan.devices());
        devices(generator, "leftOut", plan.leftOut());
        generator.writeFieldName("constraints");
        constraints(generator, plan.constraints());
        generator.writeArrayFieldStart("narrowing");
        for (Field field : plan.constraints().fields()) {
            for (Statement statement : plan.narrowing(field)) {
                statement(generator, statement);
            }
        }
        generator.writeEndArray();
        generator.writeArrayFieldStart("candidates");
        for (Heap heap : plan.candidates()) {
            generator.writeStartObject();
            generator.writeStringField("heap", heap.name());
            generator.writeNumberField("score", plan.score(heap));
            generator.writeObjectFieldStart("assurances");
            for (Map.Entry<Field, Assurance> kept : plan.assurances(heap).entrySet()) {
                generator.writeStringField(kept.getKey().key(), kept.getValue().name());
            }
            generator.writeEndObject();
            generator.writeEndObject();
        }
        generator.writeEndArray();
        generator.writeArrayFieldStart("rejected");
        for (HeapRejection rejection : plan.rejected()) {
            generator.writeStartObject();
            generator.writeStringField("heap", rejection.heap().name());
            generator.writeStringField("cause", rejection.cause().name());
            generator.writeStringField("reason", rejection.reason());
            statements(generator, rejection.statements());
            generator.writeEndObject();
        }
        generator.writeEndArray();
        generator.writeArrayFieldStart("conflicts");
        for (Conflict conflict : plan.conflicts()) {
            generator.writeStartObject();
            generator.writeBooleanField("smallest", conflict.isSmallest());
            statements(generator, conflict.statements());
            generator.writeEndObject();
        }
        generator.writeEndArray();
    }

    private static void devices(JsonGenerator generator, String key, List<Device> devices) throws IOException {
        generator.writeArrayFieldStart(key);
        for (Device device : devices) {
            generator.writeStartObject();
            generator.writeStringField("name", device.name());
            generator.writeStringField("source", device.origin().name());
            generator.writeStringField("detail", device.detail());
            generator.writeBooleanField("behindIommu", device.isBehindIommu());
            generator.writeBooleanField("optional", device.isOptional());
            generator.writeFieldName("constraints");
            constraints(generator, device.constraints());
            generator.writeArrayFieldStart("alternatives");
            for (Constraints alternative : device.alternatives()) {
                constraints(generator, alternative);
            }
            generator.writeEndArray();
            generator.writeEndObject();
        }
        generator.writeEndArray();
    }

    private static void constraints(JsonGenerator generator, Constraints constraints) throws IOException {
        generator.writeStartObject();
        ConstraintsWriter.write(generator, constraints);
        generator.writeEndObject();
    }

    private static void statements(JsonGenerator generator, List<Statement> statements) throws IOException {
        generator.writeArrayFieldStart("statements");
        for (Statement statement : statements) {
            statement(generator, statement);
        }
        generator.writeEndArray();
    }

    private static void statement(JsonGenerator generator, Statement statement) throws IOException {
        Device device = statement.device();
        generator.writeStartObject();
        generator.writeStringField("device", device.name());
        generator.writeStringField("source", device.origin().name());
        generator.writeStringField("detail", device.detail(statement.field()));
        generator.writeStringField("field", statement.field().key());
        generator.writeStringField("value", statement.value());
        generator.writeEndObject();
    }
}
