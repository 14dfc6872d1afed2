// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.command.MainTest.Outcome;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The commands that watch a machine, on a real kernel, while other processes hold buffers and a display. */
@Tag("kernel")
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "takes over the display and hides a heap of the machine, so it runs only where"
                + " -Dcenalloc.devices=required says that it may")
class OperateDeviceTest {
    private static final Path SYSTEM = Path.of("/dev/dma_heap/system");

    /** A {@link BufferHolder}. */
    private record Other(Process process, BufferedReader out) implements AutoCloseable {
        static Other start(String argument) throws IOException {
            Process process = new ProcessBuilder(JavaProgram.command(BufferHolder.class.getName(), argument))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            return new Other(process, process.inputReader());
        }

        String line() throws IOException {
            return String.valueOf(out.readLine());
        }

        long pid() {
            return process.pid();
        }

        @Override
        public void close() {
            process.destroyForcibly().onExit().join();
        }
    }

    private static JsonNode json(int status, String... arguments) throws IOException {
        Outcome outcome = Outcome.of(arguments);
        assertEquals(status, outcome.status(), outcome::toString);
        return new ObjectMapper().readTree(outcome.out());
    }

    private static List<JsonNode> list(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).toList();
    }

    private static JsonNode holder(JsonNode buffer, long pid) {
        return list(buffer.get("holders")).stream()
                .filter(holder -> holder.get("pid").asLong() == pid)
                .findFirst()
                .orElseThrow(() -> new AssertionError(pid + " in " + buffer));
    }

    @Test
    void buffersOfAnotherProcessAreThoseThatItHolds() throws Exception {
        long own = ProcessHandle.current().pid();
        try (var other = Other.start("buffers")) {
            String[] told = other.line().split(" ", -1);
            assertEquals(5, told.length, () -> List.of(told).toString());
            String pid = Long.toString(other.pid());
            try (DmaBuf shared = DmaBuf.ofProcess(other.pid(), Integer.parseInt(told[4]))) {
                JsonNode document = json(0, "buffers", "--json", "--pid", pid);
                assertFalse(document.has("warnings"), document::toString);
                List<JsonNode> buffers = list(document.get("buffers"));
                assertEquals(2, buffers.size(), document::toString);
                assertEquals(
                        BufferHolder.FIRST + BufferHolder.SECOND,
                        document.get("total").get("bytes").asLong());

                JsonNode second = buffers.get(0);
                assertEquals(told[1], second.get("inode").asText());
                assertEquals(shared.inode(), second.get("inode").asLong());
                assertEquals(BufferHolder.SECOND, second.get("size").asLong());
                assertEquals("reserved", second.get("exporter").asText());
                assertTrue(second.get("name").asText().startsWith("cenalloc " + pid + "."), second::toString);
                assertEquals(2, second.get("holders").size(), second::toString);
                assertEquals(
                        "[" + told[4] + "]",
                        holder(second, other.pid()).get("descriptors").toString());
                assertEquals(
                        "[" + shared.fd() + "]",
                        holder(second, own).get("descriptors").toString());
                assertEquals("java", holder(second, own).get("process").asText());

                JsonNode first = buffers.get(1);
                assertEquals(told[0], first.get("inode").asText());
                assertEquals(BufferHolder.FIRST, first.get("size").asLong());
                assertEquals("system", first.get("exporter").asText());
                assertEquals(BufferHolder.NAME, first.get("name").asText());
                assertTrue(first.get("isSizeExact").asBoolean());
                assertEquals("[]", first.get("devices").toString());
                JsonNode holder = holder(first, other.pid());
                assertEquals(2, holder.get("descriptors").size(), first::toString);
                assertEquals(1, holder.get("mappings").asInt());
                assertEquals(BufferHolder.FIRST, holder.get("mappedBytes").asLong());

                // Of all buffers each is there once, too.
                JsonNode all = json(0, "buffers", "--json");
                assertEquals(
                        list(all.get("buffers")).stream()
                                .mapToLong(buffer -> buffer.get("size").asLong())
                                .sum(),
                        all.get("total").get("bytes").asLong());
                assertEquals(
                        list(all.get("buffers")).size(),
                        list(all.get("buffers")).stream()
                                .map(buffer -> buffer.get("inode").asLong())
                                .distinct()
                                .count());

                JsonNode top = new ObjectMapper()
                        .readTree(Outcome.of("top", "--pid", pid, "--iterations", "1", "--json")
                                .out());
                assertEquals(2, top.get("groups").size(), top::toString);
                assertEquals(
                        BufferHolder.SECOND,
                        top.get("groups").get(0).get("bytes").asLong());
            }
        }
    }

    /** Any file may be called as the kernel calls dma-bufs. */
    @Test
    void aFileThatIsCalledLikeABufferIsNone() throws Exception {
        Path fake = Files.write(Path.of("/dmabuf:fake"), new byte[4096]);
        try (var other = Other.start("buffers")) {
            long inode = Long.parseLong(other.line().split(" ", -1)[0]);
            try (var channel = FileChannel.open(fake, StandardOpenOption.READ)) {
                var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, 4096);
                assertTrue(Files.readString(Path.of("/proc/self/maps")).contains(" /dmabuf:fake"));
                JsonNode document = json(0, "buffers", "--json");
                assertTrue(document.toString().contains("\"inode\":" + inode + ","), document::toString);
                assertFalse(document.toString().contains("fake"), document::toString);
                assertEquals(0, mapped.get(0));
            }
        } finally {
            Files.delete(fake);
        }
    }

    @Test
    void devicesAreListedWithTheirImages() throws Exception {
        List<JsonNode> devices = list(json(0, "devices", "--json").get("devices"));
        JsonNode camera = devices.stream()
                .filter(device -> device.path("bus").asText().equals("platform:vivid-000")
                        && device.get("kind").asText().equals("camera"))
                .findFirst()
                .orElseThrow();
        assertEquals("vivid", camera.get("driver").asText());
        assertTrue(camera.get("gives").get("formats").toString().contains("NV12"), camera::toString);
        assertFalse(camera.has("takes"), camera::toString);
        assertTrue(devices.stream()
                .anyMatch(device -> device.path("driver").asText().equals("vkms")
                        && device.get("takes").get("formats").toString().contains("XR24")));
        assertTrue(devices.stream().anyMatch(device -> device.has("takes") && device.has("gives")), devices::toString);
    }

    private static List<String> problems(int status) throws IOException {
        return list(json(status, "doctor", "--json").get("findings")).stream()
                .filter(finding -> finding.get("level").asText().equals("problem"))
                .map(finding -> finding.get("what").asText())
                .toList();
    }

    @Test
    void theDoctorFindsTrueProblemsAndNoOthers() throws Exception {
        assertEquals(List.of(), problems(0));
        Path hidden = Path.of("/dev/hidden-by-a-test");
        Files.move(SYSTEM, hidden);
        try {
            assertEquals(List.of("there is no heap of ordinary memory (/dev/dma_heap/system)"), problems(1));
        } finally {
            Files.move(hidden, SYSTEM);
        }
        try (var other = Other.start("vkms")) {
            assertEquals("shown", other.line());
            List<String> found = problems(1);
            assertEquals(1, found.size(), found::toString);
            assertTrue(found.getFirst().startsWith("display: vkms"), found::toString);
            assertTrue(found.getFirst().contains("controlled by java (" + other.pid() + ")"), found::toString);
        }
        assertEquals(List.of(), problems(0));
    }
}
