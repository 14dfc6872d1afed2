// SPDX-License-Identifier: Apache-2.0
// What the calls of the library are compared with (ci/compare/calls): the same system calls, in C.
//   calls FRAMES
// Prints "NAME NS" for each: the CPU time of the thread, a call.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static int heap;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int allocate(size_t size)
{
    struct dma_heap_allocation_data data = {.len = size, .fd_flags = O_RDWR | O_CLOEXEC};

    if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) < 0)
        die("DMA_HEAP_IOCTL_ALLOC");
    return data.fd;
}

static void allocate_close(size_t size) { close(allocate(size)); }

static int buffer;

static void map_unmap(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);

    if (pages == MAP_FAILED)
        die("mmap");
    munmap(pages, size);
}

static void sync_once(uint64_t flags)
{
    struct dma_buf_sync sync = {flags};

    if (ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync) < 0)
        die("DMA_BUF_IOCTL_SYNC");
}

static void sync_pair(size_t size)
{
    (void)size;
    sync_once(DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
    sync_once(DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
}

static uint64_t used(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void measure(const char *name, int count, void (*call)(size_t), size_t size)
{
    uint64_t before;

    for (int i = 0; i < 100; i++)
        call(size);
    before = used();
    for (int i = 0; i < count; i++)
        call(size);
    printf("%s %llu\n", name, (unsigned long long)(used() - before) / count);
}

int main(int argc, char **argv)
{
    int count = argc == 2 ? atoi(argv[1]) : 0;

    if (count < 1)
        return 2;
    heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
    if (heap < 0)
        die("/dev/dma_heap/system");
    measure("allocate-4K", count, allocate_close, 4 * KIB);
    measure("allocate-1M", count / 10, allocate_close, MIB);
    measure("allocate-8M", count / 50, allocate_close, 8 * MIB);
    buffer = allocate(4 * KIB);
    measure("map-4K", count, map_unmap, 4 * KIB);
    measure("sync", count, sync_pair, 0);
    close(buffer);
    buffer = allocate(MIB);
    measure("map-1M", count / 10, map_unmap, MIB);
    return 0;
}
