// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import static java.util.Map.entry;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.dmabuf.dmabuf_h;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What each call may give, by its manual page (section 2 of man-pages 6.9) or, of a request, by the documentation and
 * the source of its driver (Linux 6.12). EBADF is left out: it would mean that the library closed a descriptor that it
 * uses, which the fake kernel checks. Stateless.
 */
public final class CallErrnos {
    /** That say nothing about the thing that was asked: a second try may find all well. */
    private static final Set<Integer> PASSING = Set.of(
            Errno.EINTR,
            Errno.EAGAIN,
            Errno.ENOMEM,
            Errno.EBUSY,
            Errno.EMFILE,
            Errno.ENFILE,
            Errno.ENOSPC,
            Errno.EFAULT,
            Errno.EIO);

    private static final Map<Long, String> REQUESTS = Map.ofEntries(
            entry(dmabuf_h.DMA_HEAP_IOCTL_ALLOC(), "DMA_HEAP_IOCTL_ALLOC"),
            entry(dmabuf_h.UDMABUF_CREATE(), "UDMABUF_CREATE"),
            entry(dmabuf_h.DMA_BUF_IOCTL_SYNC(), "DMA_BUF_IOCTL_SYNC"),
            entry(dmabuf_h.DMA_BUF_SET_NAME_B(), "DMA_BUF_SET_NAME_B"),
            entry(dmabuf_h.DMA_BUF_IOCTL_EXPORT_SYNC_FILE(), "DMA_BUF_IOCTL_EXPORT_SYNC_FILE"),
            entry(dmabuf_h.DMA_BUF_IOCTL_IMPORT_SYNC_FILE(), "DMA_BUF_IOCTL_IMPORT_SYNC_FILE"),
            entry(dmabuf_h.SYNC_IOC_FILE_INFO(), "SYNC_IOC_FILE_INFO"),
            entry(dmabuf_h.SYNC_IOC_MERGE(), "SYNC_IOC_MERGE"),
            entry(v4l2_h.VIDIOC_QUERYCAP(), "VIDIOC_QUERYCAP"),
            entry(v4l2_h.VIDIOC_ENUMINPUT(), "VIDIOC_ENUMINPUT"),
            entry(v4l2_h.VIDIOC_G_INPUT(), "VIDIOC_G_INPUT"),
            entry(v4l2_h.VIDIOC_ENUM_FMT(), "VIDIOC_ENUM_FMT"),
            entry(v4l2_h.VIDIOC_ENUM_FRAMESIZES(), "VIDIOC_ENUM_FRAMESIZES"),
            entry(v4l2_h.VIDIOC_ENUM_FRAMEINTERVALS(), "VIDIOC_ENUM_FRAMEINTERVALS"),
            entry(v4l2_h.VIDIOC_G_FMT(), "VIDIOC_G_FMT"),
            entry(v4l2_h.VIDIOC_S_FMT(), "VIDIOC_S_FMT"),
            entry(v4l2_h.VIDIOC_TRY_FMT(), "VIDIOC_TRY_FMT"),
            entry(v4l2_h.VIDIOC_G_SELECTION(), "VIDIOC_G_SELECTION"),
            entry(v4l2_h.VIDIOC_S_SELECTION(), "VIDIOC_S_SELECTION"),
            entry(v4l2_h.VIDIOC_S_PARM(), "VIDIOC_S_PARM"),
            entry(v4l2_h.VIDIOC_REQBUFS(), "VIDIOC_REQBUFS"),
            entry(v4l2_h.VIDIOC_EXPBUF(), "VIDIOC_EXPBUF"),
            entry(v4l2_h.VIDIOC_QBUF(), "VIDIOC_QBUF"),
            entry(v4l2_h.VIDIOC_DQBUF(), "VIDIOC_DQBUF"),
            entry(v4l2_h.VIDIOC_STREAMON(), "VIDIOC_STREAMON"),
            entry(v4l2_h.VIDIOC_STREAMOFF(), "VIDIOC_STREAMOFF"),
            entry(drm_h.DRM_IOCTL_VERSION(), "DRM_IOCTL_VERSION"),
            entry(drm_h.DRM_IOCTL_GET_CAP(), "DRM_IOCTL_GET_CAP"),
            entry(drm_h.DRM_IOCTL_SET_CLIENT_CAP(), "DRM_IOCTL_SET_CLIENT_CAP"),
            entry((long) drm_h.DRM_IOCTL_SET_MASTER(), "DRM_IOCTL_SET_MASTER"),
            entry((long) drm_h.DRM_IOCTL_DROP_MASTER(), "DRM_IOCTL_DROP_MASTER"),
            entry(drm_h.DRM_IOCTL_GEM_CLOSE(), "DRM_IOCTL_GEM_CLOSE"),
            entry(drm_h.DRM_IOCTL_PRIME_FD_TO_HANDLE(), "DRM_IOCTL_PRIME_FD_TO_HANDLE"),
            entry(drm_h.DRM_IOCTL_PRIME_HANDLE_TO_FD(), "DRM_IOCTL_PRIME_HANDLE_TO_FD"),
            entry(drm_h.DRM_IOCTL_MODE_CREATE_DUMB(), "DRM_IOCTL_MODE_CREATE_DUMB"),
            entry(drm_h.DRM_IOCTL_MODE_ADDFB2(), "DRM_IOCTL_MODE_ADDFB2"),
            entry(drm_h.DRM_IOCTL_MODE_RMFB(), "DRM_IOCTL_MODE_RMFB"),
            entry(drm_h.DRM_IOCTL_MODE_ATOMIC(), "DRM_IOCTL_MODE_ATOMIC"),
            entry(drm_h.DRM_IOCTL_MODE_CREATEPROPBLOB(), "DRM_IOCTL_MODE_CREATEPROPBLOB"),
            entry(drm_h.DRM_IOCTL_MODE_DESTROYPROPBLOB(), "DRM_IOCTL_MODE_DESTROYPROPBLOB"),
            entry(drm_h.DRM_IOCTL_MODE_GETPROPBLOB(), "DRM_IOCTL_MODE_GETPROPBLOB"),
            entry(drm_h.DRM_IOCTL_MODE_GETPROPERTY(), "DRM_IOCTL_MODE_GETPROPERTY"),
            entry(drm_h.DRM_IOCTL_MODE_OBJ_GETPROPERTIES(), "DRM_IOCTL_MODE_OBJ_GETPROPERTIES"),
            entry(drm_h.DRM_IOCTL_MODE_GETRESOURCES(), "DRM_IOCTL_MODE_GETRESOURCES"),
            entry(drm_h.DRM_IOCTL_MODE_GETCONNECTOR(), "DRM_IOCTL_MODE_GETCONNECTOR"),
            entry(drm_h.DRM_IOCTL_MODE_GETENCODER(), "DRM_IOCTL_MODE_GETENCODER"),
            entry(drm_h.DRM_IOCTL_MODE_GETPLANE(), "DRM_IOCTL_MODE_GETPLANE"),
            entry(drm_h.DRM_IOCTL_MODE_GETPLANERESOURCES(), "DRM_IOCTL_MODE_GETPLANERESOURCES"));

