// SPDX-License-Identifier: Apache-2.0
/**
 * Cameras, converters and video outputs of V4L2 ({@code /dev/video*}): their images become {@link
 * dev.cenalloc.stream.Frame frames} in dma-bufs that other devices use without a copy. Start with {@link
 * dev.cenalloc.v4l2.Camera}.
 *
 * <p>Source: {@code Documentation/userspace-api/media/v4l} of Linux 6.12.
 */
@NullMarked
package dev.cenalloc.v4l2;

import org.jspecify.annotations.NullMarked;
