package dev.cenalloc.examples;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(name = "heaps", description = "Lists the heaps of this machine and what is known of them.")
final class HeapsCommand implements Callable<Integer> {
    @Spec
    private @Nullable CommandSpec spec;

    @Override
    public Integer call() throws Exception {
        var out = java.util.Objects.requireNonNull(spec).commandLine().getOut();
        try (var cenalloc = Cenalloc.open()) {
            if (cenalloc.heaps().isEmpty()) {
                out.println("no heaps: /dev/dma_heap is missing or empty, and there is no /dev/udmabuf");
                return 1;
            }
            for (Heap heap : cenalloc.heaps()) {
                var known = heap.properties();
                out.printf(
                        "%-20s contiguous: %-8s CPU can map: %-8s scarce: %-8s pool: %s%s%s%n",
                        heap.name(),
                        known.contiguous(),
                        known.cpuMappable(),
                        known.scarce(),
                        HeapProperties.pool(heap.name()),
                        known.onlyWhenNamed() ? " (used only when named)" : "",
                        heap.isAccessible() ? "" : " (no permission)");
            }
        }
        return 0;
    }
}
