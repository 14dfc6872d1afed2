// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;

/** A made-up tree of the files that a kernel shows. */
public final class Tree {
    private final Path root;

    /** @param root an empty directory, which the caller removes */
    public Tree(Path root) {
        this.root = root;
    }

    public SystemFiles files() {
        return new SystemFiles(root);
    }

    private Path parented(String name) throws IOException {
        Path path = root.resolve(name.substring(1));
        Files.createDirectories(path.getParent());
        return path;
    }

    public Tree file(String name, String text) {
        return bytes(name, text.getBytes(UTF_8));
    }

    public Tree bytes(String name, byte[] bytes) {
        try {
            Files.write(parented(name), bytes);
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Tree directory(String name) {
        try {
            Files.createDirectories(parented(name));
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Tree link(String name, String target) {
        try {
            Path link = parented(name);
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, Path.of(target));
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Something that cannot be read, even by root: a link to itself. */
    public Tree unreadable(String name) {
        return link(name, root.resolve(name.substring(1)).toString());
    }

    public Tree without(String name) {
        try {
            Path path = root.resolve(name.substring(1));
            if (Files.isDirectory(path)) {
                try (var all = Files.walk(path)) {
                    for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(one);
                    }
                }
            } else {
                Files.delete(path);
            }
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A process without descriptors. */
    public Tree process(long pid, String name) {
        String directory = "/proc/" + pid;
        return file(directory + "/comm", name + "\n")
                .file(directory + "/status", "Name:\tx\nTgid:\t" + pid + "\n")
                .file(directory + "/stat", pid + " (" + name + ") S 1 1 1 0 -1 4194304 0 0\n")
                .directory(directory + "/fd")
                .file(directory + "/maps", "55d0-55d1 r--p 00000000 08:01 77 /usr/bin/x\n");
    }

    /** A descriptor of a dma-buf, as Linux 6.12 tells of it. */
    public Tree dmaBuf(long pid, int fd, long inode, long size, String exporter, String name) {
        // What the locale of the process lacks (LANG=C) cannot be written as the target of a link.
        return link("/proc/" + pid + "/fd/" + fd, "/dmabuf:" + name.replaceAll("[^\\x00-\\x7f]", "?"))
                .file(
                        "/proc/" + pid + "/fdinfo/" + fd,
                        "pos:\t0\nflags:\t02000002\nmnt_id:\t9\nino:\t" + inode + "\nsize:\t" + size
                                + "\ncount:\t2\nexp_name:\t" + exporter + "\n"
                                + (name.isEmpty() ? "" : "name:\t" + name + "\n"));
    }

    /** Files of which the system says that they are on a device and have an inode, by name. */
    public SystemFiles files(Map<String, SystemFiles.Identity> identities) {
        return new SystemFiles(root) {
            @Override
            public Reading<Identity> identity(String name) {
                return identities.containsKey(name)
                        ? new Reading.Known<>(identities.get(name))
                        : new Reading.Absent<>();
            }
        };
    }
}
