// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import dev.cenalloc.command.proc.Census;
import dev.cenalloc.command.proc.Processes;
import dev.cenalloc.command.proc.Processes.Credentials;
import dev.cenalloc.command.proc.SystemFiles;
import dev.cenalloc.device.DeviceInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is looked at: the files of a machine, and what was read of them once for all checks. Immutable.
 *
 * @param devices what the drivers say, as {@link dev.cenalloc.device.Devices#list}; empty if they cannot be asked
 * @param failure why the library cannot be used here; empty if it can
 * @param holders of device nodes: the processes that may be seen, by node
 */
public record Machine(
        SystemFiles files,
        Jvm jvm,
        Credentials self,
        String user,
        String release,
        KernelConfig config,
        Census census,
        List<DeviceInfo> devices,
        String failure,
        Map<String, List<String>> holders) {
    private static final Pattern VERSION = Pattern.compile("^(\\d{1,5})\\.(\\d{1,5})");
    /** Heaps came with Linux 5.6. */
    private static final int FIRST_MAJOR = 5;

    private static final int FIRST_MINOR = 6;

    /** Reads what the checks share. */
    public static Machine of(SystemFiles files, Jvm jvm, String user, List<DeviceInfo> devices, String failure) {
        String release =
                files.text("/proc/sys/kernel/osrelease").value().orElse("").strip();
        return new Machine(
                files,
                jvm,
                new Processes(files).self(),
                user,
                release,
                KernelConfig.of(files, release),
                Census.take(files),
                devices,
                failure,
                holders(new Processes(files)));
    }

    private static Map<String, List<String>> holders(Processes processes) {
        long own = ProcessHandle.current().pid();
        var holders = new TreeMap<String, List<String>>();
        for (long pid : processes.ids()) {
            processes
                    .openFiles(pid, target -> pid != own && target.startsWith("/dev/"))
                    .value()
                    .orElse(List.of())
                    .stream()
                    .map(Processes.OpenFile::target)
                    .distinct()
                    .forEach(node -> holders.computeIfAbsent(node, _ -> new ArrayList<>())
                            .add(processes.name(pid) + " (" + pid + ")"));
        }
        return holders;
    }

    /** The processes that have a node open, in words; empty if none is seen. */
    String holdersOf(String node) {
        return String.join(", ", holders.getOrDefault(node, List.of()));
    }

    /** Whether the version of the kernel is known, and is of before the heaps. */
    boolean isBeforeHeaps() {
        Matcher version = VERSION.matcher(release);
        if (!version.find()) {
            return false;
        }
        int major = Integer.parseInt(version.group(1));
        return major < FIRST_MAJOR || (major == FIRST_MAJOR && Integer.parseInt(version.group(2)) < FIRST_MINOR);
    }

    /** Whether it is known that the kernel was built without an option, which {@link KernelCheck} tells. */
    boolean lacks(String option) {
        return config.state(option) == KernelConfig.State.ABSENT
                || (isBeforeHeaps() && option.startsWith("DMABUF_HEAPS"));
    }

    /** The names in a directory; none if there is none, or if it cannot be read. */
    List<String> names(String directory) {
        return files.names(directory).value().orElse(List.of());
    }
}
