// SPDX-License-Identifier: Apache-2.0
/** System calls behind one interface, so that tests can put a fake kernel in place of Linux. Not exported. */
@NullMarked
package dev.cenalloc.kernel;

import org.jspecify.annotations.NullMarked;
