// SPDX-License-Identifier: Apache-2.0
// What the frame loop of the Java pipeline is compared with: the same work, the same system calls, in C.
//   pipeline CAMERA DISPLAY FRAMES RATE
// Takes 640x480 XR24 frames from a V4L2 camera into system-heap dma-bufs and shows each by a non-blocking atomic commit.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <linux/dma-heap.h>
#include <linux/videodev2.h>

enum { WIDTH = 640, HEIGHT = 480, STRIDE = WIDTH * 4, SIZE = STRIDE * HEIGHT, BUFFERS = 5 };

static uint64_t address(const void *p) { return (uintptr_t)p; }

static int call(int fd, unsigned long request, void *argument, const char *name)
{
    int result;

    do
        result = ioctl(fd, request, argument);
    while (result < 0 && errno == EINTR);
    if (result < 0) {
        perror(name);
        exit(1);
    }
    return result;
}
#define CALL(fd, request, argument) call(fd, request, argument, #request)

static void await(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};

    if (poll(&waiting, 1, 5000) != 1 || !(waiting.revents & POLLIN)) {
        fprintf(stderr, "nothing came\n");
        exit(1);
    }
}

// The number of a property and, if asked for, its value.
static uint32_t property(int card, uint32_t object, uint32_t type, const char *name, uint64_t *value)
{
    uint32_t ids[64];
    uint64_t values[64];
    struct drm_mode_obj_get_properties query = {
        .props_ptr = address(ids), .prop_values_ptr = address(values), .count_props = 64, .obj_id = object, .obj_type = type};

    CALL(card, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &query);
    for (uint32_t i = 0; i < query.count_props; i++) {
        struct drm_mode_get_property p = {.prop_id = ids[i]};

        CALL(card, DRM_IOCTL_MODE_GETPROPERTY, &p);
        if (!strcmp(p.name, name)) {
            if (value)
                *value = values[i];
            return ids[i];
        }
    }
    fprintf(stderr, "no property %s\n", name);
    exit(1);
}

