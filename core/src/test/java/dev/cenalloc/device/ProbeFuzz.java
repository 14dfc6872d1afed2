// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.fuzz.FuzzTarget;
import dev.cenalloc.fuzz.Messages;
import dev.cenalloc.fuzz.Messages.Message;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.node.v4l2.FakeCamera;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.stream.Port;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a V4L2 driver answers. Of an input, the kinds of the messages say what they are: the format that it would set,
 * from its first byte on; the format that it sets; a range of sizes; a list of sizes; a list of rates.
 */
public final class ProbeFuzz implements FuzzTarget {
    private static final Path NODE = Path.of("/dev/video7");
    private static final int KINDS = 6;
    private static final int RANGE = 6;

    private static byte[] bytes(int... numbers) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
        Arrays.stream(numbers).forEach(bytes::putInt);
        return bytes.array();
    }

    private static int[] numbers(byte[] bytes) {
        var numbers = new int[bytes.length / 4];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(numbers);
        return numbers;
    }

    @Override
    public List<byte[]> seeds() {
        int xr24 = PixelFormat.XR24.v4l2Fourcc().orElseThrow();
        // struct v4l2_pix_format: width, height, format, field, bytes of a line, bytes of the image.
        var format = bytes(640, 480, xr24, 1, 2560, 2560 * 480, 0, 0, 0);
        var sizes = new Message(3, bytes(640, 480, 320, 240));
        var rates = new Message(4, bytes(30, 15));
        return List.of(
                Messages.input(List.of(new Message(0, format), new Message(1, format), sizes, rates)),
                Messages.input(List.of(new Message(2, bytes(16, 4096, 2, 16, 4096, 2)), rates)),
                Messages.input(List.of(new Message(5, new byte[0]))));
    }

    private static void tell(FakeCamera camera, Message message) {
        int[] numbers = numbers(message.bytes);
        switch (message.kind % KINDS) {
            case 0 -> camera.tried = format -> overwrite(format, message.bytes);
            case 1 -> camera.settled = format -> overwrite(format, message.bytes);
            case 2 -> camera.range = Arrays.copyOf(numbers, RANGE);
            case 3 -> {
                var sizes = new ArrayList<int[]>();
                for (int i = 0; i + 1 < numbers.length; i += 2) {
                    sizes.add(new int[] {numbers[i], numbers[i + 1]});
                }
                camera.sizes = sizes;
            }
            case 4 -> camera.rates = Arrays.stream(numbers).boxed().toList();
            default -> {} // its images lie in two buffers: see read
        }
    }

    private static void overwrite(MemorySegment format, byte[] bytes) {
        int length = (int) Math.min(bytes.length, format.byteSize());
        MemorySegment.copy(bytes, 0, format, ValueLayout.JAVA_BYTE, 0, length);
    }

    @Override
    public boolean read(byte[] input) throws Exception {
        long memory = 64 << 20;
        var kernel = new FakeKernel().heap("system", memory);
        List<Message> messages = Messages.of(input);
        boolean isPlanar = messages.stream().anyMatch(message -> message.kind % KINDS == KINDS - 1);
        FakeCamera camera = isPlanar
                ? FakeCamera.multiplanar(kernel, FakeCamera::anything)
                : FakeCamera.capturing(kernel, FakeCamera::anything);
        messages.forEach(message -> tell(camera, message));
        kernel.device(NODE.toString(), camera);
        String before = camera.state();
        boolean taken = true;
        try (Cenalloc cenalloc = kernel.open()) {
            var probe = Probe.of(cenalloc, NODE);
            Port port = probe.produces().orElseThrow();
            assertTrue(port.doubts().size() < 1000);
            var image = new Image(isPlanar ? PixelFormat.NV16M : PixelFormat.XR24, 640, 480);
            var layout = Demand.ofImage(image, 0).layout(Constraints.NONE).orElseThrow();
            assertEquals(probe.name(), probe.device(layout).name());
        } catch (CenallocException e) {
            assertTrue(String.valueOf(e.getMessage()).length() < 10_000, e::getMessage);
            taken = false;
        }
        assertEquals(before, camera.state());
        assertEquals(0, kernel.openFiles());
        assertEquals(memory, kernel.free());
        return taken;
    }
}
