// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.cenalloc.json.Boards;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * What GraalVM's native-image has to be told of this module: its resources. The downcalls are told by the bindings,
 * whose test has the same name.
 */
class NativeImageMetadataTest {
    private static final String NAME = "META-INF/native-image/dev.cenalloc/cenalloc/reachability-metadata.json";

    /** What native-image would have to be told of, and is not. */
    private static final Set<String> DYNAMIC = Set.of(
            "java/lang/Class.forName",
            "java/lang/ClassLoader.loadClass",
            "java/lang/reflect/Method.invoke",
            "java/lang/reflect/Constructor.newInstance",
            "java/lang/reflect/Proxy.newProxyInstance",
            "java/util/ResourceBundle.getBundle",
            "java/util/ServiceLoader.load");

    private static Path classes() throws Exception {
        return Path.of(Cenalloc.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
    }

    private static List<PathMatcher> globs() throws Exception {
        try (var file = Cenalloc.class.getResourceAsStream("/" + NAME)) {
            assertTrue(file != null, NAME + " is missing");
            var matchers = new ArrayList<PathMatcher>();
            for (JsonNode one : new ObjectMapper().readTree(file).get("resources")) {
                matchers.add(FileSystems.getDefault()
                        .getPathMatcher("glob:" + one.get("glob").asText()));
            }
            return matchers;
        }
    }

    @Test
    void everyResourceIsTold() throws Exception {
        List<PathMatcher> globs = globs();
        var untold = new TreeSet<String>();
        int told = 0;
        try (var files = Files.walk(classes())) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path name = classes().relativize(file);
                if (name.toString().endsWith(".class") || name.startsWith("META-INF")) {
                    continue;
                }
                if (globs.stream().anyMatch(glob -> glob.matches(name))) {
                    told++;
                } else {
                    untold.add(name.toString());
                }
            }
        }
        assertEquals(Set.of(), untold);
        assertEquals(Boards.all().size(), told);
    }

    @Test
    void nothingElseIsFoundAtRunTime() throws Exception {
        var dynamic = new TreeSet<String>();
        int read = 0;
        try (var files = Files.walk(classes())) {
            for (Path file :
                    files.filter(path -> path.toString().endsWith(".class")).toList()) {
                read++;
                for (PoolEntry entry : ClassFile.of().parse(file).constantPool()) {
                    if (entry instanceof MemberRefEntry member) {
                        String method = member.owner().asInternalName() + "."
                                + member.name().stringValue();
                        if (DYNAMIC.contains(method)) {
                            dynamic.add(file.getFileName() + " calls " + method);
                        }
                    }
                }
            }
        }
        assertEquals(Set.of(), dynamic);
        assertTrue(read > 100, "classes were read");
    }
}
