// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_fmtdesc;
import dev.cenalloc.bindings.v4l2.v4l2_format;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.bindings.v4l2.v4l2_pix_format_mplane;
import dev.cenalloc.bindings.v4l2.v4l2_plane_pix_format;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A V4L2 node that tells what it is, with any capabilities. With queues, these are multi-planar, and of NV12M alone.
 */
final class FakeVideoNode implements FakeKernel.Device {
    private static final int NV12M = PixelFormat.NV12M.v4l2Fourcc().orElseThrow();
    private static final List<Integer> QUEUES = List.of(
            v4l2_h.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE(),
            v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE(),
            v4l2_h.V4L2_BUF_TYPE_VIDEO_OUTPUT());

    private final long number;
    private final String driver;
    private final String bus;
    private final int capabilities;

    FakeVideoNode(String driver, String bus, int capabilities) {
        this(81 << 8 | 20, driver, bus, capabilities);
    }

    FakeVideoNode(long number, String driver, String bus, int capabilities) {
        this.number = number;
        this.driver = driver;
        this.bus = bus;
        this.capabilities = capabilities | v4l2_h.V4L2_CAP_STREAMING();
    }

    @Override
    public long number() {
        return number;
    }

    @Override
    public int ioctl(int fd, long request, MemorySegment argument) {
        if (request == v4l2_h.VIDIOC_QUERYCAP()) {
            v4l2_capability.driver(argument).setString(0, driver);
            v4l2_capability.bus_info(argument).setString(0, bus);
            v4l2_capability.capabilities(argument, v4l2_h.V4L2_CAP_DEVICE_CAPS());
            v4l2_capability.device_caps(argument, capabilities);
            return 0;
        }
        if (request == v4l2_h.VIDIOC_ENUM_FMT()) {
            v4l2_fmtdesc.pixelformat(argument, NV12M);
            return v4l2_fmtdesc.index(argument) == 0 ? 0 : -Errno.EINVAL;
        }
        if (request == v4l2_h.VIDIOC_G_FMT() || request == v4l2_h.VIDIOC_TRY_FMT()) {
            if (!QUEUES.contains(v4l2_format.type(argument))) {
                return -Errno.EINVAL;
            }
            MemorySegment format = v4l2_format.fmt.pix_mp(v4l2_format.fmt(argument));
            int width = Math.clamp(v4l2_pix_format_mplane.width(format), 2, 1920) & ~1;
            int height = Math.clamp(v4l2_pix_format_mplane.height(format), 2, 1080) & ~1;
            v4l2_pix_format_mplane.width(format, width);
            v4l2_pix_format_mplane.height(format, height);
            v4l2_pix_format_mplane.pixelformat(format, NV12M);
            v4l2_pix_format_mplane.num_planes(format, (byte) 2);
            for (int i = 0; i < 2; i++) {
                MemorySegment plane = v4l2_pix_format_mplane.plane_fmt(format, i);
                v4l2_plane_pix_format.bytesperline(plane, width);
                v4l2_plane_pix_format.sizeimage(plane, width * height / (i + 1));
            }
            return 0;
        }
        return -Errno.ENOTTY;
    }

    @Override
    public void closed(int fd) {}
}
