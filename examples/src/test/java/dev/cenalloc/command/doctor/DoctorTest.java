// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.command.doctor.Finding.Area;
import dev.cenalloc.command.doctor.Finding.Level;
import dev.cenalloc.command.proc.Reading;
import dev.cenalloc.command.proc.SystemFiles;
import dev.cenalloc.command.proc.Tree;
import dev.cenalloc.device.DeviceInfo;
import dev.cenalloc.device.DeviceInfo.Kind;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Findings on made-up machines: a good one, and the same with one thing wrong. */
class DoctorTest {
    private static final Jvm GOOD_JAVA = new Jvm(25, "25.0.1+8", "amd64", false, true);
    private static final DeviceInfo CAMERA = device(Kind.CAMERA, "uvcvideo usb-1", "/dev/video0", Optional.empty());
    private static final DeviceInfo DISPLAY = device(Kind.DISPLAY, "vc4 gpu", "/dev/dri/card1", Optional.empty());
    private static final String ALL_OPTIONS = """
            CONFIG_DMABUF_HEAPS=y
            CONFIG_DMABUF_HEAPS_SYSTEM=y
            CONFIG_DMABUF_HEAPS_CMA=y
            CONFIG_DMA_CMA=y
            CONFIG_UDMABUF=m
            CONFIG_SYNC_FILE=y
            CONFIG_VIDEO_DEV=m
            CONFIG_DRM=y
            """;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path root;

    @SuppressWarnings("NullAway.Init")
    private Tree tree;

    /** Whom files belong to that belong to another in the tree. */
    private final Map<String, SystemFiles.Owner> owners = new HashMap<>();

    private static DeviceInfo device(Kind kind, String name, String node, Optional<String> reason) {
        return new DeviceInfo(kind, name, name.split(" ", -1)[0], "bus", Path.of(node), Optional.empty(), reason);
    }

    @BeforeEach
    void makeAGoodMachine() {
        tree = new Tree(root)
                .file("/proc/sys/kernel/osrelease", "6.12.48-x\n")
                .file("/boot/config-6.12.48-x", ALL_OPTIONS)
                .file(
                        "/proc/self/status",
                        "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t44 1000 \n")
                .file(
                        "/proc/self/limits",
                        "Limit   Soft Limit  Hard Limit  Units\nMax open files            524288  524288  files\n")
                .file("/proc/self/mounts", "proc /proc proc rw 0 0\n")
                .file("/proc/self/cgroup", "0::/user.slice/a.scope\n")
                .file("/proc/sys/vm/max_map_count", "65530\n")
                .file(
                        "/proc/meminfo",
                        "MemTotal:        8000000 kB\nCmaTotal:         131072 kB\nCmaFree:          131072 kB\n")
                .file("/etc/group", "root:x:0:\nvideo:x:44:ann,bob\n")
                .file("/etc/udev/rules.d/70-x.rules", "SUBSYSTEM==\"dma_heap\", GROUP=\"video\", MODE=\"0660\"\n")
                .file("/sys/fs/cgroup/memory.max", "max\n")
                .file("/dev/dma_heap/system", "")
                .file("/dev/dma_heap/reserved", "")
                .file("/dev/udmabuf", "")
                .file("/dev/video0", "")
                .file("/dev/dri/card1", "")
                .file("/sys/class/drm/card1-HDMI-A-1/status", "connected\n")
                .file("/sys/class/drm/card1-HDMI-A-2/status", "disconnected\n");
    }

    private Machine machine(SystemFiles files, DeviceInfo... devices) {
        return Machine.of(files, GOOD_JAVA, "ann", List.of(devices), "");
    }

    private List<Finding> examine() {
        return Doctor.examine(machine(tree.files(), CAMERA, DISPLAY));
    }

    private static List<Finding> bad(List<Finding> findings) {
        return findings.stream().filter(finding -> finding.level() != Level.OK).toList();
    }

    /** The only finding that is not ok. */
    private static Finding only(List<Finding> findings, Level level, Area area) {
        List<Finding> bad = bad(findings);
        assertEquals(1, bad.size(), bad::toString);
        assertEquals(level, bad.getFirst().level(), bad::toString);
        assertEquals(area, bad.getFirst().area(), bad::toString);
        assertTrue(bad.getFirst().remedy().isPresent() || level == Level.NOTE, bad::toString);
        return bad.getFirst();
    }

