// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * What GraalVM's native-image is told of the downcalls is what the bindings link, no more and no less. The file is
 * written anew by {@code ci/mvn -pl bindings test -Dtest=NativeImageMetadataTest -Dmetadata.write}.
 *
 * <p>Source of its form: GraalVM's {@code reachability-metadata-schema-v1.2.0.json} and {@code FFM-API.md}.
 */
class NativeImageMetadataTest {
    private static final String NAME =
            "META-INF/native-image/dev.cenalloc/cenalloc-bindings/reachability-metadata.json";
    /** The linker's names of types, of those that have the same size on every machine. */
    private static final Map<String, MemoryLayout> TYPES = Map.of("jlong", JAVA_LONG, "void*", ADDRESS);

    private static final List<ClassModel> CLASSES = new ArrayList<>();

    @BeforeAll
    static void readAndInitializeAll() throws Exception {
        CLASSES.clear();
        Path root = Path.of(
                Linux.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (var files = Files.walk(root)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".class")
                            && !path.endsWith("module-info.class")
                            && !path.endsWith("package-info.class"))
                    .toList()) {
                CLASSES.add(ClassFile.of().parse(file));
            }
        }
        for (ClassModel model : CLASSES) {
            Class.forName(model.thisClass().asInternalName().replace('/', '.'));
        }
        Platform.requireUsable();
    }

    /** {@code owner.name} of the methods that a method calls. */
    private static Set<String> calls(MethodModel method) {
        var called = new HashSet<String>();
        method.code()
                .ifPresent(code -> code.forEach(element -> {
                    if (element instanceof InvokeInstruction call) {
                        String owner = call.owner().asInternalName();
                        called.add(owner.substring(owner.lastIndexOf('/') + 1) + "."
                                + call.name().stringValue());
                    }
                }));
        return called;
    }

    /** {@code class.method} of all methods that call one of those. */
    private static Set<String> callersOf(String... methods) {
        var callers = new TreeSet<String>();
        for (ClassModel model : CLASSES) {
            String owner = model.thisClass().asInternalName();
            for (MethodModel method : model.methods()) {
                Set<String> called = calls(method);
                called.retainAll(Set.of(methods));
                if (!called.isEmpty()) {
                    callers.add(owner.substring(owner.lastIndexOf('/') + 1) + "."
                            + method.methodName().stringValue());
                }
            }
        }
        return callers;
    }

    /** So what it has recorded is complete: every class is initialised above. */
    @Test
    void onlyOneMethodLinksAndOnlyInitializersCallIt() {
        assertEquals(Set.of("Downcall.link"), callersOf("Linker.downcallHandle"));
        assertEquals(Set.of(), callersOf("Linker.upcallStub"), "upcalls would have to be in the file, too");
        Set<String> callers = callersOf("Downcall.link");
        assertTrue(callers.contains("Downcall$Handles.<clinit>"), callers::toString);
        callers.removeIf(caller -> caller.endsWith(".<clinit>"));
        // It is called above, too.
        assertEquals(Set.of("Downcall.requireNativeAccess"), callers);
    }

    private static String type(MemoryLayout layout) {
        for (var one : TYPES.entrySet()) {
            if (layout.equals(one.getValue())) {
                return '"' + one.getKey() + '"';
            }
        }
        throw new AssertionError("native-image's name for " + layout + " is not known here");
    }

    /** The line of the file. */
    private static String line(Downcall.Shape shape) {
        String result =
                shape.type().returnLayout().map(NativeImageMetadataTest::type).orElse("\"void\"");
        String parameters = shape.type().argumentLayouts().stream()
                .map(NativeImageMetadataTest::type)
                .collect(Collectors.joining(", ", "[", "]"));
        return "{\"returnType\": " + result + ", \"parameterTypes\": " + parameters
                + (shape.capturesErrno() ? ", \"options\": {\"captureCallState\": true}" : "") + "}";
    }

    private static String metadata() {
        return Downcall.linked().stream()
                .map(NativeImageMetadataTest::line)
                .sorted()
                .distinct()
                .collect(Collectors.joining(
                        ",\n      ", "{\n  \"foreign\": {\n    \"downcalls\": [\n      ", "\n    ]\n  }\n}\n"));
    }

    @Test
    void theFileTellsWhatIsLinked() throws IOException {
        String expected = metadata();
        if (System.getProperty("metadata.write") != null) {
            Files.writeString(Path.of("src/main/resources", NAME), expected);
            return;
        }
        try (var file = Linux.class.getResourceAsStream("/" + NAME)) {
            assertTrue(file != null, NAME + " is missing");
            assertEquals(
                    expected,
                    new String(file.readAllBytes(), StandardCharsets.UTF_8),
                    "to write it anew: ci/mvn -pl bindings test -Dtest=NativeImageMetadataTest -Dmetadata.write");
        }
    }

    @Test
    void theLinkerKnowsTheNames() {
        var canonical = Linker.nativeLinker().canonicalLayouts();
        assertEquals(JAVA_LONG, canonical.get("jlong"));
        assertEquals(
                ADDRESS,
                assertInstanceOf(AddressLayout.class, canonical.get("void*")).withoutTargetLayout());
    }

    @Test
    void eachKindOfCallIsTold() {
        String metadata = metadata();
        // ioctl, with and without errno; close.
        for (String line : List.of(
                "{\"returnType\": \"jlong\", \"parameterTypes\": [\"jlong\", \"jlong\", \"void*\"], \"options\": "
                        + "{\"captureCallState\": true}}",
                "{\"returnType\": \"jlong\", \"parameterTypes\": [\"jlong\", \"jlong\", \"void*\"]}",
                "{\"returnType\": \"jlong\", \"parameterTypes\": "
                        + "[\"jlong\", \"jlong\", \"jlong\", \"jlong\", \"jlong\", \"jlong\"]}")) {
            assertTrue(metadata.contains(line + ",\n") || metadata.contains(line + "\n"), () -> line + "\n" + metadata);
        }
    }
}
