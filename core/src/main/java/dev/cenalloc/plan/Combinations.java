// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import java.util.ArrayList;
import java.util.List;

/**
 * The combinations of the devices' alternatives, in the order of preference. The first combination has the first
 * alternative of every device. The alternatives of the last device change first. After its last alternative, an
 * optional device is left out. Ends after {@link Solver#COMBINATIONS}. Not thread-safe.
 */
final class Combinations {
    private final List<Device> all;
    private final int[] choice;
    private final int[] choices;
    private int given;
    private boolean exhausted;

    Combinations(List<Device> all) {
        this.all = all;
        this.choice = new int[all.size()];
        this.choices = new int[all.size()];
        for (int i = 0; i < choices.length; i++) {
            Device device = all.get(i);
            choices[i] = Math.max(1, device.alternatives().size()) + (device.isOptional() ? 1 : 0);
        }
    }

    /** The number of combinations, at most {@link Solver#COMBINATIONS}. */
    int count() {
        long count = 1;
        for (int n : choices) {
            count = Math.min(count * n, Solver.COMBINATIONS);
        }
        return (int) count;
    }

    boolean hasNext() {
        return !exhausted && given < Solver.COMBINATIONS;
    }

    /** Moves to the next combination; the first call, to the first. */
    void next() {
        if (given++ > 0) {
            int i = choice.length - 1;
            while (++choice[i] == choices[i]) {
                choice[i--] = 0;
            }
        }
        exhausted = true;
        for (int i = 0; i < choice.length; i++) {
            exhausted &= choice[i] == choices[i] - 1;
        }
    }

    /** Whether there are more combinations than are tried. */
    boolean endedEarly() {
        return !exhausted && given >= Solver.COMBINATIONS;
    }

    List<Device> devices() {
        var devices = new ArrayList<Device>(all.size());
        for (int i = 0; i < choice.length; i++) {
            if (!isLeftOut(i)) {
                devices.add(all.get(i).choosing(choice[i]));
            }
        }
        return devices;
    }

    List<Device> leftOut() {
        var leftOut = new ArrayList<Device>();
        for (int i = 0; i < choice.length; i++) {
            if (isLeftOut(i)) {
                leftOut.add(all.get(i));
            }
        }
        return leftOut;
    }

    private boolean isLeftOut(int i) {
        return all.get(i).isOptional() && choice[i] == choices[i] - 1;
    }
}
