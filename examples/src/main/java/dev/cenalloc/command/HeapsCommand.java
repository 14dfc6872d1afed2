// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;

/** Lists the heaps of this machine. */
@Command(
        description = "Lists the heaps of this machine and what is known of them.",
        footer = {"  cenalloc heaps", "  cenalloc heaps --json | jq -r '.heaps[] | select(.usable) | .name'"})
final class HeapsCommand extends Subcommand {
    private static final Table<Heap> HEAPS = Table.<Heap>empty()
            .text("name", "HEAP", Heap::name)
            .text("pool", "POOL", Heap::pool)
            .text("usable", "USABLE", Heap::isAccessible)
            .data("node", Heap::path)
            .data("known", heap -> known(heap.properties()))
            .text("properties", "PROPERTIES", Heap::properties);

    @Override
    int run(Answer answer) throws Exception {
        try (var cenalloc = Cenalloc.open()) {
            List<Heap> heaps = cenalloc.heaps();
            answer.table("heaps", HEAPS, heaps);
            if (heaps.isEmpty()) {
                throw none();
            }
            if (heaps.stream().noneMatch(Heap::isAccessible)) {
                answer.warn("this user may use none of these heaps");
            }
        }
        return Status.DONE;
    }

    /** The failure of a command that needs one. */
    static CommandFailedException none() {
        return new CommandFailedException(
                "no heaps: /dev/dma_heap is missing or empty, and there is no /dev/udmabuf",
                "use a kernel with CONFIG_DMABUF_HEAPS_SYSTEM or CONFIG_UDMABUF");
    }

    /** Each property on its own, for programs; absent where it is not known. */
    private static Map<String, @Nullable Object> known(HeapProperties properties) {
        var known = new LinkedHashMap<String, @Nullable Object>();
        known.put("contiguous", is(properties.contiguous()));
        known.put("cpuMappable", is(properties.cpuMappable()));
        known.put("cached", is(properties.cached()));
        known.put("coherent", is(properties.coherent()));
        known.put("scarce", is(properties.scarce()));
        known.put("onlyWhenNamed", properties.onlyWhenNamed());
        known.put("protected", properties.isProtected());
        known.put("maxSize", properties.maxSize());
        known.put("place", properties.place());
        return known;
    }

    private static @Nullable Boolean is(HeapProperties.Trait trait) {
        return trait == HeapProperties.Trait.UNKNOWN ? null : trait == HeapProperties.Trait.YES;
    }
}
