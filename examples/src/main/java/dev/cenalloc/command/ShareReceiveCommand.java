// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.device.Devices;
import dev.cenalloc.examples.Pictures;
import dev.cenalloc.gstreamer.EndOfStreamException;
import dev.cenalloc.image.Image;
import dev.cenalloc.kms.Display;
import dev.cenalloc.share.Connection;
import dev.cenalloc.share.DisconnectedException;
import dev.cenalloc.share.ProtocolException;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Takes the frames that another process lends, and tells, writes or shows them. */
@Command(
        name = "receive",
        description = {
            "Takes the frames of 'cenalloc share send', or of a GStreamer pipeline, and prints a checksum of each, writes"
                    + " it as a picture, or shows it on a display. Waits for the other process, also when that goes away"
                    + " and comes back. Runs until Ctrl-C, unless --frames says how long.",
            "With --json, each frame is a document in a line of its own."
        },
        footer = {
            "  cenalloc share receive /tmp/frames",
            "  cenalloc share receive /tmp/frames --display vkms",
            "  cenalloc share receive @camera --frames 1 --write .",
            "  cenalloc share receive /tmp/frames --gstreamer --frames 30 --json | jq -r .frame.crc32",
            "  gst-launch-1.0 v4l2src io-mode=dmabuf ! unixfdsink socket-path=/tmp/frames"
        })
final class ShareReceiveCommand extends Subcommand {
    private static final Duration LIMIT = Duration.ofSeconds(5);
    /** After each, Ctrl-C is noticed. */
    private static final Duration WAIT = Duration.ofMillis(200);

    /** Of a connection while nobody listens yet. */
    private static final Set<String> ABSENT = Set.of("ENOENT", "ECONNREFUSED");

    @Mixin
    private ShareOptions share = new ShareOptions();

    @Option(
            names = "--checksum",
            description =
                    "Print the CRC-32 of each frame: of its lines, plane by plane, without padding. The default if"
                            + " nothing else is asked for.")
    private boolean checksum;

    @Option(
            names = "--write",
            paramLabel = "<directory>",
            description = "Write each frame to this directory, as frame-000001.png and so on.")
    private @Nullable Path directory;

    @Option(
            names = "--display",
            paramLabel = "<display>",
            description = "Show the frames: driver, part of the bus address, node or stable path of a display.")
    private @Nullable String display;

    private volatile boolean stopped;

    @Override
    int run(Answer answer) throws Exception {
        share.fault(false).ifPresent(this::refuse);
        if (directory != null && !Files.isDirectory(directory)) {
            throw wrong("--write: there is no directory " + directory);
        }
        if (directory != null && !Files.isWritable(directory)) {
            throw wrong("--write: no permission to write in " + directory);
        }
        var log = new FrameLog(answer, "received");
        onInterrupt(() -> stopped = true);
        try (var opened = new Undo()) {
            Cenalloc cenalloc = opened.add(Cenalloc.open());
            Display screen =
                    display == null ? null : opened.add(Display.open(cenalloc, Devices.display(cenalloc, display)));
            while (isGoingOn(log)) {
                receive(log, cenalloc, screen);
            }
        } catch (IllegalStateException e) {
            // After Ctrl-C the library gives the display back at once, whatever frame is under way.
            if (!Pipeline.isProgramEnding()) {
                throw e;
            }
        }
        log.end();
        return Status.DONE;
    }

    private boolean isGoingOn(FrameLog log) {
        return log.frames() < share.frames() && !stopped;
    }

    /** Takes the frames of one process, until it goes away. */
    private void receive(FrameLog log, Cenalloc cenalloc, @Nullable Display screen) throws Exception {
        try (Inlet inlet = connect(log, cenalloc)) {
            if (inlet != null) {
                receive(log, inlet, screen);
            }
        } catch (DisconnectedException | EndOfStreamException e) {
            log.event(e instanceof EndOfStreamException ? "the pipeline has ended" : "the other process is gone");
            Thread.sleep(WAIT); // it may end the next connection as soon
        } catch (ProtocolException e) {
            throw new CommandFailedException(
                    "the process at " + share.socket() + " speaks another protocol: " + e.reason(),
                    share.isGStreamer()
                            ? "leave --gstreamer out, if it is no GStreamer pipeline"
                            : "give --gstreamer, if it is a GStreamer pipeline");
        }
    }

    /** Waits for a process that listens; null if this command is interrupted before. */
    private @Nullable Inlet connect(FrameLog log, Cenalloc cenalloc) throws Exception {
        boolean told = false;
        while (!stopped) {
            try {
                return Inlet.connect(cenalloc, share.socket().address(), share.isGStreamer());
            } catch (CenallocException e) {
                if (!ABSENT.contains(e.errnoName())) {
                    throw e;
                }
            }
            if (!told) {
                log.event("waiting for a process that listens at " + share.socket());
                told = true;
            }
            Thread.sleep(WAIT);
        }
        return null;
    }

    private void receive(FrameLog log, Inlet inlet, @Nullable Display screen) throws Exception {
        Agreement images = null;
        while (isGoingOn(log)) {
            Frame frame = inlet.next(WAIT);
            if (frame == null) {
                continue;
            }
            if (frame.ring().agreement() != images) {
                images = frame.ring().agreement();
                begin(log, inlet.connection(), images.image());
                if (screen != null) {
                    use(screen, frame);
                }
            }
            log.count(frame.sequence());
            tell(log, frame);
            if (screen != null) {
                screen.show(frame); // gives it back when the next is shown
            } else {
                frame.close();
            }
        }
        if (screen != null && images != null && !screen.awaitShown(LIMIT)) {
            throw new IOException("the display did not show the last frame for " + LIMIT.toSeconds() + " seconds");
        }
    }

    private static void begin(FrameLog log, Connection connection, Image image) throws CenallocException {
        log.begin(
                image,
                connection.toString(),
                Map.of("process", connection.peer().pid()));
    }

    private static void use(Display screen, Frame frame) throws CenallocException, CommandFailedException {
        try {
            screen.use(frame.ring());
        } catch (IllegalArgumentException e) {
            throw new CommandFailedException(
                    screen.name() + " does not show " + frame.ring().agreement().image(),
                    "let the other process send other images, such as by: cenalloc share send --format XR24");
        }
    }

    private void tell(FrameLog log, Frame frame) throws IOException, CommandFailedException {
        boolean isSummed = checksum || (directory == null && display == null);
        if (isSummed || directory != null) {
            log.tell(
                    frame.sequence(),
                    frame.timestampNanos(),
                    isSummed ? FrameLog.checksum(frame) : null,
                    directory == null
                            ? null
                            : write(directory.resolve("frame-%06d.png".formatted(log.frames())), frame));
        }
    }

    private static Path write(Path file, Frame frame) throws IOException, CommandFailedException {
        Image image = frame.ring().agreement().image();
        if (frame.layouts().size() > 1) {
            throw new CommandFailedException(
                    "there is no picture of " + image, "let the other process send a format with one buffer, as XR24");
        }
        try (var out = Files.newOutputStream(file)) {
            if (!ImageIO.write(Pictures.of(frame), "png", out)) {
                throw new IOException("this Java cannot write PNG files");
            }
        }
        return file;
    }

    private void refuse(String fault) {
        throw wrong(fault);
    }
}
