// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.Choice;
import dev.cenalloc.HeapSource;
import dev.cenalloc.MemoryExhaustedException.Attempt;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Conflict;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.plan.HeapRejection;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.plan.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** With heaps of its own beside those that the machine may have. */
class PlanJsonTest {
    private static final HeapProperties GOOD = HeapProperties.UNKNOWN
            .withContiguous(Trait.YES)
            .withCpuMappable(Trait.YES)
            .withPages(Trait.YES)
            .withScarce(Trait.NO)
            .withOnlyWhenNamed(false)
            .withScore(999);
    private static final HeapSource NOTHING = size -> {
        throw CenallocException.of(12, "allocate", size);
    };

    private Cenalloc cenalloc;

    @BeforeEach
    void open() throws Exception {
        cenalloc = Cenalloc.open();
        cenalloc.register("test-good", GOOD, NOTHING);
        cenalloc.register("test-small", GOOD.withScore(998).withMaxSize(4096), NOTHING);
        cenalloc.register("test-scattered", GOOD.withContiguous(Trait.NO).withScore(997), NOTHING);
    }

    @AfterEach
    void close() {
        cenalloc.close();
    }

    private static JsonNode tree(String json) throws Exception {
        return new JsonMapper().readTree(json);
    }

    private static JsonNode named(JsonNode list, String key, String name) {
        for (JsonNode one : list) {
            if (one.get(key).asText().equals(name)) {
                return one;
            }
        }
        throw new AssertionError("no " + name + " in " + list);
    }

    /** Everything that the plan says, wherever it comes from. */
    private static void assertSays(Plan plan, JsonNode json) throws Exception {
        assertEquals(plan.size().isPresent(), json.has("size"));
        plan.size().ifPresent(size -> assertEquals(size, json.get("size").asLong()));
        assertEquals(plan.layout().isPresent(), json.has("layout"));
        assertDevices(plan.devices(), json.get("devices"));
        assertDevices(plan.leftOut(), json.get("leftOut"));
        if (!plan.constraints().isImpossible()) {
            assertConstraints(plan.constraints(), json.get("constraints"));
        }
        assertEquals(plan.candidates().size(), json.get("candidates").size());
        for (int i = 0; i < plan.candidates().size(); i++) {
            Heap heap = plan.candidates().get(i);
            JsonNode candidate = json.get("candidates").get(i);
            assertEquals(heap.name(), candidate.get("heap").asText());
            assertEquals(plan.score(heap), candidate.get("score").asInt());
            assertEquals(
                    plan.assurances(heap).size(), candidate.get("assurances").size());
            plan.assurances(heap)
                    .forEach((field, assurance) -> assertEquals(
                            assurance.name(),
                            candidate.get("assurances").get(field.key()).asText()));
        }
        assertEquals(plan.rejected().size(), json.get("rejected").size());
        for (int i = 0; i < plan.rejected().size(); i++) {
            HeapRejection rejection = plan.rejected().get(i);
            JsonNode rejected = json.get("rejected").get(i);
            assertEquals(rejection.heap().name(), rejected.get("heap").asText());
            assertEquals(rejection.cause().name(), rejected.get("cause").asText());
            assertEquals(rejection.reason(), rejected.get("reason").asText());
            assertStatements(rejection.statements(), rejected.get("statements"));
        }
        assertEquals(plan.conflicts().size(), json.get("conflicts").size());
        for (int i = 0; i < plan.conflicts().size(); i++) {
            Conflict conflict = plan.conflicts().get(i);
            JsonNode one = json.get("conflicts").get(i);
            assertEquals(conflict.isSmallest(), one.get("smallest").asBoolean());
            assertStatements(conflict.statements(), one.get("statements"));
        }
    }

    private static void assertDevices(List<Device> devices, JsonNode json) throws Exception {
        assertEquals(devices.size(), json.size());
        for (int i = 0; i < devices.size(); i++) {
            Device device = devices.get(i);
            JsonNode one = json.get(i);
            assertEquals(device.name(), one.get("name").asText());
            assertEquals(device.origin().name(), one.get("source").asText());
            assertEquals(device.detail(), one.get("detail").asText());
            assertEquals(device.isBehindIommu(), one.get("behindIommu").asBoolean());
            assertEquals(device.isOptional(), one.get("optional").asBoolean());
            assertConstraints(device.constraints(), one.get("constraints"));
            assertEquals(device.alternatives().size(), one.get("alternatives").size());
            for (int j = 0; j < device.alternatives().size(); j++) {
                assertConstraints(
                        device.alternatives().get(j), one.get("alternatives").get(j));
            }
        }
    }

