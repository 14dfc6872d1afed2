// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.device.Devices;
import dev.cenalloc.gstreamer.UnixFdSink;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.json.Boards;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Direction;
import dev.cenalloc.share.Listener;
import dev.cenalloc.stream.Agreement;
import dev.cenalloc.stream.Frame;
import dev.cenalloc.stream.Port;
import dev.cenalloc.stream.Ring;
import dev.cenalloc.v4l2.Camera;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Lends the frames of a camera to other processes. */
@Command(
        name = "send",
        description = {
            "Lends the frames of a camera to every process that connects: any number of 'cenalloc share receive', or of"
                    + " GStreamer pipelines. A process that keeps its frames misses others; one that ends gives all"
                    + " back, and may come again. Runs until Ctrl-C, unless --frames says how long.",
            "With --json --checksum, each frame is a document in a line of its own."
        },
        footer = {
            "  cenalloc share send /tmp/frames",
            "  cenalloc share send @camera --camera vivid --size 640x480 --format XR24 --frames 300",
            "  cenalloc share send /tmp/frames --gstreamer",
            "  gst-launch-1.0 unixfdsrc socket-path=/tmp/frames ! videoconvert ! autovideosink"
        })
final class ShareSendCommand extends Subcommand {
    /** Two stay with the camera; three processes keep two each. */
    private static final int FRAMES = 8;

    private static final Duration LIMIT = Duration.ofSeconds(5);

    @Mixin
    private ShareOptions share = new ShareOptions();

    @Option(
            names = "--camera",
            paramLabel = "<camera>",
            description = "Driver, part of the bus address, node or stable path; by default the first.")
    private @Nullable String camera;

    @Mixin
    private ImageOptions wanted = new ImageOptions();

    @Option(
            names = "--checksum",
            description = "Print the checksum of each frame that is sent, as 'share receive' does.")
    private boolean checksum;

    private volatile boolean stopped;

    @Override
    int run(Answer answer) throws Exception {
        share.fault(true).ifPresent(this::refuse);
        onInterrupt(() -> stopped = true);
        try (var cenalloc = Cenalloc.open()) {
            Listener.open(cenalloc, share.socket().address()).close(); // refuses a socket in use before the work begins
            var node = camera == null ? Devices.camera(cenalloc) : Devices.camera(cenalloc, camera);
            try (var opened = Camera.open(cenalloc, node)) {
                send(answer, cenalloc, opened);
            }
        }
        return Status.DONE;
    }

    private void send(Answer answer, Cenalloc cenalloc, Camera source) throws Exception {
        answer.progress("asking the camera which images it gives, and in which memory");
        var profiles = Boards.ofMachine(cenalloc, List.of());
        var ports = new ArrayList<Port>();
        ports.add(ProfileFile.known(profiles, Optional.empty(), source.driver(), source.node(), source.port()));
        if (share.isGStreamer()) {
            ports.add(pipelines());
        }
        if (checksum) {
            ports.add(Port.of(Device.cpu(Direction.READ), Participants.images(format -> true)));
        }
        Agreement agreement = Agreement.negotiate(cenalloc, wanted.request(), ports);
        agreement.unknown().forEach(device -> answer.warn(PipelineCommand.doubt(device)));
        source.configure(agreement);
        try (Ring ring = Ring.allocate(cenalloc, agreement, FRAMES);
                Outlet outlet = Outlet.open(cenalloc, share.socket().address(), ring, share.isGStreamer())) {
            source.use(ring);
            wanted.request()
                    .rate()
                    .filter(wish -> wish.compareTo(source.rate()) != 0)
                    .ifPresent(wish -> answer.warn(
                            "the camera gives " + source.rate() + " frames a second, and " + wish + " are asked for"));
            send(answer, source, outlet);
        }
    }

    private void send(Answer answer, Camera source, Outlet outlet) throws Exception {
        var log = new FrameLog(answer, "sent");
        log.begin(
                source.image(),
                source.name() + " at " + source.rate() + " frames a second, to " + share.socket(),
                Map.of("camera", source.name(), "node", source.node(), "rate", source.rate()));
        source.start();
        int takers = 0;
        while (log.frames() < share.frames() && !stopped) {
            Frame frame = source.next(LIMIT);
            long sequence = frame.sequence();
            long timestamp = frame.timestampNanos();
            String sum = checksum ? FrameLog.checksum(frame) : null;
            boolean sent = outlet.send(frame) > 0;
            if (outlet.takers() != takers) {
                takers = outlet.takers();
                log.event("processes connected: " + takers);
            }
            if (sent) {
                log.count(sequence);
                if (sum != null) {
                    log.tell(sequence, timestamp, sum, null);
                }
            }
        }
        outlet.finish();
        log.end();
        answer.say(outlet.missed() + " not taken by a process that had its share, " + source.dropped()
                + " lost by the camera");
        answer.put("missed", outlet.missed());
        answer.put("dropped", source.dropped());
    }

    /** The images of which GStreamer has a name, in one buffer. */
    private static Port pipelines() {
        return Port.of(
                Device.of("GStreamer", Constraints.NONE, "formats of video/x-raw"),
                Participants.images(ShareSendCommand::hasName));
    }

    private static boolean hasName(PixelFormat format) {
        try {
            UnixFdSink.layout(new Image(format, 64, 64));
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private void refuse(String fault) {
        throw wrong(fault);
    }
}
