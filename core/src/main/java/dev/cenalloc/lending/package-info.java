// SPDX-License-Identifier: Apache-2.0
/** Lends the frames of a stream to several other processes, whatever protocol they speak. Not exported. */
@NullMarked
package dev.cenalloc.lending;

import org.jspecify.annotations.NullMarked;