    private static void assertSays(Finding finding, String... words) {
        String text = finding.toString();
        for (String word : words) {
            assertTrue(text.contains(word), () -> "\"" + word + "\" in: " + text);
        }
    }

    /** Files that may not be opened. */
    private SystemFiles refusing(String... names) {
        Set<String> refused = Set.of(names);
        return new SystemFiles(root) {
            @Override
            public Reading<Boolean> opened(String name) {
                return refused.contains(name) ? new Reading.Refused<>("permission denied") : super.opened(name);
            }

            @Override
            public boolean isAccessible(String name) {
                return !refused.contains(name) && super.isAccessible(name);
            }

            @Override
            public Reading<Owner> owner(String name) {
                return super.owner(name).map(owner -> owners.getOrDefault(name, owner));
            }
        };
    }

    @Test
    void aGoodMachineHasNothingBad() {
        List<Finding> findings = examine();
        assertEquals(List.of(), bad(findings));
        List<String> told = findings.stream().map(Finding::what).toList();
        assertTrue(told.contains("heaps that this process may use: reserved, system"), told::toString);
        assertTrue(told.contains("camera: uvcvideo usb-1 (/dev/video0)"), told::toString);
        assertTrue(told.contains("display: vc4 gpu (/dev/dri/card1), screens: HDMI-A-1"), told::toString);
        assertTrue(told.contains("contiguous memory: 128 MiB, of which 128 MiB are free"), told::toString);
    }

    /** Only what is known is said, and nothing fails. */
    @Test
    void onAMachineWithNothingAtAllEveryFindingHasARemedy() throws Exception {
        SystemFiles nothing = new SystemFiles(root.resolve("empty"));
        List<Finding> findings = Doctor.examine(Machine.of(nothing, GOOD_JAVA, "", List.of(), ""));
        List<Finding> problems = findings.stream()
                .filter(finding -> finding.level() == Level.PROBLEM)
                .toList();
        assertEquals(1, problems.size(), problems::toString);
        assertSays(problems.getFirst(), "/dev/dma_heap does not exist", "CONFIG_DMABUF_HEAPS_SYSTEM");
        bad(findings).forEach(finding -> assertTrue(finding.remedy().isPresent(), finding::toString));
        assertTrue(
                findings.stream().anyMatch(finding -> finding.what().contains("options of this kernel are not known")));
    }

    // ---- Java ----

    @Test
    void aJavaThatDoesNotFitIsAProblem() {
        for (var jvm : List.of(
                new Jvm(25, "25", "amd64", true, true),
                new Jvm(25, "25", "amd64", false, false),
                new Jvm(25, "25", "riscv64", false, true))) {
            only(
                    Doctor.examine(Machine.of(tree.files(), jvm, "ann", List.of(CAMERA, DISPLAY), "")),
                    Level.PROBLEM,
                    Area.JAVA);
        }
        only(
                Doctor.examine(Machine.of(
                        tree.files(), new Jvm(26, "26", "aarch64", false, true), "ann", List.of(CAMERA, DISPLAY), "")),
                Level.NOTE,
                Area.JAVA);
    }

    @Test
    void whereTheLibraryCannotBeUsedNothingIsSaidOfDevices() {
        List<Finding> findings =
                Doctor.examine(Machine.of(tree.files(), GOOD_JAVA, "ann", List.of(), "no symbol ioctl"));
        assertSays(only(findings, Level.PROBLEM, Area.JAVA), "no symbol ioctl");
    }

    @Test
    void muslIsSeenByItsLoader() {
        assertTrue(!Jvm.running(tree.files()).isMusl());
        tree.file("/proc/self/maps", "7f00-7f01 r-xp 00000000 08:01 7 /lib/ld-musl-x86_64.so.1\n");
        assertTrue(Jvm.running(tree.files()).isMusl());
    }

    // ---- kernel ----

    @ParameterizedTest
    @ValueSource(strings = {"5.4.0-150-generic", "5.5", "4.19.0", "3.10"})
    void aKernelBeforeHeapsIsAProblem(String release) {
        tree.file("/proc/sys/kernel/osrelease", release + "\n").file("/boot/config-" + release, ALL_OPTIONS);
        assertSays(only(examine(), Level.PROBLEM, Area.KERNEL), release, "Linux 5.6 or later");
    }

    /** As distributions built it. */
    @Test
    void whatTheVersionExplainsIsNotSaidAgain() {
        tree.file("/proc/sys/kernel/osrelease", "5.4.0-150-generic\n")
                .file("/boot/config-5.4.0-150-generic", ALL_OPTIONS.replaceAll("(?m)^CONFIG_DMABUF.*\\n", ""))
                .without("/dev/dma_heap");
        only(examine(), Level.PROBLEM, Area.KERNEL);
    }

