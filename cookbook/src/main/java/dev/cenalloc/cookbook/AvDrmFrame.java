// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;
import static java.lang.foreign.MemoryLayout.PathElement.sequenceElement;
import static java.lang.foreign.MemoryLayout.paddingLayout;
import static java.lang.foreign.MemoryLayout.sequenceLayout;
import static java.lang.foreign.MemoryLayout.structLayout;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.image.PixelFormat.Sampling;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * FFmpeg's {@code AVDRMFrameDescriptor} ({@code libavutil/hwcontext_drm.h}), which {@code AVFrame.data[0]} points to if
 * the format is AV_PIX_FMT_DRM_PRIME. It does not own the descriptors in it.
 */
final class AvDrmFrame {
    /** AV_DRM_MAX_PLANES. */
    private static final int MOST = 4;

    static final int GR88 = 'G' | 'R' << 8 | '8' << 16 | '8' << 24;
    static final int GR1616 = 'G' | 'R' << 8 | '3' << 16 | '2' << 24;

    static final MemoryLayout LAYOUT = structLayout(
            JAVA_INT.withName("nb_objects"),
            paddingLayout(4),
            sequenceLayout(
                            MOST,
                            structLayout(
                                    JAVA_INT.withName("fd"),
                                    paddingLayout(4),
                                    JAVA_LONG.withName("size"),
                                    JAVA_LONG.withName("format_modifier")))
                    .withName("objects"),
            JAVA_INT.withName("nb_layers"),
            paddingLayout(4),
            sequenceLayout(
                            MOST,
                            structLayout(
                                    JAVA_INT.withName("format"),
                                    JAVA_INT.withName("nb_planes"),
                                    sequenceLayout(
                                                    MOST,
                                                    structLayout(
                                                            JAVA_INT.withName("object_index"),
                                                            paddingLayout(4),
                                                            JAVA_LONG.withName("offset"),
                                                            JAVA_LONG.withName("pitch")))
                                            .withName("planes")))
                    .withName("layers"));

    private static final VarHandle OBJECTS = LAYOUT.varHandle(groupElement("nb_objects"));
    private static final VarHandle FD = object("fd");
    private static final VarHandle SIZE = object("size");
    private static final VarHandle MODIFIER = object("format_modifier");
    private static final VarHandle LAYERS = LAYOUT.varHandle(groupElement("nb_layers"));
    private static final VarHandle FORMAT = layer("format");
    private static final VarHandle PLANES = layer("nb_planes");
    private static final VarHandle OBJECT = plane("object_index");
    private static final VarHandle OFFSET = plane("offset");
    private static final VarHandle PITCH = plane("pitch");

    private AvDrmFrame() {}

    private static VarHandle object(String field) {
        return LAYOUT.varHandle(groupElement("objects"), sequenceElement(), groupElement(field));
    }

    private static VarHandle layer(String field) {
        return LAYOUT.varHandle(groupElement("layers"), sequenceElement(), groupElement(field));
    }

    private static VarHandle plane(String field) {
        return LAYOUT.varHandle(
                groupElement("layers"),
                sequenceElement(),
                groupElement("planes"),
                sequenceElement(),
                groupElement(field));
    }

    /**
     * {@return a frame descriptor} It has the numbers of the buffers' descriptors: keep the buffers open as long as
     * FFmpeg has the frame. What else an {@code AVFrame} needs is the image's width and height.
     *
     * @param allocator gives its memory
     * @param layouts of the image, one for each buffer
     * @param fds {@code DmaBuf.fd()} of each
     * @param layerAPlane whether each plane is a layer of its own, as VA-API exports them with SEPARATE_LAYERS; else
     *     one layer has all planes, as RKMPP and kmsgrab give them
     */
    static MemorySegment of(SegmentAllocator allocator, List<Layout> layouts, List<Integer> fds, boolean layerAPlane) {
        MemorySegment frame = allocator.allocate(LAYOUT).fill((byte) 0);
        Image image = layouts.getFirst().image();
        int planes = 0;
        for (int i = 0; i < layouts.size(); i++) {
            FD.set(frame, 0L, (long) i, (int) fds.get(i));
            SIZE.set(frame, 0L, (long) i, layouts.get(i).size());
            MODIFIER.set(frame, 0L, (long) i, image.modifier());
            for (Layout.Plane place : layouts.get(i).planes()) {
                long layer = layerAPlane ? planes : 0;
                long plane = layerAPlane ? 0 : planes;
                int format = layerAPlane
                        ? formatOf(image, planes)
                        : image.format().drmFourcc().orElseThrow();
                FORMAT.set(frame, 0L, layer, format);
                PLANES.set(frame, 0L, layer, (int) plane + 1);
                OBJECT.set(frame, 0L, layer, plane, i);
                OFFSET.set(frame, 0L, layer, plane, place.offset());
                PITCH.set(frame, 0L, layer, plane, place.pitch());
                planes++;
            }
        }
        OBJECTS.set(frame, 0L, layouts.size());
        LAYERS.set(frame, 0L, layerAPlane ? planes : 1);
        return frame;
    }

