/** Images and where they lie in memory: pixel formats, sizes, rates, layouts. Values only; makes no system call. */
@NullMarked
package dev.cenalloc.image;

import org.jspecify.annotations.NullMarked;
