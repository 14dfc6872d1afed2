// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The processes that {@code /proc} shows. They come and go meanwhile, which is no error. Stateless. */
public final class Processes {
    private static final String DIGITS = "[1-9][0-9]{0,9}";
    /** Fields of {@code /proc/PID/stat} behind the name, which may contain anything. */
    private static final Pattern STAT = Pattern.compile("\\) \\S (?:-?\\d+ ){5}(\\d+)");

    private static final long PF_KTHREAD = 0x0020_0000;
    private static final Pattern HIDE = Pattern.compile("^\\S+ /proc proc \\S*\\bhidepid=([^, ]+)", Pattern.MULTILINE);

    private final SystemFiles files;

    public Processes(SystemFiles files) {
        this.files = files;
    }

    /**
     * A descriptor of a process.
     *
     * @param target what its link says
     */
    public record OpenFile(int fd, String target) {}

    /** The ids of all that may be seen. */
    public List<Long> ids() {
        return files.names("/proc").value().orElse(List.of()).stream()
                .filter(name -> name.matches(DIGITS))
                .map(Long::valueOf)
                .sorted()
                .toList();
    }

    public boolean exists(long pid) {
        return files.exists("/proc/" + pid);
    }

    /** The name that the kernel has of it, of any characters; empty if the process is gone. */
    public String name(long pid) {
        return files.text("/proc/" + pid + "/comm")
                .value()
                .map(name -> name.endsWith("\n") ? name.substring(0, name.length() - 1) : name)
                .orElse("");
    }

    /** The user that it runs as. */
    public OptionalLong user(long pid) {
        return files.owner("/proc/" + pid)
                .value()
                .map(owner -> OptionalLong.of(owner.uid()))
                .orElse(OptionalLong.empty());
    }

    /** The process that a thread belongs to; of a process, itself. */
    public OptionalLong processOf(long id) {
        return SystemFiles.number(files.field("/proc/" + id + "/status", "Tgid"));
    }

    /** Whether it is one of the kernel's own, which have no descriptors. */
    boolean isOfTheKernel(long pid) {
        return files.text("/proc/" + pid + "/stat")
                .value()
                .map(stat -> STAT.matcher(stat.substring(Math.max(0, stat.lastIndexOf(')')))))
                .filter(Matcher::find)
                .map(matcher -> SystemFiles.number(Optional.of(matcher.group(1))))
                .filter(flags -> (flags.orElse(0) & PF_KTHREAD) != 0)
                .isPresent();
    }

    /**
     * The descriptors of a process whose links pass a test. Absent, if it is gone; refused, if this process may not
     * look into it.
     */
    public Reading<List<OpenFile>> openFiles(long pid, Predicate<String> which) {
        String directory = "/proc/" + pid + "/fd";
        Reading<List<OpenFile>> found = files.names(directory).map(fds -> {
            var open = new ArrayList<OpenFile>();
            for (String fd : fds) {
                if (fd.matches("0|" + DIGITS)) {
                    files.link(directory + "/" + fd)
                            .value()
                            .filter(which)
                            .ifPresent(target -> open.add(new OpenFile(Integer.parseInt(fd), target)));
                }
            }
            return open;
        });
        // A process that ends gives other errors than that it is gone.
        return found.isRefused() && !exists(pid) ? new Reading.Absent<>() : found;
    }

    /** The value of the mount option {@code hidepid}, if {@code /proc} does not show the processes of others. */
    public Optional<String> hiding() {
        return files.text("/proc/self/mounts")
                .value()
                .map(HIDE::matcher)
                .filter(Matcher::find)
                .map(matcher -> matcher.group(1))
                .filter(value -> !List.of("0", "off").contains(value));
    }

    /** Who this process is, by {@code /proc/self/status}. */
    public Credentials self() {
        return new Credentials(
                numbers("Uid").stream().skip(1).findFirst().orElse(-1L),
                // The effective group, and the supplementary ones.
                Stream.concat(numbers("Gid").stream().skip(1).limit(1), numbers("Groups").stream())
                        .distinct()
                        .toList());
    }

    private List<Long> numbers(String key) {
        return files.field("/proc/self/status", key).stream()
                .flatMap(words -> Arrays.stream(words.split("\\s+", -1)))
                .filter(word -> word.matches("\\d{1,10}"))
                .map(Long::valueOf)
                .toList();
    }

    /**
     * User and groups of a process.
     *
     * @param user the effective user id; -1 if it is not known
     * @param groups the effective group id and the supplementary ones
     */
    public record Credentials(long user, List<Long> groups) {
        public boolean isRoot() {
            return user == 0;
        }
    }
}
