// SPDX-License-Identifier: Apache-2.0
/** System calls that return {@code -errno}, and constants to read their results. */
package dev.cenalloc.bindings;
