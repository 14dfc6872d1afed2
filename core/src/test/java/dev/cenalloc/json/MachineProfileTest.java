// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Field;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which profiles are those of a machine, by what a fake kernel tells of it. */
class MachineProfileTest {
    private static final String TREE = "/proc/device-tree/compatible";
    private static final Path CARD = Path.of("/dev/dri/card0");

    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);

    private MachineProfile machine(Profile... own) {
        try (var cenalloc = kernel.open()) {
            return Boards.ofMachine(cenalloc, List.of(own));
        } catch (CenallocException e) {
            throw new AssertionError(e);
        }
    }

    /** A board that is not recognised has none of its limits. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                TREE,
                "/sys/bus/pci/devices",
                "/sys/bus/pci/devices/0000:00:02.0/vendor",
                "/sys/class/drm",
                "/sys/class/drm/card0/device/driver"
            })
    void aQuestionThatFailedIsNoAnswer(String file) {
        kernel.file(TREE, "rockchip,rk3588\0")
                .file("/sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n")
                .file("/sys/class/drm/card0/name", "")
                .file("/sys/bus/pci/drivers/amdgpu/name", "")
                .link("/sys/class/drm/card0/device/driver", "/sys/bus/pci/drivers/amdgpu");
        String all = machine().toString();
        assertTrue(all.contains("rk3588") && all.contains("amdgpu"), all);
        for (int errno : List.of(Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE)) {
            kernel.refuse(Path.of(file), errno);
            try (var cenalloc = kernel.open()) {
                var e = assertThrows(CenallocException.class, () -> Boards.ofMachine(cenalloc, List.of()));
                assertEquals(errno, e.errno());
                assertEquals(Path.of(file), e.path().orElseThrow());
            }
            kernel.permit(Path.of(file));
        }
        assertEquals(all, machine().toString());
    }

    private static List<String> names(MachineProfile machine) {
        return machine.profiles().stream().map(Profile::name).toList();
    }

    private static Profile profile(String name, String json) throws Exception {
        return Profile.read(name, json);
    }

    @Test
    void aMachineOfWhichNothingIsKnownHasNoProfile() {
        MachineProfile machine = machine();
        assertEquals(List.of(), machine.profiles());
        assertEquals(List.of(), machine.doubts());
        assertEquals("no profile is known for this machine", machine.toString());
        assertTrue(machine.device("vc4 gpu", "vc4", CARD).isEmpty());
        assertEquals(List.of(), machine.find("display"));
    }

    @Test
    void aDeviceTreeThatCannotBeReadIsNoError() {
        kernel.file(TREE, "raspberrypi,4-model-b\0brcm,bcm2711\0");
        kernel.refuse(Path.of(TREE), Errno.EACCES);
        assertEquals(List.of(), names(machine()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "raspberrypi,4-model-b brcm,bcm2711 | rpi4 (device tree: raspberrypi,4-model-b)",
                "vendor,unheard-of brcm,bcm2711 | rpi4 (device tree: brcm,bcm2711)",
                "radxa,rock-5b rockchip,rk3588 | rk3588 (device tree: rockchip,rk3588)",
                "vendor,unheard-of | no profile is known for this machine"
            })
    void theDeviceTreeTellsTheBoard(String compatible, String told) {
        kernel.file(TREE, compatible.replace(' ', '\0') + "\0");
        assertEquals(told, machine().toString());
    }

    @ParameterizedTest
    @CsvSource({"0xa75d, intel-ipu6 (PCI 8086:a75d)", "0x1234, no profile is known for this machine"})
    void pciIdsTellTheMachine(String id, String told) {
        String function = "/sys/bus/pci/devices/0000:00:05.0";
        kernel.file(function + "/vendor", "0x8086\n").file(function + "/device", id + "\n");
        assertEquals(told, machine().toString());
    }

    @Test
    void usbIdsTellTheMachine() throws Exception {
        kernel.file("/sys/bus/usb/devices/1-1/idVendor", "1d6b\n").file("/sys/bus/usb/devices/1-1/idProduct", "0102\n");
        Profile grabber = profile("grabber", "{\"version\": 1, \"matches\": {\"usb\": [\"1d6b:0102\"]}}");
        Profile other = profile("other", "{\"version\": 1, \"matches\": {\"usb\": [\"1d6b:0103\"]}}");
        assertEquals(
                "grabber (USB 1d6b:0102)",
                MachineQuestions.recognised(kernel, List.of(other, grabber)).toString());
    }

    @Test
    void driversTellTheMachineAlsoBesideADeviceTree() {
        kernel.file(TREE, "raspberrypi,5-model-b\0brcm,bcm2712\0")
                .file("/sys/class/video4linux/video9/name", "cam")
                .link("/sys/class/video4linux/video9/device/driver", "/sys/bus/usb/drivers/uvcvideo")
                .file("/sys/bus/usb/drivers/uvcvideo/module", "")
                // A device without a driver.
                .file("/sys/class/drm/card1/dev", "226:1")
                .link("/sys/class/drm/card1/device", "/sys/devices/vgem")
                .file("/sys/devices/vgem/uevent", "");
        assertEquals(
                "rpi5 (device tree: raspberrypi,5-model-b); test-drivers (driver vgem); usb-camera (driver uvcvideo)",
                machine().toString());
        // The board goes before the others.
        assertEquals("vc4", machine().find("display").getFirst().name());
        assertEquals("vkms", machine().find("vkms").getFirst().name());
    }

    @Test
    void aUsersProfileGoesBeforeTheShippedOne() throws Exception {
        kernel.file(TREE, "raspberrypi,4-model-b\0brcm,bcm2711\0");
        Profile own =
                profile("mine.json", "{\"version\": 1, \"devices\": {\"vc4\": {\"require\": {\"pages\": true}}}}");
        MachineProfile machine = machine(own);
        assertEquals(List.of("mine.json", "rpi4"), names(machine));
        assertEquals("mine.json (given); rpi4 (device tree: raspberrypi,4-model-b)", machine.toString());
        Device display = machine.device("vc4 gpu", "vc4", CARD).orElseThrow();
        assertEquals(Constraints.NONE.pages(), display.constraints());
        assertEquals("profile mine.json, which gives no source", display.detail(Field.PAGES));
        Device camera =
                machine.device("unicam x", "unicam", Path.of("/dev/video0")).orElseThrow();
        assertEquals(OptionalLong.of(32), camera.constraints().number(Field.PITCH_ALIGNMENT));
        assertEquals("unicam x", camera.name());
    }

    @Test
    void aProfileOfAnotherMachineIsTold() throws Exception {
        kernel.file(TREE, "raspberrypi,4-model-b\0brcm,bcm2711\0");
        Profile own = profile("mine.json", "{\"version\": 1, \"matches\": {\"compatible\": [\"other,board\"]}}");
        assertEquals(
                List.of("mine.json is for other,board, and this machine is raspberrypi,4-model-b"),
                machine(own).doubts());
    }

    @Test
    void ofTwoProfilesTheMoreSpecificOneIsTakenAndEquallySpecificOnesAreTold() throws Exception {
        kernel.file(TREE, "vendor,board\0vendor,chip\0");
        Profile chip = profile("chip", "{\"version\": 1, \"matches\": {\"compatible\": [\"vendor,chip\"]}}");
        Profile board = profile("board", "{\"version\": 1, \"matches\": {\"compatible\": [\"vendor,board\"]}}");
        Profile twin = profile("twin", "{\"version\": 1, \"matches\": {\"compatible\": [\"vendor,board\"]}}");
        MachineProfile one = MachineQuestions.recognised(kernel, List.of(chip, board));
        assertEquals(List.of("board"), names(one));
        assertEquals(List.of(), one.doubts());
        MachineProfile two = MachineQuestions.recognised(kernel, List.of(chip, board, twin));
        assertEquals(List.of("board"), names(two));
        assertEquals(List.of("board and twin are both for vendor,board: board was taken"), two.doubts());
    }

    /** A display that has only a number. */
    private record Card(long number) implements FakeKernel.Device {
        @Override
        public int ioctl(int fd, long request, MemorySegment argument) {
            return -Errno.ENOTTY;
        }

        @Override
        public void closed(int fd) {}
    }

    /** Mainline has none before it, the kernel of Raspberry Pi OS has one. */
    @ParameterizedTest
    @CsvSource({"'', false", "DMA, true", "DMA-FQ, true", "identity, false", "none, true"})
    void sysfsDecidesAboutTheIommuOfARaspberryPi5(String group, boolean behind) {
        kernel.file(TREE, "raspberrypi,5-model-b\0brcm,bcm2712\0");
        kernel.device(CARD.toString(), new Card(226L << 8));
        kernel.sysfs = Path.of("/sys/dev/char/226:0/device");
        if (group.equals("none")) {
            kernel.file(kernel.sysfs + "/iommu_group/name", "");
        } else if (!group.isEmpty()) {
            kernel.file(kernel.sysfs + "/iommu_group/type", group + "\n");
        }
        Device display = machine().device("vc4 gpu", "vc4", CARD).orElseThrow();
        assertEquals(behind, display.isBehindIommu());
        assertEquals(!behind, display.constraints().says(Field.MAX_SEGMENTS));
        assertTrue(display.detail().endsWith(behind ? "behind an IOMMU on this kernel" : "no IOMMU on this kernel"));
    }

    @Test
    void aNodeThatIsNotThereHasNoIommu() {
        kernel.file(TREE, "raspberrypi,5-model-b\0");
        assertFalse(machine().device("vc4 gpu", "vc4", CARD).orElseThrow().isBehindIommu());
    }

    @Test
    void aDriverOfDifferentHardwareHasTheConstraintsOfEach() {
        kernel.file(TREE, "rockchip,rk3588\0");
        Device scaler = machine()
                .device("rockchip-rga platform:rga", "rockchip-rga", Path.of("/dev/video3"))
                .orElseThrow();
        assertEquals("rockchip-rga platform:rga", scaler.name());
        assertEquals(OptionalLong.of(16), scaler.constraints().number(Field.PITCH_ALIGNMENT));
        assertEquals(0xffffffffL, scaler.constraints().highestAddresses().get("ram"));
        assertFalse(scaler.isBehindIommu());
        assertTrue(scaler.detail().contains("it may be rga3 or rga2"), scaler.detail());
        assertTrue(scaler.detail(Field.HIGHEST_ADDRESS).contains("rga-hw.c:593"), scaler.detail(Field.HIGHEST_ADDRESS));
    }

    /** One driver, two kinds of hardware: the kernel tells which. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0,1,0 | vivid-000 | vivid",
                "0,1,0 | vivid-001 | vivid-contig",
                "0,1,0 | vivid-002 | vivid",
                "0,1,0 | vivid-007 | vivid vivid-contig",
                "1 | vivid-003 | vivid-contig",
                "2 | vivid-003 | ",
                "'' | vivid-001 | vivid vivid-contig"
            })
    void aParameterOfTheModuleTellsWhatADeviceIs(String values, String bus, String expected) {
        kernel.file("/sys/class/video4linux/video0/name", "cam")
                .link("/sys/class/video4linux/video0/device", "/sys/devices/vivid")
                .file("/sys/devices/vivid/uevent", "")
                .file("/sys/module/vivid/parameters/allocators", values + "\n");
        String name = "vivid platform:" + bus;
        MachineProfile machine = machine();
        String fit = machine.recognise(name, "vivid").stream()
                .map(DeviceProfile::name)
                .collect(Collectors.joining(" "));
        assertEquals(expected == null ? "" : expected, fit);
        // What may be either has the constraints of both.
        Optional<Device> device = machine.device(name, "vivid", Path.of("/dev/video0"));
        assertEquals(expected != null, device.isPresent());
        device.ifPresent(
                one -> assertEquals(fit.endsWith("contig"), one.constraints().says(Field.MAX_SEGMENTS), one::toString));
    }

    @Test
    void aNameGoesBeforeADriver() throws Exception {
        Profile own = profile("mine.json", """
                {"version": 1, "devices": {
                  "any": {"drivers": ["vivid"]},
                  "second": {"names": ["vivid platform:vivid-001"], "require": {"contiguous": true}}}}""");
        MachineProfile machine = machine(own);
        Path node = Path.of("/dev/video1");
        assertTrue(machine.device("vivid platform:vivid-001", "vivid", node)
                .orElseThrow()
                .constraints()
                .isContiguous());
        assertFalse(machine.device("vivid platform:vivid-002", "vivid", node)
                .orElseThrow()
                .constraints()
                .isContiguous());
    }
}
