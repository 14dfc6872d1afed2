// SPDX-License-Identifier: Apache-2.0
/** What every other package may use for the text of messages and explanations. Not exported. */
@NullMarked
package dev.cenalloc.text;

import org.jspecify.annotations.NullMarked;
