// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.CenallocException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.stream.RingFrame;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Compositors that are not there, are none, lie, refuse, and die. */
class WindowFaultsTest extends WindowFixture {
    /** Before there is a connection. */
    private final int files = kernel.openFiles();

    /** The message of what is thrown has these words, and of the connection nothing stays open. */
    private <T extends CenallocException> T refused(Class<T> type, Executable use, String... words) {
        T e = assertThrows(type, use);
        for (String word : words) {
            assertTrue(String.valueOf(e.getMessage()).replaceAll("\\s+", " ").contains(word), e::getMessage);
        }
        compositor.hangUp();
        assertEquals(files, kernel.openFiles(), "descriptors");
        return e;
    }

    // ---- where it is ----

    private void absent(int errno, Map<String, String> environment, String... words) {
        var e = refused(NoCompositorException.class, () -> Endpoint.of(cenalloc, environment), words);
        assertEquals(errno, e.errno());
        assertTrue(String.valueOf(e.getMessage()).contains("kms"), "the way without one");
    }

    @Test
    void anEnvironmentWithoutACompositorSaysWhatToDo() {
        absent(Errno.ENOENT, Map.of(), "XDG_RUNTIME_DIR is not set");
        absent(Errno.ENOENT, Map.of("WAYLAND_DISPLAY", "wayland-1"), "XDG_RUNTIME_DIR is not set");
        absent(Errno.ENOENT, Map.of("XDG_RUNTIME_DIR", ""), "XDG_RUNTIME_DIR is not set");
        absent(Errno.ENOENT, Map.of("XDG_RUNTIME_DIR", "run"), "no absolute path");
        absent(Errno.ENOENT, Map.of("WAYLAND_DISPLAY", "/a\0b"), "no path");
        absent(Errno.ECONNREFUSED, Map.of("XDG_RUNTIME_DIR", "/run/nobody"), "/run/nobody/wayland-0");
        absent(Errno.ECONNREFUSED, Map.of("WAYLAND_DISPLAY", "/run/no"), "/run/no");
        absent(Errno.ENAMETOOLONG, Map.of("WAYLAND_DISPLAY", "/" + "x".repeat(200)), "107 bytes");
    }

    @ParameterizedTest
    @CsvSource({"/run/user/1000, ''", "/run/user/1000, wayland-0", "/elsewhere, /run/user/1000/wayland-0"})
    void theEnvironmentTellsWhereItIs(String directory, String display) throws Exception {
        Endpoint found = Endpoint.of(cenalloc, Map.of("XDG_RUNTIME_DIR", directory, "WAYLAND_DISPLAY", display));
        assertEquals(ScriptedCompositor.SOCKET, found.path());
        try (var window = Window.open(cenalloc, found, "test")) {
            assertFalse(window.isCloseRequested());
        }
    }

    /** In one test, since the variable counts once in a process. */
    @Test
    void aSocketThatWasInheritedIsUsedOnce() throws Exception {
        var listed = Map.of("WAYLAND_SOCKET", "12x", "XDG_RUNTIME_DIR", "/run/user/1000");
        absent(Errno.EBADF, listed, "WAYLAND_SOCKET is no descriptor, but: 12x");
        Endpoint next = Endpoint.of(cenalloc, listed);
        assertEquals(ScriptedCompositor.SOCKET, next.path(), "the variable was used");
        next.connection().close();
    }

    @Test
    void noPermissionIsSaid() {
        kernel.failCall(1, Errno.EACCES);
        refused(NoPermissionException.class, this::window, "wayland-0");
    }

    // ---- what it is ----

