// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A kernel in front of the fake one. It writes down the calls of the thread that made this, also those that ask files
 * and directories, and has one of them fail: with an errno, or with an {@link Error} before or after its effect. For
 * that one thread; calls of others pass.
 */
public final class Interposed implements InvocationHandler {
    /** Those that are no system calls. */
    private static final Set<String> NO_CALLS = Set.of("owned", "pageSize", "view", "sysfs");

    /** They take effect whatever they return: close(2) "the state of the file descriptor is unspecified", on Linux gone. */
    private static final Set<String> WHATEVER_THEY_RETURN = Set.of("close");

    /** What they took is gone. */
    private static final Set<String> TAKING = Set.of("receive", "read");

    public final Kernel kernel =
            (Kernel) Proxy.newProxyInstance(Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, this);

    private final FakeKernel fake;
    private Thread owner = Thread.currentThread();
    private @Nullable Servant servant;
    private final List<String> calls = new ArrayList<>();
    private int place = -1;
    private String expected = "";
    private int errno;
    private @Nullable Error error;
    private boolean isAfter;
    private boolean wasHit;

    public Interposed(FakeKernel fake) {
        this.fake = fake;
    }

    /** The calls since the last {@link #forget}, by {@link CallErrnos}' names. */
    public List<String> calls() {
        return List.copyOf(calls);
    }

    public void forget() {
        calls.clear();
        place = -1;
        wasHit = false;
    }

    /**
     * Has one of the calls from now on give an errno.
     *
     * @param call its name
     * @param n how many calls of this name are before it: others may come between, when time has passed
     */
    public void fail(String call, int n, int with) {
        forget();
        place = n;
        expected = call;
        errno = with;
        error = null;
    }

    /**
     * Has one of the calls from now on, as above, end with an error: in place of its effect or after it. A call that made or
     * ended a descriptor or a mapping, or took bytes of a stream, has no error after it: nobody could know of it.
     */
    public void fail(String call, int n, Error with, boolean after) {
        forget();
        place = n;
        expected = call;
        error = with;
        isAfter = after;
    }

    /** Whether a call failed since then. */
    public boolean wasHit() {
        return wasHit;
    }

    /**
     * From now on the calls are those of the current thread, and a servant makes them, which has a stack of its own, as
     * the kernel has: what the fake needs of the caller's must not change what the caller can do.
     */
    public void onStackOfItsOwn(Servant with) {
        owner = Thread.currentThread();
        servant = with;
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] arguments) throws Throwable {
        if (method.isDefault()) {
            return InvocationHandler.invokeDefault(proxy, method, arguments);
        }
        if (Thread.currentThread() != owner || NO_CALLS.contains(method.getName())) {
            return call(method, arguments);
        }
        String name = CallErrnos.name(method.getName(), arguments);
        calls.add(name);
        if (!name.equals(expected) || place-- != 0) {
            return served(method, arguments);
        }
        int before = objects();
        Error thrown = error;
        if (thrown != null) {
            if (!isAfter) {
                wasHit = true;
                throw thrown;
            }
            Object result = served(method, arguments);
            if (objects() != before || TAKING.contains(method.getName())) {
                return result;
            }
            wasHit = true;
            throw thrown;
        }
        wasHit = true;
        if (WHATEVER_THEY_RETURN.contains(method.getName())) {
            served(method, arguments);
        }
        return failing(method, arguments);
    }

    private int objects() {
        return fake.openFiles() + 1_000_000 * fake.openMappings();
    }

    private Object failing(Method method, Object @Nullable [] arguments) throws IOException {
        if (Arrays.asList(method.getExceptionTypes()).contains(IOException.class)) {
            Path path = arguments != null && arguments[0] instanceof Path asked ? asked : Path.of("/proc/meminfo");
            throw new FileException(path, errno);
        }
        Class<?> type = method.getReturnType();
        if (type == OptionalLong.class) {
            return OptionalLong.empty();
        }
        if (type == long.class) {
            return (long) -errno;
        }
        return -errno;
    }

    private @Nullable Object served(Method method, Object @Nullable [] arguments) throws Throwable {
        return servant == null ? call(method, arguments) : servant.call(this, method, arguments);
    }

    @Nullable
    Object call(Method method, Object @Nullable [] arguments) throws Throwable {
        try {
            return method.invoke(fake, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    /** A thread that makes calls for another one; waits for them with a stack of its own. To be closed. */
    public static final class Servant implements AutoCloseable {
        private final Thread thread =
                Thread.ofPlatform().daemon().name("servant").start(this::serve);
        private volatile int state;
        private static final int IDLE = 0;
        private static final int ASKED = 1;
        private static final int DONE = 2;
        private static final int OVER = 3;

        private @Nullable Thread caller;
        private @Nullable Interposed kernel;
        private @Nullable Method method;
        private Object @Nullable [] arguments;
        private @Nullable Object result;
        private @Nullable Throwable thrown;

        private @Nullable Object call(Interposed with, Method what, Object @Nullable [] given) throws Throwable {
            Object[] shared = given == null ? null : given.clone();
            for (int i = 0; shared != null && i < shared.length; i++) {
                if (shared[i] instanceof MemorySegment segment) {
                    // That of another thread could not be used.
                    shared[i] = Linux.view(segment.address(), segment.byteSize(), Arena.global());
                }
            }
            room(12, 0, 0, 0, 0, 0, 0);
            kernel = with;
            method = what;
            arguments = shared;
            caller = Thread.currentThread();
            state = ASKED;
            LockSupport.unpark(thread);
            while (state != DONE) {
                LockSupport.park(this);
            }
            state = IDLE;
            Throwable failure = thrown;
            if (failure != null) {
                throw failure;
            }
            return result;
        }

        /** After it there is stack for the few calls between here and the library: an effect is not lost. */
        private static int room(int more, long a, long b, long c, long d, long e, long f) {
            return more == 0 ? 0 : 1 + room(more - 1, a, b, c, d, e, f);
        }

        private void serve() {
            while (state != OVER) {
                if (state == ASKED) {
                    result = null;
                    thrown = null;
                    try {
                        result = Objects.requireNonNull(kernel).call(Objects.requireNonNull(method), arguments);
                    } catch (Throwable e) {
                        thrown = e;
                    }
                    state = DONE;
                    LockSupport.unpark(caller);
                } else {
                    LockSupport.park(this);
                }
            }
        }

        @Override
        public void close() {
            state = OVER;
            LockSupport.unpark(thread); // and ends
        }
    }
}
