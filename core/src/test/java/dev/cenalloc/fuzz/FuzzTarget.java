// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.fuzz;

import java.util.List;

/** A reader of bytes that others write, on the fake kernel where it needs one. Stateless. */
public interface FuzzTarget {
    /** Inputs that are read to their end without a refusal. */
    List<byte[]> seeds() throws Exception;

    /**
     * Reads any bytes, and checks what must hold afterwards.
     *
     * @return whether they were taken; false if they were refused by an exception that the reader documents
     * @throws Exception or an error: a fault
     */
    boolean read(byte[] input) throws Exception;
}