    /** An option that is absent explains what there is not. */
    @Test
    void whatAnOptionExplainsIsNotSaidAgain() {
        tree.file("/boot/config-6.12.48-x", "CONFIG_SMP=y\n")
                .without("/dev")
                .file("/proc/meminfo", "MemTotal: 8000000 kB\n");
        List<Finding> bad = bad(Doctor.examine(machine(tree.files())));
        assertTrue(bad.stream().allMatch(finding -> finding.area() == Area.KERNEL), bad::toString);
        assertEquals(6, bad.size(), bad::toString);
        assertSays(bad.getFirst(), "level=problem", "CONFIG_DMABUF_HEAPS]");
    }

    @Test
    void processesThatMayNotBeSeenAreANote() {
        tree.process(41, "x").without("/proc/41/fd").unreadable("/proc/41/fd");
        assertSays(only(examine(), Level.NOTE, Area.PROCESSES), "1 process may not be looked into", "as root");
        tree.file("/proc/self/mounts", "proc /proc proc rw,hidepid=2 0 0\n");
        assertSays(only(examine(), Level.NOTE, Area.PROCESSES), "hidepid=2", "as root");
    }

    @ParameterizedTest
    @ValueSource(strings = {"5.6.0", "5.10.0-30-arm64", "10.0"})
    void aKernelWithHeapsIsGood(String release) {
        tree.file("/proc/sys/kernel/osrelease", release + "\n").file("/boot/config-" + release, ALL_OPTIONS);
        assertEquals(List.of(), bad(examine()));
    }

    @ParameterizedTest
    @CsvSource({
        "DMABUF_HEAPS_SYSTEM, PROBLEM",
        "DMABUF_HEAPS_CMA, NOTE",
        "UDMABUF, NOTE",
        "SYNC_FILE, NOTE",
        "VIDEO_DEV, NOTE",
        "DRM, NOTE"
    })
    void anOptionThatIsAbsentIsNamed(String option, Level level) {
        String line = "(?m)^CONFIG_" + option + "=.*\\n";
        tree.file("/boot/config-6.12.48-x", ALL_OPTIONS.replaceAll(line, "# CONFIG_" + option + " is not set\n"));
        assertSays(only(examine(), level, Area.KERNEL), "CONFIG_" + option);
    }

    @Test
    void ofHeapsThatAreAbsentTheKindsAreNotNamedToo() {
        tree.file("/boot/config-6.12.48-x", ALL_OPTIONS.replaceAll("(?m)^CONFIG_DMABUF.*\\n", ""));
        assertSays(only(examine(), Level.PROBLEM, Area.KERNEL), "CONFIG_DMABUF_HEAPS]");
    }

    @Test
    void unknownOptionsAreNotAbsent() {
        tree.without("/boot/config-6.12.48-x");
        assertSays(only(examine(), Level.NOTE, Area.KERNEL), "not known", "/boot/config-6.12.48-x");
        // Damaged, or of something else.
        tree.bytes("/proc/config.gz", new byte[] {31, (byte) 139, 8, 0, 1}).file("/boot/config-6.12.48-x", "hello\n");
        assertSays(only(examine(), Level.NOTE, Area.KERNEL), "not known");
    }

