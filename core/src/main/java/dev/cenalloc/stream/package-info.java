// SPDX-License-Identifier: Apache-2.0
/**
 * What a stream of images is made of: the ports of devices, the images and memory that they agree on, the ring of
 * buffers, and the frames in it. Makes no request to a device itself.
 */
@NullMarked
package dev.cenalloc.stream;

import org.jspecify.annotations.NullMarked;
