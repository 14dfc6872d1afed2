// SPDX-License-Identifier: Apache-2.0
// The other end of dev.cenalloc.share, written from its page alone. With + before SOCKET it listens, else it connects.
//   peer receive SOCKET          takes frames, prints the sum of the bytes of each, gives them back
//   peer send SOCKET FRAMES      lends frames of two buffers of the system heap, as an NV12 image of 64x48
//   peer pass SOCKET FRAMES      as "send", as fast as it can; prints its CPU time for a frame, in ns
//   peer return SOCKET           as "receive", without looking at the frames; prints its CPU time for a frame, in ns
//   peer echo SOCKET             takes a descriptor with each message, closes it, and answers with a byte
// Two modes are for descriptors that another process takes:
//   peer hold                    allocates a buffer that begins with 42, prints its descriptor, waits until its input ends
//   peer take PID FD             takes a buffer out of a process by pidfd_getfd, and prints its first byte
// One disturbs a thread of Java:
//   peer storm PID TID MICROS    interrupts it so often when it waits, now and then when it runs, until its own input
//                                ends; prints how often
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

enum { BUFFERS = 1, FRAME, RELEASE, FORGET };
enum { WIDTH = 64, HEIGHT = 48, SIZE = WIDTH * HEIGHT * 3 / 2, FRAMES = 64, FDS = 16 };

struct header { uint32_t magic; uint16_t type, fds; uint32_t size, id; };
struct plane { uint32_t memory, lines; uint64_t offset, pitch; };
struct buffers { uint32_t format, width, height, memories; uint64_t modifier; uint32_t planes, name, record, zero; };
struct frame { uint64_t number, time; uint32_t flags, zero; };
struct release { uint32_t flags, zero; };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void refuse(const char *why)
{
    fprintf(stderr, "no message of this protocol: %s\n", why);
    exit(1);
}

static int connected(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {120, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int listens = *path == '+';

    strncpy(address.sun_path, path + listens, sizeof(address.sun_path) - 1);
    if (listens) {
        int listener = fd;

        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
            die("bind");
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        close(listener);
    } else if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        die("connect");
    }
    // Nothing here waits for ever, as nothing does in Java.
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        die("socket");
    return fd;
}

// The CPU time of this process for a frame, beside the first ones.
static void count_time(long frame)
{
    enum { FIRST = 100 };
    static int64_t begin;
    static long frames;
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    if (frame == FIRST)
        begin = now.tv_sec * 1000000000L + now.tv_nsec;
    else if (frame > FIRST)
        frames = frame - FIRST;
    else if (frame < 0)
        printf("%" PRId64 "\n", (now.tv_sec * 1000000000L + now.tv_nsec - begin) / (frames ? frames : 1));
}

static void send_all(int fd, const void *bytes, size_t size, const int *fds, int count)
{
    char control[CMSG_SPACE(FDS * sizeof(int))] = {0};
    struct iovec part = {(void *)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (count) {
        struct cmsghdr *first = (void *)control;

        first->cmsg_len = CMSG_LEN(count * sizeof(int));
        first->cmsg_level = SOL_SOCKET;
        first->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(first), fds, count * sizeof(int));
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    while (part.iov_len) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

        if (sent < 0)
            die("sendmsg");
        part.iov_base = (char *)part.iov_base + sent;
        part.iov_len -= sent;
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
}

static struct {
    char bytes[16 + 65536];
    size_t filled;
    int fds[2 * FDS], count;
} in;

// Ends the use of the first message. Its descriptors are closed, unless "taken" has them.
static void next(void)
{
    struct header *h = (void *)in.bytes;
    size_t size = sizeof(*h) + h->size;

    for (int i = 0; i < h->fds; i++)
        if (in.fds[i] >= 0)
            close(in.fds[i]);
    in.count -= h->fds;
    memmove(in.fds, in.fds + h->fds, in.count * sizeof(int));
    in.filled -= size;
    memmove(in.bytes, in.bytes + size, in.filled);
}

// A descriptor of the first message, which the caller closes.
static int taken(int i)
{
    int fd = in.fds[i];

    in.fds[i] = -1;
    return fd;
}

static int is_description(const struct buffers *b, uint64_t size)
{
    return size >= sizeof(*b) && b->memories >= 1 && b->memories <= 4 && b->planes <= 8 && b->name <= 255 &&
           b->record <= 32768 &&
           size == sizeof(*b) + 8 * b->memories + sizeof(struct plane) * b->planes + b->name + b->record;
}

// Whether the first message is there and of a known type; one of another type is skipped.
static int is_there(void)
{
    struct header *h = (void *)in.bytes;
    void *payload = h + 1;

    while (in.filled >= sizeof(*h)) {
        if (h->magic != 0x31414E43 || h->size > sizeof(in.bytes) - sizeof(*h))
            refuse("header");
        if (in.filled < sizeof(*h) + h->size)
            return 0;
        if (in.count < h->fds)
            refuse("descriptors are missing");
        if (h->type < BUFFERS || h->type > FORGET) {
            next();
            continue;
        }
        if (h->id >= FRAMES)
            refuse("number of the frame");
        if (h->type == BUFFERS && (!is_description(payload, h->size) || h->fds != ((struct buffers *)payload)->memories))
            refuse("description");
        if (h->type == FRAME && (h->size != sizeof(struct frame) || h->fds != (((struct frame *)payload)->flags & 1)))
            refuse("frame");
        if (h->type == RELEASE && (h->size != sizeof(struct release) || h->fds != (((struct release *)payload)->flags & 1)))
            refuse("release");
        if (h->type == FORGET && (h->size || h->fds))
            refuse("forget");
        return 1;
    }
    return 0;
}

// The next message is at the beginning of "in"; 0 at the end of the stream.
static int receive(int fd)
{
    while (!is_there()) {
        char control[CMSG_SPACE(FDS * sizeof(int))];
        struct iovec part = {in.bytes + in.filled, sizeof(in.bytes) - in.filled};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        ssize_t length;

        length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (length < 0 && errno != ECONNRESET)
            die("recvmsg");
        if (length <= 0)
            return 0;
        if (message.msg_flags & MSG_CTRUNC)
            refuse("too many descriptors");
        in.filled += length;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            int count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                continue;
            if (in.count + count > 2 * FDS)
                refuse("too many descriptors");
            memcpy(in.fds + in.count, CMSG_DATA(c), count * sizeof(int));
            in.count += count;
        }
    }
    return 1;
}

