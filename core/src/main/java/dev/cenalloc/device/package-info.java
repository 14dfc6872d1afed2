// SPDX-License-Identifier: Apache-2.0
/** Finding devices, probing which images and memory they take, and negotiating images between them. */
@NullMarked
package dev.cenalloc.device;

import org.jspecify.annotations.NullMarked;
