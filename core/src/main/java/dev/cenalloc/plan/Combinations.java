package dev.cenalloc.plan;

import java.util.ArrayList;
import java.util.List;

/**
 * The ways in which devices with alternatives can take part, in the order of preference: first everyone's first
 * alternative; the last device gives way first; an optional one, when its alternatives are used up, stays out. Ends after
 * {@link Plan#COMBINATIONS}. Not thread-safe.
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

    /** How many there are, at most {@link Plan#COMBINATIONS}. */
    int count() {
        long count = 1;
        for (int n : choices) {
            count = Math.min(count * n, Plan.COMBINATIONS);
        }
        return (int) count;
    }

    boolean hasNext() {
        return !exhausted && given < Plan.COMBINATIONS;
    }

    /** Moves to the next one, at first to the first. */
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

    /** Whether there are more than are tried. */
    boolean endedEarly() {
        return !exhausted && given >= Plan.COMBINATIONS;
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
