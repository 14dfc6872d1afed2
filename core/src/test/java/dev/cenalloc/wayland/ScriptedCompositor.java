// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Sockets;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Descriptor;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.kernel.UnixSocket;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntPredicate;
import java.util.function.IntSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A compositor on a fake kernel, with one client at a time: answers when somebody waits, checks what the client does,
 * and does what a test likes. Closed by the test.
 */
public final class ScriptedCompositor implements AutoCloseable {
    public static final Path SOCKET = Path.of("/run/user/1000/wayland-0");

    /** DRM_FORMAT_MOD_INVALID. */
    static final long IMPLICIT = 0x00FF_FFFF_FFFF_FFFFL;

    record Format(int fourcc, long modifier) {
        static Format of(PixelFormat format, long modifier) {
            return new Format(format.drmFourcc().orElseThrow(), modifier);
        }
    }

    /** A buffer, and what it was made of. */
    static final class Imported {
        final int inode;
        final int width;
        final int height;
        final int fourcc;
        final int stride;
        final long modifier;
        int attached;
        /** From its first byte on; null of a dma-buf, whose content no compositor of a test reads. */
        @Nullable
        MemorySegment bytes;

        Imported(int inode, int width, int height, int fourcc, int stride, long modifier) {
            this.inode = inode;
            this.width = width;
            this.height = height;
            this.fourcc = fourcc;
            this.stride = stride;
            this.modifier = modifier;
        }
    }

    /** Params before they are used. */
    private static final class Params {
        final List<Integer> descriptors = new ArrayList<>();
        int stride;
        long modifier;
        long end;
    }

    // ---- what it offers ----

    int compositorVersion = 6;
    /** 0 for none. */
    int dmabufVersion = 4;

    boolean hasShm = true;
    /** Codes of formats in shared memory. */
    int[] shmFormats = {0, 1};

    boolean hasShell = true;
    boolean hasViewporter = true;
    boolean hasPresentation = true;
    /** What it tells of its clock when it is bound; null for nothing. */
    @Nullable
    Integer clock = Linux.CLOCK_MONOTONIC;

    List<List<Format>> tranches = List.of(List.of(Format.of(PixelFormat.XR24, Image.LINEAR)));
    /** Rows of the table that are of no tranche. */
    List<Format> moreRows = List.of();
    /** The size that it tells of the table; -1 for the right one. */
    long tableSize = -1;
    /** In place of the table. */
    byte @Nullable [] table;

    /** Makes another file than one with the table. */
    @Nullable
    IntSupplier tableFile;

    boolean forgetsTable;
    byte[] mainDevice = {1, 2, 0, 0, 0, 0, 0, 0};
    /** The size of the first configuration. */
    int firstWidth;

    int firstHeight;

    // ---- what it does ----

    /** Whether it takes the n-th import. */
    IntPredicate takes = _ -> true;
    /** Whether it draws, so that callbacks are done. */
    boolean draws = true;
    /** Whether it tells when what it has drawn is on the screen. */
    boolean presents = true;
    /** When the next frame is on the screen, by its clock, and at which refresh. */
    long nanos = 5_000_000_000L;

    long refreshes;
    /** Whether it cannot map shared memory. */
    boolean refusesPools;
    /** Whether it releases a buffer when another takes its place. */
    boolean releases = true;
    /** How often. */
    int releaseTimes = 1;

    boolean answersSync = true;
    boolean configures = true;
    /** Whether it stays with a client that does what it may not. */
    boolean isLenient;
    /** Changes what is sent. */
    UnaryOperator<byte[]> mutation = message -> message;

    // ---- what it saw ----

    int imports;
    int destroyedBuffers;
    int commits;
    final List<Integer> pongs = new ArrayList<>();
    final List<Integer> acknowledged = new ArrayList<>();
    final List<Integer> onScreen = new ArrayList<>();
    final Map<Integer, Imported> buffers = new HashMap<>();
    String title = "";
    String applicationId = "";
    String destination = "";
    String fullscreen = "";
    boolean isGone;

    private final FakeKernel kernel;
    private final int listening;
    private @Nullable UnixSocket socket;
    private byte[] unread = new byte[0];

    private final Map<Integer, String> objects = new HashMap<>();
    /** Pools of shared memory, mapped, by their object; and the addresses of all that are mapped. */
    private final Map<Integer, MemorySegment> pools = new HashMap<>();

