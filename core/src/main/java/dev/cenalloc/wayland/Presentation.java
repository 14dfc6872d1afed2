// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Linux;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What became of the frames of a {@link Surface}, by the compositor's word ({@code wp_presentation}): when they came on
 * the screen, or that they never did. Knows nothing if the compositor does not offer that, or tells the times of a
 * clock that this process cannot read. Allocates no objects after its opening. For one thread at a time.
 */
final class Presentation {
    /** Answers under way; of a frame beyond, nothing is asked. A screen's queue is shorter. */
    private static final int MOST_ANSWERS = 8;

    private static final int NANOS = 1_000_000_000;
    /** In seconds, so that every time fits, also one of another clock. */
    private static final long LATEST = Long.MAX_VALUE / 2 / NANOS;

    private final Channel channel;
    private final Clock clock = new Clock();
    private final Answer[] answers = new Answer[MOST_ANSWERS];
    private final MemorySegment time = Arena.ofAuto().allocate(Linux.TIMESPEC_SIZE, Long.BYTES);

    /** The frames, counted from 1: the last one, the last that was asked for, and the last that came on the screen. */
    private long last;

    private long asked;
    private long shown;

    private long flips;
    private long discarded;
    private long nanos;
    private long sequence;

    /** Tells, when it is bound, the clock of all times. */
    private final class Clock extends Proxy {
        private int number;
        private boolean isReadable;

        Clock() {
            super(Wire.PRESENTATION);
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            if (opcode == Wire.PRESENTATION_CLOCK_ID) {
                number = from.integer();
                isReadable = switch (number) {
                    case Linux.CLOCK_MONOTONIC, Linux.CLOCK_MONOTONIC_COARSE -> true;
                    case Linux.CLOCK_REALTIME,
                            Linux.CLOCK_REALTIME_COARSE,
                            Linux.CLOCK_MONOTONIC_RAW,
                            Linux.CLOCK_BOOTTIME,
                            Linux.CLOCK_TAI -> read() >= 0;
                    default -> false; // such as the time that a process has used
                };
            }
        }

        /** What it shows, in nanoseconds, or {@code -errno}. */
        private long read() {
            int result = channel.kernel().clockGetTime(number, time);
            return result < 0
                    ? result
                    : time.get(ValueLayout.JAVA_LONG, 0) * NANOS + time.get(ValueLayout.JAVA_LONG, Long.BYTES);
        }

        /** A time of it as one of the monotonic clock; 0 if it cannot be read any more. */
        long monotonic(long told) {
            if (number == Linux.CLOCK_MONOTONIC || number == Linux.CLOCK_MONOTONIC_COARSE) {
                return told;
            }
            // Twice: a pause between the two clocks makes a time too early.
            long before = System.nanoTime();
            long first = read();
            long between = System.nanoTime();
            long second = read();
            return first < 0 || second < 0 ? 0 : told + Math.max(before - first, between - second);
        }
    }

    /** What becomes of one commit. */
    private final class Answer extends Proxy {
        /** 0 if it is not asked for. */
        private long frame;

        Answer() {
            super(Wire.OUTCOME);
        }

        @Override
        void event(int opcode, Channel from) throws CenallocException {
            if (opcode == Wire.OUTCOME_PRESENTED) {
                long seconds = longInteger(from);
                int fraction = from.integer();
                int _ = from.integer(); // how long a refresh takes
                long refresh = longInteger(from);
                if (seconds < 0 || seconds >= LATEST || fraction < 0 || fraction >= NANOS) {
                    throw from.lie("a frame was shown at " + Long.toUnsignedString(seconds) + " seconds and "
                            + Integer.toUnsignedString(fraction) + " nanoseconds");
                }
                long of = end(from);
                if (of > shown) { // a frame that is scaled anew has two answers
                    shown = of;
                    flips++;
                    nanos = clock.monotonic(seconds * NANOS + fraction);
                    sequence = refresh;
                }
            } else if (opcode == Wire.OUTCOME_DISCARDED) {
                long of = end(from);
                if (of != shown && !isAwaited(of)) {
                    discarded++;
                }
            }
        }

        private static long longInteger(Channel from) throws CenallocException {
            long high = from.integer();
            return high << Integer.SIZE | Integer.toUnsignedLong(from.integer());
        }

        /** The compositor destroys it with its only answer. */
        private long end(Channel from) {
            long of = frame;
            frame = 0;
            from.forget(this);
            return of;
        }
    }

    private Presentation(Channel channel) {
        this.channel = channel;
        for (int i = 0; i < answers.length; i++) {
            answers[i] = new Answer();
        }
    }

    static Presentation open(Channel channel, Globals globals) throws CenallocException {
        var made = new Presentation(channel);
        if (globals.version(Wire.PRESENTATION) != 0) {
            int _ = globals.bind(channel, made.clock, 1);
        }
        return made;
    }

    /** The next commit shows a new frame. */
    void begin(Proxy surface) throws CenallocException {
        last++;
        ask(surface);
    }

    /** The next commit shows the last frame in another size: what becomes of the commit before says nothing then. */
    void continueLast(Proxy surface) throws CenallocException {
        if (isAwaited(last)) {
            ask(surface);
        }
    }

    private void ask(Proxy surface) throws CenallocException {
        if (!clock.isReadable) {
            return;
        }
        for (Answer answer : answers) {
            if (answer.frame == 0) {
                answer.frame = last;
                asked = last;
                channel.request(clock, Wire.PRESENTATION_FEEDBACK, 2);
                channel.put(surface.id);
                channel.add(answer);
                channel.put(answer.id);
                return;
            }
        }
    }

    private boolean isAwaited(long frame) {
        for (Answer answer : answers) {
            if (answer.frame == frame) {
                return true;
            }
        }
        return false;
    }

    /** Whether the compositor was asked what becomes of the last frame. */
    boolean isAsked() {
        return asked == last && last > 0;
    }

    /** Whether it has not answered yet. */
    boolean isAwaited() {
        return isAwaited(last);
    }

    /** Whether it said that the last frame came on the screen. */
    boolean isShown() {
        return shown == last;
    }

    long flips() {
        return flips;
    }

    long discarded() {
        return discarded;
    }

    long nanos() {
        return nanos;
    }

    long sequence() {
        return sequence;
    }
}
