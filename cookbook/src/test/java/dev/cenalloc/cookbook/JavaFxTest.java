// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Direction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javafx.application.Platform;
import javafx.scene.Group;
import javafx.scene.Scene;
import javafx.scene.image.ImageView;
import javafx.scene.image.WritableImage;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** With JavaFX's own platform without a display, and its renderer on the processor. */
@OnDevices
class JavaFxTest {
    private static final int WIDTH = 30;
    private static final int HEIGHT = 20;

    @BeforeAll
    static void start() throws Exception {
        var started = new CompletableFuture<Boolean>();
        Platform.startup(() -> started.complete(true));
        started.get(120, TimeUnit.SECONDS);
    }

    @AfterAll
    static void stop() {
        Platform.exit();
    }

    private static <T> T onThread(Callable<T> work) throws Exception {
        var result = new CompletableFuture<T>();
        Platform.runLater(() -> {
            try {
                result.complete(work.call());
            } catch (Throwable failure) {
                result.completeExceptionally(failure);
            }
        });
        return result.get(120, TimeUnit.SECONDS);
    }

    private static int pixel(int x, int y, int round) {
        return 0xFF000000 | (x * 8) << 16 | (y * 12) << 8 | (round * 100);
    }

    private static void draw(MemorySegment memory, int round) {
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                memory.setAtIndex(ValueLayout.JAVA_INT, (long) y * WIDTH + x, pixel(x, y, round));
            }
        }
    }

    @Test
    void anImageShowsTheMemory() throws Exception {
        var image = new Image(PixelFormat.AR24, WIDTH, HEIGHT);
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(Demand.ofLayout(Layout.of(image)));
                var mapping = buffer.map(Direction.READ_WRITE)) {
            var pixels = JavaFx.pixels(buffer.layout().orElseThrow(), mapping.segment());
            assertEquals(WIDTH * HEIGHT * 4, pixels.getBuffer().capacity());
            assertEquals(
                    mapping.segment().address(),
                    MemorySegment.ofBuffer(pixels.getBuffer()).address());
            var view = onThread(() -> {
                var one = new ImageView(new WritableImage(pixels));
                var _ = new Scene(new Group(one), WIDTH, HEIGHT);
                return one;
            });
            for (int round = 0; round < 3; round++) {
                int now = round;
                try (var _ = buffer.access(Direction.READ_WRITE)) {
                    draw(mapping.segment(), round);
                    var shown = onThread(() -> {
                        pixels.updateBuffer(_ -> null); // all of it has changed
                        return view.snapshot(null, null);
                    });
                    var reader = shown.getPixelReader();
                    for (int y = 0; y < HEIGHT; y++) {
                        for (int x = 0; x < WIDTH; x++) {
                            assertEquals(
                                    Integer.toHexString(pixel(x, y, now)), Integer.toHexString(reader.getArgb(x, y)));
                        }
                    }
                }
            }
            onThread(() -> {
                view.setImage(null);
                return true;
            });
        }
    }

    @Test
    void whatJavaFxWouldMisreadIsRefused() {
        try (var arena = Arena.ofConfined()) {
            var memory = arena.allocate(1 << 16);
            var opaque = Layout.of(new Image(PixelFormat.XR24, WIDTH, HEIGHT));
            assertThrows(IllegalArgumentException.class, () -> JavaFx.pixels(opaque, memory));
            var padded = Layout.of(new Image(PixelFormat.AR24, WIDTH, HEIGHT), 0, new LayoutRules(256, 0, 1 << 20, 1))
                    .orElseThrow();
            assertThrows(IllegalArgumentException.class, () -> JavaFx.pixels(padded, memory));
        }
    }
}
