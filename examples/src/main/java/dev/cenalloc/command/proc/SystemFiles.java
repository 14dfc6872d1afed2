// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;

/**
 * The files by which the kernel and the system tell of themselves, by their absolute names, below one root: a test
 * makes up a tree of its own. Every read is bounded, since some files are another process's to fill. Stateless.
 */
public class SystemFiles {
    /** Bytes of a file, and entries of a directory, that are read at most. */
    private static final int MOST = 16 << 20;

    private final Path root;

    /** @param root the directory that has {@code proc}, {@code sys}, {@code dev} and so on */
    public SystemFiles(Path root) {
        this.root = root;
    }

    /**
     * Whom a file belongs to.
     *
     * @param mode the permission bits
     */
    public record Owner(long uid, long gid, int mode) {
        private static final int GROUP_READ = 0040;

        public boolean givesItsGroupAccess() {
            return (mode & GROUP_READ) != 0;
        }
    }

    /** Which file it is, whatever its names. */
    public record Identity(long device, long inode) {}

    @FunctionalInterface
    private interface Read<T> {
        T read() throws IOException;
    }

    private static <T> Reading<T> reading(Read<T> read) {
        try {
            return new Reading.Known<>(read.read());
        } catch (NoSuchFileException | NotDirectoryException e) {
            return new Reading.Absent<>();
        } catch (IOException e) {
            return new Reading.Refused<>(why(e));
        } catch (DirectoryIteratorException e) {
            return new Reading.Refused<>(why(Objects.requireNonNull(e.getCause())));
        }
    }

    private static String why(IOException e) {
        return switch (e) {
            case AccessDeniedException _ -> "permission denied";
            case FileSystemException file when file.getReason() != null -> file.getReason();
            default -> String.valueOf(e.getMessage());
        };
    }

    private Path path(String name) {
        return root.resolve(name.substring(1));
    }

    /** The bytes of a file, from its beginning. */
    public Reading<byte[]> bytes(String name) {
        return reading(() -> {
            try (var in = Files.newInputStream(path(name))) {
                return in.readNBytes(MOST);
            }
        });
    }

    /** The text of a file. Bytes that are no UTF-8 become replacement characters. */
    public Reading<String> text(String name) {
        return bytes(name).map(bytes -> new String(bytes, UTF_8));
    }

    /** The lines of a file that contain a word. The file may be longer than what is kept of it. */
    public Reading<List<String>> lines(String name, String word) {
        return reading(() -> {
            var lines = new ArrayList<String>();
            try (var in = new BufferedReader(new InputStreamReader(Files.newInputStream(path(name)), UTF_8))) {
                int kept = 0;
                for (String line = in.readLine(); line != null && kept < MOST; line = in.readLine()) {
                    if (line.contains(word)) {
                        lines.add(line);
                        kept += line.length();
                    }
                }
            }
            return lines;
        });
    }

    /** The number that is the only word of a file. */
    public OptionalLong number(String name) {
        return text(name).value().map(text -> number(Optional.of(text.strip()))).orElse(OptionalLong.empty());
    }

    /** The number of a word, if it is one that fits. */
    public static OptionalLong number(Optional<String> word) {
        try {
            return word.isEmpty() ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(word.get()));
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    /** What is behind the first "KEY:" of a file of such lines. */
    public Optional<String> field(String name, String key) {
        return text(name)
                .value()
                .flatMap(text -> text.lines()
                        .filter(line -> line.startsWith(key + ":"))
                        .map(line -> line.substring(key.length() + 1).strip())
                        .findFirst());
    }

    /** The names in a directory, sorted. */
    public Reading<List<String>> names(String directory) {
        return reading(() -> {
            try (var entries = Files.newDirectoryStream(path(directory))) {
                var names = new ArrayList<String>();
                for (Path entry : entries) {
                    if (names.size() == MOST) {
                        break;
                    }
                    names.add(String.valueOf(entry.getFileName()));
                }
                return names.stream().sorted().collect(Collectors.toList());
            }
        });
    }

    /** The text of a symbolic link. */
    public Reading<String> link(String name) {
        return reading(() -> Files.readSymbolicLink(path(name)).toString());
    }

    public boolean exists(String name) {
        return Files.exists(path(name));
    }

    public Reading<Owner> owner(String name) {
        return reading(() -> {
            var attributes = Files.readAttributes(path(name), "unix:uid,gid,mode");
            return new Owner(number(attributes, "uid"), number(attributes, "gid"), (int) number(attributes, "mode"));
        });
    }

    /** Of the file that a link leads to. */
    public Reading<Identity> identity(String name) {
        return reading(() -> {
            var attributes = Files.readAttributes(path(name), "unix:dev,ino");
            return new Identity(number(attributes, "dev"), number(attributes, "ino"));
        });
    }

    private static long number(Map<String, Object> attributes, String name) {
        return ((Number) Objects.requireNonNull(attributes.get(name), name)).longValue();
    }

    /** Opens a file for reading, and closes it. For nodes that opening does not change. */
    public Reading<Boolean> opened(String name) {
        return reading(() -> {
            Files.newInputStream(path(name)).close();
            return true;
        });
    }

    /** Whether this process may read and write a file, by its permissions. Does not open it. */
    public boolean isAccessible(String name) {
        return Files.isReadable(path(name)) && Files.isWritable(path(name));
    }
}
