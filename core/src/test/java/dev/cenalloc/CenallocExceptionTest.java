// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CenallocExceptionTest {
    @ParameterizedTest
    @CsvSource({
        "/dev/dma_heap/nosuch, Cenalloc.heaps()",
        "/dev/video9, Devices.list()",
        "/dev/v4l/by-path/nosuch, Devices.list()",
        "/dev/dri/card7, Devices.list()",
        "/dev/udmabuf, the path is right",
        "/sys/nosuch, the path is right"
    })
    void aMissingNodeIsAnsweredWithTheListThatItBelongsTo(Path path, String remedy) {
        CenallocException e = CenallocException.ofCall(Errno.ENOENT, "open", path, -1);
        assertEquals(MissingDeviceException.class, e.getClass());
        assertTrue(e.remedy().contains(remedy), e::remedy);
        assertEquals(remedy.contains("heaps"), e.remedy().contains("heaps"), e::remedy);
    }

    @Test
    void withoutAPathNoListIsNamed() {
        String remedy =
                CenallocException.ofCall(Errno.ENOENT, "ioctl", null, -1).remedy();
        assertFalse(remedy.contains("list") || remedy.isEmpty(), remedy);
    }

    @ParameterizedTest
    @CsvSource({
        "EBADF, the descriptor is not open, open descriptor",
        "ENODEV, no driver serves the device, load its driver",
        "ENXIO, no driver serves the device, load its driver",
        "ENOSPC, not enough bandwidth left, smaller images",
        "EINVAL, does not accept the arguments, another size",
        "ENOTTY, does not know this request, another node",
        "ENOTSUPP, does not support the call, another device or heap",
        "EOPNOTSUPP, does not support the call, another device or heap",
        "ENOSYS, does not support the call, newer kernel",
        "EFAULT, cannot use this memory, another heap",
        "ENFILE, this machine has as many files open, fs.file-max",
        "EMFILE, this process has as many files open, ulimit -n",
        "EBUSY, in use, stop the program",
        "ENOMEM, not enough memory, ask for less",
        "EOVERFLOW, too large, ask for less",
        "ENAMETOOLONG, the path cannot be followed, the path is right",
        "EAGAIN, would have to wait, try again",
        "EINTR, signal, call again",
        "ENOLINK, no signal, media-ctl",
        "ENODATA, no data, connect the source",
        "EPIPE, has ended, start it again",
        "ESHUTDOWN, shut down, find the device anew"
    })
    void anErrnoSaysWhatItMeansAndWhatToDo(String name, String what, String remedy) throws Exception {
        int errno = (int) Errno.class.getField(name).get(null);
        var e = CenallocException.ofCall(errno, "VIDIOC_S_FMT", Path.of("/dev/video0"), -1);
        assertEquals(name, e.errnoName());
        assertTrue(e.reason().contains(what), e::reason);
        assertTrue(e.remedy().contains(remedy), e::remedy);
        assertFalse(e.remedy().contains("dmesg"), e::remedy);
    }

    /** The same number means another thing where another call gives it. */
    @ParameterizedTest
    @CsvSource({
        "VIDIOC_ENUM_FRAMEINTERVALS, ENODATA, no data, connect the source",
        "VIDIOC_ENUM_FRAMEINTERVALS, ENOLINK, no signal, media-ctl",
        "VIDIOC_STREAMON, ENOLCK, cannot lock, another mode",
        "VIDIOC_STREAMON, ENOSPC, bandwidth, lower rate",
        "fcntl, ENOLCK, no lock left, hold locks",
        "read, ENODATA, there is no data, when there is some",
        "read, ENOLINK, severed, find it anew",
        "fallocate, ENOSPC, not enough room, ask for less",
        "sendmsg, EPIPE, other end is closed, connect anew",
        "open, EBUSY, one program at a time, has it open",
        "VIDIOC_S_FMT, EBUSY, in use, stop the program",
        "UDMABUF_CREATE, EINVAL, udmabuf does not accept the size, size_limit_mb",
        "DMA_HEAP_IOCTL_ALLOC, EINVAL, the heap does not accept the size, another size",
        "DRM_IOCTL_PRIME_FD_TO_HANDLE, EINVAL, cannot import this memory, own memory",
        "DRM_IOCTL_MODE_ADDFB2, EINVAL, no framebuffer of this format, larger pitch",
        "fstat, EBADF, the descriptor is not open, open descriptor"
    })
    void aCallAndItsErrnoSayWhatToDo(String call, String name, String what, String remedy) throws Exception {
        int errno = (int) Errno.class.getField(name).get(null);
        var e = CenallocException.ofCall(errno, call, Path.of("/dev/video0"), -1);
        assertTrue(e.reason().contains(what), e::reason);
        assertTrue(e.remedy().contains(remedy), e::remedy);
        assertFalse(e.remedy().contains("dmesg"), e::remedy);
        assertTrue(e.isFromKernel());
    }

    @ParameterizedTest
    @CsvSource({
        "open, EACCES, udev",
        "stat, EACCES, udev",
        "VIDIOC_S_FMT, EPERM, controls the device",
        "DRM_IOCTL_MODE_ATOMIC, EACCES, controls the device"
    })
    void onlyWhatIsAboutThePathIsAnsweredWithARuleForTheNode(String call, String name, String remedy) throws Exception {
        int errno = (int) Errno.class.getField(name).get(null);
        var e = CenallocException.ofCall(errno, call, Path.of("/dev/video0"), -1);
        assertEquals(NoPermissionException.class, e.getClass());
        assertTrue(e.remedy().contains(remedy), e::remedy);
        assertEquals(remedy.equals("udev"), e.remedy().contains("udev"), e::remedy);
    }

    @Test
    void anObjectThatIsGoneIsNotANodeThatIsMissing() {
        var e = CenallocException.ofCall(Errno.ENOENT, "DRM_IOCTL_MODE_GETCONNECTOR", Path.of("/dev/dri/card0"), -1);
        assertTrue(e.remedy().contains("find the device anew"), e::remedy);
    }

    @Test
    void aRefusalOfTheLibraryIsToldApartFromTheKernels() {
        Path node = Path.of("/dev/udmabuf");
        var own = CenallocException.ofRefusal(Errno.EINVAL, "allocate", node, 4096, "too\nlarge", "ask for less");
        assertEquals(
                "too\\nlarge (allocate: refused by cenalloc before any system call, EINVAL on /dev/udmabuf for 4096"
                        + " bytes). To do: ask for less",
                own.getMessage());
        assertFalse(own.isFromKernel());
        assertEquals(Errno.EINVAL, own.errno());
        var kernel = CenallocException.ofCall(Errno.EINVAL, "UDMABUF_CREATE", node, 4096);
        assertTrue(kernel.isFromKernel());
        assertTrue(kernel.reason().contains("UDMABUF_CREATE gave EINVAL"), kernel::reason);
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EIO, Errno.ETIMEDOUT, Errno.EPROTO, 1000})
    void theKernelsLogIsNamedOnlyWhereADriverWritesToIt(int errno) {
        String remedy = CenallocException.ofCall(errno, "ioctl", null, -1).remedy();
        assertTrue(remedy.contains("dmesg"), remedy);
    }

    @ParameterizedTest
    @ValueSource(strings = {"open", "mmap", "VIDIOC_S_FMT", "DMA_HEAP_IOCTL_ALLOC", "ioctl MY_ALLOC"})
    void callsOfTheKernelGiveAnErrno(String call) {
        var e = new CenallocException(Errno.EINVAL, call, Path.of("/dev/video0"), 4096, "refused", "do this");
        assertEquals("refused: " + call + " gave EINVAL on /dev/video0 for 4096 bytes. To do: do this", e.getMessage());
        assertEquals("refused: " + call + " gave EINVAL on /dev/video0 for 4096 bytes", e.reason());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"attach", "negotiate", "allocate", "adopt", "relocate", "heap", "find camera", "trial import", ""
            })
    void operationsOfTheLibraryDoNotReadLikeCallsOfTheKernel(String operation) {
        var e = new CenallocException(Errno.EINVAL, operation, null, 4096, "refused", "");
        assertEquals("refused (" + operation + ": EINVAL for 4096 bytes)", e.getMessage());
        assertEquals(e.getMessage(), e.reason());
        assertEquals(operation, e.call());
    }
}
