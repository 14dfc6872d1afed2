// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import static java.util.Map.entry;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.bindings.Linux;
import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.MethodTypeEntry;
import java.lang.classfile.constantpool.NameAndTypeEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Reads the compiled classes and holds them against the map of packages in CONTRIBUTING.md: an arrow that is not in the
 * map is a fault, and so is a circle.
 */
class LayersTest {
    private static final String OURS = "dev.cenalloc";
    private static final String BINDINGS = OURS + ".bindings";

    /** Of each package those that it may use, by the part of the name after {@code dev.cenalloc}. */
    private static final Map<String, Set<String>> MAP = Map.ofEntries(
            entry("text", Set.of()),
            entry("kernel", Set.of("text", "bindings")),
            entry("image", Set.of("bindings.drm", "bindings.v4l2")), // codes of formats
            entry("plan", Set.of("image", "text")),
            entry("", Set.of("plan", "image", "kernel", "text", "bindings", "bindings.dmabuf")),
            entry("stream", Set.of("", "plan", "image", "text", "bindings")),
            entry("node", Set.of("stream", "", "plan", "image", "kernel", "bindings")),
            entry(
                    "node.v4l2",
                    Set.of("node", "stream", "", "plan", "image", "kernel", "text", "bindings", "bindings.v4l2")),
            entry("node.drm", Set.of("node", "", "plan", "image", "kernel", "bindings", "bindings.drm")),
            entry("v4l2", Set.of("node.v4l2", "node", "stream", "", "plan", "image", "kernel", "text", "bindings")),
            entry("kms", Set.of("node.drm", "node", "stream", "", "plan", "image", "kernel", "bindings")),
            entry(
                    "device",
                    Set.of(
                            "v4l2",
                            "kms",
                            "wayland", // what shows frames is a screen or a window
                            "node.v4l2",
                            "node.drm",
                            "node",
                            "stream",
                            "",
                            "plan",
                            "image",
                            "kernel",
                            "bindings")),
            entry("lending", Set.of("stream", "", "kernel", "bindings")),
            entry(
                    "share",
                    Set.of("lending", "stream", "", "plan", "image", "kernel", "text", "bindings", "bindings.dmabuf")),
            entry("gstreamer", Set.of("share", "lending", "stream", "", "plan", "image", "kernel", "text", "bindings")),
            entry("wayland", Set.of("share", "node", "stream", "", "plan", "image", "kernel", "text", "bindings")),
            entry("json", Set.of("", "plan", "image", "kernel", "text")));

    /** What makes a system call, or leads to one. */
    private static final Set<String> IMPURE =
            Set.of(BINDINGS + ".Linux", "java.io.File", "java.nio.file.Files", "java.lang.foreign.Linker");

    private static final Pattern TYPE = Pattern.compile("L(dev/cenalloc[\\w/$]*|java/[\\w/$]*);");

    private static Path classes(Class<?> one) throws Exception {
        return Path.of(one.getProtectionDomain().getCodeSource().getLocation().toURI());
    }

    private static List<ClassModel> read(Path directory) throws IOException {
        try (var files = Files.walk(directory)) {
            var models = new ArrayList<ClassModel>();
            for (Path file : files.filter(
                            path -> path.toString().endsWith(".class") && !path.endsWith("module-info.class"))
                    .toList()) {
                models.add(ClassFile.of().parse(file));
            }
            return models;
        }
    }

    /** All classes that a class names: in its code, its fields, its signatures. */
    private static Set<String> uses(ClassModel model) {
        var used = new HashSet<String>();
        for (PoolEntry one : model.constantPool()) {
            switch (one) {
                case ClassEntry type -> {
                    String name = type.asInternalName();
                    if (name.startsWith("[")) {
                        addTypes(used, name);
                    } else {
                        used.add(name.replace('/', '.'));
                    }
                }
                case NameAndTypeEntry member -> addTypes(used, member.type().stringValue());
                case MethodTypeEntry type -> addTypes(used, type.descriptor().stringValue());
                // Descriptors and signatures of fields and methods.
                case Utf8Entry text -> addTypes(used, text.stringValue());
                default -> {}
            }
        }
        return used;
    }

