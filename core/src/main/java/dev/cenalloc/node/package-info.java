// SPDX-License-Identifier: Apache-2.0
/** Open device nodes: requests to their drivers, and offers of memory. Not exported. */
@NullMarked
package dev.cenalloc.node;

import org.jspecify.annotations.NullMarked;
