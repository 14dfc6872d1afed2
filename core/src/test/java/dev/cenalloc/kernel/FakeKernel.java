// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.TestContext;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Sockets;
import dev.cenalloc.bindings.dmabuf.dma_buf_export_sync_file;
import dev.cenalloc.bindings.dmabuf.dma_buf_import_sync_file;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dma_heap_allocation_data;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.dmabuf.sync_file_info;
import dev.cenalloc.bindings.dmabuf.sync_merge_data;
import dev.cenalloc.bindings.dmabuf.udmabuf_create;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A small kernel: keeps descriptors and mappings, checks what the real one checks, and fails the n-th call on demand.
 * {@link KernelContract} runs against both.
 */
public final class FakeKernel implements Kernel {
    private static final long PAGE = 4096;
    private static final long HUGE_PAGE = 2 << 20;
    private static final long UDMABUF_LIMIT = 64L << 20;
    private static final Path HEAPS = Path.of("/dev/dma_heap");
    private static final Path UDMABUF = Path.of("/dev/udmabuf");

    private enum Kind {
        NODE,
        MEMFD,
        DMA_BUF,
        SYNC_FILE,
        SOCKET,
        DEVICE
    }

    /** A camera or a display. Called with the kernel's lock held. */
    public interface Device {
        long number();

        int ioctl(int fd, long request, MemorySegment argument);

        /** The events of poll that are there now. */
        default int ready(int fd) {
            return Linux.POLLIN | Linux.POLLOUT;
        }

        /** What read gives: bytes, or {@code -errno}. */
        default long read(int fd, MemorySegment target) {
            return -Errno.EINVAL;
        }

        /** A descriptor of it has been closed. */
        void closed(int fd);
    }

    /** What a device does: 0 until it is done, then 1, or {@code -errno} if it failed. */
    public static final class Work {
        public int status;

        boolean isPending() {
            return status == 0;
        }
    }

    private static final class File {
        final Kind kind;
        /** The heap that a node stands for, or that memory came from. */
        final String heap;

        final long inode;
        long size;
        /** Of a dma-buf, once it is mapped. */
        @Nullable
        MemorySegment memory;
        /** What a node stands for, if it is no heap. */
        @Nullable
        Device device;

        boolean readOnly;
        boolean huge;
        /** Of a file: whether it has its memory. */
        boolean filled;

        int seals;
        boolean synced;
        /** Of a sync file: all that it stands for; of a dma-buf: those who write. */
        final Set<Work> writers = new HashSet<>();
        /** Of a dma-buf. */
        final Set<Work> readers = new HashSet<>();

        String name = "";
        /** Of a socket: its end of the connection, once it has one. */
        @Nullable
        SocketEnd end;
        /** Of a socket that listens: those that wait to be accepted. */
        final List<SocketEnd> waiting = new ArrayList<>();
        /** Of a socket: whether it was made so. */
        boolean nonblocking;
        /** Descriptors of it, and messages under way that carry one. */
        int references;

        File(Kind kind, String heap, long inode, long size) {
            this.kind = kind;
            this.heap = heap;
            this.inode = inode;
            this.size = size;
        }
    }

    /** One end of a connection. */
    private static final class SocketEnd {
        /** What it has to receive, in the pieces in which it was sent. */
        final Deque<Piece> incoming = new ArrayDeque<>();

        @Nullable
        SocketEnd peer;

        boolean gone;
    }

    /** Bytes and files of one sendmsg. */
    private static final class Piece {
        final byte[] bytes;
        final List<File> files;

        Piece(byte[] bytes, List<File> files) {
            this.bytes = bytes;
            this.files = files;
        }
    }

    /** The files in messages under way: a descriptor of a dma-buf in a socket keeps its memory. */
    private void drop(File file) {
        if (--file.references == 0) {
            if (file.kind == Kind.DMA_BUF) {
                heaps.computeIfPresent(file.heap, (_, free) -> free + file.size);
            }
            if (file.end != null) {
                hangUp(file.end);
            }
            file.waiting.forEach(this::hangUp);
            addresses.values().remove(file);
        }
    }

    private void hangUp(SocketEnd end) {
        end.gone = true;
        for (Piece piece : end.incoming) {
            piece.files.forEach(this::drop);
        }
        end.incoming.clear();
    }

    /** Sockets by their addresses. */
    private final Map<String, File> addresses = new HashMap<>();

    /** The calls that open a file. */
    private static final Set<String> OPENING =
            Set.of("open", "alloc", "memfd_create", "dup", "pidfd_open", "pidfd_getfd", "socket", "accept");

    /** How many bytes a connection holds that were not received yet. */
    public int socketRoom = 1 << 16;

    /** The most bytes that one call sends or receives: what is short of it comes in pieces. */
    public int socketPiece = Integer.MAX_VALUE;

    /**
     * Whether messages come with the sender's credentials and process before its descriptors (SO_PASSCRED,
     * SO_PASSPIDFD).
     */
    public boolean identifiesSenders;

    /** Of so many calls of sendmsg, the last one fails with {@link #sendErrno}; 0 for none. */
    public int failingSend;

    public int sendErrno;

    /** As RLIMIT_NOFILE: with so many open there is no number for another. */
    public int mostFiles = Integer.MAX_VALUE;

    /** Free bytes, by the name of the heap; {@code udmabuf} if that is there. */
    public final Map<String, Long> heaps = new TreeMap<>();

