// SPDX-License-Identifier: Apache-2.0
/**
 * V4L2 requests: formats, queues, offers of memory to a video node. Not exported; {@code dev.cenalloc.v4l2} is the API.
 */
@NullMarked
package dev.cenalloc.node.v4l2;

import org.jspecify.annotations.NullMarked;
