// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** On Mesa's lavapipe, whose device is the processor. */
@OnDevices
class VulkanTest {
    private static final int WIDTH = 100;
    private static final int HEIGHT = 50;

    @ParameterizedTest
    @ValueSource(strings = {"system", "reserved", "udmabuf"})
    void aShaderWorksOnOurMemory(String heap) throws Exception {
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(new Image(PixelFormat.XR24, WIDTH, HEIGHT));
                var vulkan = new Vulkan()) {
            buffer.attach(Device.of(
                    "Vulkan", Constraints.NONE.onlyHeaps(List.of(heap)).pitchAlignment(512), "this test"));
            try (var mapping = buffer.map(Direction.READ_WRITE);
                    var memory = new VulkanMemory(vulkan.device(), buffer.dmaBuf())) {
                var words = mapping.segment();
                long count = words.byteSize() / 4;
                for (int round = 0; round < 3; round++) {
                    try (var _ = buffer.access(Direction.WRITE)) {
                        for (long i = 0; i < count; i++) {
                            words.setAtIndex(ValueLayout.JAVA_INT, i, (int) (i * 77_777) + round);
                        }
                    }
                    VulkanShader.invert(vulkan.device(), memory, buffer.layout().orElseThrow());
                    try (var _ = buffer.access(Direction.READ)) {
                        for (long i = 0; i < count; i++) {
                            // A pitch of 128 words; the padding and what comes after the image stay as they are.
                            boolean visible = i % 128 < WIDTH && i / 128 < HEIGHT;
                            int before = (int) (i * 77_777) + round;
                            assertEquals(
                                    visible ? before ^ 0xFFFFFF : before, words.getAtIndex(ValueLayout.JAVA_INT, i));
                        }
                    }
                }
            }
        }
    }
}