    public final List<String> calls = new ArrayList<>();
    /** What was asked of directories, /proc and /sys. */
    public final List<String> queries = new ArrayList<>();

    /** The flags of the syncs that succeeded. */
    public final List<Long> syncs = new ArrayList<>();

    private final OwnedNumbers owned = new OwnedNumbers();
    /** Those that somebody has asked this for; the others of this library are so from the start. */
    public final Set<Integer> closedOnExec = new HashSet<>();

    /** What munmap gives, and covering instead; 0 if it works. */
    public int unmapErrno;

    public int coverErrno;
    private final Map<Integer, File> files = new HashMap<>();
    private final Map<Long, File> mappings = new HashMap<>();
    private final Map<Path, Integer> refusals = new HashMap<>();
    private final Map<Path, Device> devices = new HashMap<>();
    /** Where symbolic links lead. */
    private final Map<Path, Path> links = new HashMap<>();
    /** What is in files of /proc and /sys; the directories above them are there too. */
    private final Map<Path, byte[]> contents = new TreeMap<>();
    /** Where sysfs is. */
    public Path sysfs = Path.of("/nowhere");
    /** What is in {@code /proc/meminfo} and {@code /sys/module}; what {@code sysinfo} and {@code cgroup} leave free. */
    public final Map<String, Long> numbers = new HashMap<>(Map.of(
            "MemTotal",
            1L << 32,
            "MemAvailable",
            1L << 32,
            "CmaFree",
            12_345L,
            "CmaTotal",
            1L << 16,
            "Hugepagesize",
            HUGE_PAGE));

    /** The size of its pages. */
    public long page = PAGE;

    /** Whether it is 6.0 or later. */
    public boolean exchangesFences = true;
    /** Clocks that it does not have. */
    public final Set<Integer> noClocks = new HashSet<>();
    /** Runs when a poll would wait. */
    public Runnable whileWaiting = () -> {};
    /** How long the polls were to wait. */
    public final List<Integer> timeouts = new ArrayList<>();

    private final Set<Path> tree = new HashSet<>();
    /** Those among the heaps that are files of other kinds. */
    public final Set<Path> notCharacterDevices = new HashSet<>();

    private long inodes = 100;
    private int failAt = Integer.MAX_VALUE;
    private int failWith;
    private @Nullable Error closeError;
    private @Nullable Error requestError;
    private int actAt = Integer.MAX_VALUE;
    private Runnable action = () -> {};

    /** A file of the device tree, with its directory. */
    public FakeKernel tree(String path) {
        tree.add(Path.of(path));
        tree.add(Objects.requireNonNull(Path.of(path).getParent()));
        return this;
    }

    public FakeKernel heap(String name, long free) {
        heaps.put(name, free);
        return this;
    }

    public FakeKernel device(String node, Device device) {
        devices.put(Path.of(node), device);
        return this;
    }

    /** A symbolic link; a link to a link is not followed on. */
    public FakeKernel link(String from, String to) {
        links.put(Path.of(from), Path.of(to));
        return this;
    }

    /** A file of /proc or /sys. */
    public FakeKernel file(String path, String content) {
        contents.put(Path.of(path), content.getBytes(StandardCharsets.ISO_8859_1));
        return this;
    }

    /** The heap that a dma-buf is from, or null if it is none. */
    public @Nullable String heapOf(int fd) {
        File file = files.get(fd);
        return file == null || file.kind != Kind.DMA_BUF ? null : file.heap;
    }

    /** Tells one file from another, by whatever descriptor. */
    public synchronized int inodeOf(int fd) {
        return (int) Objects.requireNonNull(files.get(fd)).inode;
    }

    public long sizeOf(int fd) {
        return Objects.requireNonNull(files.get(fd)).size;
    }

    /** All heaps of this machine. */
    public Cenalloc open() {
        try {
            return TestContext.open(this, HEAPS);
        } catch (CenallocException e) {
            throw new AssertionError(e);
        }
    }

    /** Makes opening a node fail. */
    public synchronized void refuse(Path node, int errno) {
        refusals.put(node, errno);
    }

    /** Ends {@link #refuse}. */
    public synchronized void permit(Path node) {
        refusals.remove(node);
    }

    /** Makes the call that is the n-th from now, from 0 on, fail; close and munmap cannot. */
    public synchronized void failCall(int n, int errno) {
        failAt = calls.size() + n;
        failWith = errno;
    }

    /**
     * Has something happen before the call that is the n-th from now, from 0 on: a device is unplugged, for example.
     */
    public synchronized void atCall(int n, Runnable what) {
        actAt = calls.size() + n;
        action = what;
    }

    /** Makes the next close end before it has begun: there was no stack, or no heap, left for it. */
    public synchronized void failClose(Error with) {
        closeError = with;
    }

    /** As {@link #failClose}, of the next request that may be repeated, such as one for the end of an access. */
    public synchronized void failRequest(Error with) {
        requestError = with;
    }

    public synchronized void failNoCall() {
        failAt = Integer.MAX_VALUE;
    }

    /** Whether a number is that of an open file. */
    public synchronized boolean isOpen(int fd) {
        return files.containsKey(fd);
    }

    public synchronized int openFiles() {
        return files.size();
    }

    public synchronized int openMappings() {
        return mappings.size();
    }

    public synchronized long free() {
        return heaps.values().stream().mapToLong(Long::longValue).sum();
    }