    private static final Map<String, List<Integer>> OF_CALLS = Map.ofEntries(
            // open(2); ENXIO and ENODEV of a node without a device, EBUSY and EIO of drivers (v4l2_open, uvc_v4l2_open)
            entry(
                    "open",
                    List.of(
                            Errno.EACCES,
                            Errno.EBUSY,
                            Errno.EINTR,
                            Errno.EIO,
                            Errno.ELOOP,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            Errno.ENODEV,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOTDIR,
                            Errno.ENXIO,
                            Errno.EPERM)),
            // close(2)
            entry("close", List.of(Errno.EINTR, Errno.EIO, Errno.ENOSPC)),
            // access(2)
            entry(
                    "access",
                    List.of(
                            Errno.EACCES,
                            Errno.EIO,
                            Errno.ELOOP,
                            Errno.ENAMETOOLONG,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOTDIR,
                            Errno.EPERM)),
            // stat(2)
            entry(
                    "deviceNumber",
                    List.of(
                            Errno.EACCES,
                            Errno.ELOOP,
                            Errno.ENAMETOOLONG,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOTDIR,
                            Errno.EOVERFLOW)),
            entry("fstat", List.of(Errno.ENOMEM, Errno.EOVERFLOW)),
            // clock_gettime(2)
            entry("clockGetTime", List.of(Errno.EFAULT, Errno.EINVAL)),
            // opendir(3), getdents64(2)
            entry(
                    "list",
                    List.of(
                            Errno.EACCES,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOTDIR,
                            Errno.EIO)),
            // readlink(2) for each part, as realpath(3)
            entry("realPath", List.of(Errno.EACCES, Errno.EIO, Errno.ELOOP, Errno.ENOENT, Errno.ENOMEM, Errno.ENOTDIR)),
            // open(2), read(2) of files of /proc and /sys
            entry("bytes", ofFiles()),
            entry("fdinfo", ofFiles()),
            entry("meminfo", ofFiles()),
            entry("moduleParameter", ofFiles()),
            // The number is not known then.
            entry("freeMemory", List.of(Errno.EFAULT)),
            entry("groupMemory", List.of(Errno.ENOMEM)),
            entry("sysctl", List.of(Errno.ENOMEM)),
            entry("mappings", List.of(Errno.ENOMEM)),
            // read(2), pread(2); ENODEV of a device that is gone (drm_read)
            entry("read", List.of(Errno.EAGAIN, Errno.EFAULT, Errno.EINTR, Errno.EINVAL, Errno.EIO, Errno.ENODEV)),
            entry("pread", List.of(Errno.EINTR, Errno.EIO, Errno.EINVAL, Errno.EOVERFLOW)),
            // poll(2)
            entry("poll", List.of(Errno.EFAULT, Errno.EINTR, Errno.EINVAL, Errno.ENOMEM)),
            // memfd_create(2)
            entry(
                    "memfdCreate",
                    List.of(Errno.EFAULT, Errno.EINVAL, Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM, Errno.EPERM)),
            entry("ftruncate", List.of(Errno.EFBIG, Errno.EINTR, Errno.EINVAL, Errno.EIO, Errno.EPERM)),
            // fallocate(2)
            entry(
                    "fallocate",
                    List.of(
                            Errno.EFBIG,
                            Errno.EINTR,
                            Errno.EINVAL,
                            Errno.EIO,
                            Errno.ENOSPC,
                            Errno.ENOMEM,
                            Errno.EOPNOTSUPP,
                            Errno.EPERM)),
            // F_ADD_SEALS in fcntl(2)
            entry("addSeals", List.of(Errno.EBUSY, Errno.EINVAL, Errno.EPERM)),
            // F_SETFD documents EBADF only; a filter of system calls gives EPERM.
            entry("closeOnExec", List.of(Errno.EPERM)),
            // mmap(2); ENXIO, EINVAL and ENOTSUPP of exporters (dma_buf_mmap_internal)
            entry(
                    "mmap",
                    List.of(
                            Errno.EACCES,
                            Errno.EAGAIN,
                            Errno.EINVAL,
                            Errno.ENFILE,
                            Errno.ENODEV,
                            Errno.ENOMEM,
                            Errno.ENXIO,
                            Errno.EOVERFLOW,
                            Errno.EPERM,
                            Errno.ENOTSUPP)),
            // munmap(2)
            entry("munmap", List.of(Errno.EINVAL, Errno.ENOMEM)),
            entry("coverPages", List.of(Errno.ENOMEM)),
            // F_DUPFD_CLOEXEC in fcntl(2)
            entry("dup", List.of(Errno.EMFILE, Errno.EINVAL)),
            // pidfd_open(2), pidfd_getfd(2)
            entry(
                    "pidfdOpen",
                    List.of(
                            Errno.EINVAL,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            Errno.ENODEV,
                            Errno.ENOMEM,
                            Errno.ENOSYS,
                            Errno.ESRCH)),
            entry(
                    "pidfdGetFd",
                    List.of(Errno.EINVAL, Errno.EMFILE, Errno.ENFILE, Errno.EPERM, Errno.ESRCH, Errno.ENOSYS)),
            // socket(2), socketpair(2), unix(7)
            entry("socket", List.of(Errno.EACCES, Errno.EINVAL, Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM, ENOBUFS())),
            entry("socketPair", List.of(Errno.EFAULT, Errno.EMFILE, Errno.ENFILE, Errno.EOPNOTSUPP)),
            // bind(2)
            entry(
                    "bind",
                    List.of(
                            Errno.EACCES,
                            Errno.EADDRINUSE,
                            Errno.EINVAL,
                            Errno.ELOOP,
                            Errno.ENAMETOOLONG,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOTDIR)),
            entry("listen", List.of(Errno.EADDRINUSE, Errno.EOPNOTSUPP)),
            // connect(2)
            entry(
                    "connect",
                    List.of(
                            Errno.EACCES,
                            Errno.EPERM,
                            Errno.EAGAIN,
                            Errno.ECONNREFUSED,
                            Errno.EINTR,
                            Errno.ENOENT,
                            Errno.EPROTO,
                            Errno.ETIMEDOUT)),
            // accept(2)
            entry(
                    "accept",
                    List.of(
                            Errno.EAGAIN,
                            Errno.ECONNABORTED,
                            Errno.EINTR,
                            Errno.EINVAL,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            ENOBUFS(),
                            Errno.ENOMEM,
                            Errno.EPERM)),
            entry("shutdown", List.of(Errno.EINVAL, Errno.ENOTCONN)),
            // getsockopt(2); ENODATA and ESRCH of SO_PEERPIDFD (net/core/sock.c)
            entry(
                    "socketOption",
                    List.of(Errno.EFAULT, Errno.EINVAL, Errno.ENODATA, Errno.EMFILE, Errno.ENOMEM, Errno.ESRCH)),
            entry("setSocketOption", List.of(Errno.EFAULT, Errno.EINVAL, Errno.ENOMEM, Errno.EPERM)),
            // sendmsg(2), unix(7); ETOOMANYREFS is 109
            entry(
                    "send",
                    List.of(
                            Errno.EAGAIN,
                            Errno.ECONNRESET,
                            Errno.EFAULT,
                            Errno.EINTR,
                            Errno.EINVAL,
                            ENOBUFS(),
                            Errno.ENOMEM,
                            Errno.ENOTCONN,
                            Errno.EPIPE,
                            109)),
            // recvmsg(2)
            entry(
                    "receive",
                    List.of(
                            Errno.EAGAIN,
                            Errno.ECONNRESET,
                            Errno.EFAULT,
                            Errno.EINTR,
                            Errno.EINVAL,
                            Errno.ENOMEM,
                            Errno.ENOTCONN)),

            // ---- requests ----

            // drivers/dma-buf/dma-heap.c, heaps/system_heap.c, heaps/cma_heap.c (EINTR: a signal is pending)
            entry(
                    "DMA_HEAP_IOCTL_ALLOC",
                    List.of(Errno.EFAULT, Errno.EINTR, Errno.EINVAL, Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM)),
            // drivers/dma-buf/udmabuf.c
            entry(
                    "UDMABUF_CREATE",
                    List.of(
                            Errno.EBADFD,
                            Errno.EFAULT,
                            Errno.EINVAL,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            Errno.ENOMEM,
                            Errno.EBUSY)),
            // drivers/dma-buf/dma-buf.c: "can fail with -EAGAIN or -EINTR", both of exporters
            entry("DMA_BUF_IOCTL_SYNC", List.of(Errno.EAGAIN, Errno.EFAULT, Errno.EINTR, Errno.EINVAL, Errno.ENOMEM)),
            entry("DMA_BUF_SET_NAME_B", List.of(Errno.EBUSY, Errno.EFAULT, Errno.EINVAL, Errno.ENOMEM)),
            entry(
                    "DMA_BUF_IOCTL_EXPORT_SYNC_FILE",
                    List.of(
                            Errno.EFAULT,
                            Errno.EINTR,
                            Errno.EINVAL,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            Errno.ENOMEM,
                            Errno.ENOTTY)),
            entry(
                    "DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
                    List.of(Errno.EFAULT, Errno.EINTR, Errno.EINVAL, Errno.ENOMEM, Errno.ENOTTY)),
            // drivers/dma-buf/sync_file.c
            entry("SYNC_IOC_FILE_INFO", List.of(Errno.EFAULT, Errno.EINVAL, Errno.ENOMEM, Errno.ENOTTY)),
            entry(
                    "SYNC_IOC_MERGE",
                    List.of(
                            Errno.EFAULT,
                            Errno.EINVAL,
                            Errno.EMFILE,
                            Errno.ENFILE,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOTTY)),
            // userspace-api/media/v4l: vidioc-*.rst beside gen-errors.rst
            entry("VIDIOC_QUERYCAP", video()),
            entry("VIDIOC_ENUMINPUT", video()),
            entry("VIDIOC_G_INPUT", video()),
            entry("VIDIOC_ENUM_FMT", video()),
            entry("VIDIOC_ENUM_FRAMESIZES", video()),
            entry("VIDIOC_ENUM_FRAMEINTERVALS", video()),
            entry("VIDIOC_G_FMT", video()),
            entry("VIDIOC_S_FMT", video()),
            entry("VIDIOC_TRY_FMT", video(Errno.EBUSY)),
            entry("VIDIOC_G_SELECTION", video(Errno.ENODATA)),
            entry("VIDIOC_S_SELECTION", video(Errno.ENODATA, Errno.ERANGE)),
            entry("VIDIOC_S_PARM", video()),
            entry("VIDIOC_REQBUFS", video()),
            entry("VIDIOC_EXPBUF", video(Errno.EMFILE, Errno.ENFILE)),
            entry("VIDIOC_QBUF", video(Errno.EAGAIN, Errno.EPIPE)),
            entry("VIDIOC_DQBUF", video(Errno.EAGAIN, Errno.EPIPE)),
            entry("VIDIOC_STREAMON", video(Errno.EPIPE, Errno.ENOLINK, Errno.ENOSPC)),
            entry("VIDIOC_STREAMOFF", video(Errno.EPIPE, Errno.ENOLINK)),
            // drivers/gpu/drm: drm_ioctl.c of every request, beside those of the one
            entry("DRM_IOCTL_VERSION", graphics()),
            entry("DRM_IOCTL_GET_CAP", graphics(Errno.EOPNOTSUPP)),
            entry("DRM_IOCTL_SET_CLIENT_CAP", graphics(Errno.EOPNOTSUPP)),
            entry("DRM_IOCTL_SET_MASTER", graphics(Errno.EBUSY)), // drm_auth.c
            entry("DRM_IOCTL_DROP_MASTER", graphics()),
            entry("DRM_IOCTL_GEM_CLOSE", graphics(Errno.EOPNOTSUPP)),
            entry( // drm_prime.c, and the mapping of the driver
                    "DRM_IOCTL_PRIME_FD_TO_HANDLE",
                    graphics(Errno.ENOSYS, Errno.EOPNOTSUPP, Errno.ENOMEM, Errno.EBUSY, Errno.ENOENT)),
            entry(
                    "DRM_IOCTL_PRIME_HANDLE_TO_FD",
                    graphics(Errno.ENOSYS, Errno.ENOENT, Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE)),
            entry("DRM_IOCTL_MODE_CREATE_DUMB", graphics(Errno.ENOSYS, Errno.ENOMEM, Errno.ENOSPC)),
            entry("DRM_IOCTL_MODE_ADDFB2", graphics(Errno.ENOENT, Errno.ENOMEM, Errno.ERANGE, Errno.EOPNOTSUPP)),
            entry("DRM_IOCTL_MODE_RMFB", graphics(Errno.ENOENT)),
            entry( // drm_atomic_uapi.c
                    "DRM_IOCTL_MODE_ATOMIC",
                    graphics(
                            Errno.EBUSY,
                            Errno.EMFILE,
                            Errno.ENOENT,
                            Errno.ENOMEM,
                            Errno.ENOSPC,
                            Errno.ERANGE,
                            Errno.EOPNOTSUPP)),
            entry("DRM_IOCTL_MODE_CREATEPROPBLOB", graphics(Errno.ENOMEM)),
            entry("DRM_IOCTL_MODE_DESTROYPROPBLOB", graphics(Errno.ENOENT)),
            entry("DRM_IOCTL_MODE_GETPROPBLOB", graphics(Errno.ENOENT)),
            entry("DRM_IOCTL_MODE_GETPROPERTY", graphics(Errno.ENOENT)),
            entry("DRM_IOCTL_MODE_OBJ_GETPROPERTIES", graphics(Errno.ENOENT)),
            entry("DRM_IOCTL_MODE_GETRESOURCES", graphics()),
            entry("DRM_IOCTL_MODE_GETCONNECTOR", graphics(Errno.ENOENT, Errno.ENOMEM)),
            entry("DRM_IOCTL_MODE_GETENCODER", graphics(Errno.ENOENT)),
            entry("DRM_IOCTL_MODE_GETPLANE", graphics(Errno.ENOENT)),
            entry("DRM_IOCTL_MODE_GETPLANERESOURCES", graphics()));

