// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.command.proc.Count;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.plan.Device;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs the {@link Pipeline} and tells how it went. */
@Command(
        description = {
            "Shows a camera on a display, or in a window, through dma-bufs, without a copy, and tells how that went.",
            "Runs until Ctrl-C, which puts the display back, unless --frames or --seconds says how long."
        },
        footer = {
            "  cenalloc pipeline",
            "  cenalloc pipeline --size 1280x720 --fps 30 --seconds 10 --explain",
            "  cenalloc pipeline --camera vivid --display vkms --frames 120 --screenshot shot.png",
            "  cenalloc pipeline --display wayland --seconds 10",
            "  cenalloc pipeline --camera uvcvideo --memory camera --frames 60 --json"
        })
final class PipelineCommand extends Subcommand {
    /** Of the wished rate; less is said. */
    private static final double NEARLY = 0.95;
    /** How often a compositor gets its answers while the last frame is held. */
    private static final long ATTENTION_MILLIS = 100;

    @Option(
            names = "--camera",
            paramLabel = "<camera>",
            description = "Driver, part of the bus address, node or stable path; by default the first that agrees.")
    private @Nullable String camera;

    @Option(
            names = "--display",
            paramLabel = "<display>",
            description =
                    "Driver, node or stable path; wayland for a window on the desktop. By default the first display"
                            + " that agrees and that no other program controls; without one, a window.")
    private @Nullable String display;

    @Option(
            names = "--through",
            paramLabel = "<converter>",
            description = "Between the two, a mem-to-mem device: driver, part of the bus address, or node.")
    private @Nullable String through;

    @Mixin
    private ImageOptions wanted = new ImageOptions();

    /** How much is shown and measured. */
    private static final class Extent {
        @Option(
                names = "--frames",
                paramLabel = "<frames>",
                description = "How many frames to show and measure, at least 2; by default, until Ctrl-C.")
        private @Nullable Long frames;

        @Option(
                names = "--seconds",
                paramLabel = "<seconds>",
                description =
                        "How long to show and measure, in place of a number of frames, at least 1. Some frames are"
                                + " shown before, to start.")
        private @Nullable Integer seconds;

        boolean isEnough() {
            return (frames == null || frames >= 2) && (seconds == null || seconds >= 1);
        }

        boolean isEndless() {
            return frames == null && seconds == null;
        }

        long mostFrames() {
            return frames == null ? Long.MAX_VALUE : frames;
        }

        long fewestFrames() {
            return frames == null ? 1 : frames;
        }

        long nanos() {
            return seconds == null
                    ? Long.MAX_VALUE
                    : Duration.ofSeconds(seconds).toNanos();
        }

        @Override
        public String toString() {
            return frames != null
                    ? "of " + frames
                    : seconds != null ? "in " + Count.of(seconds, "second") : "until Ctrl-C";
        }
    }

    @ArgGroup
    private Extent extent = new Extent();

    @Option(names = "--heap", paramLabel = "<heap>", description = "Take this heap, if it suits; by default the best.")
    private @Nullable String heap;

    @Option(
            names = "--memory",
            paramLabel = "<memory>",
            description = "Which memory the frames are in. heaps: memory of the kernel's heap that suits all devices"
                    + " best. camera: memory that the camera's driver allocates and lends to the other devices.",
            defaultValue = "heaps")
    private Pipeline.Memory memory = Pipeline.Memory.HEAPS;

    @Option(
            names = "--profile",
            paramLabel = "<file>",
            description =
                    "What is known of the devices, as probe --profile wrote it. It goes before the shipped profiles"
                            + " of this machine, and its devices are not probed.")
    private @Nullable Path profile;

    @Option(
            names = "--fences",
            description =
                    "Explicit fences: the display waits by itself for a frame, and tells by one that it is shown.")
    private boolean fences;

    @Option(names = "--draw", description = "Have the CPU draw over the frames.")
    private boolean draw;

    @Option(
            names = "--explain",
            description = "Tell why these images and this memory, what else there was, and who says so.")
    private boolean explain;

    @Option(names = "--no-check", description = "Do not compare what the display puts out with what the camera wrote.")
    private boolean unchecked;

    @Option(
            names = "--no-measure",
            description = "Show the frames at once, and count neither system calls nor Java objects: that takes some"
                    + " seconds before.")
    private boolean unmeasured;

