package dev.cenalloc.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.ImageRange.Rates;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.LayoutRules;
import dev.cenalloc.image.PixelFormat;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every public method and constructor of the packages without system calls refuses null by the name of the parameter, for each
 * parameter that is not {@code @Nullable}.
 */
class NullArgumentsTest {
    private static final List<String> PACKAGES = List.of("image", "plan");

    /** An object of each type that is a parameter or has methods. */
    private final Map<Class<?>, Object> samples = samples();

    private static Map<Class<?>, Object> samples() {
        var samples = new LinkedHashMap<Class<?>, Object>();
        var image = new Image(PixelFormat.R8, 4, 4);
        Device device = Device.of("camera", Constraints.NONE, "test").withUse("scanout", 0, Constraints.NONE);
        Heap heap = Heap.of("system");
        var demand = Demand.ofBytes(4096);
        for (Object sample : List.of(
                "system",
                PixelFormat.R8,
                image,
                Layout.of(image),
                LayoutRules.NONE,
                new Layout.Plane(0, 4, 4),
                FrameRate.of(30),
                Sizes.of(4, 4),
                Rates.ANY,
                new Rates[] {Rates.ANY},
                ImageRequest.ANY,
                Constraints.NONE,
                device,
                Device.Origin.STATED,
                demand,
                Direction.READ,
                Field.MAX_SIZE,
                Field.Rule.MIN,
                heap,
                HeapProperties.UNKNOWN,
                HeapProperties.Trait.YES,
                new Objection(Objection.Cause.REFUSED, "test"),
                Objection.Cause.REFUSED,
                Plan.of(demand, List.of(device), List.of(heap)),
                new Statement(device, Field.MAX_SIZE, "test"),
                Usage.CPU_HEAVY)) {
            samples.put(sample.getClass(), sample);
        }
        samples.put(MemorySegment.class, MemorySegment.ofArray(new byte[4096]));
        samples.put(Path.class, Path.of("/dev/null"));
        samples.put(Heap.Refusal.class, (Heap.Refusal) (_, _) -> Optional.empty());
        samples.put(List.class, List.of());
        samples.put(Set.class, Set.of());
        samples.put(Collection.class, List.of("system"));
        samples.put(Map.class, Map.of());
        samples.put(int.class, 0);
        samples.put(long.class, 1L);
        samples.put(boolean.class, true);
        return samples;
    }

    /** One reference parameter. */
    record Case(Executable executable, int index) {
        @Override
        public String toString() {
            return executable.getDeclaringClass().getSimpleName() + '.' + executable.getName() + " with null for "
                    + executable.getParameters()[index].getName();
        }
    }

    static Stream<Case> cases() throws Exception {
        var cases = new ArrayList<Case>();
        for (Class<?> type : types()) {
            for (Executable executable : executables(type)) {
                Parameter[] parameters = executable.getParameters();
                for (int i = 0; i < parameters.length; i++) {
                    if (!parameters[i].getType().isPrimitive()
                            && !parameters[i].getAnnotatedType().isAnnotationPresent(Nullable.class)) {
                        cases.add(new Case(executable, i));
                    }
                }
            }
        }
        assertTrue(cases.size() > 80, () -> "only " + cases.size() + " parameters");
        return cases.stream();
    }

    /** The public types of the packages, and those nested in them. */
    private static List<Class<?>> types() throws Exception {
        var root = Path.of(
                Plan.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        var types = new ArrayList<Class<?>>();
        for (String name : PACKAGES) {
            try (var files = Files.list(root.resolve("dev/cenalloc").resolve(name))) {
                for (String file : files.map(path -> String.valueOf(path.getFileName()))
                        .filter(file -> file.endsWith(".class") && !file.equals("package-info.class"))
                        .sorted()
                        .toList()) {
                    Class<?> type = Class.forName("dev.cenalloc." + name + "." + file.replace(".class", ""));
                    if (isPublic(type)) {
                        types.add(type);
                    }
                }
            }
        }
        return types;
    }

    private static boolean isPublic(@Nullable Class<?> type) {
        return type == null || (Modifier.isPublic(type.getModifiers()) && isPublic(type.getEnclosingClass()));
    }

    /** Those that a program can call and that this library wrote, not the compiler. */
    private static List<Executable> executables(Class<?> type) {
        var all = new ArrayList<Executable>();
        if (!type.isEnum()) {
            all.addAll(Arrays.asList(type.getConstructors()));
        }
        for (Method method : type.getDeclaredMethods()) {
            boolean ofTheCompiler = method.isBridge()
                    || method.isSynthetic()
                    || (type.isEnum() && method.getName().equals("valueOf"));
            if (Modifier.isPublic(method.getModifiers())
                    && !ofTheCompiler
                    && !Modifier.isAbstract(method.getModifiers())
                    && !method.getName().equals("equals")) {
                all.add(method);
            }
        }
        return all;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aNullArgumentIsRefusedByName(Case one) throws Exception {
        Executable executable = one.executable;
        Parameter[] parameters = executable.getParameters();
        var arguments = new Object[parameters.length];
        for (int i = 0; i < parameters.length; i++) {
            arguments[i] = i == one.index ? null : sample(parameters[i].getType());
        }
        Throwable thrown = null;
        try {
            if (executable instanceof Method method) {
                method.invoke(
                        Modifier.isStatic(method.getModifiers()) ? null : sample(method.getDeclaringClass()),
                        arguments);
            } else {
                ((Constructor<?>) executable).newInstance(arguments);
            }
        } catch (InvocationTargetException e) {
            thrown = e.getCause();
        }
        var refusal = assertInstanceOf(NullPointerException.class, thrown, one.toString());
        String message = String.valueOf(refusal.getMessage());
        if (parameters[one.index].isNamePresent()) {
            assertEquals(parameters[one.index].getName(), message, one.toString());
        } else {
            // Class files may lack names. The virtual machine's own message is a sentence.
            assertTrue(message.matches("[a-z][A-Za-z]*"), () -> one + ": " + message);
        }
    }

    @Test
    @SuppressWarnings("NullAway") // the subject of the test
    void aNullElementIsRefusedByName() {
        var nothing = new ArrayList<String>();
        nothing.add(null);
        var noDevice = new ArrayList<Device>();
        noDevice.add(null);
        var noHeap = new ArrayList<Heap>();
        noHeap.add(null);
        for (var refused : Map.<String, org.junit.jupiter.api.function.Executable>of(
                        "an element of names", () -> Constraints.NONE.onlyHeaps(nothing),
                        "an element of places", () -> Constraints.NONE.near(nothing),
                        "an element of devices", () -> Plan.of(Demand.ofBytes(1), noDevice, List.of()),
                        "an element of heaps", () -> Plan.of(Demand.ofBytes(1), List.of(), noHeap),
                        "an element of descriptions", () -> Device.mostTrusted(noDevice),
                        "an element of planes",
                                () -> new Layout(
                                        new Image(PixelFormat.R8, 1, 1), 0, Arrays.asList((Layout.Plane) null), 1),
                        "an element of rates", () -> new ImageRange(PixelFormat.R8, Sizes.ANY, (Rates) null))
                .entrySet()) {
            var e = assertThrows(NullPointerException.class, refused.getValue()::execute);
            assertEquals(refused.getKey(), e.getMessage());
        }
    }

    private Object sample(Class<?> type) {
        Object sample = samples.get(type);
        if (sample == null) {
            throw new IllegalStateException("no sample of " + type);
        }
        return sample;
    }
}