// A sync file is readable when the work has ended.
static void wait_for(int fence)
{
    struct pollfd poll_fence = {fence, POLLIN, 0};

    while (poll(&poll_fence, 1, -1) < 0)
        if (errno != EINTR)
            die("poll");
}

static void sync_cpu(int fd, uint64_t flags)
{
    struct dma_buf_sync sync = {flags};

    if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) < 0)
        die("DMA_BUF_IOCTL_SYNC");
}

static int receive_frames(int fd, int looks)
{
    long frames = 0;
    static struct { int fd; uint64_t size; unsigned char *memory; char name[256]; } known[FRAMES];

    for (; receive(fd); next()) {
        struct header *h = (void *)in.bytes;
        void *payload = h + 1;
        uint32_t id = h->id;

        if (h->type == RELEASE || (h->type == BUFFERS) == !!known[id].memory)
            refuse("of a frame that is there already, or that is not");
        if (h->type == BUFFERS) {
            struct buffers *b = payload;
            uint64_t *sizes = (void *)(b + 1);
            struct plane *planes = (void *)(sizes + b->memories);

            known[id].fd = taken(0);
            known[id].size = sizes[0];
            known[id].memory = mmap(NULL, sizes[0], PROT_READ, MAP_SHARED, known[id].fd, 0);
            if (known[id].memory == MAP_FAILED)
                die("mmap");
            snprintf(known[id].name, 256, "%.*s", (int)b->name, (char *)(planes + b->planes));
            if (looks)
                printf("frame %" PRIu32 " \"%s\" %.4s %" PRIu32 "x%" PRIu32 ", second plane at %" PRIu64 "\n", id, known[id].name,
                   (char *)&b->format, b->width, b->height, b->planes > 1 ? planes[1].offset : 0);
        } else if (h->type == FRAME) {
            struct frame *f = payload;
            struct { struct header h; struct release r; } back = {{0x31414E43, RELEASE, 0, sizeof(back.r), id}, {0}};
            uint64_t sum = 0;

            count_time(++frames);
            if (f->flags & 1)
                wait_for(in.fds[0]);
            if (!looks) {
                send_all(fd, &back, sizeof(back), NULL, 0);
                continue;
            }
            sync_cpu(known[id].fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
            for (uint64_t i = 0; i < known[id].size; i++)
                sum += known[id].memory[i];
            sync_cpu(known[id].fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
            printf("number %" PRIu64 " sum %" PRIu64 "%s\n", f->number, sum, f->flags & 1 ? " fence" : "");
            send_all(fd, &back, sizeof(back), NULL, 0);
        } else if (h->type == FORGET) {
            munmap(known[id].memory, known[id].size);
            close(known[id].fd);
            known[id].memory = NULL;
            printf("frame %" PRIu32 " is forgotten\n", id);
        }
    }
    if (!looks)
        count_time(-1);
    return 0;
}

static int echo(int fd)
{
    char control[CMSG_SPACE(FDS * sizeof(int))], byte;
    struct iovec part = {&byte, 1};

    while (1) {
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);

        if (length <= 0)
            return length < 0;
        if (c)
            close(*(int *)CMSG_DATA(c));
        send_all(fd, &byte, 1, NULL, 0);
    }
}

static int allocated(void)
{
    struct dma_heap_allocation_data data = {.len = SIZE, .fd_flags = O_RDWR | O_CLOEXEC};
    int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);

    if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) < 0)
        die("DMA_HEAP_IOCTL_ALLOC");
    close(heap);
    return data.fd;
}

