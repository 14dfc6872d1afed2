// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

import dev.cenalloc.bindings.Sockets;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The address of a Unix socket: a path in the file system, or an abstract name, which vanishes with the socket. A
 * value.
 *
 * <p>Source: unix(7).
 */
public final class Address {
    /** A path, which ends with a NUL; or a name, which begins with one. */
    private final byte[] bytes;

    private final @Nullable Path path;
    private final String text;

    private Address(byte[] bytes, @Nullable Path path, String text) {
        this.bytes = bytes;
        this.path = path;
        this.text = text;
    }

    /**
     * {@return the address of a socket in the file system}
     *
     * @param path at most 107 bytes; access rights are those of the file and of its directory
     * @throws IllegalArgumentException if it is longer, or empty
     */
    public static Address of(Path path) {
        Objects.requireNonNull(path, "path");
        byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
        checkLength(name, "path");
        return new Address(withNul(name, 0), path, path.toString());
    }

    /**
     * {@return the address of a socket without a file} Every process in the same network namespace may connect to it.
     *
     * @param name at most 107 bytes of UTF-8
     * @throws IllegalArgumentException if it is longer, or empty
     */
    public static Address ofAbstract(String name) {
        byte[] characters = Objects.requireNonNull(name, "name").getBytes(StandardCharsets.UTF_8);
        checkLength(characters, "name");
        return new Address(withNul(characters, 1), null, "@" + name);
    }

    private static void checkLength(byte[] name, String parameter) {
        long most = Sockets.ADDRESS_SIZE - Sockets.ADDRESS_PATH - 1;
        if (name.length == 0 || name.length > most) {
            throw new IllegalArgumentException(
                    parameter + " must have 1 to " + most + " bytes for a Unix socket, not " + name.length);
        }
        for (byte one : name) {
            if (one == 0) {
                throw new IllegalArgumentException(parameter + " must not contain NUL");
            }
        }
    }

    private static byte[] withNul(byte[] name, int from) {
        var all = new byte[name.length + 1];
        System.arraycopy(name, 0, all, from, name.length);
        return all;
    }

    /** {@return the path; null for an abstract name} */
    @Nullable
    Path path() {
        return path;
    }

    /** {@return the {@code struct sockaddr_un} of exactly this length, since the length of an abstract name counts} */
    MemorySegment toNative(Arena arena) {
        MemorySegment address = arena.allocate(Sockets.ADDRESS_PATH + bytes.length, Short.BYTES);
        address.set(ValueLayout.JAVA_SHORT, 0, (short) Sockets.AF_UNIX);
        MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, Sockets.ADDRESS_PATH, bytes.length);
        return address;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Address that && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    /** {@return the path, or the abstract name after an {@code @}} */
    @Override
    public String toString() {
        return text;
    }
}
