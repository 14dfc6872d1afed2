package dev.cenalloc;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.dmabuf.dma_buf_sync;
import dev.cenalloc.bindings.dmabuf.dma_heap_allocation_data;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * A small kernel: keeps descriptors and mappings, checks what the real one checks, and fails the n-th call on demand.
 * {@link KernelContract} runs against both.
 */
final class FakeKernel implements Kernel {
    private static final long PAGE = 4096;

    private static final class File {
        /** Null for an open heap node. */
        final byte @org.jspecify.annotations.Nullable [] content;

        final String heap;
        final long inode;
        String name = "";

        File(byte @org.jspecify.annotations.Nullable [] content, String heap, long inode) {
            this.content = content;
            this.heap = heap;
            this.inode = inode;
        }
    }

    /** Free bytes, by the name of the heap. */
    final Map<String, Long> heaps = new TreeMap<>();

    final List<String> calls = new ArrayList<>();
    private final Map<Integer, File> files = new HashMap<>();
    private final Map<Long, MemorySegment> mappings = new HashMap<>();
    private final Map<Path, Integer> refusals = new HashMap<>();
    private final Arena arena = Arena.ofAuto();
    private long inodes = 100;
    private int failAt = Integer.MAX_VALUE;
    private int failWith;

    FakeKernel heap(String name, long free) {
        heaps.put(name, free);
        return this;
    }

    /** Makes opening a node fail. */
    synchronized void refuse(Path node, int errno) {
        refusals.put(node, errno);
    }

    /** Makes the call that is the n-th from now, from 0 on, fail; close and munmap cannot. */
    synchronized void failCall(int n, int errno) {
        failAt = calls.size() + n;
        failWith = errno;
    }

    synchronized int openFiles() {
        return files.size();
    }

    synchronized int openMappings() {
        return mappings.size();
    }

    private int enter(String call) {
        calls.add(call);
        return calls.size() - 1 == failAt ? -failWith : 0;
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        if (heaps.isEmpty()) {
            throw new NoSuchFileException(directory.toString());
        }
        return List.copyOf(heaps.keySet());
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
        String name = String.valueOf(path.getFileName());
        if (!heaps.containsKey(name)) {
            return -Errno.ENOENT;
        }
        return add(new File(null, name, inodes++));
    }

    private int add(File file) {
        int fd = 3;
        while (files.containsKey(fd)) {
            fd++;
        }
        files.put(fd, file);
        return fd;
    }

    @Override
    public synchronized int close(int fd) {
        calls.add("close");
        File file = files.remove(fd);
        if (file == null) {
            throw new AssertionError("close of descriptor " + fd + ", which is not open");
        }
        if (file.content != null) {
            heaps.merge(file.heap, (long) file.content.length, Long::sum);
        }
        return 0;
    }

    @Override
    public synchronized int ioctl(int fd, long request, MemorySegment argument) {
        int result = enter(request == dmabuf_h.DMA_HEAP_IOCTL_ALLOC() ? "alloc" : "ioctl");
        if (result < 0) {
            return result;
        }
        File file = files.get(fd);
        if (file == null) {
            return -Errno.EBADF;
        }
        if (file.content == null) {
            return request == dmabuf_h.DMA_HEAP_IOCTL_ALLOC() ? allocate(file, argument) : -Errno.EINVAL;
        }
        if (request == dmabuf_h.DMA_BUF_IOCTL_SYNC()) {
            long flags = dma_buf_sync.flags(argument);
            boolean known = (flags & ~(long) dmabuf_h.DMA_BUF_SYNC_VALID_FLAGS_MASK()) == 0;
            return known && (flags & dmabuf_h.DMA_BUF_SYNC_RW()) != 0 ? 0 : -Errno.EINVAL;
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
        return -Errno.ENOTTY;
    }

    @Override
    public int repeatableIoctl(int fd, long request, MemorySegment argument) {
        return ioctl(fd, request, argument);
    }

    private int allocate(File heap, MemorySegment request) {
        long size = (dma_heap_allocation_data.len(request) + PAGE - 1) & -PAGE;
        if (dma_heap_allocation_data.fd(request) != 0
                || dma_heap_allocation_data.heap_flags(request) != 0
                || (dma_heap_allocation_data.fd_flags(request) & ~(Linux.O_CLOEXEC | 3)) != 0
                || size == 0) {
            return -Errno.EINVAL;
        }
        long free = heaps.getOrDefault(heap.heap, 0L);
        if (size > free) {
            return -Errno.ENOMEM;
        }
        heaps.put(heap.heap, free - size);
        dma_heap_allocation_data.fd(request, add(new File(new byte[(int) size], heap.heap, inodes++)));
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
        stat.set(ValueLayout.JAVA_LONG, Linux.STAT_FILE_SIZE, file.content == null ? 0 : file.content.length);
        stat.set(ValueLayout.JAVA_LONG, Linux.STAT_INO, file.inode);
        return 0;
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
        if (file.content == null || length > file.content.length) {
            return -Errno.EINVAL;
        }
        MemorySegment memory = arena.allocate(length, PAGE);
        mappings.put(memory.address(), memory);
        return memory.address();
    }

    @Override
    public synchronized int munmap(long address, long length) {
        calls.add("munmap");
        if (mappings.remove(address) == null) {
            throw new AssertionError("munmap of what is not mapped");
        }
        return 0;
    }

    @Override
    public MemorySegment view(long address, long length, Arena scope, Runnable release) {
        return Linux.view(address, length, scope, release);
    }

    @Override
    public synchronized List<String> fdinfo(int fd) throws IOException {
        File file = files.get(fd);
        if (file == null) {
            throw new NoSuchFileException("/proc/self/fdinfo/" + fd);
        }
        return file.content == null
                ? List.of("pos:	0", "flags:	0")
                : List.of("pos:	0", "exp_name:	" + file.heap, "name:	" + file.name);
    }

    @Override
    public long memoryTotal() {
        return 1L << 32;
    }

    @Override
    public OptionalLong cmaFree() {
        return OptionalLong.of(12_345);
    }
}
