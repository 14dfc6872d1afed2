// SPDX-License-Identifier: Apache-2.0
/**
 * Displays: outputs, modes and planes of a DRM card with atomic mode setting. {@link Display} shows frames of a stream,
 * or what the CPU draws on a {@link Canvas}, and puts back what was on the screen.
 */
@NullMarked
package dev.cenalloc.kms;

import org.jspecify.annotations.NullMarked;
