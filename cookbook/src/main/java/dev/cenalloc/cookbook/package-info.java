// SPDX-License-Identifier: Apache-2.0
/**
 * Buffers of this library in the hands of others: one class for each, described in {@code examples/README.md}. Uses the
 * public API, and what the other library needs.
 */
@NullMarked
package dev.cenalloc.cookbook;

import org.jspecify.annotations.NullMarked;
