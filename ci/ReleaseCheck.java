// SPDX-License-Identifier: Apache-2.0
import static java.util.stream.Collectors.joining;

import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

/**
 * Checks a Maven repository of ours: what Maven Central demands of a release
 * (https://central.sonatype.org/publish/requirements/), and what we promise of the jars.
 *
 * <p>Arguments: the repository's directory, the version, then "binaries" if sources and javadoc need not be there, or
 * "signed" if signatures must be there. Prints each fault; the exit status is 1 if there is one.
 */
class ReleaseCheck {
    /** Everything that others get: module names of the jars, "" for a pom alone. */
    static final Map<String, String> ARTIFACTS =
            Map.of("cenalloc", "dev.cenalloc", "cenalloc-bindings", "dev.cenalloc.bindings", "cenalloc-bom", "");

    static final Set<String> CHECKSUMS = Set.of("md5", "sha1", "sha256", "sha512");

    static int faults;

    static void fault(Path file, String text) {
        faults++;
        System.err.println(file.getFileName() + ": " + text);
    }

    static void main(String[] arguments) throws Exception {
        Path group = Path.of(arguments[0], "dev", "cenalloc");
        String version = arguments[1];
        Set<String> wishes = Set.of(List.of(arguments).subList(2, arguments.length).toArray(new String[0]));
        if (version.contains("SNAPSHOT")) {
            fault(group, "a release is no SNAPSHOT: " + version);
        }
        var found = new TreeSet<>(names(group));
        found.removeIf(name -> name.startsWith("maven-metadata"));
        if (!found.equals(ARTIFACTS.keySet())) {
            fault(group, "has " + found + ", and should have " + new TreeSet<>(ARTIFACTS.keySet()));
        }
        for (String artifact : new TreeSet<>(ARTIFACTS.keySet())) {
            check(group.resolve(artifact, version), artifact, version, wishes);
        }
        if (faults > 0) {
            System.err.println(faults + " faults");
            System.exit(1);
        }
    }