static unsigned char *mapped(int fd)
{
    unsigned char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

static void take_back(int fd, int *away)
{
    struct header *h = (void *)in.bytes;

    if (!receive(fd)) {
        fprintf(stderr, "the receiver has gone without giving every frame back\n");
        exit(1);
    }
    if (h->type != RELEASE || h->id > 1 || !away[h->id])
        refuse("no release of a frame that is away");
    if (h->fds)
        wait_for(in.fds[0]);
    away[h->id] = 0;
    next();
}

static int send_frames(int fd, long count, int slowly)
{
    static int away[2];
    unsigned char *memory[2];
    int fds[2];

    for (uint32_t id = 0; id < 2; id++) {
        struct {
            struct header h;
            struct buffers b;
            uint64_t size;
            struct plane planes[2];
            char name[8];
        } add = {{0x31414E43, BUFFERS, 1, sizeof(add) - sizeof(add.h), id},
                 {0x3231564E, WIDTH, HEIGHT, 1, 0, 2, 8, 0, 0},
                 SIZE,
                 {{0, HEIGHT, 0, WIDTH}, {0, HEIGHT / 2, WIDTH * HEIGHT, WIDTH}},
                 "from C !"};

        fds[id] = allocated();
        memory[id] = mapped(fds[id]);
        send_all(fd, &add, sizeof(add), &fds[id], 1);
    }
    for (long number = 0; number < count; number++) {
        uint32_t id = number % 2;
        struct { struct header h; struct frame f; } lend = {
            {0x31414E43, FRAME, 0, sizeof(lend.f), id}, {number, UINT64_MAX, 0, 0}};

        while (away[id])
            take_back(fd, away);
        if (slowly) {
            sync_cpu(fds[id], DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
            memset(memory[id], number % 251, SIZE);
            sync_cpu(fds[id], DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
        }
        away[id] = 1;
        send_all(fd, &lend, sizeof(lend), NULL, 0);
        count_time(number);
    }
    while (away[0] || away[1])
        take_back(fd, away);
    if (!slowly)
        count_time(-1);
    return 0;
}

static int hold(void)
{
    int fd = allocated();
    char end;

    mapped(fd)[0] = 42;
    printf("%d\n", fd);
    fflush(stdout);
    return read(0, &end, 1) != 0;
}

static int take(int pid, int fd)
{
    int process = syscall(SYS_pidfd_open, pid, 0);
    int taken = process < 0 ? -1 : syscall(SYS_pidfd_getfd, process, fd, 0);

    if (taken < 0)
        die("pidfd_getfd");
    printf("%d\n", mapped(taken)[0]);
    return 0;
}

static int storm(int pid, int tid, long micros)
{
    // Java ends system calls of its own threads with this signal. Its handler does nothing, and is installed without
    // SA_RESTART, so that every call that a signal can interrupt fails with EINTR.
    const int interrupt = SIGRTMAX - 2;
    const struct timespec pause = {micros / 1000000, micros % 1000000 * 1000};
    struct pollfd input = {0, POLLIN, 0};
    char path[64], text[128], *state;
    long sent = 0, running = 0;
    int stat;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
    stat = open(path, O_RDONLY | O_CLOEXEC);
    while (ppoll(&input, 1, &pause, NULL) == 0) {
        ssize_t length = pread(stat, text, sizeof(text) - 1, 0);

        if (length < 0)
            die(path);
        text[length] = 0;
        state = strrchr(text, ')');
        // A thread that runs must get on, however slow its machine is.
        if ((!state || state[2] == 'R') && ++running % 16)
            continue;
        if (syscall(SYS_tgkill, pid, tid, interrupt) == 0)
            sent++;
        else if (errno != EAGAIN) // so many are under way already
            die("tgkill");
    }
    printf("%ld\n", sent);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "receive"))
        return receive_frames(connected(argv[2]), 1);
    if (argc == 4 && !strcmp(argv[1], "send"))
        return send_frames(connected(argv[2]), atol(argv[3]), 1);
    if (argc == 4 && !strcmp(argv[1], "pass"))
        return send_frames(connected(argv[2]), atol(argv[3]), 0);
    if (argc == 3 && !strcmp(argv[1], "return"))
        return receive_frames(connected(argv[2]), 0);
    if (argc == 3 && !strcmp(argv[1], "echo"))
        return echo(connected(argv[2]));
    if (argc == 2 && !strcmp(argv[1], "hold"))
        return hold();
    if (argc == 4 && !strcmp(argv[1], "take"))
        return take(atoi(argv[2]), atoi(argv[3]));
    if (argc == 5 && !strcmp(argv[1], "storm"))
        return storm(atoi(argv[2]), atoi(argv[3]), atol(argv[4]));
    fprintf(stderr, "peer receive|return|echo SOCKET | send|pass SOCKET FRAMES | hold | take PID FD |"
                    " storm PID TID MICROS\n");
    return 2;
}
