// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.lang.foreign.GroupLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Writes what the Java side believes of the kernel's interface as C: a static assertion for the size of each structure,
 * the offset of each field and the value of each constant and request. {@code ci/abi} compiles it against the kernel's
 * own headers for each architecture. Argument: the file to write.
 */
final class AbiAssertions {
    /** Younger than the oldest kernel headers that are compiled against, and not used here. */
    private static final List<String> YOUNG = List.of("DRM_CLIENT_CAP_PLANE_COLOR_PIPELINE", "DRM_MODE_OBJECT_COLOROP");

    private final List<String> lines = new ArrayList<>();
    private int assertions;

    private AbiAssertions() {}

    public static void main(String[] args) throws Exception {
        var abi = new AbiAssertions();
        abi.write(Path.of(args[0]));
    }

    private void write(Path file) throws Exception {
        lines.addAll(List.of(
                "// Made by AbiAssertions.java; compiled by ci/abi, never run.",
                "#define _GNU_SOURCE",
                "#include <stddef.h>",
                "#include <errno.h>",
                "#include <fcntl.h>",
                "#include <poll.h>",
                "#include <time.h>",
                "#include <unistd.h>",
                "#include <sys/mman.h>",
                "#include <sys/socket.h>",
                "#include <sys/stat.h>",
                "#include <sys/sysinfo.h>",
                "#include <sys/uio.h>",
                "#include <sys/un.h>",
                "#include <linux/dma-heap.h>",
                "#include <linux/dma-buf.h>",
                "#include <linux/memfd.h>",
                "#include <linux/udmabuf.h>",
                "#include <linux/sync_file.h>",
                "#include <linux/videodev2.h>",
                "#include <drm/drm.h>",
                "#include <drm/drm_mode.h>",
                "#include <drm/drm_fourcc.h>"));
        for (Class<?> header : List.of(dmabuf_h.class, v4l2_h.class, drm_h.class)) {
            constants(header);
            structures(header);
        }
        systemCalls();
        sockets();
        Files.write(file, lines);
        System.out.println(assertions + " assertions");
    }

    private void check(String expression, long value) {
        lines.add("_Static_assert((unsigned long long)(" + expression + ") == " + Long.toUnsignedString(value)
                + "ULL, \"" + expression + "\");");
        assertions++;
    }

    private void constants(Class<?> header) throws ReflectiveOperationException {
        for (Method method : declared(header)) {
            boolean constant = method.getParameterCount() == 0
                    && (method.getReturnType() == int.class || method.getReturnType() == long.class);
            if (constant && !YOUNG.contains(method.getName())) {
                long value = ((Number) method.invoke(null)).longValue();
                // Java's int is a pattern of 32 bits, with or without a sign.
                boolean narrow = method.getReturnType() == int.class;
                check(
                        narrow ? "(unsigned int)" + method.getName() : method.getName(),
                        narrow ? value & 0xFFFF_FFFFL : value);
            }
        }
    }

    /** The classes beside a header class that have a layout: structures and, nested in them, anonymous unions. */
    private void structures(Class<?> header) throws Exception {
        var directory = Path.of(
                header.getProtectionDomain().getCodeSource().getLocation().toURI());
        String packagePath = header.getPackageName().replace('.', '/');
        try (var files = Files.list(directory.resolve(packagePath))) {
            for (Path file : files.sorted().toList()) {
                String name = String.valueOf(file.getFileName()).replace(".class", "");
                Class<?> type = Class.forName(header.getPackageName() + "." + name);
                if (!name.contains("$") && hasLayout(type)) {
                    structure(type);
                }
            }
        }
    }

    private static boolean hasLayout(Class<?> type) {
        return Arrays.stream(type.getMethods())
                .anyMatch(method -> method.getName().equals("layout"));
    }

    private void structure(Class<?> type) throws ReflectiveOperationException {
        String tag = type.getSimpleName().equals("drm_wait_vblank") ? "union " : "struct ";
        String name = tag + type.getSimpleName();
        check("sizeof(" + name + ")", ((GroupLayout) type.getMethod("layout").invoke(null)).byteSize());
        fields(type, name, "", 0);
    }

    private void fields(Class<?> type, String name, String prefix, long base) throws ReflectiveOperationException {
        for (Method method : declared(type)) {
            if (method.getName().endsWith("$offset") && method.getParameterCount() == 0) {
                String field = method.getName().substring(0, method.getName().length() - "$offset".length());
                long offset = base + (long) method.invoke(null);
                check("offsetof(" + name + ", " + prefix + field + ")", offset);
                for (Class<?> nested : type.getDeclaredClasses()) {
                    if (nested.getSimpleName().equals(field) && hasLayout(nested)) {
                        fields(nested, name, prefix + field + ".", offset);
                    }
                }
            }
        }
    }

