/**
 * From constraints to a choice of memory: what devices need, which heaps there are, and the plan that says which heap suits
 * and why. Values only; makes no system call, so that a board can be planned on any machine.
 */
@NullMarked
package dev.cenalloc.plan;

import org.jspecify.annotations.NullMarked;
