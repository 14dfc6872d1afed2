// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.command.BenchCommand.BytesConverter;
import dev.cenalloc.command.BenchCommand.Spread;
import dev.cenalloc.command.MainTest.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

/** What needs no heap. */
class BenchCommandTest {
    @Test
    void wrongArgumentsAreStatusTwo() {
        for (String arguments : List.of(
                "bench --runs 0 | --runs: from 1 to 1000000",
                "bench --runs 1000001 | --runs: from 1 to 1000000",
                "bench --runs many | '--runs'",
                "bench --size 4KiB,big | a size is a number of bytes, such as 4096, 64KiB or 8MiB, not 'big'",
                "bench --size -1 | not '-1'",
                "bench system | Unmatched argument")) {
            String[] parts = arguments.split(" \\| ", -1);
            Outcome outcome = Outcome.of(parts[0].split(" "));
            assertEquals(2, outcome.status(), outcome::toString);
            assertTrue(outcome.err().contains(parts[1]), outcome.err());
            assertEquals("", outcome.out());
        }
    }

    /** With heaps, it names them; without, it says so. */
    @Test
    void aHeapThatDoesNotExistIsSaidBeforeAnythingIsMeasured() {
        Outcome outcome = Outcome.of("bench", "--heap", "no-such-heap");
        assertEquals(1, outcome.status());
        String err = outcome.err();
        assertTrue(
                err.contains("ENOENT on /dev/dma_heap/no-such-heap). To do: use one of [")
                        || err.contains("no heaps: "),
                err);
        assertEquals("", outcome.out());
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1",
        "4096, 4096",
        "4K, 4096",
        "4KB, 4096",
        "64KiB, 65536",
        "8M, 8388608",
        "1GiB, 1073741824",
        "8589934591GiB, 9223372035781033984"
    })
    void sizes(String text, long bytes) {
        assertEquals(bytes, new BytesConverter().convert(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "-1", "4 KiB", "4kiB", "KiB", "1.5MiB", "8589934592GiB", "99999999999999999999"})
    void wrongSizes(String text) {
        assertThrows(TypeConversionException.class, () -> new BytesConverter().convert(text));
    }

    @Test
    void spreadsLeaveOutATenthAtEachEnd() {
        double[] nanos = IntStream.rangeClosed(0, 100)
                .mapToDouble(i -> 1000.0 * (100 - i))
                .toArray();
        assertEquals(new Spread(10, 50, 90), Spread.of(nanos));
        assertEquals(new Spread(2, 2, 2), Spread.of(new double[] {2000}));
    }

    @Test
    void theProcessorIsNamedAsTheKernelCallsIt(@TempDir Path root) throws Exception {
        assertEquals("unknown CPU", Machine.cpu(root));
        Path info = Files.createDirectories(root.resolve("proc")).resolve("cpuinfo");
        Files.writeString(info, "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n");
        assertEquals("implementer 0x41, part 0xd0b", Machine.cpu(root));
        Files.writeString(
                Files.createDirectories(root.resolve("proc/device-tree")).resolve("model"), "Radxa ROCK 5B\0");
        assertEquals("Radxa ROCK 5B", Machine.cpu(root));
        Files.writeString(info, "processor\t: 0\nmodel name\t: A: fast one\n");
        assertEquals("A: fast one", Machine.cpu(root));
    }
}