    private final Map<Long, Long> mapped = new HashMap<>();
    private final Map<Integer, Params> params = new HashMap<>();
    private final Deque<Integer> freeIds = new ArrayDeque<>();
    private int nextServerId = 0xFF00_0000;
    private int serial = 100;
    private int pendingBuffer = -1;
    private int currentBuffer;
    private final List<Integer> unacknowledged = new ArrayList<>();
    private final List<Integer> pendingCallbacks = new ArrayList<>();
    /** Of the next commit, and of the last: who is told what becomes of it. */
    private final List<Integer> pendingOutcomes = new ArrayList<>();

    final List<Integer> outcomes = new ArrayList<>();
    private int surface;
    private int role;
    private int toplevel;
    private int wmBase;
    private int highest = 1;
    private boolean isClosed;

    public ScriptedCompositor(FakeKernel kernel) {
        this(kernel, SOCKET);
    }

    ScriptedCompositor(FakeKernel kernel, Path path) {
        this.kernel = kernel;
        listening = kernel.socket(Sockets.SOCK_NONBLOCK);
        byte[] name = path.toString().getBytes(StandardCharsets.US_ASCII);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = arena.allocate(2 + name.length + 1, 2);
            address.set(ValueLayout.JAVA_SHORT, 0, (short) Sockets.AF_UNIX);
            MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, 2, name.length);
            assertEquals(0, kernel.bind(listening, address));
        }
        kernel.listen(listening, 1);
        kernel.whileWaiting = this::pump;
    }

    // ---- sending ----

    /** A descriptor in an event; closed when it was sent. */
    record Passed(int fd) {}

    void event(int object, int opcode, Object... arguments) {
        var bytes = new ByteArrayOutputStream();
        var descriptors = new ArrayList<Integer>();
        for (Object argument : arguments) {
            switch (argument) {
                case Integer number -> bytes.writeBytes(word(number));
                case String text -> bytes.writeBytes(array((text + "\0").getBytes(StandardCharsets.UTF_8)));
                case byte[] array -> bytes.writeBytes(array(array));
                case Passed passed -> descriptors.add(passed.fd);
                default -> throw new AssertionError(argument);
            }
        }
        byte[] message = ByteBuffer.allocate(8 + bytes.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(object)
                .putInt((8 + bytes.size()) << 16 | opcode)
                .put(bytes.toByteArray())
                .array();
        send(
                mutation.apply(message),
                descriptors.stream().mapToInt(Integer::intValue).toArray());
    }

    private static byte[] word(int number) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(number)
                .array();
    }

    private static byte[] array(byte[] bytes) {
        return ByteBuffer.allocate(4 + (bytes.length + 3) / 4 * 4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(bytes.length)
                .put(bytes)
                .array();
    }

    /** Sends bytes and descriptors, which are closed here. */
    void send(byte[] message, int... fds) {
        var passed =
                Arrays.stream(fds).mapToObj(fd -> new Descriptor(kernel, fd)).toList();
        UnixSocket to = socket;
        try (Arena arena = Arena.ofConfined()) {
            if (to != null && message.length > 0) {
                MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, message);
                int result = to.send(bytes, 0, message.length, passed, 0);
                isGone |= result < 0;
            }
        } finally {
            passed.forEach(Descriptor::close);
        }
    }

    /** Ends the connection for what an object of this kind did. */
    void error(String type, int code, String message) {
        event(Wire.DISPLAY_ID, Wire.DISPLAY_ERROR, object(type), code, message);
        hangUp();
    }

    /** An object of a kind, which the client has; the display if it has none. */
    int object(String type) {
        return objects.entrySet().stream()
                .filter(one -> one.getValue().equals(type))
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse(Wire.DISPLAY_ID);
    }

    void ping(int number) {
        event(wmBase, Wire.WM_BASE_PING, number);
    }

    void requestClose() {
        event(toplevel, Wire.TOPLEVEL_CLOSE);
    }

    int configure(int width, int height, int... states) {
        tellSize(width, height, states);
        return configure();
    }

    /** Tells a size that is not in force before it is told to be. */
    void tellSize(int width, int height, int... states) {
        var array = ByteBuffer.allocate(4 * states.length).order(ByteOrder.LITTLE_ENDIAN);
        Arrays.stream(states).forEach(array::putInt);
        event(toplevel, Wire.TOPLEVEL_CONFIGURE, width, height, array.array());
    }

    /** What was told last is in force; returns the number that the client has to acknowledge. */
    int configure() {
        event(role, Wire.XDG_SURFACE_CONFIGURE, ++serial);
        unacknowledged.add(serial);
        return serial;
    }

    /** Releases all buffers that the client gave, but the one on the screen. */
    void releaseOthers() {
        for (var one : buffers.entrySet()) {
            if (one.getKey() != currentBuffer) {
                release(one.getKey());
            }
        }
    }

    void release(int buffer) {
        Imported imported = Objects.requireNonNull(buffers.get(buffer));
        if (imported.attached > 0) {
            imported.attached = 0;
            for (int i = 0; i < releaseTimes; i++) {
                event(buffer, Wire.BUFFER_RELEASE);
            }
        }
    }

    int currentBuffer() {
        return currentBuffer;
    }

    /** How many buffers the client gave and has not got back. */
    long attached() {
        return buffers.values().stream().filter(one -> one.attached > 0).count();
    }

    /** Draws what was committed. */
    void draw() {
        List<Integer> done = List.copyOf(pendingCallbacks);
        pendingCallbacks.clear();
        for (int callback : done) {
            event(callback, Wire.CALLBACK_DONE, 16);
            delete(callback);
        }
    }

    /** What was committed last is on the screen. */
    void present() {
        if (outcomes.isEmpty()) {
            return;
        }
        List<Integer> told = List.copyOf(outcomes);
        outcomes.clear();
        told.forEach(outcome -> {
            presented(outcome, nanos, refreshes);
            delete(outcome);
        });
        nanos += 16_000_000;
        refreshes++;
    }

    void presented(int outcome, long when, long refresh) {
        presented(outcome, when / 1_000_000_000, (int) (when % 1_000_000_000), refresh);
    }

    void presented(int outcome, long seconds, int fraction, long refresh) {
        event(
                outcome,
                Wire.OUTCOME_PRESENTED,
                (int) (seconds >>> 32),
                (int) seconds,
                fraction,
                16_000_000,
                (int) (refresh >>> 32),
                (int) refresh,
                1);
    }

    /** What was committed last is never on the screen. */
    void discard() {
        List<Integer> told = List.copyOf(outcomes);
        outcomes.clear();
        told.forEach(outcome -> {
            event(outcome, Wire.OUTCOME_DISCARDED);
            delete(outcome);
        });
    }

    /** Tells of its clock, once more or late. */
    void tellClock(int number) {
        event(object(Wire.PRESENTATION), Wire.PRESENTATION_CLOCK_ID, number);
    }

    void delete(int object) {
        objects.remove(object);
        event(Wire.DISPLAY_ID, Wire.DISPLAY_DELETE_ID, object);
    }

    /** Tells its formats anew. */
    void tellFormats() {
        feedback(object(Wire.FEEDBACK));
    }

    private void feedback(int object) {
        var rows = new ArrayList<>(moreRows);
        tranches.forEach(
                tranche -> tranche.stream().filter(one -> !rows.contains(one)).forEach(rows::add));
        ByteBuffer bytes = ByteBuffer.allocate(16 * rows.size()).order(ByteOrder.LITTLE_ENDIAN);
        rows.forEach(row -> bytes.putInt(row.fourcc).putInt(0xDEAD_BEEF).putLong(row.modifier));
        byte[] content = table == null ? bytes.array() : table;
        if (!forgetsTable) {
            event(
                    object,
                    Wire.FEEDBACK_FORMAT_TABLE,
                    new Passed(tableFile == null ? kernel.memoryFile(content) : tableFile.getAsInt()),
                    tableSize < 0 ? bytes.capacity() : (int) tableSize);
        }
        event(object, Wire.FEEDBACK_MAIN_DEVICE, mainDevice);
        for (List<Format> tranche : tranches) {
            event(object, 4, mainDevice);
            ByteBuffer indices = ByteBuffer.allocate(2 * tranche.size()).order(ByteOrder.LITTLE_ENDIAN);
            tranche.forEach(one -> indices.putShort((short) rows.indexOf(one)));
            event(object, Wire.FEEDBACK_TRANCHE_FORMATS, indices.array());
            event(object, 6, 0);
            event(object, 3);
        }
        event(object, Wire.FEEDBACK_DONE);
    }

    // ---- receiving ----

    /** Takes a client, if there is none, and does what it asks. */
    void pump() {
        if (isClosed || (socket == null && !accept())) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment room = arena.allocate(1 << 16);
            while (true) {
                UnixSocket from = socket;
                long result = from == null ? -Errno.EAGAIN : from.receive(room, 0, 0);
                if (result == -Errno.EAGAIN) {
                    return;
                }
                if (result <= 0) {
                    hangUp();
                    return;
                }
                byte[] before = unread;
                unread = Arrays.copyOf(before, (int) (before.length + result));
                MemorySegment.copy(room, ValueLayout.JAVA_BYTE, 0, unread, before.length, (int) result);
                takeRequests();
            }
        }
    }

    private void takeRequests() {
        ByteBuffer words = ByteBuffer.wrap(unread).order(ByteOrder.LITTLE_ENDIAN);
        int at = 0;
        while (words.capacity() - at >= 8) {
            int size = words.getInt(at + 4) >>> 16;
            assertTrue(size >= 8 && size % 4 == 0, "size of a request");
            if (words.capacity() - at < size) {
                break;
            }
            int object = words.getInt(at);
            int opcode = words.getInt(at + 4) & 0xFFFF;
            ByteBuffer arguments = words.slice(at + 8, size - 8).order(ByteOrder.LITTLE_ENDIAN);
            at += size;
            String type = object == Wire.DISPLAY_ID ? Wire.DISPLAY : objects.get(object);
            if (type == null) {
                assertTrue(isLenient, () -> "a request of object " + object + ", which does not exist");
                continue;
            }
            try {
                request(type, object, opcode, arguments);
            } catch (RuntimeException | AssertionError e) {
                if (!isLenient) {
                    throw e;
                }
                hangUp(); // the client was told nonsense
            }
            if (socket == null) {
                return;
            }
        }
        unread = Arrays.copyOfRange(unread, at, unread.length);
    }

    private boolean accept() {
        int fd = kernel.accept(listening);
        if (fd < 0) {
            return false;
        }
        socket = new UnixSocket(kernel, fd);
        return true;
    }

    private static String text(ByteBuffer arguments) {
        int length = arguments.getInt();
        var bytes = new byte[length - 1];
        arguments.get(bytes);
        assertEquals(0, arguments.get(), "NUL");
        arguments.position(arguments.position() + (4 - length % 4) % 4);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private int created(ByteBuffer arguments, String type) {
        int id = arguments.getInt();
        assertTrue(isLenient || !objects.containsKey(id), () -> type + " gets the number of another");
        // As the C library: no gaps.
        assertTrue(
                isLenient || id == 2 || objects.containsKey(id - 1) || id <= highest + 1, () -> type + " number " + id);
        highest = Math.max(highest, id);
        objects.put(id, type);
        return id;
    }

    private void request(String type, int object, int opcode, ByteBuffer arguments) {
        switch (type + " " + opcode) {
            case Wire.DISPLAY + " 0" -> {
                int callback = created(arguments, Wire.CALLBACK);
                if (answersSync) {
                    event(callback, Wire.CALLBACK_DONE, 1);
                    delete(callback);
                }
            }
            case Wire.DISPLAY + " 1" -> globals(created(arguments, Wire.REGISTRY));
            case Wire.REGISTRY + " 0" -> {
                arguments.getInt();
                String bound = text(arguments);
                int version = arguments.getInt();
                bound(bound, version, created(arguments, bound));
            }
            case Wire.COMPOSITOR + " 0" -> surface = created(arguments, Wire.SURFACE);
            case Wire.WM_BASE + " 2" -> {
                role = created(arguments, Wire.XDG_SURFACE);
                assertEquals(surface, arguments.getInt());
            }
            case Wire.WM_BASE + " 3" -> pongs.add(arguments.getInt());
            case Wire.XDG_SURFACE + " 1" -> toplevel = created(arguments, Wire.TOPLEVEL);
            case Wire.XDG_SURFACE + " 4" -> {
                int acknowledges = arguments.getInt();
                assertTrue(isLenient || unacknowledged.contains(acknowledges), "invalid_serial");
                while (!unacknowledged.isEmpty() && !acknowledged.contains(acknowledges)) {
                    acknowledged.add(unacknowledged.removeFirst());
                }
            }
            case Wire.TOPLEVEL + " 2" -> title = text(arguments);
            case Wire.TOPLEVEL + " 3" -> applicationId = text(arguments);
            case Wire.TOPLEVEL + " 11" -> fullscreen = "on " + arguments.getInt();
            case Wire.TOPLEVEL + " 12" -> fullscreen = "off";
            case Wire.VIEWPORTER + " 1" -> {
                created(arguments, Wire.VIEWPORT);
                assertEquals(surface, arguments.getInt());
            }
            case Wire.VIEWPORT + " 2" -> destination = arguments.getInt() + "x" + arguments.getInt();
            case Wire.PRESENTATION + " 1" -> {
                assertEquals(surface, arguments.getInt());
                pendingOutcomes.add(created(arguments, Wire.OUTCOME));
            }
            case Wire.DMABUF + " 1" -> params.put(created(arguments, Wire.PARAMS), new Params());
            case Wire.DMABUF + " 2" -> feedback(created(arguments, Wire.FEEDBACK));
            case Wire.SHM + " 0" -> createPool(arguments);
            case Wire.SHM_POOL + " 0" -> createBuffer(Objects.requireNonNull(pools.get(object)), arguments);
            case Wire.PARAMS + " 1" -> add(Objects.requireNonNull(params.get(object)), arguments);
            case Wire.PARAMS + " 2" -> create(object, Objects.requireNonNull(params.remove(object)), arguments);
            case Wire.SURFACE + " 1" -> pendingBuffer = arguments.getInt();
            case Wire.SURFACE + " 2", Wire.SURFACE + " 9" -> damage(opcode, arguments);
            case Wire.SURFACE + " 3" -> pendingCallbacks.add(created(arguments, Wire.CALLBACK));
            case Wire.SURFACE + " 6" -> commit();
            case Wire.BUFFER + " 0" -> {
                destroyedBuffers++;
                objects.remove(object);
                buffers.remove(object);
                if (object < 0) {
                    freeIds.push(object); // of the compositor's own: it may use it again at once
                } else {
                    delete(object);
                }
            }
            case Wire.SHM_POOL + " 1",
                    Wire.PARAMS + " 0",
                    Wire.SURFACE + " 0",
                    Wire.XDG_SURFACE + " 0",
                    Wire.TOPLEVEL + " 0",
                    Wire.VIEWPORT + " 0" -> delete(object);
            default -> throw new AssertionError("an unexpected request: " + type + " " + opcode);
        }
    }

    private void globals(int registry) {
        if (hasShm) {
            event(registry, 0, 7, Wire.SHM, 2);
        }
        event(registry, 0, 1, Wire.COMPOSITOR, compositorVersion);
        if (hasShell) {
            event(registry, 0, 2, Wire.WM_BASE, 6);
        }
        if (dmabufVersion > 0) {
            event(registry, 0, 3, Wire.DMABUF, dmabufVersion);
        }
        if (hasViewporter) {
            event(registry, 0, 4, Wire.VIEWPORTER, 1);
        }
        if (hasPresentation) {
            event(registry, 0, 6, Wire.PRESENTATION, 2);
        }
        event(registry, 0, 5, "wl_output", 4);
        event(registry, 1, 5); // gone again
    }

    private void bound(String type, int version, int object) {
        switch (type) {
            case Wire.WM_BASE -> {
                assertEquals(2, version, "knows windows that are tiled, and nothing later");
                wmBase = object;
            }
            case Wire.SHM -> Arrays.stream(shmFormats).forEach(code -> event(object, 0, code));
            case Wire.PRESENTATION -> {
                assertEquals(1, version);
                if (clock != null) {
                    event(object, Wire.PRESENTATION_CLOCK_ID, clock);
                }
            }
            case Wire.DMABUF -> {
                assertEquals(Math.min(dmabufVersion, 5), version);
                if (version == 3) {
                    for (List<Format> tranche : tranches) {
                        for (Format one : tranche) {
                            event(object, 0, one.fourcc);
                            event(object, 1, one.fourcc, (int) (one.modifier >>> 32), (int) one.modifier);
                        }
                    }
                }
            }
            default -> {}
        }
    }

    private void createPool(ByteBuffer arguments) {
        int id = created(arguments, Wire.SHM_POOL);
        int size = arguments.getInt();
        assertTrue(socket != null && socket.available() > 0, "a descriptor is missing");
        int fd = Objects.requireNonNull(socket).take();
        if (refusesPools) {
            kernel.close(fd);
            error(Wire.SHM, 2, "failed mmap");
            return;
        }
        assertTrue(size > 0 && size <= kernel.sizeOf(fd), "the file is shorter than the pool");
        long address = kernel.mmap(fd, size, Linux.PROT_READ);
        kernel.close(fd);
        mapped.put(address, (long) size);
        pools.put(id, kernel.view(address, size, Arena.ofAuto()));
    }

    private void createBuffer(MemorySegment pool, ByteBuffer arguments) {
        int id = created(arguments, Wire.BUFFER);
        int offset = arguments.getInt();
        int width = arguments.getInt();
        int height = arguments.getInt();
        int stride = arguments.getInt();
        int code = arguments.getInt();
        assertTrue(Arrays.stream(shmFormats).anyMatch(one -> one == code), "invalid_format");
        assertTrue(
                offset >= 0 && stride >= width && offset + (long) stride * height <= pool.byteSize(), "out of bounds");
        var made = new Imported(id, width, height, code, stride, 0);
        made.bytes = pool.asSlice(offset, (long) stride * height);
        buffers.put(id, made);
    }

    private void add(Params made, ByteBuffer arguments) {
        assertTrue(socket != null && socket.available() > 0, "a descriptor is missing");
        int fd = Objects.requireNonNull(socket).take();
        made.descriptors.add(fd);
        assertEquals(made.descriptors.size() - 1, arguments.getInt(), "plane");
        int offset = arguments.getInt();
        made.stride = arguments.getInt();
        made.modifier = (long) arguments.getInt() << 32 | Integer.toUnsignedLong(arguments.getInt());
        made.end = Math.max(made.end, offset + Integer.toUnsignedLong(made.stride));
        assertTrue(made.end <= kernel.sizeOf(fd), "out of bounds");
    }

    private void create(int object, Params made, ByteBuffer arguments) {
        int inode = kernel.inodeOf(made.descriptors.getFirst());
        made.descriptors.forEach(kernel::close);
        int width = arguments.getInt();
        int height = arguments.getInt();
        int fourcc = arguments.getInt();
        assertEquals(0, arguments.getInt(), "flags");
        assertTrue(
                isLenient || tranches.stream().anyMatch(tranche -> tranche.contains(new Format(fourcc, made.modifier))),
                "invalid_format");
        if (!takes.test(imports++)) {
            event(object, Wire.PARAMS_FAILED);
            return;
        }
        int id = freeIds.isEmpty() ? nextServerId++ : freeIds.pop();
        objects.put(id, Wire.BUFFER);
        buffers.put(id, new Imported(inode, width, height, fourcc, made.stride, made.modifier));
        event(object, Wire.PARAMS_CREATED, id);
    }

    private void damage(int opcode, ByteBuffer arguments) {
        assertEquals(compositorVersion < 4 ? 2 : 9, opcode, "damage of the buffer");
        assertEquals(0, arguments.getInt());
        assertEquals(0, arguments.getInt());
    }

    private void commit() {
        commits++;
        discard(); // what comes now takes the place of what was not on the screen yet
        outcomes.addAll(pendingOutcomes);
        pendingOutcomes.clear();
        if (pendingBuffer >= 0 || pendingBuffer < -1) {
            assertTrue(isLenient || !acknowledged.isEmpty(), "unconfigured_buffer");
            int before = currentBuffer;
            currentBuffer = pendingBuffer;
            pendingBuffer = -1;
            Imported now = buffers.get(currentBuffer);
            if (now != null) {
                assertTrue(isLenient || now.attached == 0, "attached before its release");
                now.attached++;
                onScreen.add(now.inode);
            }
            if (releases && before != currentBuffer && buffers.containsKey(before)) {
                release(before);
            }
        } else if (acknowledged.isEmpty() && configures) {
            configure(firstWidth, firstHeight);
        }
        if (draws) {
            draw();
        }
        if (draws && presents) {
            present();
        }
    }

    /** Ends the connection; another client may come. */
    void hangUp() {
        UnixSocket ended = socket;
        if (ended != null) {
            ended.discard();
            ended.close();
        }
        socket = null;
        params.values().forEach(one -> one.descriptors.forEach(kernel::close));
        params.clear();
        mapped.forEach(kernel::munmap);
        mapped.clear();
        pools.clear();
        objects.clear();
        buffers.clear();
        pendingCallbacks.clear();
        pendingOutcomes.clear();
        outcomes.clear();
        acknowledged.clear();
        unacknowledged.clear();
        freeIds.clear();
        nextServerId = 0xFF00_0000;
        unread = new byte[0];
        currentBuffer = 0;
        pendingBuffer = -1;
        highest = 1;
        destination = "";
    }

    /** Its process ends: nobody listens any more. */
    @Override
    public void close() {
        if (!isClosed) {
            isClosed = true;
            hangUp();
            kernel.close(listening);
        }
    }
}
