/**
 * Buffers that several devices share.
 *
 * <p>A {@link dev.cenalloc.SharedBuffer} starts as a size. Each device that will use it is attached with the
 * {@link dev.cenalloc.Constraints} it puts on memory; at the first use the library solves them into a
 * {@link dev.cenalloc.Plan}, allocates from the best heap and from then on the buffer is a {@link dev.cenalloc.DmaBuf}.
 * The idea, and the rules of attaching, are those of the cenalloc RFC of 2014, carried out in user space.
 */
@NullMarked
package dev.cenalloc;

import org.jspecify.annotations.NullMarked;
