// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Seam;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;

/** What {@link Boards#ofMachine} asks the kernel, without what Java does to read the shipped profiles. A value. */
public record MachineQuestions(List<Profile> shipped) {
    public MachineQuestions() {
        this(Boards.all());
    }

    public String ask(Cenalloc cenalloc) throws CenallocException {
        return recognised(Seam.kernel(cenalloc), shipped).toString();
    }

    /** As if these were the shipped ones. */
    static MachineProfile recognised(Kernel kernel, List<Profile> shipped) throws CenallocException {
        var named = new LinkedHashMap<String, Profile>();
        shipped.forEach(one -> named.put(one.name(), one));
        var matches = new LinkedHashMap<String, Profile.Matches>();
        shipped.forEach(one -> matches.put(one.name(), one.matches()));
        return Recognition.of(kernel, List.of(), matches, name -> Objects.requireNonNull(named.get(name)));
    }
}
