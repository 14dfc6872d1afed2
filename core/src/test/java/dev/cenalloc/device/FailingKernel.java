// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.device;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.v4l2.v4l2_h;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.LinuxKernel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The kernel under this process, of which one call on a device node fails before it reaches the driver; or, from that
 * call on, all on the same node. Records the calls on device nodes. Owns nothing. For one thread, but for {@link
 * #calls}.
 */
final class FailingKernel {
    /**
     * A call on a device node.
     *
     * @param name as an exception has it: of an ioctl the name of its request
     */
    record Call(String name, Path node) {
        boolean isOfVideo() {
            return node.toString().startsWith("/dev/video");
        }

        @Override
        public String toString() {
            return name + " on " + node;
        }
    }

    /** No call fails. */
    static final int NONE = -1;

    /** Names of requests by number. */
    private static final Map<Long, String> REQUESTS = requests();

    private static final String NODES = "/dev/(video|dri/card)\\d+";

    private final Kernel real = LinuxKernel.instance();
    private final int failing;
    private final int errno;
    private final boolean forGood;
    private final List<Call> calls = new ArrayList<>();
    private final Map<Integer, Path> open = new HashMap<>();

    private FailingKernel(int failing, int errno, boolean forGood) {
        this.failing = failing;
        this.errno = errno;
        this.forGood = forGood;
    }

    /** Of which no call fails. */
    static FailingKernel good() {
        return new FailingKernel(NONE, 0, false);
    }

    /** Of which the n-th call on device nodes fails, from 0 on. */
    static FailingKernel once(int n, int errno) {
        return new FailingKernel(n, errno, false);
    }

    /** Of which the n-th call and all later calls on the same node fail. */
    static FailingKernel fromThenOn(int n, int errno) {
        return new FailingKernel(n, errno, true);
    }

    private static Map<Long, String> requests() {
        var names = new HashMap<Long, String>();
        for (Class<?> type :
                List.of(v4l2_h.class, v4l2_h.class.getSuperclass(), drm_h.class, drm_h.class.getSuperclass())) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().matches("(VIDIOC|DRM_IOCTL)_.*") && method.getParameterCount() == 0) {
                    try {
                        names.put(((Number) method.invoke(null)).longValue(), method.getName());
                    } catch (ReflectiveOperationException e) {
                        throw new IllegalStateException(e);
                    }
                }
            }
        }
        return names;
    }

    /** As the library sees it. */
    Kernel kernel() {
        return (Kernel) Proxy.newProxyInstance(
                Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, (_, method, arguments) -> {
                    Object[] given = arguments == null ? new Object[0] : arguments;
                    Object failed = failed(method.getName(), given);
                    if (failed != null) {
                        return failed;
                    }
                    try {
                        Object result = method.invoke(real, given);
                        follow(method.getName(), given, result);
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    /** All calls so far, that on the device node that failed among them. */
    synchronized List<Call> calls() {
        return List.copyOf(calls);
    }

    /** The descriptor of a device node that is open once. */
    synchronized int descriptor(Path node) {
        return open.entrySet().stream()
                .filter(known -> known.getValue().equals(node))
                .mapToInt(Map.Entry::getKey)
                .findFirst()
                .orElseThrow();
    }

    /** Whether the call that is to fail was reached. */
    synchronized boolean hasFailed() {
        return failing != NONE && calls.size() > failing;
    }

    /** The result of a call that fails; null of one that does not. */
    private synchronized @Nullable Object failed(String method, Object[] arguments) {
        return switch (method) {
            case "open" -> isNode(arguments[0]) && fails("open", (Path) arguments[0]) ? -errno : null;
            // The file system answers stat, whatever became of the device.
            case "deviceNumber" ->
                isNode(arguments[0]) && fails("stat", (Path) arguments[0]) && !forGood ? (long) -errno : null;
            case "ioctl", "repeatableIoctl" -> {
                Path node = open.get((Integer) arguments[0]);
                long request = (Long) arguments[1];
                yield node != null && fails(REQUESTS.getOrDefault(request, Long.toHexString(request)), node)
                        ? -errno
                        : null;
            }
            case "read" -> {
                Path node = open.get((Integer) arguments[0]);
                // An event that came before can still be read.
                yield node != null && fails("read", node) && !forGood ? (long) -errno : null;
            }
            case "poll" -> failedPoll((MemorySegment) arguments[0]);
            default -> null;
        };
    }

    private @Nullable Object failedPoll(MemorySegment fds) {
        Path node = open.get(fds.get(ValueLayout.JAVA_INT, 0));
        if (node == null) {
            return null;
        }
        boolean fails = fails("poll", node);
        if (!forGood) {
            return fails ? -errno : null;
        }
        // As v4l2_poll in drivers/media/v4l2-core/v4l2-dev.c; DRM's tells nothing.
        if (fails && new Call("poll", node).isOfVideo()) {
            fds.set(ValueLayout.JAVA_SHORT, 6, (short) (Linux.POLLERR | Linux.POLLHUP));
            return 1;
        }
        return null;
    }

    private static boolean isNode(Object path) {
        return path.toString().matches(NODES);
    }

    private boolean isGone(Path node) {
        return forGood && hasFailed() && calls.get(failing).node().equals(node);
    }

    private boolean fails(String name, Path node) {
        boolean gone = isGone(node);
        calls.add(new Call(name, node));
        return calls.size() - 1 == failing || gone;
    }

    private synchronized void follow(String method, Object[] arguments, @Nullable Object result) {
        if (method.equals("open") && isNode(arguments[0]) && (Integer) Objects.requireNonNull(result) >= 0) {
            open.put((Integer) result, (Path) arguments[0]);
        } else if (method.equals("close")) {
            open.remove((Integer) arguments[0]);
        }
    }

    @Override
    public String toString() {
        return failing == NONE
                ? "no call fails"
                : Errno.name(errno) + " at call " + failing + (forGood ? " and on" : "");
    }
}
