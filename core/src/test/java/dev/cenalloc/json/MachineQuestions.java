// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.kernel.Seam;
import java.util.List;

/** What {@link Boards#ofMachine} asks the kernel, without what Java does to read the shipped profiles. A value. */
public record MachineQuestions(List<Profile> shipped) {
    public MachineQuestions() {
        this(Boards.all());
    }

    public String ask(Cenalloc cenalloc) throws CenallocException {
        return Recognition.of(Seam.kernel(cenalloc), List.of(), shipped).toString();
    }
}
