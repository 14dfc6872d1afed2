// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.share.Address;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** What both ends of a stream of frames are told: where they meet, in which protocol, and for how long. */
final class ShareOptions {
    /**
     * A place where processes meet.
     *
     * @param path null for a name without a file
     */
    record Socket(Address address, @Nullable Path path) {
        @Override
        public String toString() {
            return address.toString();
        }
    }

    @Parameters(
            paramLabel = "SOCKET",
            converter = SocketConverter.class,
            description = "Where the processes meet: the path of a Unix socket, or @NAME, which needs no file.")
    private @Nullable Socket socket;

    @Option(
            names = "--gstreamer",
            description = "The other process is a GStreamer pipeline, of 1.24 or later, with unixfdsrc or unixfdsink.")
    private boolean gstreamer;

    @Option(
            names = "--frames",
            paramLabel = "<n>",
            description = "End after so many frames that another process gave or got; by default, at Ctrl-C.")
    private @Nullable Long frames;

    Socket socket() {
        return Objects.requireNonNull(socket);
    }

    boolean isGStreamer() {
        return gstreamer;
    }

    /**
     * What is wrong with these arguments, as can be told before anything is done.
     *
     * @param listens whether the socket is to be made
     */
    Optional<String> fault(boolean listens) {
        if (frames != null && frames < 1) {
            return Optional.of("--frames needs at least 1");
        }
        Path path = socket().path();
        if (path == null) {
            return Optional.empty();
        }
        Path directory = Objects.requireNonNullElse(path.toAbsolutePath().getParent(), path);
        if (!Files.isDirectory(directory)) {
            return Optional.of("there is no directory " + directory);
        }
        if (Files.isDirectory(path) || Files.isRegularFile(path)) {
            return Optional.of(path + " is there, and is no socket");
        }
        return listens && !Files.isWritable(directory)
                ? Optional.of("no permission to write in " + directory)
                : Optional.empty();
    }

    long frames() {
        return frames == null ? Long.MAX_VALUE : frames;
    }

    /** Reads a path or an abstract name. */
    static final class SocketConverter implements ITypeConverter<Socket> {
        @Override
        public Socket convert(String text) {
            try {
                if (text.startsWith("@")) {
                    return new Socket(Address.ofAbstract(text.substring(1)), null);
                }
                Path path = Path.of(text);
                return new Socket(Address.of(path), path);
            } catch (IllegalArgumentException e) { // InvalidPathException is one
                throw new TypeConversionException(text.isEmpty() ? "an empty path is no socket" : e.getMessage());
            }
        }
    }
}
