// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.bindings.Errno;

/**
 * What a driver refused of an offer. A value.
 *
 * @param ofImage whether it takes the memory and refuses the image in it
 * @param call the call that refused, by the kernel's name for it
 * @param errno the error number; 0 if it gave none
 */
public record Refusal(boolean ofImage, String call, int errno) {
    /** A refusal of the memory. */
    public static Refusal ofMemory(String call, int errno) {
        return new Refusal(false, call, errno);
    }

    /** A refusal of the image, in memory that was taken. */
    public static Refusal ofImage(String call, int errno) {
        return new Refusal(true, call, errno);
    }

    @Override
    public String toString() {
        return call + (errno == 0 ? " failed" : " gave " + Errno.name(errno));
    }
}