    /** A dma-buf of another exporter, as it comes from a driver or another process. */
    public synchronized int foreignDmaBuf(String exporter, long size, boolean readOnly) {
        File file = new File(Kind.DMA_BUF, exporter, inodes++, size);
        file.readOnly = readOnly;
        return add(file);
    }

    /** A sync file, as a driver gives it. */
    public synchronized int fence(Work work) {
        return syncFile(Set.of(work));
    }

    private int syncFile(Collection<Work> works) {
        File file = new File(Kind.SYNC_FILE, "", inodes++, 0);
        file.writers.addAll(works);
        return add(file);
    }

    private int enter(String call) {
        calls.add(call);
        if (calls.size() > actAt) {
            actAt = Integer.MAX_VALUE;
            action.run();
        }
        if (calls.size() - 1 == failAt) {
            return -failWith;
        }
        return files.size() >= mostFiles && OPENING.contains(call) ? -Errno.EMFILE : 0;
    }

    private int add(File file) {
        int fd = 3;
        while (files.containsKey(fd)) {
            fd++;
        }
        files.put(fd, file);
        file.references++;
        return fd;
    }

    @Override
    public OwnedNumbers owned() {
        return owned;
    }

    @Override
    public synchronized List<String> list(Path directory) throws IOException {
        queries.add("list " + directory);
        Integer refusal = refusals.get(directory);
        if (refusal != null) {
            throw new FileException(directory, refusal);
        }
        List<String> names = directory.equals(HEAPS)
                ? heaps.keySet().stream()
                        .filter(name -> !name.equals("udmabuf"))
                        .toList()
                : java.util.stream.Stream.concat(
                                java.util.stream.Stream.of(devices.keySet(), links.keySet(), tree)
                                        .flatMap(Set::stream)
                                        .filter(path -> directory.equals(path.getParent())),
                                contents.keySet().stream().filter(path -> isBelow(path, directory)))
                        .map(path -> path.getName(directory.getNameCount()).toString())
                        .distinct()
                        .sorted()
                        .toList();
        if (names.isEmpty()) {
            throw new NoSuchFileException(directory.toString());
        }
        return names;
    }

    private static boolean isBelow(Path path, Path directory) {
        return path.startsWith(directory) && !path.equals(directory);
    }

    private boolean isFile(Path path) {
        return contents.keySet().stream().anyMatch(file -> file.startsWith(path));
    }

    @Override
    public synchronized byte[] bytes(Path file) throws IOException {
        queries.add("bytes " + file);
        if (refusals.containsKey(file)) {
            throw new FileException(file, refusals.get(file));
        }
        byte[] content = contents.get(file);
        if (content == null) {
            throw new NoSuchFileException(file.toString());
        }
        return content.clone();
    }

    @Override
    public synchronized Path realPath(Path path) throws IOException {
        if (enter("realpath") < 0) {
            throw new FileException(path, failWith);
        }
        if (refusals.containsKey(path)) {
            throw new FileException(path, refusals.get(path));
        }
        Path target = links.getOrDefault(path, path);
        boolean isThere = devices.containsKey(target) || isFile(target) || isHeap(target);
        if (!isThere) {
            throw new NoSuchFileException(path.toString());
        }
        return target;
    }

    @Override
    public synchronized int open(Path path, int flags) {
        int result = enter("open");
        if (result < 0) {
            return result;
        }
        Integer refusal = refusals.get(path);
        if (refusal != null) {
            return -refusal;
        }
        Device device = devices.get(path);
        if (device != null) {
            File file = new File(Kind.DEVICE, "", inodes++, 0);
            file.device = device;
            return add(file);
        }
        String name = String.valueOf(path.getFileName());
        if (!heaps.containsKey(name)) {
            return -Errno.ENOENT;
        }
        return add(new File(Kind.NODE, name, inodes++, 0));
    }

    @Override
    public synchronized int close(int fd) {
        Error error = closeError;
        if (error != null) {
            closeError = null;
            throw error;
        }
        calls.add("close");
        File file = files.remove(fd);
        if (file == null) {
            throw new AssertionError("close of descriptor " + fd + ", which is not open");
        }
        drop(file);
        if (file.device != null) {
            file.device.closed(fd);
        }
        return 0;
    }

