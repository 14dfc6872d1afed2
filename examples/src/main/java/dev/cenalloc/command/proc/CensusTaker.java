// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.proc;

import dev.cenalloc.command.proc.Buffer.Holder;
import dev.cenalloc.command.proc.Census.KernelList;
import dev.cenalloc.command.proc.Processes.OpenFile;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.TreeSet;

/** Collects a {@link Census}. Used once, by one thread. */
final class CensusTaker {
    private static final String BUFINFO = "/sys/kernel/debug/dma_buf/bufinfo";
    private static final String STATS = "/sys/kernel/dmabuf/buffers";

    private final SystemFiles files;
    private final Processes processes;

    private final Map<Long, Found> buffers = new HashMap<>();
    private final TreeSet<Long> read = new TreeSet<>();
    private final TreeSet<Long> refused = new TreeSet<>();
    /** Kept until the device of dma-bufs is known. */
    private final Map<Long, List<MapLine>> mappings = new TreeMap<>();
    /** Of the file system that all dma-bufs are in. */
    private OptionalLong device = OptionalLong.empty();

    private int untold;

    CensusTaker(SystemFiles files) {
        this.files = files;
        this.processes = new Processes(files);
    }

    /** What is known of a buffer so far. What comes first is kept. */
    private static final class Found {
        private OptionalLong size = OptionalLong.empty();
        private OptionalLong mappedEnd = OptionalLong.empty();
        private OptionalLong references = OptionalLong.empty();
        private Optional<String> exporter = Optional.empty();
        private Optional<String> name = Optional.empty();
        private Optional<List<String>> devices = Optional.empty();
        private final Map<Long, Held> holders = new TreeMap<>();

        void tell(OptionalLong bytes, OptionalLong count, String from, Optional<String> called) {
            size = size.isPresent() ? size : bytes;
            references = references.isPresent() ? references : count;
            exporter = exporter.or(() -> Optional.of(from));
            name = name.or(() -> called);
        }

        Held by(long pid) {
            return holders.computeIfAbsent(pid, _ -> new Held());
        }

        Buffer buffer(long inode, Map<Long, String> names) {
            return new Buffer(
                    inode,
                    size.isPresent() ? size : mappedEnd,
                    size.isPresent(),
                    exporter,
                    name,
                    references,
                    holders.entrySet().stream()
                            .map(entry ->
                                    entry.getValue().holder(entry.getKey(), names.getOrDefault(entry.getKey(), "")))
                            .toList(),
                    devices);
        }
    }

    /** How a process holds a buffer. */
    private static final class Held {
        private final List<Integer> descriptors = new ArrayList<>();
        private int mappings;
        private long mappedBytes;

        Holder holder(long pid, String process) {
            return new Holder(pid, process, descriptors.stream().sorted().toList(), mappings, mappedBytes);
        }
    }

    Census take() {
        processes.ids().forEach(this::look);
        mappings.forEach((pid, lines) -> lines.forEach(line -> map(pid, line)));
        KernelList kernel = readKernelList();
        var names = new HashMap<Long, String>();
        buffers.values()
                .forEach(found -> found.holders.keySet().forEach(pid -> names.computeIfAbsent(pid, processes::name)));
        List<Buffer> all = buffers.entrySet().stream()
                .map(entry -> entry.getValue().buffer(entry.getKey(), names))
                .sorted(Comparator.comparingLong(
                                (Buffer buffer) -> -buffer.size().orElse(0))
                        .thenComparingLong(Buffer::inode))
                .toList();
        return new Census(all, read, refused, processes.hiding(), kernel, untold);
    }

    private Found found(long inode) {
        return buffers.computeIfAbsent(inode, _ -> new Found());
    }

    private void look(long pid) {
        switch (processes.openFiles(pid, target -> target.startsWith(Census.LINK) || target.equals(Census.OLD_LINK))) {
            case Reading.Absent<List<OpenFile>> _ -> {}
            case Reading.Refused<List<OpenFile>> _ -> {
                if (!processes.isOfTheKernel(pid)) {
                    refused.add(pid);
                }
            }
            case Reading.Known<List<OpenFile>>(List<OpenFile> open) -> {
                read.add(pid);
                open.forEach(file -> add(pid, file));
                List<MapLine> lines =
                        files.lines("/proc/" + pid + "/maps", MapLine.WORD).value().orElse(List.of()).stream()
                                .flatMap(line -> MapLine.of(line).stream())
                                .toList();
                if (!lines.isEmpty()) {
                    mappings.put(pid, lines);
                }
            }
        }
    }

    private void add(long pid, OpenFile open) {
        if (open.target().equals(Census.OLD_LINK)) {
            untold++;
            return;
        }
        String name = "/" + open.fd();
        // Closed meanwhile, or a file that is only called so.
        Optional<FdInfo> known =
                files.text("/proc/" + pid + "/fdinfo" + name).value().flatMap(FdInfo::of);
        if (known.isEmpty()) {
            return;
        }
        FdInfo info = known.get();
        OptionalLong inode = info.inode();
        if (inode.isEmpty() || device.isEmpty()) {
            Optional<SystemFiles.Identity> identity =
                    files.identity("/proc/" + pid + "/fd" + name).value();
            long told = inode.orElse(identity.map(SystemFiles.Identity::inode).orElse(-1L));
            if (told < 0) {
                return;
            }
            inode = OptionalLong.of(told);
            // If it is another, the descriptor is another file's by now.
            if (identity.filter(file -> file.inode() == told).isPresent()) {
                device = OptionalLong.of(identity.get().device());
            }
        }
        Found buffer = found(inode.getAsLong());
        buffer.tell(info.size(), info.references(), info.exporter(), info.name());
        buffer.by(pid).descriptors.add(open.fd());
    }

    private void map(long pid, MapLine line) {
        if (device.isPresent() && device.getAsLong() != line.device()) {
            return;
        }
        Found buffer = found(line.inode());
        buffer.mappedEnd = OptionalLong.of(Math.max(buffer.mappedEnd.orElse(0), line.end()));
        buffer.name = buffer.name.or(line::name);
        Held held = buffer.by(pid);
        held.mappings++;
        held.mappedBytes += line.bytes();
    }

    private KernelList readKernelList() {
        Optional<String> text = files.text(BUFINFO).value();
        if (text.isPresent()) {
            for (BufInfo info : BufInfo.all(text.get())) {
                Found buffer = found(info.inode());
                buffer.tell(
                        OptionalLong.of(info.size()), OptionalLong.of(info.references()), info.exporter(), info.name());
                buffer.devices = Optional.of(info.devices());
            }
            return KernelList.DEBUGFS;
        }
        Optional<List<String>> inodes = files.names(STATS).value();
        for (String inode : inodes.orElse(List.of())) {
            Optional<String> exporter =
                    files.text(STATS + "/" + inode + "/exporter_name").value();
            // Freed meanwhile, if it is not there.
            if (inode.matches("\\d{1,18}") && exporter.isPresent()) {
                found(Long.parseLong(inode))
                        .tell(
                                files.number(STATS + "/" + inode + "/size"),
                                OptionalLong.empty(),
                                exporter.get().strip(),
                                Optional.empty());
            }
        }
        return inodes.isPresent() ? KernelList.SYSFS : KernelList.NONE;
    }
}
