// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Mesa's EGL, without a display and on the processor, makes an image of our buffer, and tells what it has. */
@OnDevices
class EglTest {
    private static final int EGL_PLATFORM_SURFACELESS_MESA = 0x31DD;
    private static final int EGL_LINUX_DMA_BUF_EXT = 0x3270;

    private final Arena arena = Arena.ofAuto();

    @SuppressWarnings("restricted") // the address is that of such a function
    private static MethodHandle handle(MemorySegment address, MemoryLayout result, MemoryLayout... arguments) {
        return Linker.nativeLinker().downcallHandle(address, FunctionDescriptor.of(result, arguments));
    }

    @SuppressWarnings("restricted") // never unloaded, as its makers want it
    private static MethodHandle egl(String name, MemoryLayout result, MemoryLayout... arguments) {
        var library = SymbolLookup.libraryLookup("libEGL.so.1", Arena.global());
        return handle(library.findOrThrow(name), result, arguments);
    }

    /** A function of an extension, with a display, an image and three results. */
    private MethodHandle extension(String name) throws Throwable {
        var find = egl("eglGetProcAddress", ADDRESS, ADDRESS);
        var address = (MemorySegment) find.invokeExact(arena.allocateFrom(name));
        assertNotEquals(MemorySegment.NULL, address, name);
        return handle(address, JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    }

    @Test
    void anImageIsOurBufferWithOurPitch() throws Throwable {
        var getDisplay = egl("eglGetPlatformDisplay", ADDRESS, JAVA_INT, ADDRESS, ADDRESS);
        var initialize = egl("eglInitialize", JAVA_INT, ADDRESS, ADDRESS, ADDRESS);
        var terminate = egl("eglTerminate", JAVA_INT, ADDRESS);
        var nothing = MemorySegment.NULL;
        var display = (MemorySegment) getDisplay.invokeExact(EGL_PLATFORM_SURFACELESS_MESA, nothing, nothing);
        assertEquals(1, (int) initialize.invokeExact(display, nothing, nothing));
        try (var cenalloc = Cenalloc.open();
                var buffer = cenalloc.create(new Image(PixelFormat.XR24, 100, 50))) {
            buffer.attach(Device.of("renderer", Constraints.NONE.pitchAlignment(512), "this test"));
            int fd = buffer.dmaBuf().fd();
            var list = EglAttributes.of(List.of(buffer.layout().orElseThrow()), List.of(fd), true);
            check(display, list, buffer.dmaBuf());
        } finally {
            assertEquals(1, (int) terminate.invokeExact(display));
        }
    }

    private void check(MemorySegment display, long[] list, DmaBuf ours) throws Throwable {
        var create = egl("eglCreateImage", ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, ADDRESS);
        var destroy = egl("eglDestroyImage", JAVA_INT, ADDRESS, ADDRESS);
        var nothing = MemorySegment.NULL;
        var attributes = arena.allocateFrom(JAVA_LONG, list);
        var image = (MemorySegment) create.invokeExact(display, nothing, EGL_LINUX_DMA_BUF_EXT, nothing, attributes);
        assertNotEquals(MemorySegment.NULL, image);
        var one = arena.allocate(JAVA_INT, 4);
        var two = arena.allocate(JAVA_INT, 4);
        var three = arena.allocate(JAVA_LONG, 4);
        var query = extension("eglExportDMABUFImageQueryMESA");
        assertEquals(1, (int) query.invokeExact(display, image, one, two, three));
        assertEquals(PixelFormat.XR24.drmFourcc().orElseThrow(), one.get(JAVA_INT, 0));
        assertEquals(1, two.get(JAVA_INT, 0));
        var export = extension("eglExportDMABUFImageMESA");
        assertEquals(1, (int) export.invokeExact(display, image, one, two, three));
        assertEquals(512, two.get(JAVA_INT, 0));
        assertEquals(0, three.get(JAVA_INT, 0));
        try (var theirs = DmaBuf.adopt(one.get(JAVA_INT, 0))) {
            assertEquals(ours.inode(), theirs.inode());
        }
        assertEquals(1, (int) destroy.invokeExact(display, image));
    }
}
