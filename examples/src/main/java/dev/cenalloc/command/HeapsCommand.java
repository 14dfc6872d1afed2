package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Heap;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Lists the heaps of this machine. */
@Command(
        name = "heaps",
        mixinStandardHelpOptions = true,
        description = "Lists the heaps of this machine and what is known of them.")
final class HeapsCommand implements Callable<Integer> {
    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws Exception {
        var command = Objects.requireNonNull(spec).commandLine();
        try (var cenalloc = Cenalloc.open()) {
            if (cenalloc.heaps().isEmpty()) {
                command.getErr().println("no heaps: /dev/dma_heap is missing or empty, and there is no /dev/udmabuf");
                return 1;
            }
            for (Heap heap : cenalloc.heaps()) {
                command.getOut()
                        .printf(
                                "%-20s %s%s%s%n",
                                heap.name(),
                                heap.properties(),
                                heap.pool().equals(heap.name()) ? "" : "; pool " + heap.pool(),
                                heap.isAccessible() ? "" : "; no permission");
            }
        }
        return 0;
    }
}
