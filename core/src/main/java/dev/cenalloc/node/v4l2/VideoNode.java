// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.v4l2.v4l2_capability;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.DeviceNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An open V4L2 node: what the driver says of itself, and its queues. Closed by the object that opened it. For one
 * thread at a time.
 */
public final class VideoNode implements AutoCloseable {
    /** Documentation/admin-guide/devices.txt: the number tells what a node is before it is opened. */
    public static final int MAJOR = 81;

    /** What a node does with video in buffers. */
    public enum Kind {
        CAMERA("a camera: it gives images and takes none"),
        CONVERTER("a converter: it takes images and gives others"),
        OUTPUT("a video output: it takes images and gives none"),
        OTHER("no device for video in buffers, such as a radio, VBI or metadata node");

        private final String words;

        Kind(String words) {
            this.words = words;
        }

        @Override
        public String toString() {
            return words;
        }
    }

    private final DeviceNode node;
    private final long number;
    private final String driver;
    private final String name;
    private final List<BufferType> types;
    /** What the driver said last of its images that cannot be; by whether it takes them. */
    private final Map<Boolean, List<String>> doubts = new HashMap<>();

    private VideoNode(DeviceNode node, long number, MemorySegment said) {
        this.node = node;
        this.number = number;
        this.driver = v4l2_capability.driver(said).getString(0);
        String told = driver + " " + v4l2_capability.bus_info(said).getString(0);
        this.name = told.isBlank() ? node.path().toString() : told;
        int ofDevice = v4l2_capability.capabilities(said);
        // Of this node, where the driver tells; else of all nodes of the device.
        this.types = BufferType.of(
                (ofDevice & v4l2_h.V4L2_CAP_DEVICE_CAPS()) != 0 ? v4l2_capability.device_caps(said) : ofDevice);
    }

    /**
     * Opens a node of which the device number is not known yet.
     *
     * @throws CenallocException ENOTTY if it is no V4L2 node; else with the errno of stat, open or the driver
     */
    public static VideoNode open(Kernel kernel, Path path) throws CenallocException {
        long number = kernel.deviceNumber(path);
        if (number < 0) {
            throw CenallocException.ofCall((int) -number, "stat", path, -1);
        }
        if (Kernel.major(number) != MAJOR) {
            throw noVideo(path, "open video device");
        }
        return open(kernel, path, number);
    }

    /**
     * As {@link #open(Kernel, Path)}, of a node whose device number is one of V4L2.
     *
     * @throws CenallocException with the errno of open or the driver
     */
    public static VideoNode open(Kernel kernel, Path path, long number) throws CenallocException {
        DeviceNode node = DeviceNode.open(kernel, path);
        boolean usable = false;
        try (Arena call = Arena.ofConfined()) {
            MemorySegment said = v4l2_capability.allocate(call);
            int result = node.tryIoctl(v4l2_h.VIDIOC_QUERYCAP(), said);
            if (result == -Errno.ENOTTY) {
                throw noVideo(path, "VIDIOC_QUERYCAP");
            }
            if (result < 0) {
                throw node.failure(-result, "VIDIOC_QUERYCAP");
            }
            var opened = new VideoNode(node, number, said);
            usable = true;
            return opened;
        } finally {
            if (!usable) {
                node.close();
            }
        }
    }

    private static CenallocException noVideo(Path path, String call) {
        return new CenallocException(
                Errno.ENOTTY, call, path, -1, "this is no V4L2 video node", "give a node such as /dev/video0");
    }

    /** The node, closed by this. */
    public DeviceNode node() {
        return node;
    }

    /** The number of the device behind it. */
    public long number() {
        return number;
    }

    /** What the driver calls itself. */
    public String driver() {
        return driver;
    }

    /** Driver and place, which last from boot to boot. */
    public String name() {
        return name;
    }

    /** What the node does. */
    public Kind kind() {
        boolean gives = type(false).isPresent();
        if (type(true).isPresent()) {
            return gives ? Kind.CONVERTER : Kind.OUTPUT;
        }
        return gives ? Kind.CAMERA : Kind.OTHER;
    }

    List<BufferType> types() {
        return types;
    }

    Optional<BufferType> type(boolean output) {
        return types.stream().filter(type -> type.isOutput() == output).findFirst();
    }

    /**
     * The images that the device gives, or takes; empty if it is not for that. Changes nothing.
     *
     * @param output whether it is about the images that it takes
     */
    public Optional<List<ImageRange>> images(boolean output) throws CenallocException {
        Optional<BufferType> type = type(output);
        var strange = new ArrayList<String>();
        Optional<List<ImageRange>> images =
                type.isPresent() ? Optional.of(V4l2Images.of(node, type.get(), strange)) : Optional.empty();
        doubts.put(output, List.copyOf(strange));
        return images;
    }

    /** What the driver said of its {@link #images} that cannot be, in words, when it was asked last. */
    public List<String> doubts(boolean output) {
        return doubts.getOrDefault(output, List.of());
    }

    /** The formats of {@link #images}; none if the node is not for that. */
    public List<PixelFormat> formats(boolean output) throws CenallocException {
        Optional<BufferType> type = type(output);
        return type.isPresent() ? V4l2Images.formats(node, type.get()) : List.of();
    }

    /** The formats that {@link #images} leaves out, since they have no name here, by their four characters. */
    public List<String> otherFormats(boolean output) throws CenallocException {
        Optional<BufferType> type = type(output);
        return type.isPresent() ? V4l2Images.others(node, type.get()) : List.of();
    }

    /**
     * Refuses a format that only DRM defines.
     *
     * @throws CenallocException EINVAL
     */
    void require(PixelFormat format, String call) throws CenallocException {
        if (format.v4l2Fourcc().isEmpty()) {
            throw new CenallocException(
                    Errno.EINVAL,
                    call,
                    node.path(),
                    -1,
                    name + " has no images of " + format + ", which only DRM defines",
                    "take a format that V4L2 defines, too");
        }
    }

    /**
     * A queue of the node, to stream with.
     *
     * @param output whether it is the one that takes images
     * @throws IllegalArgumentException if it has none
     */
    public VideoQueue queue(boolean output) {
        return new VideoQueue(
                this, type(output).orElseThrow(() -> new IllegalArgumentException(name + " is " + kind())));
    }

    @Override
    public void close() {
        node.close();
    }

    @Override
    public String toString() {
        return name + " (" + node.path() + ")";
    }
}
