// SPDX-License-Identifier: Apache-2.0
/**
 * Constraints, profiles of boards and explanations as JSON. {@link dev.cenalloc.json.ConstraintsJson} reads and writes
 * constraints, {@link dev.cenalloc.json.Profile} the constraints of all devices of a board; {@link
 * dev.cenalloc.json.Boards} has the profiles that are shipped; {@link dev.cenalloc.json.PlanJson} writes explanations.
 * Programs that use this package need {@code jackson-core}.
 */
@NullMarked
package dev.cenalloc.json;

import org.jspecify.annotations.NullMarked;