    private CallErrnos() {}

    /** Errno has no name for it. */
    private static int ENOBUFS() {
        return 105;
    }

    private static List<Integer> ofFiles() {
        return List.of(
                Errno.EACCES,
                Errno.EINTR,
                Errno.EIO,
                Errno.EMFILE,
                Errno.ENFILE,
                Errno.ENOENT,
                Errno.ENOMEM,
                Errno.EPERM);
    }

    private static List<Integer> with(List<Integer> some, int... others) {
        var all = new TreeSet<>(some);
        for (int other : others) {
            all.add(other);
        }
        return List.copyOf(all);
    }

    /** gen-errors.rst; EINTR of vb2_fop and of every lock that can be interrupted. */
    private static List<Integer> video(int... others) {
        return with(
                List.of(
                        Errno.EBUSY,
                        Errno.EFAULT,
                        Errno.EINTR,
                        Errno.EINVAL,
                        Errno.EIO,
                        Errno.ENODEV,
                        Errno.ENOMEM,
                        Errno.ENOTTY,
                        Errno.EPERM,
                        Errno.ENXIO),
                others);
    }

    /** drm_ioctl_permit, drm_dev_enter, copy_from_user; EINTR and EAGAIN as libdrm's drmIoctl expects. */
    private static List<Integer> graphics(int... others) {
        return with(
                List.of(Errno.EACCES, Errno.EAGAIN, Errno.EFAULT, Errno.EINTR, Errno.EINVAL, Errno.ENODEV, Errno.EPERM),
                others);
    }

