/** System calls that return {@code -errno}, and what is needed to read their results. */
package dev.cenalloc.bindings;
