// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import java.util.Arrays;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;

/** What a device does on a board, so that it can be named without the name of its driver. */
public enum Role {
    /** Writes frames of a sensor into memory. */
    CAMERA,
    /** Writes frames from outside, such as those of an HDMI input, into memory. */
    RECEIVER,
    /** Reads frames and writes other ones: scaler, rotation, image signal processor. */
    CONVERTER,
    /** Encodes or decodes video or pictures. */
    CODEC,
    /** Computes with tensors. */
    NPU,
    /** Draws. */
    GPU,
    /** Reads frames and shows them. */
    DISPLAY;

    /** {@return the word for it in profiles and commands, in lower case} */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * {@return the role with a word; empty if there is none}
     *
     * @param word as {@link #word}
     */
    public static Optional<Role> of(String word) {
        Objects.requireNonNull(word, "word");
        return Arrays.stream(values()).filter(role -> role.word().equals(word)).findFirst();
    }
}
