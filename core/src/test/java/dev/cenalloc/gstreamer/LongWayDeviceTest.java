// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.PeerProcess;
import dev.cenalloc.RequiresDevices;
import dev.cenalloc.Traces;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Address;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A camera of libcamera, a pipeline of GStreamer, this process, another pipeline, a file: three processes, one memory.
 * Nothing copies but the file's write.
 */
@RequiresDevices
class LongWayDeviceTest {
    private static final Image IMAGE = new Image(PixelFormat.NV12, 640, 480);
    private static final int FRAME_BYTES = 640 * 480 * 3 / 2;
    private static final byte WHITE = (byte) 235;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private PeerProcess pipeline(String elements) throws Exception {
        var command = new ArrayList<>(List.of("gst-launch-1.0", "-q"));
        command.addAll(
                List.of(elements.replace("DIRECTORY", directory.toString()).split(" ")));
        return PeerProcess.start(command.toArray(String[]::new));
    }

    private UnixFdSource connect(Cenalloc cenalloc, PeerProcess camera) throws Exception {
        while (true) {
            try {
                return UnixFdSource.open(cenalloc, Address.of(directory.resolve("camera")));
            } catch (CenallocException e) {
                assertTrue(e.errno() == Errno.ENOENT || e.errno() == Errno.ECONNREFUSED, e::toString);
                assertTrue(camera.isAlive(), camera::toString);
                Thread.sleep(20);
            }
        }
    }

    /** Of the dma-bufs that a process has open. */
    private static Set<Long> inodes(long process) throws Exception {
        Path files = Path.of("/proc", Long.toString(process), "fd");
        var inodes = new HashSet<Long>();
        try (var links = Files.newDirectoryStream(files)) {
            for (Path link : links) {
                try {
                    if (Files.readSymbolicLink(link).toString().startsWith("/dmabuf:")) {
                        Path about = files.resolveSibling("fdinfo").resolve(link.getFileName());
                        inodes.add(Files.readAllLines(about).stream()
                                .filter(line -> line.startsWith("ino:"))
                                .map(line -> Long.valueOf(line.substring(4).strip()))
                                .findFirst()
                                .orElseThrow());
                    }
                } catch (IOException e) {
                    // ENOENT: it was closed meanwhile.
                }
            }
        }
        return inodes;
    }

    private static boolean isMarked(int x, int y) {
        return x >= 160 && x < 320 && y >= 120 && y < 240;
    }

    private static void mark(MemorySegment memory, Layout layout) {
        for (int y = 0; y < 480; y++) {
            MemorySegment row = layout.row(memory, 0, y);
            for (int x = 0; x < 640; x++) {
                if (isMarked(x, y)) {
                    row.set(Wire.BYTE, x, WHITE);
                }
            }
        }
    }

    /** The same, in a frame without padding. */
    private static void mark(byte[] frame) {
        for (int i = 0; i < 640 * 480; i++) {
            if (isMarked(i % 640, i / 640)) {
                frame[i] = WHITE;
            }
        }
    }

    @Test
    void aMarkedFrameIsInTheCamerasOwnMemory() throws Exception {
        long open = Traces.openFiles();
        String before = Traces.dmaBufs();
        var expected = new ByteArrayOutputStream();
        var known = new HashSet<Long>();
        var ofCamera = new HashSet<Long>();
        int count = 0;
        try (PeerProcess camera = pipeline(
                        "libcamerasrc ! video/x-raw,format=NV12,width=640,height=480,framerate=30/1"
                                + " ! identity eos-after=41 ! unixfdsink socket-path=DIRECTORY/camera wait-for-connection=true");
                var cenalloc = Cenalloc.open();
                UnixFdSource source = connect(cenalloc, camera)) {
            UnixFdFrame frame = Objects.requireNonNull(source.next(PeerProcess.LIMIT));
            assertEquals(IMAGE, frame.layout().image());
            try (UnixFdSink sink = UnixFdSink.open(
                            cenalloc,
                            Address.of(directory.resolve("marked")),
                            frame.ring().agreement());
                    PeerProcess file = pipeline("unixfdsrc socket-path=DIRECTORY/marked"
                            + " ! filesink location=DIRECTORY/file buffer-mode=unbuffered")) {
                sink.setMostAway(2);
                assertTrue(sink.awaitPipeline(PeerProcess.LIMIT), file::toString);
                while (true) {
                    count++;
                    long inode = frame.buffers().getFirst().inode();
                    try (var access = frame.access(Direction.READ_WRITE)) {
                        byte[] pixels = access.layout().packed(access.segment()).array();
                        mark(pixels);
                        expected.writeBytes(pixels);
                        mark(access.segment(), access.layout());
                    }
                    known.add(inode);
                    ofCamera.addAll(inodes(camera.pid())); // it ends while its last frames are still here
                    assertEquals(1, sink.send(frame), file::toString);
                    while (sink.away() > 1) {
                        assertTrue(sink.collect(PeerProcess.LIMIT) > 0, "a frame comes back");
                    }
                    if (count > 1) {
                        // It gave back the frame before, so it has this one; the sink keeps its last.
                        assertTrue(inodes(file.pid()).contains(inode), "the file's pipeline has the same");
                    }
                    try {
                        frame = Objects.requireNonNull(source.next(PeerProcess.LIMIT));
                    } catch (EndOfStreamException e) {
                        break;
                    }
                }
                assertTrue(sink.finish(PeerProcess.LIMIT), "all frames come back");
                assertEquals(0, sink.missed());
                assertEquals(0, file.status(), file::toString);
            }
            assertEquals(0, camera.status(), camera::toString);
        }
        assertTrue(count >= 40, count + " frames");
        assertTrue(ofCamera.containsAll(known), () -> known + " are memory of the camera's pipeline: " + ofCamera);
        assertTrue(known.size() < count, () -> known.size() + " dma-bufs: they come again");
        byte[] written = Files.readAllBytes(directory.resolve("file"));
        assertEquals(count * FRAME_BYTES, written.length);
        assertArrayEquals(expected.toByteArray(), written);
        assertEquals(before, Traces.dmaBufs());
        assertEquals(0, Traces.mappedDmaBufs());
        assertEquals(open, Traces.openFiles());
    }
}
