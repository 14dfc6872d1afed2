package dev.cenalloc.command;

import dev.cenalloc.plan.Device;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Runs the {@link Pipeline} and tells how it went. */
@Command(
        name = "pipeline",
        mixinStandardHelpOptions = true,
        description = "Shows a camera on a display through dma-bufs, without a copy.")
final class PipelineCommand implements Callable<Integer> {
    private static final int RESTORE_SECONDS = 5;

    @Option(
            names = "--camera",
            paramLabel = "<camera>",
            description = "Driver, part of the bus address, node or stable path; by default the first that agrees.")
    private @Nullable String camera;

    @Option(
            names = "--display",
            paramLabel = "<display>",
            description = "Driver, node or stable path; by default the first that agrees.")
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
                description = "How many frames to show and measure, at least 2. 120 by default.")
        private long frames = 120;

        @Option(
                names = "--seconds",
                paramLabel = "<seconds>",
                description =
                        "How long to show and measure, in place of a number of frames, at least 1. Some frames are"
                                + " shown before, to start.")
        private @Nullable Integer seconds;

        boolean isEnough() {
            return seconds == null ? frames >= 2 : seconds >= 1;
        }

        long mostFrames() {
            return seconds == null ? frames : Long.MAX_VALUE;
        }

        long fewestFrames() {
            return seconds == null ? frames : 1;
        }

        long nanos() {
            return seconds == null
                    ? Long.MAX_VALUE
                    : Duration.ofSeconds(seconds).toNanos();
        }

        @Override
        public String toString() {
            return seconds == null ? "of " + frames : "in " + seconds + " seconds";
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
                    + " best; this is the default. camera: memory that the camera's driver allocates and lends to the"
                    + " other devices.")
    private Pipeline.Memory memory = Pipeline.Memory.HEAPS;

    @Option(
            names = "--profile",
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

    @Option(names = "--screenshot", description = "Write what the display put out last to this PNG file.")
    private @Nullable Path screenshot;

    @Option(
            names = "--hold",
            description = "At the end, leave the last frame on the screen until standard input has a line or ends.")
    private boolean hold;

    /** Opened when the last frame need not stay on the screen any longer. */
    private final CountDownLatch released = new CountDownLatch(1);

    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws Exception {
        var command = Objects.requireNonNull(spec).commandLine();
        if (!extent.isEnough()) {
            throw new ParameterException(command, "--frames needs at least 2, and --seconds at least 1");
        }
        if (memory == Pipeline.Memory.CAMERA && heap != null) {
            throw new ParameterException(
                    command, "--heap cannot be given with --memory camera: the camera's driver allocates then");
        }
        checkWritable(command);
        var request = new Pipeline.Request(
                Optional.ofNullable(camera),
                Optional.ofNullable(through),
                Optional.ofNullable(display),
                wanted.request(),
                profile == null ? Optional.empty() : Optional.of(ProfileFile.read("--profile", profile)),
                memory,
                Optional.ofNullable(heap),
                draw,
                fences,
                !unchecked);
        var restored = new CountDownLatch(1);
        try (Pipeline pipeline = Pipeline.open(request)) {
            Thread onInterrupt = new Thread(() -> {
                pipeline.stop();
                released.countDown();
                try {
                    boolean _ = restored.await(RESTORE_SECONDS, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            Runtime.getRuntime().addShutdownHook(onInterrupt);
            try {
                warn(pipeline.unknown(), command.getErr());
                return run(pipeline, command.getOut());
            } finally {
                removeHook(onInterrupt);
            }
        } finally {
            restored.countDown();
        }
    }

    /** Before anything is measured. */
    private void checkWritable(CommandLine command) {
        if (screenshot != null) {
            Path directory = screenshot.toAbsolutePath().getParent();
            if (directory == null || !Files.isWritable(directory)) {
                throw new ParameterException(command, "--screenshot: no file can be written in " + directory);
            }
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The hook is what ends us.
        }
    }

    /** Tells what is only guessed. */
    static void warn(List<Device> unknown, PrintWriter err) {
        for (Device device : unknown) {
            err.println("cenalloc: warning: it is not known what memory " + device.name() + " takes (" + device.detail()
                    + "); the memory of the frames is a guess for it, and it may refuse it");
        }
    }

    private int run(Pipeline pipeline, PrintWriter out) throws IOException, InterruptedException {
        out.println(pipeline.describe());
        out.println(ProfileFile.tell(pipeline.profiles()));
        if (explain) {
            out.println(pipeline.explain());
        }
        out.flush();
        pipeline.start();
        Optional<Measurement> costs;
        if (unmeasured) {
            pipeline.run(extent.mostFrames(), extent.nanos());
            costs = Optional.empty();
        } else {
            costs = Optional.of(Measurement.of(pipeline, extent.mostFrames(), extent.nanos()));
        }
        pipeline.checker().awaitIdle();
        report(pipeline, out, costs);
        if (screenshot != null) {
            write(pipeline, screenshot);
            out.println(
                    pipeline.readsBack()
                            ? "picture: " + screenshot
                            : "picture, of what the camera wrote: " + screenshot);
        }
        if (hold) {
            out.println("holding the last frame on the screen; Enter ends");
            out.flush();
            Thread.ofPlatform().daemon().start(this::awaitInput);
            released.await();
        }
        return verdict(pipeline, out);
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

    private void report(Pipeline pipeline, PrintWriter out, Optional<Measurement> costs) {
        var checker = pipeline.checker();
        var choice = pipeline.choice();
        row(out, "heap", pipeline.ownMemory().orElse(choice.heap().name()));
        row(
                out,
                "why",
                pipeline.ownMemory().isEmpty() ? choice.reason() : "no heap suits all devices; --explain tells why");
        row(
                out,
                "frames shown",
                pipeline.shown() + " " + extent + (unmeasured ? "" : ", after " + Measurement.WARM_UP + " to start"));
        row(out, "frames dropped", Long.toString(pipeline.dropped()));
        row(out, "frames a second", "%.2f".formatted(pipeline.framesPerSecond()));
        costs.ifPresent(measured -> report(pipeline, out, measured));
        row(
                out,
                "copies by us",
                "0: the buffer that " + (through == null ? "the camera" : "the converter")
                        + " fills is the one that is scanned out");
        row(
                out,
                "display = camera",
                unchecked
                        ? "not checked, as asked by --no-check"
                        : !pipeline.readsBack()
                                ? "not checked: this display cannot be read back"
                                : checker.frames() + " frames compared, every one of " + checker.pixelsPerFrame()
                                        + " pixels: " + checker.different() + " pixels differ"
                                        + (checker.lost() > 0 ? ", " + checker.lost() + " captures lost" : ""));
    }

    private static void report(Pipeline pipeline, PrintWriter out, Measurement costs) {
        row(
                out,
                "system calls a frame",
                costs.systemCalls().isEmpty()
                        ? "not counted (needs root and tracefs)"
                        : costs + (costs.perFrame("futex") >= 0.01 ? "; futex: waiting for the comparison" : ""));
        row(out, "Java bytes a frame", "%.1f".formatted((double) costs.javaBytes() / Math.max(1, pipeline.shown())));
    }

    private static void row(PrintWriter out, String name, String value) {
        out.printf("  %-22s%s%n", name, value);
    }

    private int verdict(Pipeline pipeline, PrintWriter out) {
        var checker = pipeline.checker();
        String fault = "";
        if (pipeline.shown() < extent.fewestFrames()) {
            fault = "fewer frames were shown than asked for";
        } else if (pipeline.readsBack() && checker.frames() == 0) {
            fault = "no frame could be compared";
        } else if (checker.different() > 0) {
            fault = "the display put out something else than the camera wrote";
        }
        out.println(fault.isEmpty() ? "ok" : "FAILED: " + fault);
        out.flush();
        return fault.isEmpty() ? 0 : 1;
    }

    private static void write(Pipeline pipeline, Path file) throws IOException {
        BufferedImage image = pipeline.readsBack()
                ? pipeline.checker().pictureOfCapture()
                : pipeline.checker().picture(pipeline.last());
        if (!ImageIO.write(image, "png", file.toFile())) {
            throw new IOException("this Java cannot write PNG files");
        }
    }
}
