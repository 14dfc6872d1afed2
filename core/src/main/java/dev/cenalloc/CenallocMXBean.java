// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.util.Map;

/**
 * What monitoring tools see of a {@link Cenalloc} by JMX, once it is {@linkplain Cenalloc#publish published}. Each read
 * of an attribute counts at that moment. Safe for any number of threads.
 */
public interface CenallocMXBean {
    /** {@return the number of open buffers} */
    int getBuffers();

    /** {@return the bytes of the open buffers, whole pages} They are in no figure of the Java heap, and not in RSS. */
    long getBytes();

    /** {@return the most that {@link #getBytes} has been} */
    long getPeakBytes();

    /** {@return how many buffers there have been in all} */
    long getAllocations();

    /** {@return how many requests for a buffer failed} */
    long getFailures();

    /** {@return the buffers with memory from elsewhere} */
    HeapUsage getAdopted();

    /** {@return the buffers of each heap, by its name} */
    Map<String, HeapUsage> getHeaps();

    /** {@return the open buffers in lines, as {@link Cenalloc#dump}} */
    String dump();
}
