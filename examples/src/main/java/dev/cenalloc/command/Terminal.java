// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** The terminal that a stream of this process leads to. Stateless. */
final class Terminal {
    /** Where the width is not known. */
    static final int USUAL = 120;

    /** Longer lines are not read, however wide the terminal is. */
    static final int WIDEST = 200;

    /** Fewer have no room for words. */
    static final int NARROWEST = 20;

    /** The descriptor of standard output. */
    static final int OUT = 1;

    /** The descriptor of standard error. */
    static final int ERR = 2;

    private Terminal() {}

    /** The columns to write in, if a descriptor is a terminal; empty if it is a file or a pipe. */
    static OptionalInt columns(int descriptor) {
        Path device = device(descriptor).orElse(null);
        if (device == null) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(within(parsed(System.getenv("COLUMNS")).orElseGet(() -> asked(device))));
    }

    /** The lines that a descriptor's terminal has; empty if it is none, or if it does not tell. */
    static OptionalInt rows(int descriptor) {
        Path device = device(descriptor).orElse(null);
        if (device == null) {
            return OptionalInt.empty();
        }
        OptionalInt told = parsed(System.getenv("LINES"));
        return told.isPresent() ? told : rowsOf(size(device));
    }

    static int within(int columns) {
        return Math.clamp(columns, NARROWEST, WIDEST);
    }

    /** Whether a descriptor is a file or a device such as {@code /dev/full}: no terminal, pipe or socket. */
    static boolean isFile(int descriptor) {
        return target(descriptor)
                .filter(target -> target.isAbsolute() && !isTerminal(target))
                .isPresent();
    }

    private static Optional<Path> device(int descriptor) {
        return target(descriptor).filter(Terminal::isTerminal);
    }

    private static Optional<Path> target(int descriptor) {
        try {
            return Optional.of(Files.readSymbolicLink(Path.of("/proc/self/fd", Integer.toString(descriptor))));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    static boolean isTerminal(Path device) {
        String name = device.toString();
        return name.startsWith("/dev/pts/") || name.startsWith("/dev/tty") || name.matches("/dev/(console|hvc\\d+)");
    }

    private static OptionalInt parsed(@Nullable String columns) {
        return columns != null && columns.matches("[1-9]\\d{0,4}")
                ? OptionalInt.of(Integer.parseInt(columns))
                : OptionalInt.empty();
    }

    private static int asked(Path device) {
        return columnsOf(size(device));
    }

    /** What stty, of coreutils, says of the terminal; empty if there is none. */
    private static String size(Path device) {
        try {
            Process stty = new ProcessBuilder("stty", "-F", device.toString(), "size")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            try (var out = stty.getInputStream()) {
                return new String(out.readNBytes(64), StandardCharsets.US_ASCII);
            }
        } catch (IOException e) {
            return "";
        }
    }

    static OptionalInt rowsOf(String size) {
        return parsed(size.strip().split(" ", -1)[0]);
    }

    /** Of "ROWS COLUMNS"; a serial line says that it has 0. */
    static int columnsOf(String size) {
        String[] numbers = size.strip().split(" ", -1);
        return numbers.length == 2 ? parsed(numbers[1]).orElse(USUAL) : USUAL;
    }
}