    @Option(
            names = "--screenshot",
            paramLabel = "<file>",
            description = "Write what the display put out last to this PNG file.")
    private @Nullable Path screenshot;

    @Option(
            names = "--hold",
            description = "At the end, leave the last frame on the screen until standard input has a line or ends.")
    private boolean hold;

    /** Opened when the last frame need not stay on the screen any longer. */
    private final CountDownLatch released = new CountDownLatch(1);

    @Override
    int run(Answer answer) throws Exception {
        if (!extent.isEnough()) {
            throw wrong("--frames needs at least 2, and --seconds at least 1");
        }
        if (memory == Pipeline.Memory.CAMERA && heap != null) {
            throw wrong("--heap cannot be given with --memory camera: the camera's driver allocates then");
        }
        checkWritable("--screenshot", screenshot);
        var request = new Pipeline.Request(
                Optional.ofNullable(camera),
                Optional.ofNullable(through),
                Optional.ofNullable(display),
                wanted.request(),
                profile == null ? Optional.empty() : Optional.of(readProfile("--profile", profile)),
                memory,
                Optional.ofNullable(heap),
                draw,
                fences,
                !unchecked);
        answer.progress("asking the devices which images and which memory they have in common");
        try (Pipeline pipeline = Pipeline.open(request)) {
            onInterrupt(() -> {
                pipeline.stop();
                released.countDown();
            });
            pipeline.unknown().forEach(device -> answer.warn(doubt(device)));
            return run(pipeline, answer);
        }
    }

    /** What is only guessed. */
    static String doubt(Device device) {
        return "it is not known what memory " + device.name() + " takes (" + device.detail()
                + "); the memory of the frames is a guess for it, and it may refuse it";
    }

    private int run(Pipeline pipeline, Answer answer) throws IOException, InterruptedException {
        answer.say(pipeline.describe());
        answer.note(ProfileFile.tell(pipeline.profiles()));
        if (explain) {
            answer.say(pipeline.explain());
        }
        pipeline.start();
        answer.progress(
                (unmeasured ? "" : Measurement.WARM_UP + " frames to start; then ") + "showing frames " + extent);
        Optional<Measurement> costs;
        if (unmeasured) {
            pipeline.run(extent.mostFrames(), extent.nanos());
            costs = Optional.empty();
        } else {
            costs = Optional.of(Measurement.of(pipeline, extent.mostFrames(), extent.nanos()));
        }
        pipeline.checker().awaitIdle();
        report(pipeline, answer, costs);
        if (answer.isJson()) {
            pipeline.document().forEach(answer::put);
        }
        if (screenshot != null && pipeline.shown() > 0) {
            write(pipeline, screenshot);
            answer.note((isCaptured(pipeline) ? "picture: " : "picture, of what the camera wrote: ") + screenshot);
        }
        if (hold) {
            answer.say("holding the last frame on the screen; Enter ends");
            Thread.ofPlatform().daemon().start(this::awaitInput);
            while (!released.await(ATTENTION_MILLIS, TimeUnit.MILLISECONDS) && pipeline.hold()) {}
        }
        return verdict(pipeline, answer);
    }

    /** On a thread of its own: Ctrl-C does not end it. */
    private void awaitInput() {
        try {
            int _ = System.in.read();
        } catch (IOException e) {
            // What cannot be read has ended.
        } finally {
            released.countDown();
        }
    }

    private void report(Pipeline pipeline, Answer answer, Optional<Measurement> costs) {
        var checker = pipeline.checker();
        var choice = pipeline.choice();
        row(answer, "heap", pipeline.ownMemory().orElse(choice.heap().name()));
        row(
                answer,
                "why",
                pipeline.ownMemory().isEmpty() ? choice.reason() : "no heap suits all devices; --explain tells why");
        row(
                answer,
                "frames shown",
                pipeline.shown() + " " + extent + (unmeasured ? "" : ", after " + Measurement.WARM_UP + " to start"));
        row(answer, "frames dropped", Long.toString(pipeline.dropped()));
        row(answer, "frames a second", "%.2f".formatted(pipeline.framesPerSecond()));
        costs.ifPresent(measured -> report(pipeline, answer, measured));
        if (pipeline.copied() > 0) {
            answer.warn(
                    "the compositor takes no dma-bufs, so each frame was copied by the CPU; one that draws with a GPU"
                            + " takes them");
        }
        row(answer, "copies by us", copies(pipeline));
        row(
                answer,
                "display = camera",
                unchecked
                        ? "not checked, as asked by --no-check"
                        : !pipeline.readsBack()
                                ? "not checked: " + (pipeline.isWindow() ? "a window" : "this display")
                                        + " cannot be read back"
                                : Count.of(checker.frames(), "frame") + " compared, every one of "
                                        + checker.pixelsPerFrame() + " pixels: "
                                        + Count.of(checker.different(), "pixel differs", "pixels differ")
                                        + (checker.lost() > 0
                                                ? ", " + Count.of(checker.lost(), "capture") + " lost"
                                                : ""));
    }

