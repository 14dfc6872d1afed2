// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command.doctor;

import java.util.Locale;
import java.util.Optional;

/**
 * Something that hinders or may hinder sharing dma-bufs on this machine, or does not. A value.
 *
 * @param area what it is about
 * @param what was found
 * @param why it matters; empty if nothing is to be said
 * @param remedy one thing to do; empty if there is none, or no need
 */
public record Finding(Level level, Area area, String what, String why, Optional<String> remedy) {
    /** How bad it is. */
    public enum Level {
        /** As it should be. */
        OK,
        /** Some uses are hindered, or this cannot be found out. */
        NOTE,
        /** What most programs do is hindered. */
        PROBLEM;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** What a finding is about. */
    public enum Area {
        JAVA,
        KERNEL,
        HEAPS,
        MEMORY,
        LIMITS,
        PROCESSES,
        CAMERAS,
        DISPLAYS;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    static Finding ok(Area area, String what) {
        return new Finding(Level.OK, area, what, "", Optional.empty());
    }

    static Finding note(Area area, String what, String why) {
        return new Finding(Level.NOTE, area, what, why, Optional.empty());
    }

    static Finding note(Area area, String what, String why, String remedy) {
        return new Finding(Level.NOTE, area, what, why, Optional.of(remedy));
    }

    static Finding problem(Area area, String what, String why, String remedy) {
        return new Finding(Level.PROBLEM, area, what, why, Optional.of(remedy));
    }
}
