// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** Timeouts. Stateless. */
public final class Times {
    /** How long a message that must be sent waits for a peer that does not read. */
    public static final long SHORT = TimeUnit.SECONDS.toNanos(1);

    private Times() {}

    /** {@return milliseconds for poll, rounded up: a wait of less than one would turn into many that do not wait} */
    public static int millis(long nanos) {
        return (int) Math.min(Math.ceilDiv(Math.max(0, nanos), 1_000_000L), Integer.MAX_VALUE);
    }

    /** {@return nanoseconds, at least 0, at most a hundred years, so that a deadline does not overflow} */
    public static long nanos(Duration timeout) {
        long nanos = TimeUnit.NANOSECONDS.convert(Objects.requireNonNull(timeout, "timeout"));
        return Math.clamp(nanos, 0, TimeUnit.DAYS.toNanos(36_500));
    }
}
