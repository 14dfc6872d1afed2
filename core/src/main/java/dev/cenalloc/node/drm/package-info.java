// SPDX-License-Identifier: Apache-2.0
/** DRM requests: cards, planes, framebuffers, atomic commits. Not exported; {@code dev.cenalloc.kms} is the API. */
@NullMarked
package dev.cenalloc.node.drm;

import org.jspecify.annotations.NullMarked;
