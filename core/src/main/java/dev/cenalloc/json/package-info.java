/**
 * JSON: constraint sets are read and written with {@link dev.cenalloc.json.ConstraintsJson}, explanations are written with
 * {@link dev.cenalloc.json.PlanJson}.
 */
@NullMarked
package dev.cenalloc.json;

import org.jspecify.annotations.NullMarked;
