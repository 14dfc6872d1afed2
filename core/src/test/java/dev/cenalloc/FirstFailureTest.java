// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.kernel.FakeKernel;
import dev.cenalloc.plan.Direction;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** A process that has no descriptor left for the file of a class still learns what failed. */
class FirstFailureTest {
    /** Loads the library once more, until it may not load any more. */
    private static final class Loader extends URLClassLoader {
        private final List<String> refused = new ArrayList<>();
        private boolean isOver;

        Loader(URL... places) {
            super(places, FirstFailureTest.class.getClassLoader());
        }

        @Override
        protected synchronized Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("dev.cenalloc.")) {
                return super.loadClass(name, resolve);
            }
            Class<?> known = findLoadedClass(name);
            if (known == null && isOver) {
                refused.add(name);
                throw new ClassNotFoundException(name);
            }
            return known == null ? findClass(name) : known;
        }
    }

    private interface Call {
        void run() throws Exception;
    }

    /** Runs in the other loader. */
    static final class Scenario {
        private Scenario() {}

        /** Uses everything once, then has everything fail; returns what was told. */
        static List<String> run(Runnable lastClass) throws Exception {
            FakeKernel kernel = new FakeKernel().heap("system", 1 << 20).heap("reserved", 1 << 16);
            var told = new ArrayList<String>();
            try (var cenalloc = kernel.open();
                    var buffer = cenalloc.create(1)) {
                buffer.map(Direction.READ).close();
                List<Call> calls = List.of(
                        () -> cenalloc.create(1).dmaBuf(),
                        () -> buffer.dmaBuf().map(Direction.READ).close(),
                        () -> buffer.dmaBuf().duplicate().close(),
                        () -> buffer.dmaBuf().exportFence(Direction.READ).close(),
                        () -> cenalloc.adopt(kernel.foreignDmaBuf("camera", 4096, false))
                                .close());
                for (Call call : calls) {
                    call.run();
                }
                lastClass.run();
                for (int errno : List.of(Errno.EMFILE, Errno.ENOMEM, Errno.EPERM)) {
                    for (Call call : calls) {
                        kernel.failCall(0, errno);
                        try {
                            call.run();
                        } catch (CenallocException e) {
                            told.add(e.errnoName() + " "
                                    + String.valueOf(e.getMessage()).contains(e.remedy()));
                        }
                        kernel.failNoCall();
                    }
                }
            }
            return told;
        }
    }

    /** Another process: there, all may call native functions, whatever loads the library. */
    static final class Other {
        private Other() {}

        public static void main(String[] args) throws Exception {
            try (var loader = new Loader(place(Cenalloc.class), place(Errno.class), place(FirstFailureTest.class))) {
                Method run = loader.loadClass(Scenario.class.getName()).getDeclaredMethod("run", Runnable.class);
                run.setAccessible(true);
                System.out.println(run.invoke(null, (Runnable) () -> loader.isOver = true));
                System.out.println("refused: " + loader.refused);
            }
        }

        private static URL place(Class<?> type) {
            return type.getProtectionDomain().getCodeSource().getLocation();
        }
    }

    @Test
    void theFirstFailureIsTold() throws Exception {
        var expected = new ArrayList<String>();
        for (String errno : List.of("EMFILE", "ENOMEM", "EPERM")) {
            for (int i = 0; i < 5; i++) {
                // An allocation that finds no memory goes on with the next heap.
                if (!(errno.equals("ENOMEM") && i == 0)) {
                    expected.add(errno + " true");
                }
            }
        }
        // Under Maven the tests are no part of a path: they patch the module.
        var other = Objects.requireNonNull(Other.class.getResource("FirstFailureTest$Other.class"));
        Path tests = Path.of(other.toURI()).resolve("../../..").normalize();
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        String.join(
                                ":",
                                tests.toString(),
                                System.getProperty("java.class.path"),
                                System.getProperty("jdk.module.path", "")),
                        Other.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        assertEquals(expected + "\nrefused: []\n", output);
    }
}
