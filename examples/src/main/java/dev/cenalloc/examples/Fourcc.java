package dev.cenalloc.examples;

import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Codes of pixel formats in words. Stateless. */
final class Fourcc {
    private Fourcc() {}

    /** The four characters; the highest bit, which says big-endian, is left out. */
    static String name(int code) {
        return IntStream.of(0, 8, 16, 24)
                .mapToObj(shift -> String.valueOf((char) (code >> shift & 0x7F)))
                .collect(Collectors.joining());
    }
}
