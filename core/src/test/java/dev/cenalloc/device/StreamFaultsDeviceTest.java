// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.DeviceGoneException;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_control;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.device.FailingKernel.Call;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import dev.cenalloc.kms.NoMasterException;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.v4l2.Camera;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiPredicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/**
 * What can go wrong with the devices of a stream: unplugged, taken away by another program, and refusing any one call.
 * Each time there is an error that tells which call, at which device, and why; the display is as before; nothing is
 * left open; and the next run works.
 */
@RequiresDevices
class StreamFaultsDeviceTest {
    /** {@code VIVID_CID_DISCONNECT} of the vivid driver: a button that unplugs the camera until all have closed it. */
    private static final int DISCONNECT = 0x00f0f041;

    private static final Path DRIVER = Path.of("/sys/bus/platform/drivers/vivid");

    /**
     * The calls that nothing depends on: a rate that comes near, a capability that may be lacking, an end without
     * ceremony.
     */
    private static final Set<String> OPTIONAL = Set.of(
            "VIDIOC_S_PARM",
            "DRM_IOCTL_DROP_MASTER",
            "DRM_IOCTL_GET_CAP",
            "DRM_IOCTL_GEM_CLOSE",
            "DRM_IOCTL_MODE_ATOMIC",
            "DRM_IOCTL_MODE_DESTROYPROPBLOB",
            "DRM_IOCTL_MODE_RMFB",
            "DRM_IOCTL_SET_MASTER");

    /** The calls that a device that is gone does not fail, or not with an errno. */
    private static final Set<String> NOT_OF_THE_DRIVER = Set.of("stat", "poll", "read");

    private StreamRun devices = new StreamRun(Path.of(""), Path.of(""), Path.of(""));
    private MachineState before = new MachineState("", 0, List.of());

    @BeforeEach
    void lookAtWhatIs() throws Exception {
        devices = StreamRun.find();
        // What is opened once for all, by the class loader and others.
        devices.direct(LinuxKernel.instance(), StreamRun::showSome);
        before = MachineState.now();
    }

    @AfterEach
    void theNextRunWorks() throws Exception {
        StreamRun.find().direct(LinuxKernel.instance(), StreamRun::showSome);
        before.assertSame("at the end");
    }

    // ---- unplugged, taken away ----

    /** What is done while a pipeline runs. */
    private interface Blow {
        void fall(FailingKernel kernel) throws Exception;
    }

    /** Runs a pipeline until it fails. */
    private <T extends CenallocException> T failure(Class<T> expected, Blow blow) {
        FailingKernel kernel = FailingKernel.good();
        return assertThrows(
                expected,
                () -> devices.direct(kernel.kernel(), (source, shown) -> {
                    for (int i = 0; i < 5; i++) {
                        shown.show(source.next());
                    }
                    blow.fall(kernel);
                    for (int i = 0; i < 1000; i++) {
                        shown.show(source.next());
                    }
                }));
    }

    private void assertUnplugged(CenallocException e) {
        assertEquals(Errno.ENODEV, e.errno());
        assertTrue(e.call().startsWith("VIDIOC_"), e::toString);
        assertEquals(devices.camera(), e.path().orElseThrow());
        assertTrue(e.toString().contains("unplugged"), e::toString);
    }

    @Test
    void aCameraThatIsUnpluggedIsToldAndTheDisplayPutBack() throws Exception {
        var gone = failure(DeviceGoneException.class, _ -> {
            try (Arena arena = Arena.ofConfined();
                    var other = DeviceNode.open(LinuxKernel.instance(), devices.camera())) {
                MemorySegment control = v4l2_control.allocate(arena);
                v4l2_control.id(control, DISCONNECT);
                other.ioctl("VIDIOC_S_CTRL", v4l2_h.VIDIOC_S_CTRL(), control);
            }
        });
        assertUnplugged(gone);
        before.assertSame("after unplugging");
    }

