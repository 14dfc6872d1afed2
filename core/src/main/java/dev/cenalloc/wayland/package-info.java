// SPDX-License-Identifier: Apache-2.0
/**
 * Windows on the desktop of a Wayland compositor: {@link Window} shows frames of a stream without a copy, where another
 * program controls the screen, so that {@code dev.cenalloc.kms} cannot. Needs no native library.
 *
 * <p>The compositor must offer {@code xdg_wm_base}, and {@code zwp_linux_dmabuf_v1} of version 3 or later; without the
 * latter, frames are copied into shared memory, which is told and counted. Images whose
 * planes lie in separate buffers, such as {@code NV12M}, are not offered to it.
 */
@NullMarked
package dev.cenalloc.wayland;

import org.jspecify.annotations.NullMarked;
