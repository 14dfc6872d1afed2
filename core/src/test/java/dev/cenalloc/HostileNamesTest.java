// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.ConstraintsFormatException;
import dev.cenalloc.json.ConstraintsJson;
import dev.cenalloc.json.Profile;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.NoCommonImageException;
import dev.cenalloc.stream.Port;
import dev.cenalloc.text.Printable;
import dev.cenalloc.text.Unwrapped;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Names with control characters, such as those of a profile that somebody else wrote, in the dump, the log, and each
 * explanation and message.
 */
class HostileNamesTest {
    private static final Constraints NONE = Constraints.NONE;
    private static final HeapProperties CONTIGUOUS =
            HeapProperties.UNKNOWN.withContiguous(Trait.YES).withOnlyWhenNamed(false);
    private static final Device CONTIGUOUS_DEVICE = Device.of("npu", NONE.contiguous(), "test");

    /** Collects the texts that one character is in. */
    private static final class Texts {
        private final String x;
        private final List<String> texts = new ArrayList<>();

        Texts(String character) {
            this.x = "a" + character + "b";
        }

        private <E extends Exception> E message(Class<E> type, Executable refused) {
            E e = assertThrows(type, refused);
            texts.add(String.valueOf(e.getMessage()));
            if (e instanceof CenallocException told) {
                texts.add(told.reason());
                texts.add(told.remedy());
            }
            return e;
        }

        private void buffers(Cenalloc cenalloc) throws Exception {
            Device camera = Device.of("camera " + x, NONE.cpuRead(), "sheet " + x);
            Device picky = Device.of("picky " + x, NONE.onlyHeaps(Set.of("absent " + x)), "sheet " + x);
            try (var buffer = cenalloc.create(4096)) {
                buffer.name("eye " + x);
                buffer.expect(Expectation.ofDevices(Set.of("camera " + x)).strict());
                texts.add(Expectation.ofDevices(Set.of("camera " + x)).toString());
                message(IllegalStateException.class, buffer::dmaBuf);
                buffer.expect(Expectation.ofDevices(Set.of("camera " + x)));
                buffer.awaitComplete(Duration.ZERO);
                texts.add(buffer.attach(camera).toString());
                texts.add(buffer.toString());
                texts.add(buffer.explain());
                texts.add(cenalloc.dump().replaceAll(", since [^,]*", "")); // the time of day
                message(IllegalArgumentException.class, () -> buffer.attach(camera));
                try (var other = cenalloc.create(4096)) {
                    Attachment foreign = other.attach(camera);
                    message(IllegalArgumentException.class, () -> buffer.detach(foreign));
                }
                buffer.map(Direction.READ).close();
                buffer.attach(Device.undeclared("radio " + x, "silent " + x));
                texts.add(buffer.explain());
                texts.add(cenalloc.dump().replaceAll(", since [^,]*", "")); // the time of day
                texts.add(buffer.choice().orElseThrow().toString());
                message(BufferBusyException.class, () -> buffer.attach(picky));
            }
            try (var buffer = cenalloc.create(4096)) {
                buffer.attach(picky);
                var e = message(NoSuitableHeapException.class, buffer::dmaBuf);
                texts.add(cenalloc.remedy(e.plan().orElseThrow()));
                Device against = Device.of("against " + x, NONE.onlyHeaps(Set.of("system")), "test");
                message(IncompatibleConstraintsException.class, () -> buffer.attach(against));
            }
        }

        private void heaps(FakeKernel kernel, Cenalloc cenalloc) throws Exception {
            var full = cenalloc.register("full " + x, CONTIGUOUS, size -> {
                throw CenallocException.of(Errno.ENOMEM, "MY_ALLOC " + x, size);
            });
            message(IllegalArgumentException.class, () -> cenalloc.register("full " + x, CONTIGUOUS, size -> -1));
            var itself = CONTIGUOUS.withSubstitutes(Set.of("circle " + x));
            message(IllegalArgumentException.class, () -> cenalloc.register("circle " + x, itself, size -> -1));
            message(CenallocException.class, () -> cenalloc.allocate(full, 4096));
            try (var buffer = cenalloc.create(4096)) {
                buffer.attach(CONTIGUOUS_DEVICE);
                var exhausted = message(MemoryExhaustedException.class, buffer::dmaBuf);
                texts.add(exhausted.attempts().toString());
            }
            cenalloc.unregister(full);
            message(IllegalArgumentException.class, () -> cenalloc.unregister(full));
            message(IllegalStateException.class, () -> cenalloc.allocate(full, 4096));

            var small = cenalloc.register("small " + x, CONTIGUOUS, size -> kernel.foreignDmaBuf("small", 4096, true));
            message(CenallocException.class, () -> cenalloc.allocate(small, 1 << 16));
            var wrong = cenalloc.register("wrong " + x, CONTIGUOUS, size -> {
                throw new CenallocException(Errno.EIO, "call", null, size, "what " + x, "remedy " + x);
            });
            message(CenallocException.class, () -> cenalloc.allocate(wrong, 1));
        }

