// SPDX-License-Identifier: Apache-2.0
/** Images and their layout in memory: pixel formats, sizes, frame rates, layouts. Values only; makes no system call. */
@NullMarked
package dev.cenalloc.image;

import org.jspecify.annotations.NullMarked;