    private static void assertConstraints(Constraints constraints, JsonNode json) throws Exception {
        String document =
                "{\"version\": 1, \"require\": " + json.get("require") + ", \"advise\": " + json.get("advise") + "}";
        assertEquals(constraints, ConstraintsJson.read(document));
        assertEquals(2, json.size());
    }

    private static void assertStatements(List<Statement> statements, JsonNode json) {
        assertEquals(statements.size(), json.size());
        for (int i = 0; i < statements.size(); i++) {
            Statement statement = statements.get(i);
            assertEquals(statement.device().name(), json.get(i).get("device").asText());
            assertEquals(
                    statement.device().origin().name(),
                    json.get(i).get("source").asText());
            assertEquals(statement.device().detail(), json.get(i).get("detail").asText());
            assertEquals(statement.field().key(), json.get(i).get("field").asText());
            assertEquals(statement.value(), json.get(i).get("value").asText());
        }
    }

    @Test
    void aPlanWithCandidates() throws Exception {
        Device camera = Device.of(
                "camera \"1\"",
                Constraints.NONE
                        .contiguous()
                        .maxSegments(4)
                        .highestAddress("pci", 0xffff_ffffL)
                        .pitchAlignment(64),
                Device.Origin.PROFILE,
                "its data sheet, §1");
        Plan plan = cenalloc.plan(
                new Image(PixelFormat.NV12, 100, 100),
                List.of(
                        camera.behindIommu(),
                        Device.undeclared("display"),
                        Device.of("any", Constraints.NONE.coherent().withUnknown("later", "[1.0]"), "test")
                                .optional()));
        JsonNode json = tree(PlanJson.write(plan));
        assertEquals(1, json.get("version").asInt());
        assertSays(plan, json);
        assertEquals(19_200, json.get("size").asLong());
        JsonNode layout = json.get("layout");
        assertEquals("NV12", layout.get("format").asText());
        assertEquals(100, layout.get("width").asInt());
        assertEquals(100, layout.get("height").asInt());
        assertEquals(Image.LINEAR, layout.get("modifier").asLong(-1));
        assertEquals(0, layout.get("buffer").asInt(-1));
        assertEquals(2, layout.get("planes").size());
        assertEquals(12_800, layout.at("/planes/1/offset").asLong());
        assertEquals(128, layout.at("/planes/1/pitch").asLong());
        assertEquals(50, layout.at("/planes/1/lines").asLong());
        assertEquals("test-good", json.at("/candidates/0/heap").asText());
        assertEquals("ENFORCED", json.at("/candidates/0/assurances/contiguous").asText());
        assertEquals(
                "REFUSED",
                named(json.get("rejected"), "heap", "test-small").get("cause").asText());
        JsonNode scattered = named(json.get("rejected"), "heap", "test-scattered");
        assertEquals("CONSTRAINT", scattered.get("cause").asText());
        assertEquals("camera \"1\"", scattered.at("/statements/0/device").asText());
        assertEquals("contiguous", scattered.at("/statements/0/field").asText());
        assertEquals(0, json.get("conflicts").size());
        // The IOMMU relieves the memory of the pieces, and they are still declared.
        assertFalse(json.at("/devices/0/constraints/require").has("maxSegments"));
        assertEquals(4, json.at("/devices/0/alternatives/0/require/maxSegments").asInt());
        assertEquals("PROFILE", json.at("/devices/0/source").asText());
        assertEquals(0, json.at("/devices/1/alternatives").size());
        assertEquals("[1.0]", json.at("/constraints/advise/later").toString());
    }

    @Test
    void aPlanWithAConflict() throws Exception {
        Plan plan = cenalloc.plan(
                4096,
                List.of(
                        Device.of("a", Constraints.NONE.onlyHeaps(Set.of("test-good")), "test"),
                        Device.of("b", Constraints.NONE.onlyHeaps(Set.of("test-small")), "test"),
                        Device.of("c", Constraints.NONE.cpuRead(), "test")));
        JsonNode json = tree(PlanJson.write(plan));
        assertSays(plan, json);
        assertEquals(0, json.get("candidates").size());
        assertEquals(1, json.get("conflicts").size());
        assertEquals(2, json.at("/conflicts/0/statements").size());
        assertEquals("a", json.at("/conflicts/0/statements/0/device").asText());
        assertTrue(json.at("/conflicts/0/smallest").asBoolean());
        assertTrue(json.at("/constraints/require/heaps").isArray());
        assertEquals(0, json.at("/constraints/require/heaps").size());
    }

