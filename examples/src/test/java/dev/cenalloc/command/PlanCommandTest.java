// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.json.Boards;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Plans for boards, which no machine needs to be. */
class PlanCommandTest {
    private static Outcome plan(String arguments) {
        return Outcome.of(("plan " + arguments).split(" "));
    }

    @Test
    void threeDevicesOfABoardAreTakenByTheirRoles() {
        Outcome outcome = plan("--board rk3588 camera npu display --size 1920x1080 --format NV12");
        assertEquals(0, outcome.status(), outcome.err());
        String out = outcome.out();
        assertTrue(out.contains("profile: rk3588, Rockchip RK3588"), out);
        assertTrue(out.contains("camera: rkcif"), out);
        assertTrue(out.contains("npu: rocket; others: rknpu"), out);
        assertTrue(out.contains("display: vop2"), out);
        assertTrue(out.contains("Heap: memory of rocket."), out);
        assertTrue(out.contains("drivers/accel/rocket/rocket_drv.c:149, read"), out);
        assertTrue(out.contains("1920x1080"), out);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--board rk3588 camera codec display | Heaps, best first: system, default_cma_region",
                "--board rk3588 rockchip-cif rockchip | Heaps, best first: system, default_cma_region",
                "--board rpi4 camera codec display | Heap: default_cma_region",
                "--board rpi5 camera converter display | Heap: default_cma_region",
                "--board rpi5 --iommu camera converter display | Heaps, best first: system, default_cma_region",
                "--board imx8mp camera codec display --format xr24 | Heap: default_cma_region",
                "--board am62a camera codec display --format NV12M | Heap: default_cma_region"
            })
    void theHeapIsThatOfTheBoard(String arguments, String told) {
        Outcome outcome = plan(arguments);
        assertEquals(0, outcome.status(), outcome.err());
        assertTrue(outcome.out().contains(told), outcome.out());
    }

    @Test
    void thatTheKernelDecidesIsTold() {
        String without = plan("--board rpi5 display").out();
        assertTrue(without.contains("vc4: planned as not behind an IOMMU, which the kernel decides; --iommu"), without);
        String with = plan("--board rpi5 --iommu display").out();
        assertTrue(with.contains("vc4: planned as behind an IOMMU, which the kernel decides"), with);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--board rk3558 camera | no board is called 'rk3558'; the nearest names are rk3568, rk3588, rk3399",
                "--board rk3588 camra | rk3588 has no device, role or driver 'camra'; the nearest are camera,",
                "--board rk3588 rockhip | rk3588 has no device, role or driver 'rockhip'; the nearest are rockchip,",
                "--board rk3588 camera --format NV21X | no pixel format is called 'NV21X'; the nearest are "
            })
    void whatIsUnknownIsToldWithTheNearestNames(String arguments, String told) {
        Outcome outcome = plan(arguments);
        assertEquals(2, outcome.status());
        assertEquals(3, outcome.err().lines().count(), outcome.err());
        assertTrue(outcome.err().startsWith("cenalloc: " + told), outcome.err());
    }

    @Test
    void aSizeThatADeviceDoesNotHaveIsTold() {
        Outcome outcome = plan("--board imx8mp camera display --size 4160x2000");
        assertEquals(1, outcome.status());
        assertTrue(outcome.err().contains("mxc-isi: it has no images of 4160x2000, but "), outcome.err());
    }

    @Test
    void whatExcludesEachOtherIsAConflict() {
        Outcome outcome = plan("--board rk3588 npu receiver");
        assertEquals(1, outcome.status());
        assertTrue(outcome.out().contains("No heap suits."), outcome.out());
        assertTrue(outcome.out().contains("Conflict:"), outcome.out());
        assertTrue(outcome.err().contains("no memory suits all of these devices"), outcome.err());
    }

    @Test
    void programsGetThePlanOfEachBuffer() throws Exception {
        JsonNode document = document("--board rk3588 camera npu display --json");
        assertEquals("[\"rk3588\"]", document.get("profiles").toString());
        JsonNode plan = document.get("plans").get(0);
        assertEquals(1, document.get("plans").size());
        assertEquals(List.of("rkcif", "rocket", "vop2"), plan.get("devices").findValuesAsText("name"));
        assertEquals(
                "memory of rocket", plan.get("candidates").get(0).get("heap").asText());
        assertFalse(document.has("errors"));
        assertEquals(
                2,
                document("--board am62a camera codec display --format NV12M --json")
                        .get("plans")
                        .size());
    }

    @Test
    void programsGetTheDevicesOfABoard() throws Exception {
        JsonNode devices = document("--board rk3588 --json").get("devices");
        assertEquals(Boards.named("rk3588").descriptions().size(), devices.size());
        for (JsonNode device : devices) {
            assertTrue(device.get("drivers").isArray() && device.has("name"), device::toString);
        }
    }

    @Test
    void programsGetTheConflictToo() throws Exception {
        JsonNode document = new ObjectMapper()
                .readTree(plan("--board rk3588 npu receiver --json").out());
        assertEquals(
                "no memory suits all of these devices",
                document.get("errors").get(0).get("message").asText());
        assertFalse(document.get("plans").get(0).get("conflicts").isEmpty());
    }

    private static JsonNode document(String arguments) throws Exception {
        Outcome outcome = plan(arguments);
        assertEquals(0, outcome.status(), outcome.err());
        assertEquals(1, outcome.out().lines().count(), outcome.out());
        return new ObjectMapper().readTree(outcome.out());
    }

    @Test
    void theDevicesOfEveryBoardAreListedAndPlanned() {
        for (String board : Boards.names()) {
            Outcome outcome = plan("--board " + board);
            assertEquals(0, outcome.status(), outcome.err());
            Boards.named(board).descriptions().forEach(device -> {
                assertTrue(outcome.out().contains(device.name()), outcome.out());
                Outcome planned = plan("--size 640x480 --board " + board + " " + device.name());
                assertEquals(0, planned.status(), planned::out);
            });
        }
    }

    @Test
    void aUsersProfileGoesBeforeTheShippedOne(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("mine.json");
        Files.writeString(file, "{\"version\": 1, \"devices\": {\"vop2\": {\"require\": {\"contiguous\": true}}}}");
        Outcome outcome = plan("--board rk3588 --profile " + file + " camera vop2");
        assertEquals(0, outcome.status(), outcome.err());
        assertTrue(outcome.out().contains("Heap: default_cma_region."), outcome.out());
        assertTrue(outcome.out().contains("mine.json, which gives no source"), outcome.out());
    }
}