    /**
     * {@return the layout in each of a frame's buffers} In the order of its objects: take a duplicate of the descriptor
     * of each, for {@code Cenalloc.adopt} closes what it takes, and those in the frame belong to FFmpeg.
     *
     * @param frame the descriptor, such as {@code AVFrame.data[0]}, which has to be given this size
     * @param image {@code AVFrame.width}, {@code height}, and the format, which a layer a plane does not tell: {@code
     *     AVHWFramesContext.sw_format}
     * @throws IllegalArgumentException if it is no such image, or its planes do not lie in its objects
     */
    static List<Layout> layouts(MemorySegment frame, Image image) {
        int objects = (int) OBJECTS.get(frame, 0L);
        int layers = (int) LAYERS.get(frame, 0L);
        int planes = image.format().planes().size();
        boolean together = layers == 1 && (int) PLANES.get(frame, 0L, 0L) == planes;
        if (objects != image.format().buffers() || !(together || layers == planes)) {
            throw new IllegalArgumentException(
                    image + " has " + planes + " planes, the frame " + layers + " layers in " + objects + " objects");
        }
        if (together
                && (int) FORMAT.get(frame, 0L, 0L) != image.format().drmFourcc().orElseThrow()) {
            throw new IllegalArgumentException("the frame has another format than " + image);
        }
        var layouts = new ArrayList<Layout>();
        int first = 0;
        for (int i = 0; i < objects; i++) {
            var places = new ArrayList<Layout.Plane>();
            // Formats lie in one buffer, or have one for each plane.
            for (Sampling sampling : image.format().planes().subList(first, objects == 1 ? planes : first + 1)) {
                long layer = together ? 0 : first + places.size();
                long plane = together ? first + places.size() : 0;
                if ((int) OBJECT.get(frame, 0L, layer, plane) != i) {
                    throw new IllegalArgumentException("the planes of " + image + " are not in object " + i);
                }
                long lines = Math.ceilDiv(image.height(), sampling.vertical());
                places.add(new Layout.Plane(
                        (long) OFFSET.get(frame, 0L, layer, plane), (long) PITCH.get(frame, 0L, layer, plane), lines));
            }
            first += places.size();
            var layout = new Layout(
                    new Image(image.format(), image.width(), image.height(), (long) MODIFIER.get(frame, 0L, (long) i)),
                    i,
                    places,
                    (long) SIZE.get(frame, 0L, (long) i));
            for (int plane = 0; layout.image().modifier() == Image.LINEAR && plane < places.size(); plane++) {
                if (layout.rowBytes(plane) > places.get(plane).pitch()) {
                    throw new IllegalArgumentException("a line is longer than the pitch: " + layout);
                }
            }
            layouts.add(layout);
        }
        return layouts;
    }

    /** What a plane is as an image of its own, by the bytes of a pixel: R8, GR88, R16 or GR1616. */
    private static int formatOf(Image image, int plane) {
        int colour = image.format().planes().getFirst().bytes();
        int bytes = image.format().planes().get(plane).bytes();
        if (colour > 2 || (bytes != colour && bytes != 2 * colour)) {
            throw new IllegalArgumentException(image + " has no planes that are images of their own");
        }
        if (bytes == colour) {
            return (colour == 1 ? PixelFormat.R8 : PixelFormat.R16).drmFourcc().orElseThrow();
        }
        return colour == 1 ? GR88 : GR1616;
    }
}
