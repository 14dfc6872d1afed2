// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.util.BitSet;

/**
 * The descriptor numbers that this library owns in one kernel. A number that two objects own would be closed twice, and
 * the second time it may be another's file. Thread-safe; allocates no objects but for numbers higher than any before.
 */
public final class OwnedNumbers {
    private final BitSet numbers = new BitSet();

    synchronized void add(int fd) {
        numbers.set(fd);
    }

    /** To be called before the number is closed: then another thread may get it at once. */
    synchronized void remove(int fd) {
        numbers.clear(fd);
    }

    private synchronized boolean contains(int fd) {
        return numbers.get(fd);
    }

    /**
     * Checks a number that a program gives away.
     *
     * @throws IllegalArgumentException if an object of this library owns it
     */
    public void refuse(int fd) {
        if (fd >= 0 && contains(fd)) {
            throw new IllegalArgumentException("descriptor " + fd
                    + " is that of an open object of this library already, which closes it: give a duplicate");
        }
    }
}