    private static void addTypes(Set<String> used, String descriptor) {
        var types = TYPE.matcher(descriptor);
        while (types.find()) {
            used.add(types.group(1).replace('/', '.'));
        }
    }

    private static String packageOf(String type) {
        int dot = type.lastIndexOf('.');
        return dot < 0 ? "" : type.substring(0, dot);
    }

    /** The part of a package's name by which the map knows it. */
    private static String layer(String packageName) {
        return packageName.equals(OURS) ? "" : packageName.substring(OURS.length() + 1);
    }

    /** Of each package of core the packages of ours that it uses. */
    private static Map<String, Set<String>> arrows() throws Exception {
        var arrows = new TreeMap<String, Set<String>>();
        for (ClassModel model : read(classes(Cenalloc.class))) {
            String from = layer(packageOf(model.thisClass().asInternalName().replace('/', '.')));
            Set<String> targets = arrows.computeIfAbsent(from, _ -> new TreeSet<>());
            uses(model).stream()
                    .map(LayersTest::packageOf)
                    .filter(name -> name.equals(OURS) || name.startsWith(OURS + "."))
                    .map(LayersTest::layer)
                    .filter(to -> !to.equals(from))
                    .forEach(targets::add);
        }
        return arrows;
    }

    @Test
    void everyArrowIsInTheMap() throws Exception {
        var strangers = new ArrayList<String>();
        arrows().forEach((from, targets) -> targets.forEach(to -> {
            if (!MAP.getOrDefault(from, Set.of()).contains(to)) {
                strangers.add((from.isEmpty() ? "root" : from) + " -> " + (to.isEmpty() ? "root" : to));
            }
        }));
        assertEquals(List.of(), strangers, "arrows that are not in the map");
        assertTrue(arrows().keySet().containsAll(Set.of("", "plan", "image", "kernel", "device")), "classes were read");
    }

    @Test
    void everyPackageIsInTheMap() throws Exception {
        assertEquals(new TreeSet<>(MAP.keySet()), new TreeSet<>(arrows().keySet()));
    }

    @Test
    void thereIsNoCircleBetweenPackages() throws Exception {
        var left = new TreeMap<>(arrows());
        // Takes away what uses nothing that is left, until nothing is left.
        while (!left.isEmpty()) {
            Set<String> lowest = left.entrySet().stream()
                    .filter(one -> one.getValue().stream().noneMatch(left::containsKey))
                    .map(Map.Entry::getKey)
                    .collect(Collectors.toSet());
            assertTrue(!lowest.isEmpty(), () -> "a circle among " + left);
            lowest.forEach(left::remove);
        }
    }

    @Test
    void imagesAndPlansMakeNoSystemCall() throws Exception {
        for (ClassModel model : read(classes(Cenalloc.class))) {
            String name = model.thisClass().asInternalName().replace('/', '.');
            if (Set.of("image", "plan", "text").contains(layer(packageOf(name)))) {
                var used = new TreeSet<>(uses(model));
                used.retainAll(IMPURE);
                assertEquals(Set.of(), used, name);
            }
        }
    }

    /** The module of a directory of classes or, of a module built before this one, a JAR. */
    private static ModuleDescriptor module(Path classes) {
        return ModuleFinder.of(classes).findAll().iterator().next().descriptor();
    }

    @Test
    void theBindingsAreExportedToCoreAlone() throws Exception {
        var exported = module(classes(Linux.class)).exports();
        assertEquals(4, exported.size());
        exported.forEach(one -> assertEquals(Set.of(OURS), one.targets(), one::source));
    }

    @Test
    void coreHidesItsKernelItsTextAndItsNodes() throws Exception {
        Set<String> exported = module(classes(Cenalloc.class)).exports().stream()
                .map(ModuleDescriptor.Exports::source)
                .collect(Collectors.toSet());
        Set<String> expected = MAP.keySet().stream()
                .filter(layer -> !Set.of("kernel", "text", "lending").contains(layer) && !layer.startsWith("node"))
                .map(layer -> layer.isEmpty() ? OURS : OURS + "." + layer)
                .collect(Collectors.toSet());
        assertEquals(expected, exported);
    }
}
