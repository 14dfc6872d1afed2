// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.device.Devices;
import dev.cenalloc.kernel.LinuxKernel;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names in a process whose locale lacks their characters, as a service has it that systemd starts. */
class LocaleTest {
    /** Runs with LC_ALL=C. */
    static final class Service {
        private Service() {}

        public static void main(String[] args) throws Exception {
            System.out.println(LinuxKernel.instance().list(Path.of(args[0])));
            try (var cenalloc = Cenalloc.open()) {
                tell(() -> cenalloc.heap("gr\u00f6\u00dfe"));
                tell(() -> Devices.camera(cenalloc, "/dev/gr\u00f6\u00dfe"));
            }
        }

        private static void tell(Callable<?> call) {
            try {
                System.out.println(call.call());
            } catch (Exception e) {
                System.out.println(e.getClass().getSimpleName());
            }
        }
    }

    @Test
    void whatCannotBeNamedIsNotThere(@TempDir Path directory) throws Exception {
        run(
                "/bin/sh",
                "-c",
                "cd \"$1\" && touch plain \"$(printf 'gr\\303\\266\\303\\237e')\"",
                "sh",
                directory.toString());
        String told =
                run(JavaProgram.command(Service.class, directory.toString()).toArray(String[]::new));
        assertEquals("[plain]\nMissingDeviceException\nMissingDeviceException\n", told);
    }

    private static String run(String... command) throws Exception {
        var builder = new ProcessBuilder(List.of(command)).redirectErrorStream(true);
        builder.environment().put("LC_ALL", "C");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), US_ASCII);
        assertEquals(0, process.waitFor(), output);
        return output;
    }
}
