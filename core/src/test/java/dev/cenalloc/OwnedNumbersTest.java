// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.share.Connection;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** No number has two owners: the second would close what has become another's file. */
class OwnedNumbersTest {
    private final FakeKernel kernel = new FakeKernel().heap("system", 1 << 20);
    private final Cenalloc cenalloc = kernel.open();

    @AfterEach
    void everyNumberIsClosedOnce() {
        cenalloc.close();
        assertEquals(0, kernel.openFiles());
    }

    private void assertRefused(int fd, Executable adoption) {
        var e = assertThrows(IllegalArgumentException.class, adoption);
        assertTrue(String.valueOf(e.getMessage()).startsWith("descriptor " + fd + " is that of an open object"));
        assertTrue(kernel.isOpen(fd), "it is still the other's");
    }

    @Test
    void aBufferIsAdoptedOnce() throws Exception {
        int fd = kernel.foreignDmaBuf("camera", 4096, false);
        SharedBuffer first = cenalloc.adopt(fd);
        assertRefused(fd, () -> cenalloc.adopt(fd));
        assertRefused(fd, () -> DmaBuf.adopt(kernel, fd, null));
        first.map(Direction.READ).close();
        first.close();
        assertFalse(kernel.isOpen(fd));
        // The number is free, and may be that of another file.
        assertEquals(fd, kernel.foreignDmaBuf("other", 4096, false));
        cenalloc.adopt(fd).close();
    }

    @Test
    void whatIsAllocatedHereIsNotAdopted() throws Exception {
        try (var buffer = cenalloc.create(1)) {
            int fd = buffer.dmaBuf().fd();
            assertRefused(fd, () -> cenalloc.adopt(fd));
            try (Fence fence = buffer.dmaBuf().exportFence(Direction.READ)) {
                assertRefused(fence.fd(), () -> cenalloc.adopt(fence.fd()));
                assertRefused(fd, () -> Fence.adopt(kernel, fd));
                assertRefused(fd, () -> Connection.adopt(cenalloc, fd));
            }
        }
    }

    @Test
    void aFenceIsAdoptedOnce() throws Exception {
        int fd = kernel.fence(new FakeKernel.Work());
        int next = kernel.fence(new FakeKernel.Work());
        try (Fence fence = Fence.adopt(kernel, fd);
                Fence other = Fence.adopt(kernel, -1)) {
            assertRefused(fd, () -> Fence.adopt(kernel, fd));
            assertRefused(fd, () -> other.replace(fd));
            assertEquals("signalled fence", other.toString());
            fence.replace(next);
            assertFalse(kernel.isOpen(fd));
            assertRefused(next, () -> other.replace(next));
            assertEquals(fd, kernel.fence(new FakeKernel.Work()));
            other.replace(fd);
        }
    }

    /** The giver may have had other plans with it. */
    @Test
    void whatIsAdoptedIsClosedInOtherPrograms() throws Exception {
        int buffer = kernel.foreignDmaBuf("camera", 4096, false);
        int fence = kernel.fence(new FakeKernel.Work());
        cenalloc.adopt(buffer).close();
        Fence.adopt(kernel, fence).close();
        assertEquals(Set.of(buffer, fence), kernel.closedOnExec);
        int refused = kernel.foreignDmaBuf("camera", 4096, false);
        kernel.failCall(2, Errno.EBADF); // after fstat and fdinfo
        assertThrows(CenallocException.class, () -> cenalloc.adopt(refused));
        assertFalse(kernel.isOpen(refused));
    }

    @Test
    void aSourceThatReturnsANumberTwiceIsTold() throws Exception {
        var fd = new AtomicInteger(kernel.foreignDmaBuf("sram", 4096, false));
        Heap sram = cenalloc.register("sram", HeapProperties.UNKNOWN, _ -> fd.get());
        try (var _ = cenalloc.allocate(sram, 4096)) {
            var e = assertThrows(CenallocException.class, () -> cenalloc.allocate(sram, 4096));
            assertEquals("EPROTO", e.errnoName());
            assertTrue(e.reason().contains("heap sram returned a descriptor that is in use"), e::reason);
            assertEquals(1, cenalloc.usage(sram).buffers());
        }
        assertEquals(0, cenalloc.usage(sram).buffers());
    }

    @Test
    void aNumberIsFreeBeforeItIsClosed() {
        int fd = kernel.foreignDmaBuf("camera", 4096, false);
        var descriptor = new Descriptor(kernel, fd);
        assertThrows(IllegalArgumentException.class, () -> kernel.owned().refuse(fd));
        kernel.failClose(new StackOverflowError("a test"));
        assertThrows(StackOverflowError.class, descriptor::close);
        descriptor.close();
        kernel.owned().refuse(fd);
        kernel.owned().refuse(-1);
        kernel.owned().refuse(1 << 20);
    }
}