// Waits until a commit is on the screen, and reads what tells that, of all commits before, too.
static int events(int card)
{
    char events[4096];

    await(card);
    if (read(card, events, sizeof(events)) < (ssize_t)sizeof(struct drm_event_vblank)) {
        perror("read");
        exit(1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int camera = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC), card = open(argv[2], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC), frames = atoi(argv[3]), memory[BUFFERS];
    uint32_t framebuffers[BUFFERS];

    if (camera < 0 || card < 0 || heap < 0) {
        perror("open");
        return 1;
    }
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                 .fmt.pix = {.width = WIDTH, .height = HEIGHT, .pixelformat = V4L2_PIX_FMT_XBGR32}};
    CALL(camera, VIDIOC_S_FMT, &format);
    struct v4l2_streamparm rate = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                   .parm.capture.timeperframe = {1, (uint32_t)atoi(argv[4])}};
    CALL(camera, VIDIOC_S_PARM, &rate);
    struct v4l2_requestbuffers request = {
        .count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF};
    CALL(camera, VIDIOC_REQBUFS, &request);

    struct drm_set_client_cap planes = {DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1}, atomic = {DRM_CLIENT_CAP_ATOMIC, 1};
    CALL(card, DRM_IOCTL_SET_CLIENT_CAP, &planes);
    CALL(card, DRM_IOCTL_SET_CLIENT_CAP, &atomic);
    for (int i = 0; i < BUFFERS; i++) {
        struct dma_heap_allocation_data allocation = {.len = SIZE, .fd_flags = O_RDWR | O_CLOEXEC};
        CALL(heap, DMA_HEAP_IOCTL_ALLOC, &allocation);
        memory[i] = (int)allocation.fd;
        struct drm_prime_handle prime = {.fd = memory[i]};
        CALL(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
        struct drm_mode_fb_cmd2 add = {.width = WIDTH, .height = HEIGHT, .pixel_format = DRM_FORMAT_XRGB8888,
                                       .handles = {prime.handle}, .pitches = {STRIDE}};
        CALL(card, DRM_IOCTL_MODE_ADDFB2, &add);
        framebuffers[i] = add.fb_id;
    }

    // One CRTC, the first connector, the mode of the frame's size, the primary plane: what vkms has.
    uint32_t crtcs[4], connectors[4], plane_ids[16], primary = 0;
    struct drm_mode_card_res resources = {
        .crtc_id_ptr = address(crtcs), .count_crtcs = 4, .connector_id_ptr = address(connectors), .count_connectors = 4};
    CALL(card, DRM_IOCTL_MODE_GETRESOURCES, &resources);
    static struct drm_mode_modeinfo modes[128];
    struct drm_mode_get_connector connector = {
        .connector_id = connectors[0], .modes_ptr = address(modes), .count_modes = 128};
    struct drm_mode_get_connector probe = {.connector_id = connectors[0]};
    CALL(card, DRM_IOCTL_MODE_GETCONNECTOR, &probe);
    CALL(card, DRM_IOCTL_MODE_GETCONNECTOR, &connector);
    struct drm_mode_modeinfo *mode = modes;
    while (mode < modes + 127 && (mode->hdisplay != WIDTH || mode->vdisplay != HEIGHT))
        mode++;
    struct drm_mode_create_blob blob = {.data = address(mode), .length = sizeof(*mode)};
    CALL(card, DRM_IOCTL_MODE_CREATEPROPBLOB, &blob);
    struct drm_mode_get_plane_res plane_list = {.plane_id_ptr = address(plane_ids), .count_planes = 16};
    CALL(card, DRM_IOCTL_MODE_GETPLANERESOURCES, &plane_list);
    for (uint32_t i = 0; i < plane_list.count_planes && !primary; i++) {
        uint64_t type;

        property(card, plane_ids[i], DRM_MODE_OBJECT_PLANE, "type", &type);
        primary = type == 1 ? plane_ids[i] : 0;
    }
    const struct {
        uint32_t object, type;
        const char *name;
        uint64_t value;
    } wanted[] = {
        {crtcs[0], DRM_MODE_OBJECT_CRTC, "MODE_ID", blob.blob_id},
        {crtcs[0], DRM_MODE_OBJECT_CRTC, "ACTIVE", 1},
        {connectors[0], DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", crtcs[0]},
        {primary, DRM_MODE_OBJECT_PLANE, "FB_ID", framebuffers[0]},
        {primary, DRM_MODE_OBJECT_PLANE, "CRTC_ID", crtcs[0]},
        {primary, DRM_MODE_OBJECT_PLANE, "CRTC_X", 0},
        {primary, DRM_MODE_OBJECT_PLANE, "CRTC_Y", 0},
        {primary, DRM_MODE_OBJECT_PLANE, "CRTC_W", WIDTH},
        {primary, DRM_MODE_OBJECT_PLANE, "CRTC_H", HEIGHT},
        {primary, DRM_MODE_OBJECT_PLANE, "SRC_X", 0},
        {primary, DRM_MODE_OBJECT_PLANE, "SRC_Y", 0},
        {primary, DRM_MODE_OBJECT_PLANE, "SRC_W", (uint64_t)WIDTH << 16},
        {primary, DRM_MODE_OBJECT_PLANE, "SRC_H", (uint64_t)HEIGHT << 16},
    };
    enum { PROPERTIES = sizeof(wanted) / sizeof(wanted[0]) };
    uint32_t objects[] = {crtcs[0], connectors[0], primary}, counts[] = {2, 1, PROPERTIES - 3}, ids[PROPERTIES];
    uint64_t values[PROPERTIES];
    for (int i = 0; i < PROPERTIES; i++) {
        ids[i] = property(card, wanted[i].object, wanted[i].type, wanted[i].name, NULL);
        values[i] = wanted[i].value;
    }
    struct drm_mode_atomic modeset = {.flags = DRM_MODE_ATOMIC_ALLOW_MODESET, .count_objs = 3,
                                      .objs_ptr = address(objects), .count_props_ptr = address(counts),
                                      .props_ptr = address(ids), .prop_values_ptr = address(values)};
    CALL(card, DRM_IOCTL_MODE_ATOMIC, &modeset);

    struct v4l2_buffer buffers[BUFFERS], filled = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF};
    for (int i = 1; i < BUFFERS; i++) {
        buffers[i] = filled;
        buffers[i].index = (uint32_t)i;
        buffers[i].m.fd = memory[i];
        buffers[i].length = SIZE;
        CALL(camera, VIDIOC_QBUF, &buffers[i]);
    }
    buffers[0] = filled;
    buffers[0].m.fd = memory[0];
    buffers[0].length = SIZE;
    int stream = V4L2_BUF_TYPE_VIDEO_CAPTURE, on_screen = 0;
    CALL(camera, VIDIOC_STREAMON, &stream);

    uint32_t one = 1, framebuffer_property = ids[3];
    uint64_t framebuffer;
    struct drm_mode_atomic flip = {.flags = DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_PAGE_FLIP_EVENT, .count_objs = 1,
                                   .objs_ptr = address(&primary), .count_props_ptr = address(&one),
                                   .props_ptr = address(&framebuffer_property), .prop_values_ptr = address(&framebuffer)};
    int under_way = -1;
    for (int shown = 0, unread = 0; shown < frames; shown++) {
        await(camera);
        CALL(camera, VIDIOC_DQBUF, &filled);
        framebuffer = framebuffers[filled.index];
        // The kernel makes no commit while another is under way: one that is made tells that the one before is shown.
        while (ioctl(card, DRM_IOCTL_MODE_ATOMIC, &flip)) {
            if (errno == EBUSY) {
                unread = events(card);
            } else if (errno != EINTR) {
                perror("DRM_IOCTL_MODE_ATOMIC");
                return 1;
            }
        }
        if (under_way >= 0) {
            CALL(camera, VIDIOC_QBUF, &buffers[on_screen]);
            on_screen = under_way;
        }
        under_way = (int)filled.index;
        if (++unread == 100) // the kernel keeps 128
            unread = events(card);
    }
    return 0;
}