    @Test
    void aSocketThatIsNoCompositorIsFoundOut() {
        kernel.whileWaiting = () -> {
            compositor.isLenient = true;
            compositor.pump();
            compositor.send("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        };
        compositor.mutation = _ -> new byte[0];
        refused(ProtocolException.class, this::window, "breaks the Wayland protocol");
    }

    @Test
    void aSocketThatSaysNothingIsNotWaitedForForEver() {
        compositor.answersSync = false;
        compositor.mutation = _ -> new byte[0];
        var e = refused(CenallocException.class, this::window, "did not tell what it offers within 15 seconds");
        assertEquals(Errno.ETIMEDOUT, e.errno());
    }

    @Test
    void aSocketThatIsClosedAtOnceIsSaid() {
        kernel.whileWaiting = () -> {
            compositor.pump();
            compositor.hangUp();
        };
        compositor.mutation = _ -> new byte[0];
        refused(DisconnectedException.class, this::window, "compositor is gone");
    }

    @Test
    void whatIsMissingIsSaid() {
        compositor.dmabufVersion = 0;
        compositor.hasShm = false;
        refused(CenallocException.class, this::window, "no zwp_linux_dmabuf_v1", "it takes no dma-bufs", "kms");
        compositor.dmabufVersion = 2;
        var old = refused(CenallocException.class, this::window, "zwp_linux_dmabuf_v1 of version 3", "version 2");
        assertEquals(Errno.EOPNOTSUPP, old.errno());
        compositor.dmabufVersion = 4;
        compositor.hasShell = false;
        var e = refused(CenallocException.class, this::window, "no xdg_wm_base");
        assertEquals(Errno.EOPNOTSUPP, e.errno());
    }

    @Test
    void oneThatNeverConfiguresIsNotWaitedForForEver() {
        compositor.configures = false;
        refused(CenallocException.class, this::window, "did not configure the window");
    }

    // ---- formats ----

    private static ScriptedCompositor.Format format(PixelFormat format, long modifier) {
        return ScriptedCompositor.Format.of(format, modifier);
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 5})
    void tranchesAreInTheirOrder(int version) throws Exception {
        compositor.dmabufVersion = version;
        compositor.moreRows = List.of(format(PixelFormat.YUYV, 0));
        compositor.tranches = List.of(
                List.of(format(PixelFormat.NV12, 0x0100_0000_0000_0002L), format(PixelFormat.XR24, 0)),
                List.of(
                        format(PixelFormat.NV12, ScriptedCompositor.IMPLICIT),
                        new ScriptedCompositor.Format(0x3231_5659 + 1, 0),
                        format(PixelFormat.XR24, ScriptedCompositor.IMPLICIT)));
        Window window = window();
        assertEquals(
                List.of("NV12 100000000000002", "XR24 0", "NV12 0"),
                window.port().images().stream()
                        .map(range -> range.format() + " " + Long.toHexString(range.modifier()))
                        .toList());
        assertEquals(1, window.port().otherFormats().size());
    }

    @Test
    void memoryWithoutAModifierIsLinear() throws Exception {
        compositor.tranches = List.of(List.of(format(PixelFormat.XR24, ScriptedCompositor.IMPLICIT)));
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        assertTrue(compositor.buffers.values().stream().allMatch(one -> one.modifier == ScriptedCompositor.IMPLICIT));
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
    }

    @Test
    void formatsMayChange() throws Exception {
        Window window = window();
        compositor.tranches = List.of(List.of(format(PixelFormat.NV12, 0)));
        compositor.tellFormats();
        settle(window);
        assertEquals(PixelFormat.NV12, window.port().images().getFirst().format());
        assertEquals(1, window.port().images().size());
    }

    @Test
    void aTableThatIsShorterThanItsSizeIsRead() {
        compositor.tableSize = 1 << 16;
        refused(ProtocolException.class, this::window, "65536 bytes, only 16 can be read", "the file ends there");
        compositor.table = new byte[0];
        compositor.tableSize = 16;
        refused(ProtocolException.class, this::window, "16 bytes, only 0 can be read");
    }

    @ParameterizedTest
    @ValueSource(longs = {0xFFFF_FFF0L, 0x8000_0000L, (1 << 20) + 16, 17, 1})
    void aTableOfAnAbsurdSizeIsNotRead(long size) {
        compositor.tableSize = size;
        refused(ProtocolException.class, this::window, "its table of formats has " + size + " bytes");
    }

    @Test
    void aTableOfNoRowsHasNone() {
        compositor.tableSize = 0;
        refused(ProtocolException.class, this::window, "has no row 0");
    }

    @Test
    void formatsWithoutATableAreRefused() {
        compositor.forgetsTable = true;
        refused(ProtocolException.class, this::window, "has no row 0");
    }

    @Test
    void theLargestTableIsRead() throws Exception {
        var rows = new ArrayList<ScriptedCompositor.Format>();
        for (int i = 0; i < 65_535; i++) {
            rows.add(new ScriptedCompositor.Format(1000 + i, i));
        }
        compositor.moreRows = rows;
        assertEquals(1, window().port().images().size());
    }

    @Test
    void aDeviceOfThreeBytesIsRefused() {
        compositor.mainDevice = new byte[3];
        refused(ProtocolException.class, this::window, "3 bytes");
    }

    @Test
    void aTableThatIsNoFileIsSaid() {
        compositor.tableFile = () -> kernel.socket(0);
        refused(ProtocolException.class, this::window, "only 0 can be read: ESPIPE");
    }

    // ---- descriptors ----

    @Test
    void aTableWithoutItsDescriptorIsRefused() throws Exception {
        Window window = window();
        int feedback = compositor.object(Wire.FEEDBACK);
        compositor.event(feedback, Wire.FEEDBACK_FORMAT_TABLE, 16);
        refused(ProtocolException.class, () -> settle(window), "a descriptor is missing");
    }

    @Test
    void descriptorsThatNobodyAskedForAreClosed() throws Exception {
        Window window = window();
        for (int i = 0; i < 3; i++) {
            var many = new int[16];
            for (int j = 0; j < many.length; j++) {
                many[j] = kernel.memoryFile(new byte[16]);
            }
            compositor.send(new byte[1], many);
        }
        refused(ProtocolException.class, () -> settle(window), "descriptors were lost");
    }

    // ---- messages ----

    @ParameterizedTest
    @ValueSource(ints = {0, 4, 7, 10})
    void aMessageOfAnImpossibleSizeIsRefused(int size) throws Exception {
        Window window = window();
        compositor.send(new byte[] {1, 0, 0, 0, 0, 0, (byte) size, 0});
        refused(ProtocolException.class, () -> settle(window), "a message has " + size + " bytes");
    }

    @Test
    void eventsOfNoObjectAreRefused() throws Exception {
        for (int object : new int[] {0, 77, 4096, 0xFF00_0001, -1, Integer.MAX_VALUE}) {
            Window window = window();
            compositor.event(object, 0, 1);
            refused(ProtocolException.class, () -> settle(window), Integer.toUnsignedString(object));
            window.close();
        }
    }

    @Test
    void anObjectThatIsInUseIsNotDeleted() throws Exception {
        for (int object : new int[] {0, 1, 2, 4000, -1, 0xFF00_0000}) {
            Window window = window();
            compositor.event(Wire.DISPLAY_ID, Wire.DISPLAY_DELETE_ID, object);
            refused(ProtocolException.class, () -> settle(window), "deletes the object");
            window.close();
        }
    }

    @Test
    void argumentsThatAreCutAreRefused() throws Exception {
        Window window = window();
        compositor.event(compositor.object(Wire.TOPLEVEL), Wire.TOPLEVEL_CONFIGURE, 5);
        refused(ProtocolException.class, () -> settle(window), "ends before its arguments");
    }

    @Test
    void anArrayLongerThanItsMessageIsRefused() throws Exception {
        for (int length : new int[] {1, 1 << 20, -1, Integer.MIN_VALUE}) {
            Window window = window();
            compositor.event(compositor.object(Wire.TOPLEVEL), Wire.TOPLEVEL_CONFIGURE, 5, 5, length);
            refused(ProtocolException.class, () -> settle(window), "ends before its arguments");
            window.close();
        }
    }

    @Test
    void sizesOf2To31AreRefused() throws Exception {
        for (int side : new int[] {Integer.MIN_VALUE, -1}) {
            Window window = window();
            compositor.configure(side, 5);
            refused(ProtocolException.class, () -> settle(window), side + "x5");
            window.close();
            Window other = window();
            compositor.configure(5, side);
            refused(ProtocolException.class, () -> settle(other), "5x" + side);
            other.close();
        }
    }

    @Test
    void aMessageThatIsCutByTheEndIsSaid() throws Exception {
        Window window = window();
        compositor.send(new byte[] {1, 0, 0});
        compositor.hangUp();
        refused(ProtocolException.class, () -> settle(window), "in the middle of a message");
    }

    // ---- importing ----

    @Test
    void aCompositorThatTakesNoMemoryHasNoImagesInCommon() throws Exception {
        compositor.takes = _ -> false;
        Window window = window();
        var e = assertThrows(NoCommonImageException.class, () -> agreement(window));
        assertTrue(String.valueOf(e.getMessage()).contains("zwp_linux_buffer_params_v1.create failed"), e::getMessage);
        compositor.pump();
        assertEquals(0, compositor.buffers.size());
    }

    @Test
    void aRefusedImportChangesNothing() throws Exception {
        Window window = window();
        Ring first = ring(agreement(window), 3);
        window.use(first);
        RingFrame shown = lend(first);
        window.show(shown);
        int third = compositor.imports + 2;
        compositor.takes = n -> n != third;
        Ring second = ring(first.agreement(), 4);
        var e = assertThrows(CenallocException.class, () -> window.use(second));
        assertEquals(Errno.EINVAL, e.errno());
        settle(window);
        assertEquals(3, compositor.buffers.size());
        window.show(lend(first));
        assertTrue(window.awaitShown(SECOND));
        // A frame of another ring, which is imported when it is shown.
        compositor.takes = _ -> false;
        RingFrame other = lend(second);
        assertThrows(CenallocException.class, () -> window.show(other));
        assertTrue(other.isLent(), "it stays the caller's");
        other.close();
    }

    @Test
    void aSecondAnswerToAnImportIsOfNothing() throws Exception {
        compositor.mutation = message -> {
            boolean isCreated = message.length == 12 && message[3] == 0 && message[11] == (byte) 0xFF;
            return isCreated ? twice(message) : message;
        };
        Window window = window();
        Ring ring = ring(agreement(window), 2);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
    }

    private static byte[] twice(byte[] message) {
        byte[] both = Arrays.copyOf(message, 2 * message.length);
        System.arraycopy(message, 0, both, message.length, message.length);
        return both;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 5, 0xFF00_0005, 0xFF00_1000, -1})
    void aBufferWithAnImpossibleNumberIsRefused(int number) throws Exception {
        Window window = window();
        compositor.mutation = message -> {
            if (message.length == 12 && message[11] == (byte) 0xFF) {
                ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN).putInt(8, number);
            }
            return message;
        };
        var e = assertThrows(CenallocException.class, () -> agreement(window));
        assertTrue(String.valueOf(e.getMessage()).contains("wl_buffer the number"), e::getMessage);
        assertThrows(CenallocException.class, () -> window.handleEvents(NOW), "the connection has ended");
    }

    // ---- a connection that ends during a negotiation ----

    /** Refuses none, and does something when the n-th import has come. */
    private void atImport(int n, Runnable action) {
        compositor.takes = i -> {
            if (i == n) {
                action.run();
            }
            return true;
        };
    }

    private <T extends CenallocException> void endsNegotiation(Class<T> type, int errno, String... words)
            throws CenallocException {
        Window window = window();
        T e = assertThrows(type, () -> agreement(window));
        String message = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        for (String word : words) {
            assertTrue(message.contains(word), message);
        }
        assertEquals(errno, e.errno());
        assertFalse(e.remedy().isEmpty());
        assertThrows(e.getClass(), () -> agreement(window), "as before");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void aCompositorThatDiesInANegotiationIsNoMatterOfImages(int n) throws Exception {
        atImport(n, compositor::hangUp);
        compositor.isLenient = true;
        endsNegotiation(DisconnectedException.class, Errno.EPIPE, "compositor is gone", "open another");
    }

    @Test
    void anErrorInANegotiationIsToldInWords() throws Exception {
        compositor.isLenient = true;
        atImport(0, () -> compositor.error(Wire.PARAMS, 6, "plane 0"));
        endsNegotiation(CenallocException.class, Errno.EPROTO, "out_of_bounds of zwp_linux_buffer_params_v1, plane 0");
    }

    @Test
    void aLieInANegotiationIsAProtocolException() throws Exception {
        atImport(0, () -> compositor.event(Wire.DISPLAY_ID, Wire.DISPLAY_DELETE_ID, 1));
        endsNegotiation(ProtocolException.class, Errno.EPROTO, "deletes the object 1");
    }

    @Test
    void silenceInANegotiationIsATimeout() throws Exception {
        compositor.takes = _ -> {
            compositor.mutation = _ -> new byte[0];
            return true;
        };
        endsNegotiation(CenallocException.class, Errno.ETIMEDOUT, "did not import dma-bufs within 15 seconds");
    }

    // ---- the limit of descriptors ----

    private void limitFiles() {
        kernel.mostFiles = kernel.openFiles();
    }

    private void checkLimit(CenallocException e) {
        kernel.mostFiles = Integer.MAX_VALUE;
        assertEquals(Errno.EMFILE, e.errno());
        assertTrue(e.remedy().contains("ulimit -n"), e::remedy);
    }

    @Test
    void noDescriptorForTheConnectionIsSaid() {
        limitFiles();
        checkLimit(refused(CenallocException.class, this::window, "EMFILE"));
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 5})
    void noDescriptorForTheTableIsNoLieOfTheCompositor(int version) throws Exception {
        compositor.dmabufVersion = version;
        compositor.tableFile = () -> {
            int table = kernel.memoryFile(new byte[16]);
            kernel.mostFiles = kernel.openFiles() - 1;
            return table;
        };
        CenallocException e = refused(CenallocException.class, this::window, "EMFILE");
        assertFalse(e instanceof ProtocolException);
        checkLimit(e);
        compositor.tableFile = null;
        window().close();
    }

    @Test
    void noDescriptorForMemoryIsSaidAndTheWindowStays() throws Exception {
        Window window = window();
        limitFiles();
        checkLimit(assertThrows(
                CenallocException.class,
                () -> Ring.allocate(cenalloc, agreement(window), 3).close()));
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        window.show(lend(ring));
        assertTrue(window.awaitShown(SECOND));
    }

    @Test
    void aCompositorThatHasNoDescriptorLeftEndsTheConnection() throws Exception {
        compositor.isLenient = true;
        Window window = window();
        Agreement agreement = agreement(window);
        Ring ring = ring(agreement, 3);
        limitFiles();
        var e = assertThrows(DisconnectedException.class, () -> window.use(ring));
        assertTrue(String.valueOf(e.getMessage()).contains("compositor is gone"), e::getMessage);
        kernel.mostFiles = Integer.MAX_VALUE;
        assertEquals(3, ring.pool().free());
    }

    // ---- the end ----

    @Test
    void aProtocolErrorIsSaidInWordsAndAllFramesComeBack() throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring ring = ring(agreement(window), 4);
        window.use(ring);
        window.show(lend(ring));
        window.show(lend(ring));
        RingFrame third = lend(ring);
        compositor.pump();
        compositor.error(Wire.SURFACE, 3, "the offset\nis odd");
        var e = assertThrows(CenallocException.class, () -> {
            window.show(third);
            settle(window);
        });
        String message = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        assertTrue(message.contains("invalid_offset of wl_surface, the offset\\nis odd"), message);
        assertEquals(Errno.EPROTO, e.errno());
        assertEquals(0, window.held());
        assertTrue(third.isLent(), "it stays the caller's");
        var again = assertThrows(CenallocException.class, () -> window.show(third));
        assertTrue(String.valueOf(again.getMessage()).contains("has ended"), again::getMessage);
        assertTrue(String.valueOf(again.getMessage()).contains("invalid_offset"), again::getMessage);
        third.close();
        assertEquals(4, ring.pool().free());
    }

    @ParameterizedTest
    @CsvSource({
        "zwp_linux_buffer_params_v1, 6, out_of_bounds of",
        "wl_display, 2, no_memory of wl_display",
        "wl_surface, 99, error 99 of wl_surface",
        "xdg_surface, 0, error 0 of xdg_surface",
        "xdg_surface, 3, unconfigured_buffer",
        "wl_display, -1, error 4294967295"
    })
    void errorsHaveNames(String type, int code, String words) throws Exception {
        Window window = window();
        if (type.equals(Wire.PARAMS)) {
            assertEquals("out_of_bounds", Wire.error(type, code));
            return;
        }
        compositor.error(type, code, "");
        refused(CenallocException.class, () -> settle(window), words);
    }

    @Test
    void aCompositorThatDiesGivesAllBackAndItsSuccessorGoesOn() throws Exception {
        compositor.releases = false;
        Window window = window();
        Ring ring = ring(agreement(window), 4);
        window.use(ring);
        window.show(lend(ring));
        window.show(lend(ring));
        RingFrame third = lend(ring);
        compositor.close();
        assertThrows(DisconnectedException.class, () -> {
            window.show(third);
            window.awaitShown(SECOND);
            window.handleEvents(SECOND);
        });
        assertEquals(0, window.held());
        assertThrows(DisconnectedException.class, () -> window.handleEvents(NOW));
        assertThrows(DisconnectedException.class, () -> window.use(ring));
        window.close();
        compositor = new ScriptedCompositor(kernel);
        Window next = window();
        next.use(ring);
        if (third.isLent()) {
            next.show(third);
            assertTrue(next.awaitShown(SECOND));
        }
        for (int i = 0; i < 5; i++) {
            next.show(lend(ring));
            assertTrue(next.awaitShown(SECOND));
        }
        assertTrue(compositor.onScreen.size() >= 5);
    }

    @Test
    void aCompositorThatDoesNotReadIsNotWaitedForForEver() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        compositor.pump();
        kernel.whileWaiting = () -> {};
        kernel.socketRoom = 0;
        RingFrame frame = lend(ring);
        var e = assertThrows(CenallocException.class, () -> window.show(frame));
        assertEquals(Errno.ETIMEDOUT, e.errno());
        assertTrue(String.valueOf(e.getMessage()).contains("did not read"), e::getMessage);
        assertTrue(frame.isLent());
        frame.close();
    }

    @Test
    void aCompositorThatDeletesNothingIsFoundOut() throws Exception {
        Window window = window();
        Ring ring = ring(agreement(window), 3);
        window.use(ring);
        compositor.mutation = message -> message[0] == 1 && message[4] == 1 ? new byte[0] : message;
        var e = assertThrows(ProtocolException.class, () -> {
            for (int i = 0; i < 5000; i++) {
                window.show(lend(ring));
                window.awaitShown(SECOND);
            }
        });
        assertTrue(String.valueOf(e.getMessage()).contains("deletes none"), e::getMessage);
        assertEquals(0, window.held());
        compositor.hangUp();
    }
}