    /** The name of a call; that of a request in place of ioctl. */
    static String name(String method, Object @Nullable [] arguments) {
        if (!method.equals("ioctl") && !method.equals("repeatableIoctl")) {
            return method;
        }
        long request = (long) Objects.requireNonNull(arguments)[1];
        String name = REQUESTS.get(request);
        if (name == null) {
            throw new AssertionError("no name for the request 0x" + Long.toHexString(request));
        }
        return name;
    }

    /** What a call may give. */
    public static List<Integer> of(String call) {
        List<Integer> errnos = OF_CALLS.get(call);
        if (errnos == null) {
            throw new AssertionError("no errnos for " + call);
        }
        return errnos;
    }

    /** Whether an errno says nothing that stays true. */
    public static boolean isPassing(int errno) {
        return PASSING.contains(errno) || errno == ENOBUFS();
    }

    /**
     * As {@link #isPassing(int)}, of a call: what drivers say of memory that they cannot use, or of pictures that they
     * cannot show, is their answer.
     */
    public static boolean isPassing(String call, int errno) {
        boolean isAnswer = call.startsWith("VIDIOC_") || call.startsWith("DRM_");
        return isPassing(errno)
                && !(isAnswer && (errno == Errno.EFAULT || errno == Errno.EIO || errno == Errno.ENOSPC));
    }

    /** All names. */
    static Stream<String> names() {
        return OF_CALLS.keySet().stream();
    }
}
