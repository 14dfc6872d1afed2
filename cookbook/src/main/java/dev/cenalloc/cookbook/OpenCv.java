// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.image.Layout;
import java.lang.foreign.MemorySegment;
import nu.pattern.OpenCV;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.imgproc.Imgproc;

/** OpenCV over the memory of a frame, padding of the lines and all: no pixel is copied. */
final class OpenCv {
    static {
        OpenCV.loadLocally(); // unpacks its library into a temporary directory
    }

    private OpenCv() {}

    /**
     * {@return the pixels of a plane, where they are} The caller releases it before the access of the CPU ends: OpenCV
     * has the address only, and does not know when the memory goes.
     *
     * @param layout of the image
     * @param plane which of the planes, from 0
     * @param type of an element, such as {@link CvType#CV_8UC4} for XR24, or CV_8UC2 for the second plane of NV12
     * @param memory of the mapping or of the frame's access; if it was mapped for reading, only read the Mat: a write
     *     ends the JVM
     */
    static Mat mat(Layout layout, int plane, int type, MemorySegment memory) {
        var place = layout.planes().get(plane);
        long row = layout.rowBytes(plane);
        int rows = layout.rows(plane);
        // Up to the last pixel, which is before the end of the last line. Java checks here that this is in the memory.
        var pixels = memory.asSlice(place.offset(), (rows - 1) * place.pitch() + row);
        if (row % CvType.ELEM_SIZE(type) != 0) {
            throw new IllegalArgumentException(
                    "a line of " + row + " bytes has no whole elements of " + CvType.typeToString(type));
        }
        return new Mat(rows, (int) (row / CvType.ELEM_SIZE(type)), type, pixels.asByteBuffer(), place.pitch());
    }

    /** Converts an NV12 image into an XR24 one of the same size, both in memory of ours. */
    static void convert(Layout from, MemorySegment nv12, Layout to, MemorySegment xr24) {
        Mat luma = mat(from, 0, CvType.CV_8UC1, nv12);
        Mat chroma = mat(from, 1, CvType.CV_8UC2, nv12);
        Mat colours = mat(to, 0, CvType.CV_8UC4, xr24);
        long place = colours.dataAddr();
        try {
            Imgproc.cvtColorTwoPlane(luma, chroma, colours, Imgproc.COLOR_YUV2BGRA_NV12);
            if (colours.dataAddr() != place) { // OpenCV allocates a result that has another size or type
                throw new IllegalStateException(to + " is no place for the result of " + from);
            }
        } finally {
            luma.release();
            chroma.release();
            colours.release();
        }
    }
}
