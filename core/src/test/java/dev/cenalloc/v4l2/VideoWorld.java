// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Port;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** A fake kernel with two heaps, a camera, a converter, an output and a camera with images in two buffers. */
final class VideoWorld {
    static final Path CAMERA = Path.of("/dev/video0");
    static final Path CONVERTER = Path.of("/dev/video1");
    static final Path OUTPUT = Path.of("/dev/video2");
    static final Path MULTIPLANAR = Path.of("/dev/video3");

    static final Duration SECOND = Duration.ofSeconds(1);
    static final ImageRequest REQUEST =
            ImageRequest.ANY.format(PixelFormat.YUYV).size(320, 240).rate(15);

    /** Bytes of both heaps. */
    static final long MEMORY = (200L << 20) + (32 << 20);

    final FakeKernel kernel = new FakeKernel().heap("system", 200L << 20).heap("reserved", 32 << 20);
    final FakeCamera camera = FakeCamera.capturing(kernel, FakeCamera::anything);
    final FakeCamera converter = FakeCamera.converting(kernel, FakeCamera::anything);
    final FakeCamera output = FakeCamera.showing(kernel, FakeCamera::anything);
    final FakeCamera multiplanar = FakeCamera.multiplanar(kernel, FakeCamera::anything);

    VideoWorld() {
        kernel.device(CAMERA.toString(), camera)
                .device(CONVERTER.toString(), converter)
                .device(OUTPUT.toString(), output)
                .device(MULTIPLANAR.toString(), multiplanar);
    }

    Cenalloc open() {
        return kernel.open();
    }

    /** An agreement of declared devices. */
    static Agreement agreement(Cenalloc cenalloc, PixelFormat format, int width, int height) throws CenallocException {
        return agreement(cenalloc, format, width, height, Constraints.NONE);
    }

    static Agreement agreement(Cenalloc cenalloc, PixelFormat format, int width, int height, Constraints constraints)
            throws CenallocException {
        var images =
                new ImageRange(format, Image.LINEAR, ImageRange.Sizes.of(width, height), List.of(ImageRange.Rates.ANY));
        Device device = Device.of("declared", constraints, "test");
        return Agreement.negotiate(cenalloc, ImageRequest.ANY.rate(30), List.of(Port.of(device, List.of(images))));
    }
}