    /** Two devices that have nothing to do with each other conflict with a third. */
    @Test
    void aPlanWithSeveralConflicts() throws Exception {
        Plan plan = cenalloc.plan(
                new Image(PixelFormat.NV12, 1920, 1080),
                List.of(
                        Device.of("camera", Constraints.NONE.contiguous().maxPitch(1984), "its data sheet"),
                        Device.of("gpu", Constraints.NONE.minPitch(2048), "its manual"),
                        Device.of("npu", Constraints.NONE.onlyHeaps(Set.of("test-scattered")), "its driver")));
        JsonNode json = tree(PlanJson.write(plan));
        assertSays(plan, json);
        assertEquals(2, json.get("conflicts").size());
        assertEquals(List.of("contiguous by camera", "heaps by npu"), statements(json.at("/conflicts/0/statements")));
        assertEquals(List.of("maxPitch by camera", "minPitch by gpu"), statements(json.at("/conflicts/1/statements")));
    }

    private static List<String> statements(JsonNode json) {
        var all = new ArrayList<String>();
        json.forEach(one ->
                all.add(one.get("field").asText() + " by " + one.get("device").asText()));
        return all;
    }

    @Test
    void impossibleConstraintsAreWrittenAsTheyAre() throws Exception {
        Plan plan = cenalloc.plan(
                new Image(PixelFormat.NV12, 100, 100),
                List.of(
                        Device.of(
                                "a",
                                Constraints.NONE.pitchAlignment((1L << 40) - 1).requiresProtected(),
                                "test"),
                        Device.of(
                                "b",
                                Constraints.NONE.pitchAlignment(1L << 40).withUnknown("x", "1,\"buffers\":2"),
                                "test")));
        JsonNode json = tree(PlanJson.write(plan));
        assertTrue(plan.constraints().isImpossible());
        assertFalse(json.has("size"));
        assertTrue(json.at("/constraints/require/pitchAlignment").isNull());
        assertTrue(json.at("/constraints/require/protected").asBoolean());
        assertFalse(json.at("/constraints/require/acceptsProtected").asBoolean(true));
        assertEquals("1,\"buffers\":2", json.at("/constraints/advise/x").asText());
        assertFalse(json.at("/constraints/advise").has("buffers"));
    }

    @Test
    void aPlanThatLeavesADeviceOut() throws Exception {
        Plan plan = cenalloc.plan(
                4096,
                List.of(
                        Device.of("a", Constraints.NONE.onlyHeaps(Set.of("test-good")), "test"),
                        Device.of("b", Constraints.NONE.onlyHeaps(Set.of("test-small")), "test")
                                .or(Constraints.NONE.onlyHeaps(Set.of("nowhere")))
                                .optional()));
        JsonNode json = tree(PlanJson.write(plan));
        assertSays(plan, json);
        assertEquals("b", json.at("/leftOut/0/name").asText());
        assertEquals(1, json.get("devices").size());
    }

    @Test
    void aChoice() throws Exception {
        Plan plan = cenalloc.plan(4096, List.of(Device.of("a", Constraints.NONE.contiguous(), "test")));
        Heap small = plan.candidates().get(1);
        var constructor = Choice.class.getDeclaredConstructor(Heap.class, Plan.class, List.class);
        constructor.setAccessible(true);
        Choice choice = constructor.newInstance(small, plan, List.of(new Attempt("test-good", 12, true, "")));
        JsonNode json = tree(PlanJson.write(choice));
        assertEquals(1, json.get("version").asInt());
        assertEquals("test-small", json.get("heap").asText());
        assertEquals(choice.reason(), json.get("reason").asText());
        assertEquals(
                List.of(Map.of("heap", "test-good", "errno", 12, "name", "ENOMEM")),
                new JsonMapper().convertValue(json.get("failed"), List.class));
        assertSays(plan, json.get("plan"));
    }
}