    @Test
    void theRunningKernelsOwnConfigurationGoesFirst() throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(bytes)) {
            gzip.write(ALL_OPTIONS.replace("CONFIG_UDMABUF=m\n", "").getBytes(StandardCharsets.UTF_8));
        }
        tree.bytes("/proc/config.gz", bytes.toByteArray());
        assertSays(only(examine(), Level.NOTE, Area.KERNEL), "CONFIG_UDMABUF");
    }

    // ---- heaps ----

    @Test
    void withoutNodesTheReasonDecidesTheRemedy() {
        tree.without("/dev/dma_heap");
        assertSays(only(examine(), Level.PROBLEM, Area.HEAPS), "does not exist", "what hides /dev/dma_heap/system");
        tree.file("/boot/config-6.12.48-x", ALL_OPTIONS.replace("HEAPS_SYSTEM=y", "HEAPS_SYSTEM=m"));
        assertSays(only(examine(), Level.PROBLEM, Area.HEAPS), "modprobe system_heap");
        tree.directory("/sys/class/dma_heap/system");
        assertSays(only(examine(), Level.PROBLEM, Area.HEAPS), "container", "--device=/dev/dma_heap/system");
    }

    @Test
    void whatMayNotBeOpenedSaysWhoMay() {
        String system = "/dev/dma_heap/system";
        String reserved = "/dev/dma_heap/reserved";
        owners.put(reserved, new SystemFiles.Owner(0, 0, 0600));
        owners.put(system, new SystemFiles.Owner(0, 0, 0600));
        SystemFiles files = refusing(system, reserved);
        assertSays(
                only(Doctor.examine(machine(files, CAMERA, DISPLAY)), Level.PROBLEM, Area.HEAPS),
                "reserved, system: permission denied",
                "mode 0600, user 0, group root",
                "user 1000 with the groups [1000, video]",
                "apply the rule of /etc/udev/rules.d/70-x.rules, as root: udevadm trigger");
        // The last gives them to the user at the console only.
        for (String rules : List.of(
                "# SUBSYSTEM==\"dma_heap\", GROUP=\"video\"\n",
                "SUBSYSTEM==\"drm\", GROUP=\"video\"\n",
                "SUBSYSTEM==\"dma_heap\", TAG+=\"uaccess\"\nSUBSYSTEM==\"drm\", GROUP=\"video\"\n")) {
            tree.file("/etc/udev/rules.d/70-x.rules", rules);
            assertSays(
                    only(Doctor.examine(machine(files, CAMERA, DISPLAY)), Level.PROBLEM, Area.HEAPS),
                    "SUBSYSTEM==\"dma_heap\", GROUP=\"video\", MODE=\"0660\"",
                    "/etc/udev/rules.d/70-dma-heap.rules");
            assertSays(only(examine(), Level.NOTE, Area.HEAPS), "no udev rule");
        }
        tree.file("/etc/udev/rules.d/70-x.rules", "ACTION==\"add\", SUBSYSTEM==\"drm|dma_heap\", MODE=\"0666\"\n");
        assertEquals(List.of(), bad(examine()));
    }

    @Test
    void aUserIsToldToJoinTheGroupOrToLogInAnew() {
        String udmabuf = "/dev/udmabuf";
        tree.file("/etc/group", "video:x:44:\nkvm:x:109:bob\n");
        owners.put(udmabuf, new SystemFiles.Owner(0, 109, 0660));
        SystemFiles files = refusing(udmabuf);
        assertSays(
                only(Doctor.examine(machine(files, CAMERA, DISPLAY)), Level.NOTE, Area.HEAPS), "usermod -aG kvm ann");
        tree.file("/etc/group", "video:x:44:\nkvm:x:109:bob,ann\n");
        assertSays(
                only(Doctor.examine(machine(files, CAMERA, DISPLAY)), Level.NOTE, Area.HEAPS),
                "log in anew: ann is in the group kvm");
        owners.put(udmabuf, new SystemFiles.Owner(0, 44, 0660));
        assertSays(only(Doctor.examine(machine(files, CAMERA, DISPLAY)), Level.NOTE, Area.HEAPS), "confines");
    }

    @Test
    void aHeapThatIsMissingIsNamed() {
        tree.without("/dev/dma_heap/reserved");
        assertSays(only(examine(), Level.NOTE, Area.HEAPS), "contiguous", "cma=128M");
        tree.without("/dev/dma_heap/system").file("/dev/dma_heap/linux,cma", "");
        assertSays(only(examine(), Level.PROBLEM, Area.HEAPS), "/dev/dma_heap/system");
        tree.without("/dev/udmabuf").file("/dev/dma_heap/system", "");
        assertSays(only(examine(), Level.NOTE, Area.HEAPS), "modprobe udmabuf");
    }

    // ---- memory ----

    @Test
    void contiguousMemoryThatIsUsedNamesItsUsers() {
        tree.file("/proc/meminfo", "MemTotal: 8000000 kB\nCmaTotal:         131072 kB\nCmaFree:          65536 kB\n")
                .process(41, "cam\nera")
                .dmaBuf(41, 3, 900, 32 << 20, "reserved", "")
                .dmaBuf(41, 4, 901, 32 << 20, "videobuf2_dma_contig", "")
                .dmaBuf(41, 5, 902, 32 << 20, "system", "");
        assertSays(
                only(examine(), Level.NOTE, Area.MEMORY),
                "128 MiB, of which 64 MiB are free",
                "(41): 64 MiB in 2 buffers");
    }

    @Test
    void contiguousMemoryThatIsUsedALittleIsGood() {
        tree.process(41, "x").dmaBuf(41, 3, 900, 1 << 20, "linux,cma", "");
        List<Finding> findings = examine();
        assertEquals(List.of(), bad(findings));
        assertTrue(
                findings.stream().anyMatch(finding -> finding.what().endsWith("; used by x (41): 1 MiB in 1 buffer")),
                findings::toString);
    }

    @Test
    void contiguousMemoryThatIsAbsentDiffersFromNone() {
        tree.file("/proc/meminfo", "MemTotal: 8000000 kB\nCmaTotal: 0 kB\nCmaFree: 0 kB\n");
        assertSays(only(examine(), Level.NOTE, Area.MEMORY), "CmaTotal is 0", "cma=128M");
        tree.file("/proc/meminfo", "MemTotal: 8000000 kB\n");
        assertSays(only(examine(), Level.NOTE, Area.MEMORY), "CONFIG_CMA");
    }

    @ParameterizedTest
    @ValueSource(strings = {"cma-reserved", "reserved"})
    void allocationsThatFailedAreToldWithTheLargestPiece(String directory) {
        tree.file("/sys/kernel/mm/cma/reserved/alloc_pages_fail", "2048\n")
                .file("/sys/kernel/debug/cma/" + directory + "/count", "32768\n")
                .file("/sys/kernel/debug/cma/" + directory + "/used", "256\n")
                .file("/sys/kernel/debug/cma/" + directory + "/maxchunk", "512\n")
                .file("/proc/self/smaps", "00-01 r--p 0 0:0 0\nKernelPageSize:       16 kB\n");
        assertSays(
                only(examine(), Level.NOTE, Area.MEMORY),
                "32 MiB in all failed",
                "area reserved",
                "4 MiB are in use",
                "the largest free piece has 8 MiB");
    }

    @Test
    void theLeastLimitOfAllGroupsCounts() {
        tree.file("/sys/fs/cgroup/user.slice/memory.max", "268435456\n")
                .file("/sys/fs/cgroup/user.slice/memory.current", "134217728\n")
                .file("/sys/fs/cgroup/user.slice/a.scope/memory.max", "536870912\n");
        assertSays(
                only(examine(), Level.NOTE, Area.MEMORY),
                "limited to 256 MiB by /sys/fs/cgroup/user.slice/memory.max, of which 128 MiB are used",
                "counted to no process");
        tree.file("/sys/module/dma_heap/parameters/mem_accounting", "Y\n");
        assertSays(only(examine(), Level.NOTE, Area.MEMORY), "counts memory of the system heap, too");
    }

    @Test
    void groupsOfTheFirstVersionLimitToo() {
        tree.file("/proc/self/cgroup", "5:cpu:/x\n4:memory,hugetlb:/docker/1\n0::/../..\nnonsense\n")
                .file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assertEquals(List.of(), bad(examine()));
        tree.file("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1073741824\n");
        assertSays(only(examine(), Level.NOTE, Area.MEMORY), "1024 MiB");
    }

    // ---- limits ----

    @Test
    void lowLimitsAreNotes() {
        tree.file("/proc/self/limits", "Max open files            256                  524288               files\n");
        assertSays(only(examine(), Level.NOTE, Area.LIMITS), "256 open files", "ulimit -n");
        tree.file("/proc/self/limits", "Max open files            unlimited            unlimited            files\n")
                .file("/proc/sys/vm/max_map_count", "1000\n");
        assertSays(only(examine(), Level.NOTE, Area.LIMITS), "1000 mappings", "vm.max_map_count=65530");
    }

    // ---- devices ----

    @Test
    void aDeviceThatIsOpenElsewhereSaysWhere() {
        tree.process(41, "gst").link("/proc/41/fd/5", "/dev/video0").link("/proc/41/fd/6", "/dev/video0");
        assertSays(only(examine(), Level.NOTE, Area.CAMERAS), "is open in gst (41)");
        tree.process(42, "compositor")
                .link("/proc/42/fd/5", "/dev/dri/card1")
                .without("/proc/41/fd/5")
                .without("/proc/41/fd/6");
        assertSays(only(examine(), Level.NOTE, Area.DISPLAYS), "open in compositor (42)");
    }

    /** Those of vgem and of Linux 6.15, which has two more columns. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "          compositor  4242   1   y    y     0          0\n",
                "          compositor  4242   1   y    y     0          0               <unset>     7\n"
            })
    void theProgramThatControlsADisplayIsAProblem(String client) {
        String head = "             command  tgid dev master a   uid      magic\n";
        String other = "                java  1234   1   n    y     0          3\n";
        tree.file("/sys/kernel/debug/dri/1/clients", head + other);
        assertEquals(List.of(), bad(examine()));
        tree.file("/sys/kernel/debug/dri/1/clients", head + other + client);
        assertSays(
                only(examine(), Level.PROBLEM, Area.DISPLAYS), "controlled by compositor (4242)", "--display wayland");
    }

    /** A process may be called anything. */
    @Test
    void aNameForgesNoController() {
        tree.file("/sys/kernel/debug/dri/1/clients", """
                             command  tgid dev master a   uid      magic
                       \s
                x 1 0 y y 0   1234   1   n    y     0          3
                """);
        assertEquals(List.of(), bad(examine()));
    }

    @Test
    void devicesWithoutPermissionAreOneProblemOfEachKind() {
        String why = "access denied: open gave EACCES";
        var camera = device(Kind.OTHER, "uvcvideo a", "/dev/video0", Optional.of(why));
        var other = device(Kind.OTHER, "uvcvideo b", "/dev/video1", Optional.of(why));
        var card = device(Kind.OTHER, "card1", "/dev/dri/card1", Optional.of(why));
        owners.put("/dev/video0", new SystemFiles.Owner(0, 44, 0660));
        owners.put("/dev/dri/card1", new SystemFiles.Owner(0, 44, 0660));
        tree.file("/dev/video1", "")
                .file("/proc/self/status", "Uid:\t1000\t1000\nGid:\t1000\t1000\nGroups:\t\n")
                .file("/etc/group", "video:x:44:\n");
        List<Finding> bad = bad(
                Doctor.examine(machine(refusing("/dev/video0", "/dev/video1", "/dev/dri/card1"), camera, other, card)));
        assertEquals(
                List.of(Area.CAMERAS, Area.DISPLAYS),
                bad.stream().map(Finding::area).toList());
        bad.forEach(finding -> assertSays(finding, "mode 0660, user 0, group video", "usermod -aG video ann"));
        assertSays(bad.getFirst(), "may not be opened: uvcvideo a (/dev/video0), uvcvideo b (/dev/video1)");
    }

    @Test
    void withoutDevicesItIsSaidHowToTryWithout() {
        bad(Doctor.examine(machine(tree.files())))
                .forEach(finding -> assertEquals(Optional.of("connect one"), finding.remedy()));
        tree.file("/boot/config-6.12.48-x", ALL_OPTIONS + "CONFIG_VIDEO_VIVID=m\nCONFIG_DRM_VKMS=m\n");
        List<Finding> bad = bad(Doctor.examine(machine(tree.files())));
        assertEquals(
                List.of(Level.NOTE, Level.NOTE),
                bad.stream().map(Finding::level).toList());
        assertSays(bad.getFirst(), "there is no camera", "modprobe vivid");
        assertSays(bad.getLast(), "there is no display", "modprobe vkms");
    }

    @Test
    void aContainerWithoutTheNodesIsAProblem() {
        tree.without("/dev/video0")
                .directory("/sys/class/video4linux/video0")
                .without("/dev/dri")
                .directory("/sys/class/drm/card1");
        List<Finding> bad = bad(Doctor.examine(machine(tree.files())));
        assertEquals(
                List.of(Level.PROBLEM, Level.PROBLEM),
                bad.stream().map(Finding::level).toList());
        assertSays(bad.getFirst(), "--device=/dev/video0");
        assertSays(bad.getLast(), "--device=/dev/dri");
    }

    @Test
    void aDisplayWithoutAScreenIsANote() {
        tree.file("/sys/class/drm/card1-HDMI-A-1/status", "disconnected\n");
        assertSays(only(examine(), Level.NOTE, Area.DISPLAYS), "no screen");
    }

    /** The nodes for metadata that cameras have, and cards without displays. */
    @Test
    void nodesThatHaveNothingToGiveAreLeftOut() {
        var metadata = device(Kind.OTHER, "uvcvideo usb-1", "/dev/video0", Optional.of("it has no video in buffers"));
        var render = device(Kind.RENDER, "vgem", "/dev/dri/card1", Optional.empty());
        assertEquals(List.of(), bad(Doctor.examine(machine(tree.files(), CAMERA, metadata, DISPLAY, render))));
    }
}