    /** The node vanishes too, and all cameras with it. */
    @Test
    void aDriverThatIsUnboundIsToldAndTheDisplayPutBack() throws Exception {
        try {
            var gone = failure(DeviceGoneException.class, _ -> Files.writeString(DRIVER.resolve("unbind"), "vivid.0"));
            assertUnplugged(gone);
            before.assertSame("after unbinding");
            try (var cenalloc = Cenalloc.open()) {
                var none = assertThrows(NoSuchDeviceException.class, () -> Devices.camera(cenalloc, "vivid-000"));
                assertTrue(none.toString().contains("no camera 'vivid-000' can be used. Found: vim2m"), none::toString);
                var missing = assertThrows(CenallocException.class, () -> Camera.open(cenalloc, devices.camera()));
                assertEquals(Errno.ENOENT, missing.errno());
            }
        } finally {
            if (!Files.exists(DRIVER.resolve("vivid.0"))) {
                Files.writeString(DRIVER.resolve("bind"), "vivid.0");
            }
        }
    }

    /** As when the user switches to another desktop: the right to change the display is gone, the rest goes on. */
    @Test
    void aDisplayThatIsTakenAwayIsTold() throws Exception {
        var refused = failure(
                NoMasterException.class,
                kernel -> assertEquals(
                        0,
                        Linux.ioctl(
                                kernel.descriptor(devices.display()),
                                drm_h.DRM_IOCTL_DROP_MASTER(),
                                MemorySegment.NULL)));
        assertEquals(Errno.EACCES, refused.errno());
        assertEquals("DRM_IOCTL_MODE_ATOMIC", refused.call());
        assertEquals(devices.display(), refused.path().orElseThrow());
        before.assertSame("after it was taken away");
    }

    // ---- refusing a call ----

    /** A run from the first open to the last close. */
    private interface Run {
        void on(Kernel kernel) throws Exception;
    }

    private void failEachOfDirect(boolean forGood, int... errnos) throws Exception {
        failEach(this::direct, (_, _) -> true, forGood, errnos);
    }

    private void direct(Kernel kernel) throws Exception {
        devices.direct(kernel, StreamRun::showSome);
    }

    /**
     * Every call of a good run fails, once, for one reason after the other: the arguments, another program, a cable,
     * memory, permission. On the fake kernel each fails for each reason.
     */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void aCallThatFailsIsTold() throws Exception {
        failEachOfDirect(false, Errno.EINVAL, Errno.EBUSY, Errno.EIO, Errno.ENOMEM, Errno.EACCES);
    }

    /** From any call on, a device fails at all calls: it is gone. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void aDeviceThatIsGoneIsTold() throws Exception {
        failEachOfDirect(true, Errno.ENODEV);
    }

    /** The calls that only a converter has, and only a camera that lends its memory. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void otherWaysToTheDisplayTellTheirFailuresToo() throws Exception {
        FailingKernel plain = FailingKernel.good();
        direct(plain.kernel());
        Set<Call> known = Set.copyOf(plain.calls());
        BiPredicate<List<Call>, Integer> isNew = (calls, i) -> !known.contains(calls.get(i));
        Run converted = kernel -> devices.converted(kernel, StreamRun::showSome);
        failEach(converted, isNew, true, Errno.ENODEV);
        failEach(converted, isNew, false, Errno.EINVAL);
        failEach(kernel -> devices.lent(kernel, StreamRun::showSome), isNew, false, Errno.EINVAL);
    }

    /** What comes from the camera is what leaves the display. */
    @Test
    void whatIsShownIsWhatWasCaptured() throws Exception {
        devices.direct(LinuxKernel.instance(), StreamRun::captureOne);
        before.assertSame("after a capture");
    }

    /** While a display is asked for its writeback, and captures. */
    @Test
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    void aDisplayThatIsGoneWhileItCapturesIsTold() throws Exception {
        FailingKernel first = FailingKernel.good();
        var begin = new AtomicInteger();
        devices.direct(first.kernel(), (source, shown) -> {
            begin.set(first.calls().size());
            StreamRun.captureOne(source, shown);
        });
        failEach(
                kernel -> devices.direct(kernel, StreamRun::captureOne),
                (calls, i) -> calls.get(i).node().equals(devices.display()) && isFirstOrLast(calls, begin.get(), i),
                true,
                Errno.ENODEV);
    }

