// SPDX-License-Identifier: Apache-2.0
/**
 * Planning of memory: the constraints of devices, the heaps, and the plan that says which heaps suit all devices and
 * why. Values only. Makes no system call, so a plan for a board can be made on any machine. Start with
 * {@link dev.cenalloc.plan.Constraints}, {@link dev.cenalloc.plan.Device} and {@link dev.cenalloc.plan.Plan#of}.
 */
@NullMarked
package dev.cenalloc.plan;

import org.jspecify.annotations.NullMarked;
