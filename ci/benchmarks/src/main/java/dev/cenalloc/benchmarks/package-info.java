// SPDX-License-Identifier: Apache-2.0
/** How fast the solver is. Not published; {@code ci/benchmark} runs it. */
@NullMarked
package dev.cenalloc.benchmarks;

import org.jspecify.annotations.NullMarked;
