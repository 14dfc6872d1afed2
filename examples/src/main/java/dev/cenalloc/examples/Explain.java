// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.examples;

import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Demand;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.Plan;
import java.util.List;
import java.util.Set;

/** Plans memory for three declared devices that conflict twice, mends one of them and plans again. Needs no device. */
final class Explain {
    private Explain() {}

    static void main() {
        var heaps = List.of(Heap.of("system"), Heap.of("default_cma_region"));
        var demand = Demand.ofImage(new Image(PixelFormat.NV12, 1920, 1080));
        var npu = Device.of("npu", Constraints.NONE.onlyHeaps(Set.of("system")), "its driver");
        var gpu = Device.of("gpu", Constraints.NONE.minPitch(2048), "its manual");

        // This camera needs contiguous memory, which the NPU cannot use, and narrower lines than the GPU reads.
        var camera = Device.of("camera", Constraints.NONE.contiguous().maxPitch(1984), "its data sheet");
        System.out.println(Plan.of(demand, List.of(camera, gpu, npu), heaps).explain());

        // The same camera, with an IOMMU and a line buffer of another size.
        var mended = Device.of("camera", Constraints.NONE.pitchAlignment(64), "its data sheet, revision 2");
        System.out.println("\nWith another camera:\n"
                + Plan.of(demand, List.of(mended, gpu, npu), heaps).explain());
    }
}
