// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Direction;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

@OnDevices
class OnnxRuntimeTest {
    private static final int WIDTH = 20;
    private static final int HEIGHT = 10;

    /** A message of protocol buffers, as ONNX files are (onnx.proto). */
    private static final class Message {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        private void number(long value) {
            for (; value >= 128; value >>>= 7) {
                bytes.write((int) value | 128);
            }
            bytes.write((int) value);
        }

        Message with(int field, long value) {
            number(field << 3L);
            number(value);
            return this;
        }

        Message with(int field, byte[] value) {
            number(field << 3L | 2);
            number(value.length);
            bytes.writeBytes(value);
            return this;
        }

        Message with(int field, String value) {
            return with(field, value.getBytes(StandardCharsets.US_ASCII));
        }

        Message with(int field, Message value) {
            return with(field, value.bytes.toByteArray());
        }
    }

    private static Message value(String name, int type, long... shape) {
        var dimensions = new Message();
        for (long length : shape) {
            dimensions.with(1, new Message().with(1, length));
        }
        var tensor = new Message().with(1, type).with(2, dimensions);
        return new Message().with(1, name).with(2, new Message().with(1, tensor));
    }

    private static Message node(String operator, String from, String to, Message attribute) {
        return new Message().with(1, from).with(2, to).with(4, operator).with(5, attribute);
    }

    /** Bytes, lines by columns by channels, to floats, channels by lines by columns. */
    private static byte[] model() {
        var cast = new Message().with(1, "to").with(3, 1).with(20, 2);
        var order = new Message()
                .with(1, "perm")
                .with(8, 0)
                .with(8, 3)
                .with(8, 1)
                .with(8, 2)
                .with(20, 7);
        var graph = new Message()
                .with(1, node("Cast", "pixels", "floats", cast))
                .with(1, node("Transpose", "floats", "planes", order))
                .with(2, "preprocess")
                .with(11, value("pixels", 2, 1, HEIGHT, WIDTH, 4))
                .with(12, value("planes", 1, 1, 4, HEIGHT, WIDTH));
        var model = new Message().with(1, 8).with(8, new Message().with(2, 13)).with(7, graph);
        return model.bytes.toByteArray();
    }

    @Test
    void fromAFrameIntoATensorBuffer() throws Exception {
        var image = new Image(PixelFormat.XR24, WIDTH, HEIGHT);
        long floats = 4L * WIDTH * HEIGHT * Float.BYTES;
        try (var environment = OrtEnvironment.getEnvironment();
                var options = new OrtSession.SessionOptions();
                var cenalloc = Cenalloc.open();
                var frame = cenalloc.create(Demand.ofLayout(Layout.of(image)));
                var planes = cenalloc.create(floats);
                var pixels = frame.map(Direction.READ_WRITE);
                var result = planes.map(Direction.READ_WRITE)) {
            options.setIntraOpNumThreads(1);
            try (var session = environment.createSession(model(), options);
                    var _ = frame.access(Direction.READ_WRITE);
                    var _ = planes.access(Direction.READ_WRITE);
                    var input = OnnxRuntime.image(frame.layout().orElseThrow(), pixels.segment());
                    var output = OnnxRuntime.tensor(
                            result.segment().asSlice(0, floats), OnnxJavaType.FLOAT, 1, 4, HEIGHT, WIDTH)) {
                // Written after the tensors were made: had they copied, the model would not see it.
                for (int round = 0; round < 2; round++) {
                    result.segment().fill((byte) 0);
                    for (long i = 0; i < 4 * WIDTH * HEIGHT; i++) {
                        pixels.segment().set(ValueLayout.JAVA_BYTE, i, (byte) (i * 7 + round));
                    }
                    OnnxRuntime.run(session, input, output);
                    for (int i = 0; i < 4 * WIDTH * HEIGHT; i++) {
                        long at = (long) (i % 4) * WIDTH * HEIGHT + i / 4;
                        assertEquals((i * 7 + round) & 255, result.segment().getAtIndex(ValueLayout.JAVA_FLOAT, at));
                    }
                }
            }
        }
    }

    @Test
    void whatATensorCannotBeIsRefused() {
        var padded = Layout.of(new Image(PixelFormat.XR24, WIDTH, HEIGHT), 0, new LayoutRules(256, 0, 1 << 20, 1))
                .orElseThrow();
        try (var arena = Arena.ofConfined()) {
            var memory = arena.allocate(padded.size());
            assertThrows(IllegalArgumentException.class, () -> OnnxRuntime.image(padded, memory));
            assertThrows(IllegalArgumentException.class, () -> OnnxRuntime.tensor(memory, OnnxJavaType.FLOAT, 3));
            var planes = Layout.of(new Image(PixelFormat.NV12, WIDTH, HEIGHT));
            assertThrows(IllegalArgumentException.class, () -> OnnxRuntime.image(planes, memory));
        }
    }
}
