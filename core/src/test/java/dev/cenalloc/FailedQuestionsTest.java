// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A question about this machine that failed is no answer: only some errnos say that something is not there. */
class FailedQuestionsTest {
    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private static final Path SYSTEM = HEAPS.resolve("system");
    private static final Path UDMABUF = Path.of("/dev/udmabuf");
    private static final Path TREE = Path.of("/proc/device-tree/reserved-memory");
    private static final Path DEFAULT = TREE.resolve("vendor,pool/linux,cma-default");
    private static final Path ZONES = Path.of("/proc/zoneinfo");

    private final FakeKernel kernel = new FakeKernel()
            .heap("system", 1 << 20)
            .heap("udmabuf", 1 << 20)
            .heap("vendor,pool", 1 << 20)
            .file(DEFAULT.toString(), "")
            .file(ZONES.toString(), """
                    Node 0, zone   Normal
                            spanned  1048576
                      start_pfn:           0
                    """);

    @AfterEach
    void nothingIsOpen() {
        assertEquals(0, kernel.openFiles());
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.ELOOP, Errno.EMFILE, Errno.ENFILE, Errno.EIO})
    void aHeapIsNotClosedByAFaultThatPasses(int errno) throws Exception {
        kernel.refuse(SYSTEM, errno);
        kernel.refuse(UDMABUF, errno);
        try (var cenalloc = kernel.open()) {
            assertEquals(3, cenalloc.heaps().size());
            assertTrue(cenalloc.heaps().stream().allMatch(Heap::isAccessible));
            var e = assertThrows(CenallocException.class, () -> cenalloc.allocate(cenalloc.heap("system"), 1));
            assertEquals(errno, e.errno());
            kernel.permit(SYSTEM);
            kernel.permit(UDMABUF);
            try (var buffer = cenalloc.create(1)) {
                assertEquals("system", buffer.dmaBuf().exporter());
            }
            cenalloc.allocate(cenalloc.heap("udmabuf"), 1).close();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EACCES, Errno.EPERM})
    void aHeapThatMayNotBeOpenedIsClosed(int errno) throws Exception {
        kernel.refuse(SYSTEM, errno);
        try (var cenalloc = kernel.open()) {
            assertFalse(cenalloc.heap("system").isAccessible());
        }
    }

    private void assertTold(int errno, String call, Path path) {
        var e = assertThrows(CenallocException.class, () -> TestContext.open(kernel, HEAPS));
        assertEquals(errno, e.errno(), e::toString);
        assertEquals(call, e.call());
        assertEquals(path, e.path().orElseThrow());
        assertTrue(e.isFromKernel());
        assertFalse(e.remedy().isBlank());
        kernel.permit(path);
        kernel.open().close();
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.ELOOP, Errno.EMFILE, Errno.ENFILE, Errno.EINTR, Errno.EIO, Errno.ENOTDIR})
    void heapsThatCannotBeListedAreTold(int errno) {
        kernel.refuse(HEAPS, errno);
        assertTold(errno, "opendir", HEAPS);
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EACCES, Errno.EPERM})
    void aUserWhoMayNotListTheHeapsHasUdmabuf(int errno) throws Exception {
        kernel.refuse(HEAPS, errno);
        try (var cenalloc = kernel.open()) {
            assertEquals(
                    List.of("udmabuf"),
                    cenalloc.heaps().stream().map(Heap::name).toList());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE, Errno.EIO})
    void whichHeapIsTheDefaultOneIsNotGuessed(int errno) {
        kernel.refuse(TREE, errno);
        assertTold(errno, "opendir", TREE);
        kernel.refuse(DEFAULT, errno);
        assertTold(errno, "access", DEFAULT);
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE, Errno.EIO})
    void whereTheMemoryLiesIsNotGuessed(int errno) {
        kernel.refuse(ZONES, errno);
        assertTold(errno, "open", ZONES);
    }

    /** What is learnt of the machine when a context is opened stays for its life. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "/proc/meminfo",
                "/sys/module/udmabuf/parameters/size_limit_mb",
                "/sys/module/dma_heap/parameters/mem_accounting"
            })
    void aLimitIsNotGuessed(String file) {
        kernel.numbers.put("MemTotal", 1L << 20);
        kernel.numbers.put("udmabuf size_limit_mb", 1L);
        for (int errno : List.of(Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE, Errno.EIO)) {
            kernel.refuse(Path.of(file), errno);
            assertTold(errno, "read", Path.of(file));
        }
    }

    @Test
    void whatTheUserMayNotSeeIsUnknown() throws Exception {
        kernel.refuse(TREE, Errno.EACCES);
        kernel.refuse(ZONES, Errno.EACCES);
        try (var cenalloc = kernel.open()) {
            assertEquals(HeapProperties.UNKNOWN, cenalloc.heap("vendor,pool").properties());
            assertTrue(cenalloc.heap("system").properties().highestAddress().isEmpty());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.ENOMEM, Errno.EMFILE, Errno.EPERM, Errno.EACCES, Errno.ENOENT, Errno.EIO})
    void whyProcCannotBeReadIsTold(int errno) throws Exception {
        try (var cenalloc = kernel.open()) {
            int fd = kernel.foreignDmaBuf("camera", 4096, false);
            kernel.failCall(1, errno); // after fstat
            var e = assertThrows(CenallocException.class, () -> cenalloc.adopt(fd));
            kernel.failNoCall();
            assertEquals("read of /proc/self/fdinfo", e.call());
            assertEquals(errno, e.errno(), e::toString);
            assertEquals(errno == Errno.EPERM || errno == Errno.EACCES, e instanceof NoPermissionException);
            assertEquals(errno == Errno.ENOENT, e.remedy().equals("mount /proc"), e::remedy);
            assertFalse(kernel.isOpen(fd));
        }
    }

    /** To open a FIFO waits until somebody writes to it. */
    @Test
    void aFileAmongTheHeapsThatIsNoDeviceIsNoHeap() throws Exception {
        kernel.notCharacterDevices.add(SYSTEM);
        try (var cenalloc = kernel.open();
                var buffer = cenalloc.create(1)) {
            assertThrows(MissingDeviceException.class, () -> cenalloc.heap("system"));
            assertEquals("udmabuf", buffer.dmaBuf().exporter());
        }
    }
}