    private static void report(Pipeline pipeline, Answer answer, Measurement costs) {
        row(
                answer,
                "system calls a frame",
                costs.systemCalls().isEmpty()
                        ? "not counted (needs root and tracefs)"
                        : costs
                                + (pipeline.readsBack() && costs.perFrame("futex") >= 0.01
                                        ? "; futex: waiting for the comparison"
                                        : ""));
        double bytes = (double) costs.javaBytes() / Math.max(1, pipeline.shown());
        row(answer, "Java bytes a frame", "%.1f".formatted(bytes));
        if (!costs.systemCalls().isEmpty()) {
            answer.put("systemCallsPerFrame", costs.systemCallsPerFrame());
        }
        answer.put("javaBytesPerFrame", bytes);
    }

    private String copies(Pipeline pipeline) {
        long copied = pipeline.copied();
        return copied == 0
                ? "0: the buffer that " + (through == null ? "the camera" : "the converter")
                        + " fills is the one that is "
                        + (pipeline.isWindow() ? "given to the compositor" : "scanned out")
                : copied + ", a frame each, into shared memory: the compositor takes no dma-bufs";
    }

    private static void row(Answer answer, String name, String value) {
        answer.say("  %-22s%s".formatted(name, value));
    }

    private int verdict(Pipeline pipeline, Answer answer) {
        var checker = pipeline.checker();
        String fault = "";
        if (pipeline.shown() < extent.fewestFrames()) {
            fault = pipeline.shown() == 0 ? "no frame was shown" : "fewer frames were shown than asked for";
        } else if (pipeline.readsBack() && checker.frames() == 0 && !extent.isEndless()) {
            fault = "no frame could be compared";
        } else if (checker.different() > 0) {
            fault = "the display put out something else than the camera wrote";
        }
        if (!fault.isEmpty()) {
            answer.say("FAILED: " + fault);
            answer.refused("pipeline", new CommandFailedException(fault, ""));
            return Status.FAILED;
        }
        String unmet = wanted.request()
                .rate()
                .map(wish -> unmet(wish, pipeline.rate(), pipeline.framesPerSecond()))
                .orElse("");
        if (!unmet.isEmpty()) {
            answer.warn(unmet);
        }
        answer.say(unmet.isEmpty() ? "ok" : "ok, but " + unmet);
        return Status.DONE;
    }

    /**
     * What is to be said if a wish for a rate was not met; empty if it was.
     *
     * @param agreed the rate of the devices
     * @param shown frames a second on the display
     */
    static String unmet(FrameRate wish, FrameRate agreed, double shown) {
        boolean tooSlow = shown < NEARLY * wish.frames() / wish.seconds();
        if (agreed.equals(wish) && !tooSlow) {
            return "";
        }
        return "%.2f frames a second were shown, and %s are asked for%s"
                .formatted(
                        shown,
                        wish,
                        agreed.equals(wish) ? "" : ": the nearest that the devices have in common is " + agreed);
    }

    private static boolean isCaptured(Pipeline pipeline) {
        return pipeline.readsBack() && pipeline.checker().frames() > 0;
    }

    private static void write(Pipeline pipeline, Path file) throws IOException {
        BufferedImage image = isCaptured(pipeline)
                ? pipeline.checker().pictureOfCapture()
                : pipeline.checker().picture(pipeline.last());
        if (!ImageIO.write(image, "png", file.toFile())) {
            throw new IOException("this Java cannot write PNG files");
        }
    }
}
