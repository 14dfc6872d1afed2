// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.command.proc.Buffer.Holder;
import dev.cenalloc.command.proc.Census.KernelList;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Buffers as they are found in made-up trees of {@code /proc}, sysfs and debugfs. */
class CensusTest {
    private static final String BUFINFO = "/sys/kernel/debug/dma_buf/bufinfo";
    private static final String HEAD =
            "\nDma-buf Objects:\nsize    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n";

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path root;

    @SuppressWarnings("NullAway.Init")
    private Tree tree;

    @BeforeEach
    void make() {
        tree = new Tree(root);
    }

    private static Set<Long> inodes(Census census) {
        return census.buffers().stream().map(Buffer::inode).collect(Collectors.toSet());
    }

    private static Buffer buffer(Census census, long inode) {
        return census.buffers().stream()
                .filter(buffer -> buffer.inode() == inode)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void onAMachineWithNothingAtAllThereIsNothing() {
        Census census = Census.take(tree.files());
        assertEquals(List.of(), census.buffers());
        assertEquals(KernelList.NONE, census.kernel());
        assertEquals(Set.of(), census.processes());
    }

    @Test
    void aBufferOfTwoProcessesIsCountedOnceWithBothOfThem() {
        tree.process(41, "camera")
                .dmaBuf(41, 7, 900, 1 << 20, "system", "ring 0")
                .dmaBuf(41, 12, 900, 1 << 20, "system", "ring 0")
                .dmaBuf(41, 8, 901, 2 << 20, "reserved", "")
                .process(52, "viewer")
                .dmaBuf(52, 3, 900, 1 << 20, "system", "ring 0")
                .file("/proc/52/maps", """
                        7f0000000000-7f0000080000 rw-s 00000000 00:0f 900                        /dmabuf:ring 0
                        7f0000100000-7f0000180000 rw-s 00080000 00:0f 900                        /dmabuf:ring 0
                        7f0000200000-7f0000300000 rw-s 00000000 08:01 900                        /usr/lib/x
                        """);
        Census census = Census.take(tree.files());
        assertEquals(3 << 20, census.bytes());
        assertEquals(
                List.of(901L, 900L),
                census.buffers().stream().map(Buffer::inode).toList());
        Buffer shared = buffer(census, 900);
        assertEquals(Optional.of("ring 0"), shared.name());
        assertEquals(Optional.of("system"), shared.exporter());
        assertEquals(OptionalLong.of(2), shared.references());
        assertTrue(shared.isSizeExact());
        assertEquals(
                List.of(
                        new Holder(41, "camera", List.of(7, 12), 0, 0),
                        new Holder(52, "viewer", List.of(3), 2, 1 << 20)),
                shared.holders());
        assertEquals(Optional.empty(), buffer(census, 901).name());
        assertEquals(
                List.of(900L),
                census.of(52).buffers().stream().map(Buffer::inode).toList());
        assertEquals(2, census.of(41).buffers().size());
    }

    /** The name of a buffer is any other program's to choose. */
    @Test
    void aNameForgesNothing() {
        String forged = "a\nsize:\t5\nino:\t1\nexp_name:\tx";
        tree.process(41, "x")
                .dmaBuf(41, 7, 900, 4096, "system", "")
                .file(
                        "/proc/41/fdinfo/7",
                        "pos:\t0\nino:\t900\nsize:\t4096\ncount:\t1\nexp_name:\tsystem\nname:\t" + forged + "\n");
        Buffer buffer = Census.take(tree.files()).buffers().getFirst();
        assertEquals(900, buffer.inode());
        assertEquals(OptionalLong.of(4096), buffer.size());
        assertEquals(Optional.of("system"), buffer.exporter());
        assertEquals(Optional.of(forged), buffer.name());
    }

    @Test
    void otherFilesOfThatNameAreNoBuffers() {
        tree.process(41, "x")
                .link("/proc/41/fd/3", "/dmabuf:fake")
                .file("/proc/41/fdinfo/3", "pos:\t0\nflags:\t0\nmnt_id:\t9\nino:\t900\n")
                .link("/proc/41/fd/4", "/home/dmabuf:fake")
                .file("/proc/41/fdinfo/4", "ino:\t901\nsize:\t1\nexp_name:\tsystem\n");
        assertEquals(List.of(), Census.take(tree.files()).buffers());
    }

    /** Linux 5.4 has no inode in fdinfo. */
    @Test
    void anOlderKernelTellsTheInodeByTheFileItself() {
        tree.process(41, "x")
                .link("/proc/41/fd/3", "/dmabuf:")
                .file(
                        "/proc/41/fdinfo/3",
                        "pos:\t0\nflags:\t02\nmnt_id:\t9\nsize:\t8192\ncount:\t1\nexp_name:\tudmabuf\n");
        Census census = Census.take(tree.files(Map.of("/proc/41/fd/3", new SystemFiles.Identity(15, 77))));
        assertEquals(77, census.buffers().getFirst().inode());
        assertEquals(8192, census.bytes());
        // Closed before it could be asked.
        assertEquals(List.of(), Census.take(tree.files()).buffers());
    }

    @Test
    void ofKernelsBefore53ItIsSaidThatTheyTellNothing() {
        tree.process(41, "x").link("/proc/41/fd/3", "anon_inode:dmabuf").link("/proc/41/fd/4", "anon_inode:[eventfd]");
        Census census = Census.take(tree.files());
        assertEquals(1, census.untold());
        assertEquals(List.of(), census.buffers());
    }

    @Test
    void aMappingIsTheBuffersOnlyOnItsDevice() {
        tree.process(41, "x").dmaBuf(41, 3, 900, 4096, "system", "").file("/proc/41/maps", """
                        7f0000000000-7f0000001000 rw-s 00000000 00:0f 900 /dmabuf:
                        7f0000002000-7f0000004000 rw-s 00000000 00:1f 900 /dmabuf:
                        """);
        Census census = Census.take(tree.files(Map.of("/proc/41/fd/3", new SystemFiles.Identity(15, 900))));
        assertEquals(
                List.of(new Holder(41, "x", List.of(3), 1, 4096)),
                census.buffers().getFirst().holders());
    }

    @Test
    void ofABufferThatIsOnlyMappedTheSizeIsAtLeastWhatIsMapped() {
        tree.process(41, "x")
                .file(
                        "/proc/41/maps",
                        "7f0000000000-7f0000001000 rw-s 00003000 00:0f 900                    /dmabuf:a\\012b\n");
        Buffer buffer = Census.take(tree.files()).buffers().getFirst();
        assertEquals(OptionalLong.of(0x4000), buffer.size());
        assertFalse(buffer.isSizeExact());
        assertEquals(Optional.empty(), buffer.exporter());
        assertEquals(Optional.of("a\\012b"), buffer.name());
    }

    @Test
    void debugfsAddsWhatNoProcessHoldsAndTheDevices() {
        tree.process(41, "x").dmaBuf(41, 3, 900, 4096, "system", "mine").file(BUFINFO, HEAD + """
                        00004096\t00080002\t000c000f\t00000003\tsystem\t00000900\tmine
                        \tkernel fence: vgem 0 signalled
                        \tAttached Devices:
                        \tvivid.0
                        \t0000:00:02.0
                        Total 2 devices attached

                        08388608\t00080002\t000c000f\t00000001\treserved\t00000901\t<none>
                        \tAttached Devices:
                        Total 0 devices attached


                        Total 2 objects, 8392704 bytes
                        """);
        Census census = Census.take(tree.files());
        assertEquals(KernelList.DEBUGFS, census.kernel());
        assertEquals(8_392_704, census.bytes());
        assertEquals(
                Optional.of(List.of("vivid.0", "0000:00:02.0")),
                buffer(census, 900).devices());
        Buffer unheld = buffer(census, 901);
        assertEquals(List.of(), unheld.holders());
        assertEquals(Optional.of(List.of()), unheld.devices());
        assertEquals(Optional.empty(), unheld.name());
        assertEquals(OptionalLong.of(1), unheld.references());
    }

    @Test
    void aNameForgesNothingInDebugfs() {
        tree.file(BUFINFO, HEAD + """
                00004096\t00080002\t000c000f\t00000003\tsystem\t00000900\tx
                9\t0\t0\t1\te\t1\tn
                \tAttached Devices:
                \tvivid.0
                Total 1 devices attached

                00004096\t00080002\t000c000f\t00000003\tsystem\t00000902\ta
                \tevil
                Total 1 devices attached
                \tAttached Devices:
                Total 0 devices attached


                Total 2 objects, 8192 bytes
                """);
        Census census = Census.take(tree.files());
        assertEquals(Set.of(900L, 902L), inodes(census));
        assertEquals(Optional.of(List.of("vivid.0")), buffer(census, 900).devices());
        assertEquals(Optional.of(List.of()), buffer(census, 902).devices());
    }

    @Test
    void withoutDebugfsSysfsTellsSizes() {
        tree.process(41, "x")
                .file("/proc/41/maps", "7f0000000000-7f0000001000 rw-s 00000000 00:0f 900 /dmabuf:\n")
                .file("/sys/kernel/dmabuf/buffers/900/size", "65536\n")
                .file("/sys/kernel/dmabuf/buffers/900/exporter_name", "system\n")
                .file("/sys/kernel/dmabuf/buffers/905/size", "4096\n")
                .file("/sys/kernel/dmabuf/buffers/905/exporter_name", "udmabuf\n")
                .directory("/sys/kernel/dmabuf/buffers/906");
        Census census = Census.take(tree.files());
        assertEquals(KernelList.SYSFS, census.kernel());
        assertEquals(Set.of(900L, 905L), inodes(census));
        assertEquals(65536 + 4096, census.bytes());
        assertTrue(buffer(census, 900).isSizeExact());
        assertEquals(Optional.empty(), buffer(census, 905).devices());
    }

    @Test
    void whatMayNotBeSeenIsCountedAndWhatIsGoneIsNot() {
        tree.process(41, "x")
                .dmaBuf(41, 3, 900, 4096, "system", "")
                .process(42, "another user's)")
                .without("/proc/42/fd")
                .unreadable("/proc/42/fd")
                // Its descriptors went, the rest is about to.
                .process(43, "gone")
                .without("/proc/43/fd")
                .process(44, "kworker/0:1")
                .without("/proc/44/fd")
                .unreadable("/proc/44/fd")
                .file("/proc/44/stat", "44 (kworker/0:1) I 2 0 0 0 -1 69238880 0 0\n")
                // Closed between one read and the next.
                .link("/proc/41/fd/4", "/dmabuf:")
                .file("/proc/self/mounts", "x / ext4 rw 0 0\nproc /proc proc rw,nosuid,hidepid=invisible,gid=5 0 0\n");
        Census census = Census.take(tree.files());
        assertEquals(Set.of(42L), census.refused());
        assertEquals(Set.of(41L), census.processes());
        assertEquals(Optional.of("invisible"), census.hiding());
        assertEquals(1, census.buffers().size());
    }

    @Test
    void procWithoutHidingHidesNothing() {
        for (String options : List.of("rw,relatime", "rw,hidepid=0", "rw,hidepid=off,gid=5")) {
            tree.file("/proc/self/mounts", "proc /proc proc " + options + " 0 0\n");
            assertEquals(Optional.empty(), Census.take(tree.files()).hiding(), options);
        }
        tree.file("/proc/self/mounts", "proc /proc proc rw,hidepid=2 0 0\n");
        assertEquals(Optional.of("2"), Census.take(tree.files()).hiding());
    }

    @Test
    void strangeNumbersAreNoErrors() {
        tree.process(41, "x")
                .dmaBuf(41, 3, 900, 1, "system", "")
                .file("/proc/41/fdinfo/3", "ino:\t900\nsize:\t99999999999999999999\ncount:\tmany\nexp_name:\tsystem\n")
                .file(
                        "/proc/41/maps",
                        "zz-yy rw-s 0 00:0f 900 /dmabuf:\nffffffffffffffffff-1 rw-s 0 0:f 9 /dmabuf:\n\0\n")
                .directory("/proc/99999999999")
                .directory("/proc/41/fd/x")
                .link("/proc/41/fd/12345678901", "/dmabuf:");
        Census census = Census.take(tree.files());
        assertEquals(OptionalLong.empty(), census.buffers().getFirst().size());
        assertEquals(0, census.bytes());
    }
}