    private static List<Method> declared(Class<?> type) {
        return Arrays.stream(type.getDeclaredMethods())
                .filter(method -> Modifier.isStatic(method.getModifiers()) && Modifier.isPublic(method.getModifiers()))
                .sorted(Comparator.comparing(Method::getName))
                .toList();
    }

    private void systemCalls() throws ReflectiveOperationException {
        for (var field : Linux.class.getFields()) {
            if (field.getType() == int.class && !field.getName().startsWith("STAT_")) {
                check(field.getName(), field.getInt(null));
            }
            if (field.getType() == short.class) {
                check(field.getName(), field.getShort(null));
            }
        }
        for (var field : Errno.class.getFields()) {
            // Those from 512 on are in include/linux/errno.h, which is not among the headers for programs.
            if (field.getInt(null) < 512) {
                check(field.getName(), field.getInt(null));
            }
        }
        for (int errno = 1; errno < 512; errno++) {
            if (!Errno.name(errno).startsWith("errno ")) {
                check(Errno.name(errno), errno);
            }
        }
        check("offsetof(struct stat, st_dev)", Linux.STAT_DEV);
        check("offsetof(struct stat, st_ino)", Linux.STAT_INO);
        check("offsetof(struct stat, st_size)", Linux.STAT_FILE_SIZE);
        check("sizeof(((struct stat *)0)->st_ino)", 8);
        check("sizeof(((struct stat *)0)->st_size)", 8);
        check("sizeof(struct stat) <= " + Linux.STAT_SIZE, 1);
        check("sizeof(struct timespec)", Linux.TIMESPEC_SIZE);
        check("offsetof(struct timespec, tv_sec)", 0);
        check("offsetof(struct timespec, tv_nsec)", 8);
        check("sizeof(((struct timespec *)0)->tv_sec)", 8);
        check("sizeof(((struct timespec *)0)->tv_nsec)", 8);
        check("sizeof(struct sysinfo)", Linux.SYSINFO_SIZE);
        check("offsetof(struct sysinfo, freeram)", Linux.SYSINFO_FREE);
        check("offsetof(struct sysinfo, bufferram)", Linux.SYSINFO_BUFFERS);
        check("offsetof(struct sysinfo, mem_unit)", Linux.SYSINFO_UNIT);
        check("sizeof(((struct sysinfo *)0)->freeram)", 8);
        check("sizeof(((struct sysinfo *)0)->bufferram)", 8);
        check("sizeof(((struct sysinfo *)0)->mem_unit)", 4);
        check("sizeof(struct pollfd)", Linux.POLLFD.byteSize());
        check("offsetof(struct pollfd, events)", 4);
        check("offsetof(struct pollfd, revents)", 6);
    }

    private void sockets() throws ReflectiveOperationException {
        for (var field : Sockets.class.getFields()) {
            if (field.getType() == int.class) {
                check(field.getName(), field.getInt(null));
            }
        }
        check("sizeof(struct sockaddr_un)", Sockets.ADDRESS_SIZE);
        check("offsetof(struct sockaddr_un, sun_path)", Sockets.ADDRESS_PATH);
        check("sizeof(struct msghdr)", Sockets.MESSAGE_SIZE);
        check("offsetof(struct msghdr, msg_iov)", Sockets.MESSAGE_PARTS);
        check("offsetof(struct msghdr, msg_iovlen)", Sockets.MESSAGE_PARTS_COUNT);
        check("sizeof(((struct msghdr *)0)->msg_iovlen)", 8);
        check("offsetof(struct msghdr, msg_control)", Sockets.MESSAGE_CONTROL);
        check("offsetof(struct msghdr, msg_controllen)", Sockets.MESSAGE_CONTROL_SIZE);
        check("sizeof(((struct msghdr *)0)->msg_controllen)", 8);
        check("offsetof(struct msghdr, msg_flags)", Sockets.MESSAGE_FLAGS);
        check("sizeof(struct iovec)", Sockets.PART_SIZE);
        check("offsetof(struct iovec, iov_len)", 8);
        check("sizeof(struct cmsghdr)", Sockets.CONTROL_DATA);
        check("sizeof(((struct cmsghdr *)0)->cmsg_len)", 8);
        check("offsetof(struct cmsghdr, cmsg_level)", Sockets.CONTROL_LEVEL);
        check("offsetof(struct cmsghdr, cmsg_type)", Sockets.CONTROL_TYPE);
        check("sizeof(struct ucred)", Sockets.CREDENTIALS_SIZE);
        check("offsetof(struct ucred, uid)", 4);
        check("offsetof(struct ucred, gid)", 8);
    }
}