    @Override
    public synchronized int ioctl(int fd, long request, MemorySegment argument) {
        int result = enter(
                request == dmabuf_h.DMA_HEAP_IOCTL_ALLOC() || request == dmabuf_h.UDMABUF_CREATE() ? "alloc" : "ioctl");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null) {
            return -Errno.EBADF;
        }
        return switch (file.kind) {
            case NODE -> file.heap.equals("udmabuf") ? udmabuf(request, argument) : heap(file, request, argument);
            case MEMFD, SOCKET -> -Errno.ENOTTY;
            case DMA_BUF -> dmaBuf(file, request, argument);
            case SYNC_FILE -> syncFile(file, request, argument);
            case DEVICE -> Objects.requireNonNull(file.device).ioctl(fd, request, argument);
        };
    }

    @Override
    public synchronized int repeatableIoctl(int fd, long request, MemorySegment argument) {
        Error error = requestError;
        if (error != null) {
            requestError = null;
            throw error;
        }
        return ioctl(fd, request, argument);
    }

    private int heap(File node, long request, MemorySegment argument) {
        if (request != dmabuf_h.DMA_HEAP_IOCTL_ALLOC()) {
            return -Errno.EINVAL;
        }
        long size = (dma_heap_allocation_data.len(argument) + page - 1) & -page;
        if (dma_heap_allocation_data.fd(argument) != 0
                || dma_heap_allocation_data.heap_flags(argument) != 0
                || (dma_heap_allocation_data.fd_flags(argument) & ~(Linux.O_CLOEXEC | 3)) != 0
                || size == 0) {
            return -Errno.EINVAL;
        }
        int fd = allocate(node.heap, size);
        if (fd < 0) {
            return fd;
        }
        dma_heap_allocation_data.fd(argument, fd);
        return 0;
    }

    private int udmabuf(long request, MemorySegment argument) {
        if (request != dmabuf_h.UDMABUF_CREATE()) {
            return -Errno.ENOTTY;
        }
        long size = udmabuf_create.size(argument);
        if (size == 0 || size % page != 0 || udmabuf_create.offset(argument) % page != 0 || size > UDMABUF_LIMIT) {
            return -Errno.EINVAL;
        }
        File memfd = files.get(udmabuf_create.memfd(argument));
        if (memfd == null || memfd.kind != Kind.MEMFD) {
            return -Errno.EBADFD;
        }
        boolean sealedRight = (memfd.seals & Linux.F_SEAL_SHRINK) != 0 && (memfd.seals & F_SEAL_WRITE) == 0;
        if (!sealedRight || udmabuf_create.offset(argument) + size > memfd.size) {
            return -Errno.EINVAL;
        }
        if (memfd.huge && !memfd.filled) {
            throw new AssertionError("the kernel would take pages that others have reserved");
        }
        return allocate("udmabuf", size);
    }

    private static final int F_SEAL_WRITE = 8;

    private int allocate(String heap, long size) {
        long free = heaps.getOrDefault(heap, 0L);
        if (size > free) {
            return -Errno.ENOMEM;
        }
        heaps.put(heap, free - size);
        return add(new File(Kind.DMA_BUF, heap, inodes++, size));
    }

    private int dmaBuf(File file, long request, MemorySegment argument) {
        if (request == dmabuf_h.DMA_BUF_IOCTL_SYNC()) {
            long flags = dma_buf_sync.flags(argument);
            boolean known = (flags & ~(long) dmabuf_h.DMA_BUF_SYNC_VALID_FLAGS_MASK()) == 0;
            if (!known || (flags & dmabuf_h.DMA_BUF_SYNC_RW()) == 0) {
                return -Errno.EINVAL;
            }
            boolean end = (flags & dmabuf_h.DMA_BUF_SYNC_END()) != 0;
            if (end && !file.synced && file.heap.equals("udmabuf")) {
                return -Errno.EINVAL;
            }
            file.synced = true;
            syncs.add(flags);
            return 0;
        }
        if (request == dmabuf_h.DMA_BUF_SET_NAME_B()) {
            byte[] bytes = argument.toArray(ValueLayout.JAVA_BYTE);
            int length = 0;
            while (bytes[length] != 0) {
                length++;
            }
            if (length >= dmabuf_h.DMA_BUF_NAME_LEN()) {
                return -Errno.EINVAL;
            }
            file.name = new String(bytes, 0, length, StandardCharsets.UTF_8);
            return 0;
        }
        if (exchangesFences && request == dmabuf_h.DMA_BUF_IOCTL_EXPORT_SYNC_FILE()) {
            int flags = dma_buf_export_sync_file.flags(argument);
            if (flags < 1 || flags > dmabuf_h.DMA_BUF_SYNC_RW()) {
                return -Errno.EINVAL;
            }
            var works = new HashSet<>(pending(file.writers));
            if ((flags & dmabuf_h.DMA_BUF_SYNC_WRITE()) != 0) {
                works.addAll(pending(file.readers));
            }
            dma_buf_export_sync_file.fd(argument, syncFile(works));
            return 0;
        }
        if (exchangesFences && request == dmabuf_h.DMA_BUF_IOCTL_IMPORT_SYNC_FILE()) {
            int flags = dma_buf_import_sync_file.flags(argument);
            File fence = files.get(dma_buf_import_sync_file.fd(argument));
            if (flags < 1 || flags > dmabuf_h.DMA_BUF_SYNC_RW() || fence == null || fence.kind != Kind.SYNC_FILE) {
                return -Errno.EINVAL;
            }
            boolean writes = (flags & dmabuf_h.DMA_BUF_SYNC_WRITE()) != 0;
            (writes ? file.writers : file.readers).addAll(fence.writers);
            return 0;
        }
        return -Errno.ENOTTY;
    }

    private int syncFile(File file, long request, MemorySegment argument) {
        if (request == dmabuf_h.SYNC_IOC_FILE_INFO()) {
            if (sync_file_info.flags(argument) != 0 || sync_file_info.pad(argument) != 0) {
                return -Errno.EINVAL;
            }
            // 0 if one is pending, else the first error, else 1.
            int status = pending(file.writers).isEmpty()
                    ? file.writers.stream().mapToInt(work -> work.status).min().orElse(1)
                    : 0;
            sync_file_info.status(argument, status);
            return 0;
        }
        if (request == dmabuf_h.SYNC_IOC_MERGE()) {
            if (sync_merge_data.flags(argument) != 0 || sync_merge_data.pad(argument) != 0) {
                return -Errno.EINVAL;
            }
            File other = files.get(sync_merge_data.fd2(argument));
            if (other == null || other.kind != Kind.SYNC_FILE) {
                return -Errno.ENOENT;
            }
            var works = new HashSet<>(pending(file.writers));
            works.addAll(pending(other.writers));
            sync_merge_data.fence(argument, syncFile(works));
            return 0;
        }
        return -Errno.ENOTTY;
    }

    /** What is over is forgotten, whether it went well or not. */
    private static List<Work> pending(Set<Work> works) {
        return works.stream().filter(Work::isPending).toList();
    }

    /** Time passes at once. */
    @Override
    public synchronized int poll(MemorySegment fds, long count, int timeoutMillis) {
        timeouts.add(timeoutMillis);
        int result = enter("poll");
        if (result < 0) {
            return result;
        }
        int ready = ready(fds, count);
        if (ready == 0 && timeoutMillis != 0) {
            whileWaiting.run();
            ready = ready(fds, count);
        }
        return ready;
    }

    /** Writes what is ready of each; returns of how many something is. */
    private int ready(MemorySegment fds, long count) {
        int sum = 0;
        for (long i = 0; i < count; i++) {
            long at = i * Linux.POLLFD.byteSize();
            File file = files.get(fds.get(ValueLayout.JAVA_INT, at));
            int ready = file == null ? Linux.POLLNVAL : ready(file, fds.get(ValueLayout.JAVA_SHORT, at + 4));
            fds.set(ValueLayout.JAVA_SHORT, at + 6, (short) ready);
            sum += ready == 0 ? 0 : 1;
        }
        return sum;
    }

    private int ready(File file, int events) {
        if (file.device != null) {
            // Errors come unasked.
            return file.device.ready(0) & (events | Linux.POLLERR | Linux.POLLHUP);
        }
        if (file.kind == Kind.SOCKET) {
            return socketReady(file) & (events | Linux.POLLHUP);
        }
        return ready(file) & events;
    }

    private int ready(File file) {
        int readable = pending(file.writers).isEmpty() ? Linux.POLLIN : 0;
        return switch (file.kind) {
            case SOCKET -> socketReady(file);
            case SYNC_FILE -> readable;
            case DMA_BUF -> readable | (readable != 0 && pending(file.readers).isEmpty() ? Linux.POLLOUT : 0);
            // What drivers do not say.
            case NODE, MEMFD, DEVICE -> Linux.POLLIN | Linux.POLLOUT;
        };
    }

    @Override
    public synchronized long read(int fd, MemorySegment target) {
        int result = enter("read");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        return file == null || file.device == null ? -Errno.EBADF : file.device.read(fd, target);
    }

    @Override
    public synchronized long pread(int fd, MemorySegment target, long offset) {
        int result = enter("pread");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null || file.kind != Kind.MEMFD) {
            return file == null ? -Errno.EBADF : -29; // ESPIPE
        }
        long length = Math.clamp(file.size - offset, 0, target.byteSize());
        if (file.memory == null) {
            target.asSlice(0, length).fill((byte) 0);
        } else {
            MemorySegment.copy(file.memory, offset, target, 0, length);
        }
        return length;
    }

    /** A file in memory with this in it. */
    public synchronized int memoryFile(byte[] content) {
        File file = new File(Kind.MEMFD, "", inodes++, content.length);
        file.memory = MemorySegment.ofArray(content.clone());
        return add(file);
    }

    @Override
    public synchronized int memfdCreate(String name, int flags) {
        int result = enter("memfd_create");
        if (result < 0) {
            return result;
        }
        File file = new File(Kind.MEMFD, "", inodes++, 0);
        file.huge = (flags & Linux.MFD_HUGETLB) != 0;
        return add(file);
    }

    @Override
    public synchronized int ftruncate(int fd, long length) {
        int result = enter("ftruncate");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null || file.kind != Kind.MEMFD || (file.huge && length % HUGE_PAGE != 0)) {
            return -Errno.EINVAL;
        }
        file.size = length;
        return 0;
    }

    @Override
    public synchronized int fallocate(int fd, long length) {
        int result = enter("fallocate");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null || file.kind != Kind.MEMFD) {
            return -Errno.EBADF;
        }
        if (length > heaps.getOrDefault("udmabuf", 0L)) {
            return -Errno.ENOSPC;
        }
        file.filled = true;
        return 0;
    }

    @Override
    public synchronized int addSeals(int fd, int seals) {
        int result = enter("fcntl");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null || file.kind != Kind.MEMFD) {
            return -Errno.EINVAL;
        }
        file.seals |= seals;
        return 0;
    }

    @Override
    public synchronized int fstat(int fd, MemorySegment stat) {
        int result = enter("fstat");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null) {
            return -Errno.EBADF;
        }
        stat.set(ValueLayout.JAVA_LONG, Linux.STAT_FILE_SIZE, file.size);
        stat.set(ValueLayout.JAVA_LONG, Linux.STAT_INO, file.inode);
        // Each kind is a file system of its own.
        stat.set(ValueLayout.JAVA_LONG, Linux.STAT_DEV, file.kind.name().hashCode());
        return 0;
    }

    /** Its clocks go as the monotonic one, from other starts. */
    @Override
    public synchronized int clockGetTime(int clock, MemorySegment time) {
        int result = enter("clock_gettime");
        if (result < 0) {
            return result;
        }
        if (clock < 0 || clock > Linux.CLOCK_TAI || noClocks.contains(clock)) {
            return -Errno.EINVAL;
        }
        long nanos = System.nanoTime() + ahead(clock);
        time.set(ValueLayout.JAVA_LONG, 0, nanos / 1_000_000_000);
        time.set(ValueLayout.JAVA_LONG, Long.BYTES, nanos % 1_000_000_000);
        return 0;
    }

    /** By how many nanoseconds a clock is ahead of the monotonic one. */
    public static long ahead(int clock) {
        return clock == Linux.CLOCK_MONOTONIC ? 0 : (clock + 1) * 1_000_000_000_123L;
    }

    @Override
    public synchronized long mmap(int fd, long length, int protection) {
        int result = enter("mmap");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null) {
            return -Errno.EBADF;
        }
        if ((file.kind != Kind.DMA_BUF && file.kind != Kind.MEMFD) || length > file.size) {
            return -Errno.EINVAL;
        }
        if (file.readOnly && (protection & Linux.PROT_WRITE) != 0) {
            return -Errno.EACCES;
        }
        if (file.memory == null) {
            file.memory = Arena.ofAuto().allocate(file.size, PAGE);
        }
        // An address of its own for each mapping; the memory is found by it again.
        long address = (1L << 40) + (inodes++ << 20);
        mappings.put(address, file);
        return address;
    }

    @Override
    public synchronized int munmap(long address, long length) {
        calls.add("munmap");
        if (unmapErrno != 0) {
            return -unmapErrno;
        }
        if (mappings.remove(address) == null) {
            throw new AssertionError("munmap of what is not mapped");
        }
        return 0;
    }

    @Override
    public synchronized int coverPages(long address, long length) {
        calls.add("cover");
        if (coverErrno != 0) {
            return -coverErrno;
        }
        if (mappings.remove(address) == null) {
            throw new AssertionError("covering of what is not mapped");
        }
        return 0;
    }

    @Override
    public synchronized MemorySegment view(long address, long length, Arena scope) {
        File file = mappings.get(address);
        if (file == null || file.memory == null) {
            throw new AssertionError("view of what is not mapped");
        }
        return Linux.view(file.memory.address(), length, scope);
    }

    // ---- sockets ----

    private int socketReady(File file) {
        SocketEnd end = file.end;
        if (end == null) {
            return file.waiting.isEmpty() ? 0 : Linux.POLLIN;
        }
        SocketEnd peer = Objects.requireNonNull(end.peer);
        int ready = end.incoming.isEmpty() && !peer.gone ? 0 : Linux.POLLIN;
        return ready
                | (peer.gone ? Linux.POLLHUP : 0)
                | (peer.gone || pendingBytes(peer) < socketRoom ? Linux.POLLOUT : 0);
    }

    private static int pendingBytes(SocketEnd end) {
        return end.incoming.stream().mapToInt(piece -> piece.bytes.length).sum();
    }

    @Override
    public synchronized int dup(int fd) {
        int result = enter("dup");
        File file = files.get(fd);
        return result < 0 ? result : file == null ? -Errno.EBADF : add(file);
    }

    @Override
    public synchronized int closeOnExec(int fd) {
        int result = enter("fcntl");
        if (result >= 0 && !files.containsKey(fd)) {
            return -Errno.EBADF;
        }
        if (result >= 0) {
            closedOnExec.add(fd);
        }
        return result;
    }

    /** Of this process, whatever the number. */
    @Override
    public synchronized int pidfdOpen(int pid) {
        int result = enter("pidfd_open");
        return result < 0 ? result : pid <= 0 ? -Errno.EINVAL : add(new File(Kind.MEMFD, "", inodes++, 0));
    }

    @Override
    public synchronized int pidfdGetFd(int pidfd, int fd) {
        int result = enter("pidfd_getfd");
        File file = files.get(fd);
        return result < 0 ? result : !files.containsKey(pidfd) || file == null ? -Errno.EBADF : add(file);
    }

    private File socketFile() {
        return new File(Kind.SOCKET, "", inodes++, 0);
    }

    private static SocketEnd connect(File file) {
        var here = new SocketEnd();
        var there = new SocketEnd();
        here.peer = there;
        there.peer = here;
        file.end = here;
        return there;
    }

    @Override
    public synchronized int socket(int flags) {
        int result = enter("socket");
        if (result < 0) {
            return result;
        }
        File file = socketFile();
        file.nonblocking = flags == Sockets.SOCK_NONBLOCK;
        return add(file);
    }

    @Override
    public synchronized int socketPair(MemorySegment pair) {
        int result = enter("socketpair");
        if (result < 0) {
            return result;
        }
        File one = socketFile();
        File other = socketFile();
        other.end = connect(one);
        pair.set(ValueLayout.JAVA_INT, 0, add(one));
        pair.set(ValueLayout.JAVA_INT, 4, add(other));
        return 0;
    }

    private static String addressOf(MemorySegment address) {
        return HexFormat.of().formatHex(address.toArray(ValueLayout.JAVA_BYTE));
    }

    @Override
    public synchronized int bind(int fd, MemorySegment address) {
        int result = enter("bind");
        if (result < 0) {
            return result;
        }
        return addresses.putIfAbsent(addressOf(address), Objects.requireNonNull(files.get(fd))) == null
                ? 0
                : -Errno.EADDRINUSE;
    }

    @Override
    public synchronized int listen(int fd, int backlog) {
        return enter("listen");
    }

    @Override
    public synchronized int connect(int fd, MemorySegment address) {
        int result = enter("connect");
        if (result < 0) {
            return result;
        }
        File listening = addresses.get(addressOf(address));
        if (listening == null) {
            return -Errno.ECONNREFUSED;
        }
        listening.waiting.add(connect(Objects.requireNonNull(files.get(fd))));
        return 0;
    }

    @Override
    public synchronized int accept(int fd) {
        int result = enter("accept");
        if (result < 0) {
            return result;
        }
        File listening = Objects.requireNonNull(files.get(fd));
        if (listening.waiting.isEmpty()) {
            assertTrue(listening.nonblocking, "accept would block");
            return -Errno.EAGAIN;
        }
        File accepted = socketFile();
        accepted.end = listening.waiting.removeFirst();
        return add(accepted);
    }

    @Override
    public synchronized int shutdown(int fd) {
        int result = enter("shutdown");
        File file = files.get(fd);
        if (result < 0 || file == null || file.end == null) {
            return result < 0 ? result : -Errno.ENOTCONN;
        }
        hangUp(file.end);
        return 0;
    }

    /** Both ends are of this process, and of root. */
    @Override
    public synchronized int setSocketOption(int fd, int name, MemorySegment value) {
        int result = enter("setsockopt");
        File file = files.get(fd);
        return result < 0 ? result : file == null ? -Errno.EBADF : file.kind != Kind.SOCKET ? -Errno.ENOTSOCK : 0;
    }

    @Override
    public synchronized int socketOption(int fd, int name, MemorySegment value) {
        int result = enter("getsockopt");
        File file = files.get(fd);
        if (result < 0) {
            return result;
        }
        if (file == null || file.kind != Kind.SOCKET) {
            return file == null ? -Errno.EBADF : -Errno.ENOTSOCK;
        }
        value.fill((byte) 0);
        value.set(
                ValueLayout.JAVA_INT,
                0,
                switch (name) {
                    case Sockets.SO_DOMAIN -> Sockets.AF_UNIX;
                    case Sockets.SO_TYPE -> Sockets.SOCK_STREAM;
                    default -> (int) ProcessHandle.current().pid();
                });
        return (int) value.byteSize();
    }

    /** The parts of a {@code struct msghdr}. */
    private static List<MemorySegment> parts(MemorySegment message) {
        long count = message.get(ValueLayout.JAVA_LONG, Sockets.MESSAGE_PARTS_COUNT);
        MemorySegment vector = Linux.view(
                message.get(ValueLayout.JAVA_LONG, Sockets.MESSAGE_PARTS), count * Sockets.PART_SIZE, Arena.global());
        var parts = new ArrayList<MemorySegment>();
        for (long i = 0; i < count; i++) {
            parts.add(Linux.view(
                    vector.get(ValueLayout.JAVA_LONG, i * Sockets.PART_SIZE),
                    vector.get(ValueLayout.JAVA_LONG, i * Sockets.PART_SIZE + 8),
                    Arena.global()));
        }
        return parts;
    }

    private static MemorySegment control(MemorySegment message) {
        return Linux.view(
                message.get(ValueLayout.JAVA_LONG, Sockets.MESSAGE_CONTROL),
                message.get(ValueLayout.JAVA_LONG, Sockets.MESSAGE_CONTROL_SIZE),
                Arena.global());
    }

    @Override
    public synchronized long send(int fd, MemorySegment message, int flags) {
        int result = enter("sendmsg");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null || file.end == null) {
            return file == null ? -Errno.EBADF : -Errno.ENOTCONN;
        }
        if (failingSend > 0 && --failingSend == 0) {
            return -sendErrno;
        }
        SocketEnd peer = Objects.requireNonNull(file.end.peer);
        if (peer.gone || file.end.gone) {
            return -Errno.EPIPE;
        }
        int room = Math.min(socketPiece, socketRoom - pendingBytes(peer));
        if (room <= 0) {
            return -Errno.EAGAIN;
        }
        var bytes = new ByteArrayOutputStream();
        for (MemorySegment part : parts(message)) {
            bytes.writeBytes(part.toArray(ValueLayout.JAVA_BYTE));
        }
        var passed = new ArrayList<File>();
        MemorySegment control = control(message);
        if (control.byteSize() > 0) {
            long length = control.get(ValueLayout.JAVA_LONG, 0);
            for (long at = Sockets.CONTROL_DATA; at < length; at += Integer.BYTES) {
                File one = files.get(control.get(ValueLayout.JAVA_INT, at));
                if (one == null) {
                    return -Errno.EBADF;
                }
                passed.add(one);
            }
        }
        passed.forEach(one -> one.references++);
        byte[] sent = Arrays.copyOf(bytes.toByteArray(), Math.min(room, bytes.size()));
        peer.incoming.add(new Piece(sent, passed));
        return sent.length;
    }

    @Override
    public synchronized long receive(int fd, MemorySegment message, int flags) {
        int result = enter("recvmsg");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null || file.end == null) {
            return file == null ? -Errno.EBADF : -Errno.ENOTCONN;
        }
        MemorySegment control = control(message);
        message.set(ValueLayout.JAVA_LONG, Sockets.MESSAGE_CONTROL_SIZE, 0);
        message.set(ValueLayout.JAVA_INT, Sockets.MESSAGE_FLAGS, 0);
        if (file.end.incoming.isEmpty() && (flags & Sockets.MSG_DONTWAIT) == 0) {
            whileWaiting.run();
        }
        if (file.end.incoming.isEmpty()) {
            return Objects.requireNonNull(file.end.peer).gone || file.end.gone ? 0 : -Errno.EAGAIN;
        }
        // One piece a call, as the kernel does at least where a piece has files.
        Piece piece = file.end.incoming.removeFirst();
        int at = 0;
        for (MemorySegment part : parts(message)) {
            int length = (int) Math.min(part.byteSize(), Math.min(piece.bytes.length - at, socketPiece - at));
            MemorySegment.copy(piece.bytes, at, part, ValueLayout.JAVA_BYTE, 0, length);
            at += length;
        }
        if (at < piece.bytes.length) {
            file.end.incoming.addFirst(new Piece(Arrays.copyOfRange(piece.bytes, at, piece.bytes.length), List.of()));
        }
        receiveFiles(piece.files, message, control);
        return at;
    }

    private void receiveFiles(List<File> passed, MemorySegment message, MemorySegment control) {
        long at = 0;
        if (identifiesSenders) {
            // SCM_CREDENTIALS
            at += control(control, at, 2, Sockets.CREDENTIALS_SIZE);
            // SCM_PIDFD
            control.set(ValueLayout.JAVA_INT, at + Sockets.CONTROL_DATA, add(new File(Kind.MEMFD, "", inodes++, 0)));
            at += control(control, at, 4, Integer.BYTES);
        }
        int room = (int) Math.max(0, (control.byteSize() - at - Sockets.CONTROL_DATA) / Integer.BYTES);
        int count = Math.clamp(mostFiles - (long) files.size(), 0, Math.min(room, passed.size()));
        for (int i = 0; i < count; i++) {
            control.set(ValueLayout.JAVA_INT, at + Sockets.CONTROL_DATA + 4L * i, add(passed.get(i)));
        }
        if (count > 0) {
            control(control, at, Sockets.SCM_RIGHTS, 4L * count);
            at += Sockets.CONTROL_DATA + 4L * count;
        }
        message.set(ValueLayout.JAVA_LONG, Sockets.MESSAGE_CONTROL_SIZE, at);
        if (count < passed.size()) {
            message.set(ValueLayout.JAVA_INT, Sockets.MESSAGE_FLAGS, Sockets.MSG_CTRUNC);
        }
        passed.forEach(this::drop);
    }

    /** Writes a header of control data; returns where the next one begins. */
    private static long control(MemorySegment control, long at, int type, long size) {
        control.set(ValueLayout.JAVA_LONG, at, Sockets.CONTROL_DATA + size);
        control.set(ValueLayout.JAVA_INT, at + Sockets.CONTROL_LEVEL, Sockets.SOL_SOCKET);
        control.set(ValueLayout.JAVA_INT, at + Sockets.CONTROL_TYPE, type);
        return (Sockets.CONTROL_DATA + size + 7) & -8;
    }

    @Override
    public synchronized long deviceNumber(Path node) {
        if (isHeap(node)) {
            queries.add("stat " + node);
            return notCharacterDevices.contains(node) ? 0 : 1;
        }
        int result = enter("stat");
        if (result < 0) {
            return result;
        }
        Device device = devices.get(node);
        return device == null ? -Errno.ENOENT : device.number();
    }

    @Override
    public synchronized Path sysfs(long number) {
        return sysfs;
    }

    @Override
    public synchronized List<String> fdinfo(int fd) throws IOException {
        if (enter("fdinfo") < 0) {
            throw new FileException(Path.of("/proc/self/fdinfo", "" + fd), failWith);
        }
        File file = files.get(fd);
        if (file == null) {
            throw new NoSuchFileException("/proc/self/fdinfo/" + fd);
        }
        return file.kind == Kind.DMA_BUF
                ? List.of("pos:\t0", "count:\t1", "exp_name:\t" + file.heap, "name:\t" + file.name)
                : List.of("pos:\t0", "flags:\t0");
    }

    @Override
    public synchronized int access(Path path, int mode) {
        queries.add("access " + path);
        int refusal = refusals.getOrDefault(path, 0);
        if (refusal != 0 && (mode != Linux.F_OK || !FileException.isLasting(refusal))) {
            return -refusal;
        }
        boolean isThere = isHeap(path) || devices.containsKey(path) || tree.contains(path) || isFile(path);
        return isThere ? 0 : -Errno.ENOENT;
    }

    private boolean isHeap(Path path) {
        return path.equals(UDMABUF)
                ? heaps.containsKey("udmabuf")
                : HEAPS.equals(path.getParent()) && heaps.containsKey(String.valueOf(path.getFileName()));
    }

    @Override
    public long pageSize() {
        return page;
    }

    @Override
    public synchronized OptionalLong meminfo(String key) throws IOException {
        checkRefusal(Path.of("/proc/meminfo"));
        return number(key);
    }

    @Override
    public synchronized OptionalLong freeMemory() {
        return number("sysinfo");
    }

    @Override
    public synchronized OptionalLong groupMemory() {
        return number("cgroup");
    }

    @Override
    public synchronized OptionalLong sysctl(String name) {
        return number(name);
    }

    @Override
    public synchronized OptionalLong mappings() {
        return number("maps");
    }

    @Override
    public synchronized OptionalLong moduleParameter(String module, String parameter) throws IOException {
        checkRefusal(Path.of("/sys/module", module, "parameters", parameter));
        return number(module + " " + parameter);
    }

    private void checkRefusal(Path file) throws IOException {
        Integer refusal = refusals.get(file);
        if (refusal != null && !FileException.isLasting(refusal)) {
            throw new FileException(file, refusal);
        }
    }

    private OptionalLong number(String key) {
        queries.add(key);
        Long number = numbers.get(key);
        return number == null ? OptionalLong.empty() : OptionalLong.of(number);
    }
}