        private void documents() {
            message(
                    ConstraintsFormatException.class,
                    () -> ConstraintsJson.read("{\"version\": 1, \"require\": {\"" + json(x) + "\": 1}}"));
            message(
                    ConstraintsFormatException.class,
                    () -> Profile.read("test", "{\"version\": 1, \"devices\": {\"" + json(x) + "\": 1}}"));
            message(IllegalArgumentException.class, () -> ConstraintsJson.write(NONE.withUnknown("x", x)));
            message(IllegalArgumentException.class, () -> Profile.empty("test").with(Device.undeclared("radio " + x)));
        }

        private static String json(String text) {
            var escaped = new StringBuilder();
            text.chars().forEach(c -> escaped.append(String.format("\\u%04x", c)));
            return escaped.toString();
        }

        private void agreements(Cenalloc cenalloc) throws Exception {
            var images = List.of(new ImageRange(PixelFormat.NV12, Sizes.of(640, 480), Rates.ANY));
            Port camera = Port.of(Device.undeclared("camera " + x, "silent " + x), images);
            Port display = Port.of(Device.of("display " + x, NONE, "test"), images);
            Port converter = Port.of(
                    "converter " + x,
                    List.of(new ImageRange(PixelFormat.XR24, Sizes.of(640, 480), Rates.ANY), images.getFirst()),
                    layout -> Device.of(
                            "converter " + x,
                            layout.image().format() == PixelFormat.XR24 ? NONE.onlyHeaps(Set.of("absent " + x)) : NONE,
                            "sheet " + x));
            texts.add(camera.toString());
            texts.add(Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(camera, display))
                    .explain());
            texts.add(Agreement.negotiate(cenalloc, ImageRequest.ANY, List.of(converter, display))
                    .explain());
            var e = message(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY.format(PixelFormat.XR24), List.of(converter)));
            texts.add(e.rejected().toString());
            var none = message(
                    NoCommonImageException.class,
                    () -> Agreement.negotiate(cenalloc, ImageRequest.ANY.format(PixelFormat.R8), List.of(camera)));
            texts.add(none.conflict().orElseThrow().toString());
        }
    }

    private static List<String> texts(String character) throws Exception {
        var kernel = new FakeKernel().heap("system", 1 << 20);
        var texts = new Texts(character);
        try (var log = new LogCapture();
                Cenalloc cenalloc = kernel.open()) {
            texts.buffers(cenalloc);
            texts.agreements(cenalloc);
            texts.documents();
            texts.heaps(kernel, cenalloc);
            // A cleaner may still report what the test before lost.
            log.text()
                    .lines()
                    .filter(line -> !line.contains("was never closed"))
                    .forEach(texts.texts::add);
        }
        assertEquals(0, kernel.openFiles());
        return texts.texts;
    }

    @ParameterizedTest
    @ValueSource(strings = {"\u001b", "\n", "\r", "\u007f", "\u0085", "\u202e"})
    void theyAreEscaped(String character) throws Exception {
        List<String> harmless = texts("@");
        List<String> hostile = texts(character);
        assertEquals(harmless.size(), hostile.size());
        int named = 0;
        for (int i = 0; i < harmless.size(); i++) {
            assertEquals(
                    Unwrapped.of(harmless.get(i).replace("@", Printable.of(character))), Unwrapped.of(hostile.get(i)));
            named += harmless.get(i).contains("@") ? 1 : 0;
        }
        assertTrue(named > 45, "texts with a name: " + named + " " + harmless);
    }
}
