// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.DeviceProfile.Iommu;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapRejection;
import dev.cenalloc.plan.Plan;
import dev.cenalloc.plan.Statement;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The profiles that are shipped: that they are whole, and what follows from them for the devices of real boards. */
class BoardsTest {
    /** A file of the kernel with lines, or a link. */
    private static final Pattern SOURCE = Pattern.compile(
            "(drivers|arch|include|kernel|Documentation)(/[\\w.-]+)+\\.(c|h|dtsi|dts|rst):\\d+(,\\d+|-\\d+)*"
                    + "|https://[\\w.-]+/\\S+");

    private static final Image IMAGE = new Image(PixelFormat.NV12, 1920, 1080);

    static List<String> names() {
        return Boards.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void everyStatementHasASource(String name) {
        Profile board = Boards.named(name);
        assertEquals(name, board.name());
        assertFalse(board.title().isBlank());
        assertFalse(board.descriptions().isEmpty());
        assertFalse(board.matches().equals(Profile.Matches.NONE), "nothing recognises it");
        for (DeviceProfile device : board.descriptions()) {
            String who = name + ", " + device.name();
            assertEquals(List.of(), device.unsourced(), who);
            assertFalse(device.facts().isEmpty(), who);
            assertTrue(device.role().isPresent(), who);
            assertFalse(device.constraints().isImpossible(), who);
            assertTrue(device.constraints().unknown().isEmpty(), who);
            for (Fact fact : device.facts()) {
                assertTrue(SOURCE.matcher(fact.source()).matches(), () -> who + ": " + fact);
            }
            // A number that is none of memory: a mask of bits, or bytes that a register can hold.
            device.constraints()
                    .highestAddresses()
                    .forEach((space, highest) ->
                            assertTrue(space.equals("ram") && highest >= (1L << 30) - 1 && highest < 1L << 48, who));
            assertTrue(device.constraints().number(Field.PITCH_ALIGNMENT).orElse(1) <= 4096, who);
            assertTrue(device.imports() || device.memory().isPresent(), who);
            for (Field field : device.device(true).constraints().fields()) {
                String detail = device.device(true).detail(field);
                assertTrue(detail.startsWith("profile " + name + ": "), detail);
                assertTrue(detail.matches(".*, (read|inferred|reported)"), detail);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void whatIsWrittenIsReadAgain(String name) throws Exception {
        Profile board = Boards.named(name);
        Profile again = Profile.read(name, board.write());
        assertEquals(board.descriptions(), again.descriptions());
        assertEquals(board.matches(), again.matches());
        assertEquals(board.title(), again.title());
        assertEquals(board.write(), again.write());
    }

    @Test
    void everyFileIsNamedAndNoTwoBoardsAreTheSame() throws Exception {
        Path one = Path.of(Objects.requireNonNull(Boards.class.getResource("boards/rpi4.json"))
                .toURI());
        try (Stream<Path> files = Files.list(Objects.requireNonNull(one.getParent()))) {
            assertEquals(
                    Boards.names(),
                    files.map(file -> String.valueOf(file.getFileName()).replaceFirst("\\.json$", ""))
                            .sorted()
                            .toList());
        }
        var compatible = new HashSet<String>();
        for (Profile board : Boards.all()) {
            board.matches().compatible().forEach(string -> assertTrue(compatible.add(string), string));
        }
    }

    /** To recognise a machine, the rest of a profile is not read. */
    @Test
    void whatAProfileMatchesIsReadAlone() throws Exception {
        for (Profile board : Boards.all()) {
            assertEquals(board.matches(), new ProfileReader(board.name(), board.write()).readMatches());
        }
        String later = "{\"version\": 1, \"devices\": {\"a\": {}}, \"matches\": {\"drivers\": [\"b\"]}, nonsense";
        assertEquals(
                List.of("b"), new ProfileReader("later", later).readMatches().drivers());
        String none = "{\"version\": 1}";
        assertEquals(Profile.Matches.NONE, new ProfileReader("none", none).readMatches());
        var cut = new ProfileReader("cut", "{\"version\": 1, \"matches\": {\"drivers\": [");
        assertThrows(ConstraintsFormatException.class, cut::readMatches);
    }

    @Test
    void theNearestNamesOfAnUnknownBoardAreTold() {
        var unknown = assertThrows(IllegalArgumentException.class, () -> Boards.named("rk3558"));
        assertEquals("no board is called 'rk3558'; the nearest names are rk3568, rk3588, rk3399", unknown.getMessage());
        var control = assertThrows(IllegalArgumentException.class, () -> Boards.named("rpi\u001b[2J"));
        assertFalse(String.valueOf(control.getMessage()).contains("\u001b"));
        assertThrows(IllegalArgumentException.class, () -> Boards.named("../../plan"));
    }

    // ---- plans ----

    private static Plan plan(String board, boolean iommu, String... words) {
        Profile profile = Boards.named(board);
        var devices = new ArrayList<Device>();
        var heaps = new ArrayList<Heap>(List.of(Heap.of("system"), Heap.of("default_cma_region")));
        for (String word : words) {
            DeviceProfile device = profile.find(word).getFirst();
            devices.add(device.device(iommu));
            device.memory().ifPresent(heaps::add);
        }
        return Plan.of(Demand.ofImage(IMAGE), devices, heaps);
    }

    /** The devices that need what memory of a heap has not, and where that is from. */
    private static Set<String> against(Plan plan, String heap) {
        return plan.rejected().stream()
                .filter(rejection -> rejection.heap().name().equals(heap))
                .map(HeapRejection::statements)
                .flatMap(List::stream)
                .map(Statement::toString)
                .collect(Collectors.toSet());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "rpi4 | false | camera codec display | default_cma_region",
                "rpi5 | false | camera converter display | default_cma_region",
                "rpi5 | true | camera converter display | system default_cma_region",
                "rk3588 | false | camera codec display | system default_cma_region",
                "rk3588 | false | camera npu display | memory of rocket",
                "rk3568 | false | camera codec display | system default_cma_region",
                "rk3399 | false | camera codec display | system default_cma_region",
                "imx8mp | false | camera codec display | default_cma_region",
                "imx8mp | false | camera npu display | default_cma_region",
                "imx93 | false | npu | memory of ethosu",
                "am62a | false | camera codec display | default_cma_region",
                "am62 | false | camera display | default_cma_region",
                "stm32mp2 | false | camera display | default_cma_region",
                "allwinner-h6 | false | codec display | system default_cma_region",
                "allwinner-a64 | false | camera codec display | default_cma_region",
                "rb5 | false | camera codec display | system default_cma_region",
                "intel-ipu6 | true | camera npu display | system default_cma_region"
            })
    void threeDevicesOfABoardHaveTheirHeap(String board, boolean iommu, String words, String heaps) {
        Plan plan = plan(board, iommu, words.split(" "));
        assertEquals(heaps, plan.candidates().stream().map(Heap::name).collect(Collectors.joining(" ")), plan::explain);
    }

    @Test
    void theReasonIsTheDriverWithFileAndLine() {
        assertEquals(
                Set.of(
                        "unicam needs at most 1 segment (profile rpi4: drivers/media/common/videobuf2/videobuf2-dma-contig.c:652,714, read)",
                        "bcm2835-codec needs at most 1 segment (profile rpi4: https://github.com/raspberrypi/linux/issues/1807, reported)",
                        "vc4 needs at most 1 segment (profile rpi4: drivers/gpu/drm/vc4/vc4_drv.c:214,237, read)"),
                against(plan("rpi4", false, "camera", "codec", "display"), "system"));
        assertEquals(
                Set.of(
                        "mxc-isi needs at most 1 segment (profile imx8mp: drivers/media/platform/nxp/imx8-isi/imx8-isi-video.c:1414, read)",
                        "hantro needs at most 1 segment (profile imx8mp: drivers/media/platform/verisilicon/hantro_drv.c:1150, read)",
                        "lcdif needs at most 1 segment (profile imx8mp: drivers/gpu/drm/mxsfb/lcdif_drv.c:161, read)"),
                against(plan("imx8mp", false, "camera", "codec", "display"), "system"));
        Set<String> am62a = against(plan("am62a", false, "camera", "codec", "display"), "system");
        assertEquals(3, am62a.size(), am62a::toString);
        assertTrue(
                am62a.contains(
                        "wave5 needs at most 1 segment (profile am62a: drivers/media/platform/chips-media/wave5/wave5-vpu-dec.c:1034, inferred)"),
                am62a::toString);
    }

    @Test
    void anNpuThatDoesNotImportIsGivenItsOwnMemory() {
        Plan plan = plan("rk3588", false, "camera", "npu", "display");
        String needs =
                "rocket needs memory of rocket (profile rk3588:" + " drivers/accel/rocket/rocket_drv.c:149, read)";
        assertEquals(Set.of(needs), against(plan, "system"));
        assertEquals(Set.of(needs), against(plan, "default_cma_region"));
        // Its memory is scattered, which suits a display behind an IOMMU and no other.
        Profile rk3588 = Boards.named("rk3588");
        DeviceProfile rocket = rk3588.find("rocket").getFirst();
        Plan hdmi = Plan.of(
                Demand.ofImage(IMAGE),
                List.of(rocket.device(), rk3588.find("hdmirx").getFirst().device()),
                List.of(rocket.memory().orElseThrow(), Heap.of("system"), Heap.of("default_cma_region")));
        assertTrue(hdmi.candidates().isEmpty(), hdmi::explain);
        assertEquals(
                Set.of("rocket", "hdmirx"),
                hdmi.conflict().orElseThrow().statements().stream()
                        .map(statement -> statement.device().name())
                        .collect(Collectors.toSet()));
    }

    @Test
    void whatTheKernelDecidesIsToldInThePlan() {
        DeviceProfile vc4 = Boards.named("rpi5").find("display").getFirst();
        assertEquals(Iommu.SYSFS, vc4.iommu());
        assertFalse(vc4.device().isBehindIommu());
        assertTrue(vc4.device().detail().contains("as long as sysfs shows none"));
        assertTrue(vc4.device(true).isBehindIommu());
        assertTrue(vc4.device(true).toString().contains("not needed behind its IOMMU: at most 1 segment"));
        assertFalse(vc4.device(false).isBehindIommu());
        // Of a device of which that is known, nobody is asked.
        assertFalse(Boards.named("rpi4").find("vc4").getFirst().device(true).isBehindIommu());
        assertTrue(Boards.named("rk3588").find("vop2").getFirst().device(false).isBehindIommu());
    }

    @Test
    void pitchesAreThoseThatSuitAll() {
        // 16 of the camera and 64 of the back end.
        Plan plan = Plan.of(
                Demand.ofImage(new Image(PixelFormat.XR24, 1000, 600)),
                List.of(
                        Boards.named("rpi5").find("rp1-cfe").getFirst().device(),
                        Boards.named("rpi5").find("pispbe").getFirst().device()),
                List.of(Heap.of("default_cma_region")));
        assertEquals(4032, plan.layout().orElseThrow().planes().getFirst().pitch());
        // More than the register of the display holds.
        Plan wide = Plan.of(
                Demand.ofImage(new Image(PixelFormat.XR24, 16384, 16)),
                List.of(Boards.named("rpi4").find("vc4").getFirst().device()),
                List.of(Heap.of("default_cma_region")));
        assertTrue(wide.candidates().isEmpty());
        assertEquals(
                List.of(Field.MAX_PITCH),
                wide.conflict().orElseThrow().statements().stream()
                        .map(Statement::field)
                        .toList());
    }

    @Test
    void aWordIsANameARoleOrADriver() {
        Profile rk3588 = Boards.named("rk3588");
        assertEquals(List.of("rga3", "rga2"), named(rk3588.find("converter")));
        assertEquals(List.of("rga3", "rga2"), named(rk3588.find("rockchip-rga")));
        assertEquals(List.of("rga2"), named(rk3588.find("rga2")));
        assertEquals(List.of(), rk3588.find("no such thing"));
        assertEquals(
                Arrays.stream(Role.values()).toList(),
                Arrays.stream(Role.values())
                        .map(role -> Role.of(role.word()).orElseThrow())
                        .toList());
    }

    private static List<String> named(List<DeviceProfile> devices) {
        return devices.stream().map(DeviceProfile::name).toList();
    }
}