    /** Of those that are alike, from a place on. */
    private static boolean isFirstOrLast(List<Call> calls, int begin, int index) {
        Call call = calls.get(index);
        return index >= begin
                && (calls.lastIndexOf(call) == index
                        || calls.subList(begin, calls.size()).indexOf(call) == index - begin);
    }

    private void failEach(Run run, BiPredicate<List<Call>, Integer> isTried, boolean forGood, int... errnos)
            throws Exception {
        FailingKernel good = FailingKernel.good();
        run.on(good.kernel());
        List<Call> calls = good.calls();
        var unnoticed = new TreeSet<String>();
        var wrong = new ArrayList<Executable>();
        int tried = 0;
        for (int i = 0; i < calls.size(); i++) {
            Call call = calls.get(i);
            // Of many alike in a row, such as for all properties of a plane, the first and the last.
            boolean between =
                    i > 0 && i < calls.size() - 1 && call.equals(calls.get(i - 1)) && call.equals(calls.get(i + 1));
            if (between || !isTried.test(calls, i)) {
                continue;
            }
            int errno = errnos[tried++ % errnos.length];
            try {
                fail(run, i, errno, forGood).ifPresent(unnoticed::add);
            } catch (AssertionError e) {
                wrong.add(() -> {
                    throw e;
                });
            }
        }
        System.out.println(tried + " of " + calls.size() + " calls failed" + (forGood ? " and all after them" : "")
                + "; unnoticed: " + unnoticed);
        assertTrue(tried > 0, "something failed");
        assertAll(wrong);
    }

    /** Whether an errno means something to the caller of a request that is told in other words. */
    private static boolean isTranslated(String failed, int errno, CenallocException e) {
        return switch (failed) {
            // The commit tells.
            case "DRM_IOCTL_SET_MASTER" ->
                e instanceof NoMasterException && e.call().equals("DRM_IOCTL_MODE_ATOMIC");
            // The driver has no such capability.
            case "DRM_IOCTL_SET_CLIENT_CAP" ->
                (errno == Errno.EINVAL || errno == Errno.EACCES) && e.errno() == Errno.EOPNOTSUPP;
            // The list is empty.
            case "VIDIOC_ENUM_FMT" -> errno == Errno.EINVAL && e instanceof NoCommonImageException;
            default -> false;
        };
    }

    /** Fails one call of a run: its name, if that went unnoticed. */
    private Optional<String> fail(Run run, int index, int errno, boolean forGood) throws Exception {
        FailingKernel kernel = forGood ? FailingKernel.fromThenOn(index, errno) : FailingKernel.once(index, errno);
        Optional<CenallocException> thrown = Optional.empty();
        try {
            run.on(kernel.kernel());
        } catch (CenallocException e) {
            thrown = Optional.of(e);
        }
        if (!kernel.hasFailed()) {
            return Optional.empty(); // a frame came sooner than in the good run, so it took fewer calls
        }
        Call failed = kernel.calls().get(index);
        boolean isOptional = OPTIONAL.contains(failed.name()) || (forGood && NOT_OF_THE_DRIVER.contains(failed.name()));
        // EINVAL says that a list is at its end, or that there is no part to select.
        isOptional |= errno == Errno.EINVAL
                && (failed.name().startsWith("VIDIOC_ENUM_") || failed.name().equals("VIDIOC_G_SELECTION"));
        String what = kernel + ", " + failed + (thrown.isPresent() ? ": " + thrown.get() : " went unnoticed");
        before.assertSame(what);
        if (thrown.isEmpty()) {
            assertTrue(isOptional, what);
            return Optional.of(failed.name());
        }
        CenallocException e = thrown.get();
        if (isTranslated(failed.name(), errno, e)) {
            return Optional.empty();
        }
        assertEquals(Optional.of(failed.node()), e.path(), what);
        assertEquals(errno, e.errno(), what);
        assertEquals(forGood, e instanceof DeviceGoneException, what);
        if (!forGood || !isOptional) { // else it is a call after that
            assertEquals(failed.name(), e.call(), what);
        }
        return Optional.empty();
    }
}
