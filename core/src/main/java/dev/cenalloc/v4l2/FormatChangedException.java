// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.v4l2;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.file.Path;

/**
 * The driver changed the agreed format (EINVAL): it would stream other images, or lay them out in another way, than it
 * was asked for. Nothing streams. The caller can negotiate again, for another size or format.
 */
public final class FormatChangedException extends CenallocException {
    private static final long serialVersionUID = 1;

    FormatChangedException(String call, Path node, String what) {
        super(
                Errno.EINVAL,
                call,
                node,
                -1,
                "the driver changed the agreed format: " + what,
                "request another size or format");
    }
}
