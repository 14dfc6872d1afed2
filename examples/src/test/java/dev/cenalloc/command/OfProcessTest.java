// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Tree;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of processes that cannot be looked into. */
class OfProcessTest {
    private static final String USER = "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\n";

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path root;

    @SuppressWarnings("NullAway.Init")
    private Tree tree;

    @BeforeEach
    void make() {
        tree = new Tree(root)
                .file("/proc/self/status", USER)
                .file("/proc/self/mounts", "proc /proc proc rw 0 0\n")
                .file("/sys/kernel/debug/dma_buf/bufinfo", "\nDma-buf Objects:\n")
                .process(41, "x")
                .dmaBuf(41, 3, 900, 4096, "system", "")
                .process(42, "evil\u001b[2J")
                .without("/proc/42/fd")
                .unreadable("/proc/42/fd");
    }

    private String failure(long pid) {
        return String.valueOf(assertThrows(CommandFailedException.class, () -> new OfProcess(pid).take(tree.files()))
                .getMessage());
    }

    private static void assertContains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "\"" + word + "\" in: " + text);
        }
    }

    @Test
    void aProcessThatMayBeLookedIntoHasItsBuffersOnly() throws Exception {
        tree.process(43, "y").dmaBuf(43, 3, 901, 4096, "system", "");
        assertEquals(1, new OfProcess(41).take(tree.files()).buffers().size());
        assertEquals(2, new OfProcess().take(tree.files()).buffers().size());
    }

    @Test
    void aProcessThatIsNotThereIsSaidSo() {
        assertContains(failure(99), "there is no process 99. To do: ");
        assertContains(failure(0), "there is no process 0");
        assertContains(failure(-5), "there is no process -5");
    }

    @Test
    void whereProcHidesProcessesNothingIsClaimed() {
        tree.file("/proc/self/mounts", "proc /proc proc rw,hidepid=2 0 0\n");
        assertContains(failure(99), "or it is another user's", "hidepid=2", "as root");
        tree.file("/proc/self/status", USER.replace("1000", "0"));
        assertTrue(!failure(99).contains("hidepid"));
    }

    @Test
    void anotherUsersProcessIsNamedWithoutHarmToTheTerminal() {
        String said = failure(42);
        // The tree belongs to whoever runs this test.
        assertContains(said, "process 42 (evil\\x1b[2J)", "as root");
        tree.file("/proc/self/status", USER.replace("1000", "0"));
        assertContains(failure(42), "CAP_SYS_PTRACE");
    }

    @Test
    void aThreadIsToldItsProcess() {
        tree.file("/proc/57/status", "Name:\tx\nTgid:\t41\nPid:\t57\n");
        assertContains(failure(57), "57 is a thread of process 41. To do: --pid 41");
    }

    @Test
    void whatMayBeMissingIsSaidWithOneRemedy() {
        String said = OfProcess.missing(Census.take(tree.files()), false).orElseThrow();
        assertContains(said, "1 of the processes may not be looked into. To do: run this command as root");
        tree.without("/sys/kernel/debug").without("/proc/42/fd").directory("/proc/42/fd");
        assertContains(OfProcess.missing(Census.take(tree.files()), true).orElseThrow(), "mount -t debugfs");
        tree.file("/sys/kernel/debug/dma_buf/bufinfo", "");
        assertEquals(Optional.empty(), OfProcess.missing(Census.take(tree.files()), false));
        tree.file("/proc/self/mounts", "proc /proc proc rw,hidepid=1 0 0\n");
        assertContains(OfProcess.missing(Census.take(tree.files()), false).orElseThrow(), "hidepid=1");
        assertEquals(Optional.empty(), OfProcess.missing(Census.take(tree.files()), true));
    }
}
