// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.cenalloc.image.Layout;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** A model of ONNX Runtime from a frame into a buffer of ours: neither its input nor its result is copied. */
final class OnnxRuntime {
    private OnnxRuntime() {}

    /**
     * {@return a tensor that is the memory} The caller closes it before the access of the CPU ends.
     *
     * @param memory exactly that of the elements
     */
    static OnnxTensor tensor(MemorySegment memory, OnnxJavaType type, long... shape) throws OrtException {
        long bytes = type.size;
        for (long length : shape) {
            bytes = Math.multiplyExact(bytes, length);
        }
        if (memory.byteSize() != bytes) {
            throw new IllegalArgumentException(
                    "the elements have " + bytes + " bytes, the memory has " + memory.byteSize());
        }
        // A direct buffer is taken as it is; one of the Java heap would be copied.
        return OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), memory.asByteBuffer(), shape, type);
    }

    /**
     * {@return the image as a tensor of bytes, lines by columns by channels} A tensor has no padding between lines:
     * demand the layout without ({@code Demand.ofLayout(Layout.of(image))}).
     *
     * @param memory of the mapping or of the frame's access
     */
    static OnnxTensor image(Layout layout, MemorySegment memory) throws OrtException {
        var place = layout.planes().getFirst();
        int rows = layout.rows(0);
        int width = layout.image().width();
        long channels = layout.rowBytes(0) / width;
        if (layout.planes().size() != 1 || place.pitch() != width * channels) {
            throw new IllegalArgumentException("no tensor without a copy, since lines are padded or there are several"
                    + " planes: " + layout + ". To do: pass Demand.ofLayout(Layout.of(image)) to create");
        }
        var pixels = memory.asSlice(place.offset(), rows * place.pitch());
        return tensor(pixels, OnnxJavaType.UINT8, 1, rows, width, channels);
    }

    /** Runs a model with one input and one output, which it writes where the result is to be. */
    static void run(OrtSession model, OnnxTensor input, OnnxTensor result) throws OrtException {
        String in = model.getInputNames().iterator().next();
        String out = model.getOutputNames().iterator().next();
        // What the result holds is what was passed: closing it closes nothing of ours.
        try (var _ = model.run(Map.of(in, input), Map.of(out, result))) {}
    }
}
