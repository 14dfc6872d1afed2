// SPDX-License-Identifier: Apache-2.0
/*
 * VIDIOC_QBUF that fails while a dma-buf is attached keeps a reference to it: the memory is never given back, also not
 * when all descriptors are closed and the process has ended. Seen on 6.12; 7.2 has the same code.
 *
 * __prepare_dmabuf (drivers/media/common/videobuf2/videobuf2-core.c) takes a reference with dma_buf_get for each plane,
 * and goes to err_put_vb2_buf if attach_dmabuf fails; but __vb2_buf_dmabuf_put gives back only those references that
 * are in vb->planes already. Lost are that of the plane that failed, and those of all planes after it, these also if
 * map_dmabuf fails.
 *
 * Here the reason is a dma-buf that is smaller than it is said to be (EFAULT). Others are an exporter that cannot be
 * attached to, such as a card with memory of its own (ENOSYS), and a lack of memory (ENOMEM).
 *
 * Needs /dev/dma_heap/system, the node of a camera that takes any memory, and debugfs. Run by ci/kernel-bug.
 */
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE 4096
#define TIMES 100

/* Of one page. */
static int buffers(void) {
    char line[256];
    FILE *list = fopen("/sys/kernel/debug/dma_buf/bufinfo", "re");
    int count = 0;
    while (list && fgets(line, sizeof line, list)) {
        unsigned long size;
        unsigned flags;
        count += sscanf(line, "%8lu\t%8x\t", &size, &flags) == 2 && size == PAGE;
    }
    return list ? fclose(list), count : -1;
}

static void check(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(2);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s /dev/videoN\n", argv[0]);
        return 2;
    }
    int before = buffers();
    check(before, "bufinfo");
    int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
    check(heap, "/dev/dma_heap/system");
    for (int i = 0; i < TIMES; i++) {
        int camera = open(argv[1], O_RDWR | O_CLOEXEC);
        check(camera, argv[1]);
        struct v4l2_requestbuffers request = {
            .count = 2, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF};
        check(ioctl(camera, VIDIOC_REQBUFS, &request), "VIDIOC_REQBUFS");
        struct dma_heap_allocation_data page = {.len = PAGE, .fd_flags = O_RDWR | O_CLOEXEC};
        check(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &page), "DMA_HEAP_IOCTL_ALLOC");
        struct v4l2_buffer buffer = {
            .type = request.type, .memory = request.memory, .m.fd = page.fd, .length = 64 << 20};
        if (ioctl(camera, VIDIOC_QBUF, &buffer) == 0) {
            fprintf(stderr, "VIDIOC_QBUF was to fail\n");
            return 2;
        }
        close(page.fd);
        close(camera);
    }
    int left = buffers() - before;
    printf("%d of %d buffers that nobody has are still there\n", left, TIMES);
    return left != 0;
}
