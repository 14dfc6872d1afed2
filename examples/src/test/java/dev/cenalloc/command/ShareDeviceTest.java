// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.Cenalloc;
import dev.cenalloc.command.MainTest.Outcome;
import dev.cenalloc.command.MainTest.Running;
import dev.cenalloc.device.Devices;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Frames of a vivid camera from process to process, to a display, and to and from pipelines of GStreamer. A command is
 * a process where the process counts: how it dies, what it leaves behind, whose its number is. The others run in
 * threads, since a Java takes long to start on an emulated processor.
 */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason =
                "takes over camera and display, so it runs only where -Dcenalloc.devices=required says that it may")
class ShareDeviceTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int INTERRUPTED = 130;
    /** For a Java that starts on an emulated processor, beside others. */
    private static final Duration LIMIT = Duration.ofMinutes(5);

    private static final List<String> CAMERA = List.of("--camera", "vivid-000", "--size", "320x180", "--fps", "10");

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private final List<Process> processes = new ArrayList<>();
    private final List<Running> threads = new ArrayList<>();
    private String buffers = "";

    @BeforeEach
    void count() throws Exception {
        buffers = dmaBufs();
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        for (Process process : processes) {
            process.destroyForcibly().waitFor();
        }
        assertFalse(threads.stream().anyMatch(Running::isAlive), "a command has not ended");
        assertEquals(buffers, dmaBufs());
    }

    /** How many the kernel has, of whatever process. */
    private static String dmaBufs() throws IOException {
        return Files.readString(Path.of("/sys/kernel/debug/dma_buf/bufinfo")).replaceAll("(?s).*\\nTotal", "Total");
    }

    private Path socket() {
        return directory.resolve("socket");
    }

    private Path file(String name) {
        return directory.resolve(name);
    }

    /** Starts the command as a process of its own, with its answer in a file. */
    private Process share(String out, List<String> arguments) throws IOException {
        return start(out, all(JavaProgram.cenalloc("share"), arguments.toArray(String[]::new)));
    }

    private Process start(String out, List<String> command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectOutput(file(out).toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        processes.add(process);
        return process;
    }

    private static List<String> all(List<String> some, String... more) {
        return Stream.concat(some.stream(), Arrays.stream(more)).toList();
    }

    /** Starts the command in a thread. A sender ends after --frames, which needs receivers for all of them. */
    private Running run(List<String> arguments) {
        var running = Running.of(
                all(List.of("share"), arguments.toArray(String[]::new)).toArray(String[]::new));
        threads.add(running);
        return running;
    }

    private List<String> send(String... more) {
        return all(all(List.of("send", socket().toString()), more), CAMERA.toArray(String[]::new));
    }

    private Outcome receive(String... more) {
        return Outcome.of(
                all(List.of("share", "receive", socket().toString()), more).toArray(String[]::new));
    }

    private static Outcome done(Running command) throws Exception {
        Outcome outcome = command.end(LIMIT);
        assertEquals(0, outcome.status(), outcome::toString);
        return outcome;
    }

    private Process pipeline(String elements) throws IOException {
        return start(
                "pipeline",
                all(
                        List.of("gst-launch-1.0", "-q"),
                        elements.replace("DIRECTORY", directory.toString()).split(" ")));
    }

    /** Waits until a process has said something. */
    private void await(String out, String words) throws Exception {
        await(() -> Files.readString(file(out)), words);
    }

    private static void await(Callable<String> told, String words) throws Exception {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        for (String said = told.call(); !said.contains(words); said = told.call()) {
            assertTrue(System.nanoTime() < deadline, "no '" + words + "' in: " + said);
            Thread.sleep(20);
        }
    }

    /** Ctrl-C. */
    private static void interrupt(Process process) throws Exception {
        Process kill = new ProcessBuilder("/bin/sh", "-c", "kill -INT " + process.pid()).start();
        assertEquals(0, kill.waitFor());
        ends(INTERRUPTED, process);
    }

    private static void ends(int status, Process process) throws Exception {
        assertTrue(process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS), "the process ends");
        assertEquals(status, process.exitValue());
    }

    private static List<JsonNode> documents(String lines) throws IOException {
        var documents = new ArrayList<JsonNode>();
        for (String line : lines.lines().toList()) {
            documents.add(JSON.readTree(line));
        }
        return documents;
    }

    /** The checksums of frames, by their numbers. */
    private static Map<Long, String> checksums(String lines) throws IOException {
        var checksums = new TreeMap<Long, String>();
        for (JsonNode document : documents(lines)) {
            if (document.has("frame")) {
                checksums.put(
                        document.at("/frame/sequence").asLong(),
                        document.at("/frame/crc32").asText());
            }
        }
        return checksums;
    }

    /** Two receivers, of which one, in C, is killed; a third one after them; then Ctrl-C. */
    @Test
    void otherProcessesGetTheFramesThatTheCameraGave() throws Exception {
        Process sender = share("sender", send("--checksum", "--json"));
        await("sender", "\"stream\"");
        Process other = start("other", List.of(System.getProperty("cenalloc.peer.c"), "receive", socket().toString()));
        Outcome first = receive("--frames", "10", "--json");
        assertEquals(0, first.status(), first::toString);
        await("other", "number ");
        other.destroyForcibly().waitFor(); // with the frames that it has
        Path pictures = Files.createDirectory(file("pictures"));
        Outcome second = receive("--frames", "3", "--checksum", "--write", pictures.toString(), "--json");
        assertEquals(0, second.status(), second::toString);
        interrupt(sender);

        String told = Files.readString(file("sender"));
        Map<Long, String> sent = checksums(told);
        assertTrue(new HashSet<>(sent.values()).size() > 5, "images change: " + sent);
        assertReceived(10, first, sent, sender);
        assertReceived(3, second, sent, sender);
        List<JsonNode> documents = documents(told);
        assertEquals(sent.size(), documents.getLast().get("frames").asInt());
        assertTrue(documents.getFirst().at("/stream/camera").asText().contains("vivid-000"), told);
        try (var files = Files.list(pictures)) {
            assertEquals(3, files.count());
        }
        for (JsonNode document : documents(second.out())) {
            if (document.has("frame")) {
                var picture = ImageIO.read(new File(document.at("/frame/file").asText()));
                assertEquals(320, picture.getWidth());
                assertEquals(180, picture.getHeight());
            }
        }
        assertTrue(Files.notExists(socket()));
    }

    private static void assertReceived(int count, Outcome receiver, Map<Long, String> sent, Process sender)
            throws IOException {
        Map<Long, String> received = checksums(receiver.out());
        assertEquals(count, received.size(), receiver::out);
        received.forEach((number, sum) -> assertEquals(sent.get(number), sum, "frame " + number));
        List<JsonNode> documents = documents(receiver.out());
        assertTrue(documents.stream().anyMatch(one -> one.at("/stream/process").asLong() == sender.pid()));
        assertEquals(count, documents.getLast().get("frames").asInt());
    }

    /** The sender is killed, and another one takes over its socket. What the display shows stays until then. */
    @Test
    void aReceiverGoesOnWithTheNextSenderUntilCtrlC() throws Exception {
        String before = PipelineDeviceTest.screen();
        Process receiver =
                share("receiver", List.of("receive", socket().toString(), "--display", "vkms", "--checksum"));
        await("receiver", "waiting for a process that listens at " + socket());
        assertEquals(before, PipelineDeviceTest.screen());
        Process first = share("first", send("--format", "XR24"));
        await("receiver", "frame ");
        for (int i = 0; i < 1200 && PipelineDeviceTest.screen().equals(before); i++) {
            Thread.sleep(50);
        }
        assertNotEquals(before, PipelineDeviceTest.screen());
        first.destroyForcibly().waitFor();
        await("receiver", "the other process is gone");
        assertTrue(Files.exists(socket()), "left behind");
        // The last picture stays until there are others, from another process.
        assertNotEquals(before, PipelineDeviceTest.screen());

        int frames = 120;
        Running second = run(send("--format", "XR24", "--checksum", "--frames", Integer.toString(frames)));
        await("receiver", "from process " + ProcessHandle.current().pid());
        interrupt(receiver);
        assertEquals(before, PipelineDeviceTest.screen());
        String told = Files.readString(file("receiver"));
        assertTrue(told.lines().toList().getLast().matches("\\d+ frames received, .* missing by their numbers"), told);

        // Without a receiver it sends nothing, so another one takes the rest.
        await(second::out, "processes connected: 0");
        long sent =
                second.out().lines().filter(line -> line.startsWith("frame ")).count();
        Outcome rest = receive("--frames", Long.toString(frames - sent));
        assertEquals(0, rest.status(), rest::toString);
        Outcome ended = done(second);
        assertTrue(ended.out().contains(frames + " frames sent"), ended.out());
    }

    @Test
    void aDisplayShowsThemAndIsPutBack() throws Exception {
        String before = PipelineDeviceTest.screen();
        Running sender = run(send("--format", "XR24", "--frames", "5"));
        Outcome outcome = receive("--frames", "5", "--display", "vkms");
        assertEquals(0, outcome.status(), outcome::toString);
        assertTrue(outcome.out().contains("5 frames received"), outcome.out());
        assertEquals(before, PipelineDeviceTest.screen());
        done(sender);
    }

    @Test
    void imagesThatTheDisplayDoesNotShowAreSaidToBeSo() throws Exception {
        String before = PipelineDeviceTest.screen();
        Running sender = run(send("--format", "YUYV", "--frames", "1"));
        Outcome outcome = receive("--display", "vkms");
        assertEquals(1, outcome.status(), outcome::toString);
        assertTrue(outcome.err().contains("vkms") && outcome.err().contains("To do: let the other"), outcome.err());
        assertEquals(before, PipelineDeviceTest.screen());
        done(sender);
    }

    /** Whoever sends: a pipeline starts soon. */
    @Test
    void aReaderOfTheAnswerThatLeavesEndsTheReceiver() throws Exception {
        pipeline(camera("") + " ! unixfdsink socket-path=DIRECTORY/socket");
        Process shell = start(
                "shell",
                all(
                        List.of("/bin/sh", "-c", "{ \"$@\"; echo $? >&3; } 3>" + file("status") + " | head -n 2", "sh"),
                        JavaProgram.cenalloc("share", "receive", socket().toString(), "--gstreamer")
                                .toArray(String[]::new)));
        ends(0, shell);
        assertEquals("141", Files.readString(file("status")).strip());
        assertEquals(2, Files.readAllLines(file("shell")).size());
    }

    /** What a pipeline writes to a file is what came from the camera. */
    @Test
    void aPipelineTakesTheFrames() throws Exception {
        Running sender = run(send("--gstreamer", "--checksum", "--json", "--frames", "20", "--format", "XR24"));
        await(sender::out, "\"stream\"");
        Process pipeline = pipeline("unixfdsrc socket-path=DIRECTORY/socket ! filesink location=DIRECTORY/frames"
                + " buffer-mode=unbuffered sync=false");
        Outcome outcome = done(sender);
        ends(0, pipeline);
        List<String> sent = List.copyOf(checksums(outcome.out()).values());
        assertEquals(20, sent.size());
        assertEquals(sent, ofFile(320 * 180 * 4));
    }

    /** And the other way round; the end of the pipeline is no error, and others may come. */
    @Test
    void framesOfAPipelineAreTaken() throws Exception {
        Running receiver = run(List.of("receive", socket().toString(), "--gstreamer", "--json", "--frames", "25"));
        await(receiver::out, "waiting for");
        ends(0, sending(12));
        await(receiver::out, "the pipeline has ended");
        assertEquals(
                ofFile(320 * 180 * 4), List.copyOf(checksums(receiver.out()).values()));
        ends(0, sending(12));
        ends(0, sending(1));
        String told = done(receiver).out();
        assertEquals(25, documents(told).getLast().get("frames").asInt(), told);
        assertEquals(
                2,
                told.lines()
                        .filter(line -> line.contains("the pipeline has ended"))
                        .count(),
                told);
    }

    /** A pipeline that sends some frames, and writes them to a file, too. */
    private Process sending(int frames) throws IOException {
        return pipeline(camera(" num-buffers=" + frames) + " ! tee name=t ! queue ! filesink"
                + " location=DIRECTORY/frames t. ! queue ! unixfdsink socket-path=DIRECTORY/socket"
                + " wait-for-connection=true");
    }

    /** The camera, for a pipeline. */
    private static String camera(String properties) throws IOException {
        return "v4l2src device=" + camera() + " io-mode=dmabuf" + properties
                + " ! video/x-raw,format=BGRx,width=320,height=180,framerate=10/1";
    }

    private static Path camera() throws IOException {
        try (var cenalloc = Cenalloc.open()) {
            return Devices.camera(cenalloc, "vivid-000");
        }
    }

    /** The checksums of the images in a file. */
    private List<String> ofFile(int bytes) throws IOException {
        var sums = new ArrayList<String>();
        try (var file = new RandomAccessFile(file("frames").toFile(), "r")) {
            var image = new byte[bytes];
            for (long at = 0; at < file.length(); at += bytes) {
                file.readFully(image);
                var sum = new CRC32();
                sum.update(image);
                sums.add("%08x".formatted(sum.getValue()));
            }
        }
        return sums;
    }

    @Test
    void plainMemoryOfAPipelineIsSaidToBeOfNoUse() throws Exception {
        Process pipeline = pipeline(
                "videotestsrc ! video/x-raw,format=BGRx,width=320,height=180 ! unixfdsink socket-path=DIRECTORY/socket");
        Outcome outcome = receive("--gstreamer");
        assertEquals(1, outcome.status(), outcome::toString);
        assertTrue(outcome.err().contains("plain memory") && outcome.err().contains("To do: "), outcome.err());
        pipeline.destroyForcibly().waitFor();
    }

    @Test
    void wishesThatTheCameraHasNotAreSaid() {
        Outcome size = Outcome.of("share", "send", socket().toString(), "--camera", "vivid-000", "--size", "321x181");
        assertEquals(1, size.status(), size::toString);
        assertTrue(size.err().contains("321x181 is requested"), size.err());
        Outcome camera = Outcome.of("share", "send", socket().toString(), "--camera", "no-such");
        assertEquals(1, camera.status());
        assertTrue(camera.err().contains("vivid platform:vivid-000"), camera.err());
        assertTrue(Files.notExists(socket()));
    }

    @Test
    void benchMeasuresEveryHeap() throws Exception {
        List<JsonNode> heaps = documents(Outcome.of("heaps", "--json").out());
        var names = new HashSet<String>();
        heaps.getFirst().get("heaps").forEach(heap -> names.add(heap.get("name").asText()));
        Outcome outcome = Outcome.of("bench", "--runs", "2", "--json");
        assertEquals(0, outcome.status(), outcome::toString);
        JsonNode document = documents(outcome.out()).getFirst();
        assertTrue(document.at("/machine/kernel").asText().startsWith("Linux "), outcome.out());
        var measured = new HashSet<String>();
        for (JsonNode row : document.get("rows")) {
            measured.add(row.get("heap").asText());
            for (String time : List.of("wallMicros", "cpuMicros")) {
                double median = row.get(time).asDouble();
                assertTrue(row.get(time + "Low").asDouble() > 0, row::toString);
                assertTrue(row.get(time + "Low").asDouble() <= median, row::toString);
                assertTrue(row.get(time + "High").asDouble() >= median, row::toString);
            }
        }
        assertTrue(names.containsAll(measured) && measured.contains("system") && measured.contains("reserved"));
        assertEquals(measured.size() * 3 * 4, document.get("rows").size(), outcome.out());

        Outcome table = Outcome.of("bench", "--runs", "2", "--heap", "system", "--size", "64KiB");
        assertEquals(0, table.status(), table::toString);
        assertEquals(1 + 1 + 4, table.out().lines().count(), table.out());
        Outcome huge = Outcome.of("bench", "--runs", "2", "--heap", "system", "--size", "4KiB,1024GiB");
        assertEquals(1, huge.status(), huge::toString);
        assertTrue(huge.err().contains("system, 1.0 TiB: "), huge.err());
        assertTrue(huge.out().contains("4.0 KiB"), huge.out());
    }
}