    static List<String> names(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    static void check(Path directory, String artifact, String version, Set<String> wishes) throws Exception {
        if (!Files.isDirectory(directory)) {
            fault(directory, artifact + " " + version + " is not there");
            return;
        }
        var expected = new TreeSet<String>();
        String module = ARTIFACTS.get(artifact);
        String name = artifact + "-" + version;
        expected.add(name + ".pom");
        if (!module.isEmpty()) {
            expected.add(name + ".jar");
            if (!wishes.contains("binaries")) {
                expected.add(name + "-sources.jar");
                expected.add(name + "-javadoc.jar");
            }
        }
        if (wishes.contains("signed")) {
            expected.addAll(expected.stream().map(file -> file + ".asc").toList());
        }
        var found = new TreeSet<>(names(directory));
        found.removeIf(file -> CHECKSUMS.contains(file.substring(file.lastIndexOf('.') + 1)));
        if (!found.equals(expected)) {
            fault(directory, "has " + found + ", and should have " + expected);
        }
        for (String file : found) {
            if (!file.endsWith(".asc")) { // which Maven makes none for, and Central wants none of
                checksum(directory.resolve(file), "MD5", ".md5");
                checksum(directory.resolve(file), "SHA-1", ".sha1");
            }
        }
        if (found.contains(name + ".pom")) {
            pom(directory.resolve(name + ".pom"), artifact, version);
        }
        if (found.contains(name + ".jar")) {
            // The classes of a mere deployment were compiled before its version was known.
            jar(directory.resolve(name + ".jar"), module, version, !wishes.contains("binaries"));
        }
        if (found.contains(name + "-sources.jar")) {
            holds(directory.resolve(name + "-sources.jar"), "module-info.java", "META-INF/LICENSE");
        }
        if (found.contains(name + "-javadoc.jar")) {
            holds(directory.resolve(name + "-javadoc.jar"), "index.html", module + "/module-summary.html");
        }
    }

    static void checksum(Path file, String algorithm, String suffix) throws Exception {
        Path sum = file.resolveSibling(file.getFileName() + suffix);
        if (!Files.exists(sum)) {
            fault(file, "has no " + suffix);
            return;
        }
        byte[] digest = MessageDigest.getInstance(algorithm).digest(Files.readAllBytes(file));
        if (!Files.readString(sum).strip().equals(HexFormat.of().formatHex(digest))) {
            fault(file, "differs from its " + suffix);
        }
    }

    /** The children of an element, or nothing, by a path such as "scm/url". */
    static List<Element> at(Element element, String path) {
        Stream<Element> reached = Stream.of(element);
        for (String step : path.split("/")) {
            reached = reached.flatMap(one -> IntStream.range(0, one.getChildNodes().getLength())
                    .mapToObj(one.getChildNodes()::item)
                    .filter(Element.class::isInstance)
                    .map(Element.class::cast)
                    .filter(child -> child.getTagName().equals(step)));
        }
        return reached.toList();
    }

    static String text(Element element, String path) {
        return at(element, path).stream().map(Node::getTextContent).map(String::strip).collect(joining(" "));
    }

    static void pom(Path file, String artifact, String version) throws Exception {
        Element project = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(file.toFile())
                .getDocumentElement();
        for (String field : List.of(
                "modelVersion",
                "name",
                "description",
                "url",
                "licenses/license/name",
                "licenses/license/url",
                "developers/developer/name",
                "scm/connection",
                "scm/developerConnection",
                "scm/url")) {
            if (text(project, field).isEmpty()) {
                fault(file, "has no " + field);
            }
        }
        var said = Map.of("groupId", "dev.cenalloc", "artifactId", artifact, "version", version);
        said.forEach((field, value) -> {
            if (!text(project, field).equals(value)) {
                fault(file, "its " + field + " is '" + text(project, field) + "', not " + value);
            }
        });
        String packaging = text(project, "packaging");
        if (packaging.equals("pom") != ARTIFACTS.get(artifact).isEmpty()) {
            fault(file, "its packaging is '" + packaging + "'");
        }
        for (String absent : List.of("parent", "repositories", "pluginRepositories", "build", "profiles")) {
            if (!at(project, absent).isEmpty()) {
                fault(file, "has " + absent + ", which is of no use to others");
            }
        }
        // The version of the pom itself is always known.
        if (Files.readString(file).replace("${project.version}", version).contains("${")) {
            fault(file, "has a property that nobody resolved");
        }
        var managed = new TreeMap<String, String>();
        for (String place : List.of("dependencies/dependency", "dependencyManagement/dependencies/dependency")) {
            for (Element one : at(project, place)) {
                String name = text(one, "groupId") + ":" + text(one, "artifactId");
                if (text(one, "version").isEmpty() || text(one, "version").contains("SNAPSHOT")) {
                    fault(file, name + " has no version of a release: '" + text(one, "version") + "'");
                }
                if (Set.of("test", "provided", "system").contains(text(one, "scope"))) {
                    fault(file, name + " is a dependency in scope " + text(one, "scope"));
                }
                managed.put(name, text(one, "version").replace("${project.version}", version));
            }
        }
        if (packaging.equals("pom")) {
            var jars = new TreeMap<String, String>();
            ARTIFACTS.forEach((name, module) -> {
                if (!module.isEmpty()) {
                    jars.put("dev.cenalloc:" + name, version);
                }
            });
            if (!managed.equals(jars)) {
                fault(file, "manages " + managed + ", and should manage " + jars);
            }
        }
    }

    static void holds(Path file, String... entries) throws IOException {
        try (var jar = new JarFile(file.toFile())) {
            for (String entry : entries) {
                if (jar.getEntry(entry) == null) {
                    fault(file, "does not hold " + entry);
                }
            }
        }
    }

    static void jar(Path file, String moduleName, String version, boolean isCompiledForIt) throws IOException {
        holds(file, "META-INF/LICENSE", "module-info.class");
        ModuleDescriptor module =
                ModuleFinder.of(file).findAll().iterator().next().descriptor();
        if (module.isAutomatic() || !module.name().equals(moduleName)) {
            fault(file, "is not the module " + moduleName + ", but " + module);
        }
        if (isCompiledForIt && !module.rawVersion().orElse("").equals(version)) {
            fault(file, "as a module its version is " + module.rawVersion());
        }
        try (var jar = new JarFile(file.toFile())) {
            if (jar.stream().map(ZipEntry::getName).noneMatch(entry ->
                    entry.matches("META-INF/native-image/dev\\.cenalloc/[^/]+/reachability-metadata\\.json"))) {
                fault(file, "holds no metadata for native-image");
            }
            Attributes manifest = jar.getManifest().getMainAttributes();
            String number = version.replaceFirst("-.*", "");
            var expected = new TreeMap<>(Map.of(
                    "Implementation-Version", version,
                    "Bundle-ManifestVersion", "2",
                    "Bundle-SymbolicName", moduleName,
                    "Build-Jdk-Spec", "25"));
            expected.forEach((key, value) -> {
                if (!value.equals(manifest.getValue(key))) {
                    fault(file, key + " is " + manifest.getValue(key) + ", not " + value);
                }
            });
            for (String key : List.of("Implementation-Title", "Implementation-Vendor", "Bundle-Name", "Bundle-License")) {
                if (manifest.getValue(key) == null) {
                    fault(file, "its manifest has no " + key);
                }
            }
            for (String key : List.of("Bnd-LastModified", "Built-By", "Build-Jdk", "Tool")) {
                if (manifest.getValue(key) != null) {
                    fault(file, "its manifest has " + key + ", which differs from build to build");
                }
            }
            if (!String.valueOf(manifest.getValue("Bundle-Version")).startsWith(number)) {
                fault(file, "Bundle-Version is " + manifest.getValue("Bundle-Version") + ", not " + number);
            }
            if (!String.valueOf(manifest.getValue("Require-Capability")).contains("(version=25)")) {
                fault(file, "as a bundle it does not require Java 25: " + manifest.getValue("Require-Capability"));
            }
            Set<String> exported = clauses(manifest.getValue("Export-Package")).keySet();
            var ofModule = new TreeSet<String>();
            module.exports().forEach(one -> ofModule.add(one.source()));
            if (!exported.equals(ofModule)) {
                fault(file, "as a bundle it exports " + exported + ", as a module " + ofModule);
            }
            imports(file, module, clauses(manifest.getValue("Import-Package")));
        }
    }

    /** What a module requires "static", a bundle imports as optional, and nothing else. */
    static void imports(Path file, ModuleDescriptor module, Map<String, String> imported) {
        Map<String, String> optional = Map.of("com.fasterxml.jackson.", "com.fasterxml.jackson.core", "org.jspecify.", "org.jspecify");
        imported.forEach((name, clause) -> {
            boolean may = optional.keySet().stream().anyMatch(name::startsWith);
            if (may != clause.contains("resolution:=optional")) {
                fault(file, "imports " + name + clause);
            }
            if (name.startsWith("java.")) {
                fault(file, "imports " + name);
            }
        });
        for (var one : module.requires()) {
            boolean isOurs = one.name().startsWith("dev.cenalloc");
            if (isOurs && imported.keySet().stream().noneMatch(name -> name.startsWith(one.name()))) {
                fault(file, "as a module it requires " + one.name() + ", as a bundle it imports nothing of that");
            }
        }
    }

    /** The clauses of a manifest's header: the packages, and what is said of each. */
    static Map<String, String> clauses(String header) {
        var clauses = new TreeMap<String, String>();
        if (header != null) {
            // Commas in quotes are parts of versions and of lists.
            for (String clause : header.split(",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)")) {
                int end = clause.indexOf(';');
                clauses.put(end < 0 ? clause : clause.substring(0, end), end < 0 ? "" : clause.substring(end));
            }
        }
        return clauses;
    }
}
