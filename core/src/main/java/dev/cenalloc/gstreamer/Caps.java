// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.gstreamer;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.PixelFormat;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * What a pipeline says of its buffers: read from the text of fixed GstCaps, and written. A value.
 *
 * @param text the caps
 * @param image with all planes in one buffer; null if these are no caps of images that can be used here
 * @param format GStreamer's; null without an image, and of formats that it has no name for
 * @param rate null if they tell none
 * @param isInterlaced whether an image has two fields
 * @param objection why there is no image; empty if there is
 */
record Caps(
        String text,
        @Nullable Image image,
        @Nullable VideoFormat format,
        @Nullable FrameRate rate,
        boolean isInterlaced,
        String objection) {
    /** More would let sums overflow; no video has as many. */
    private static final int MOST_PIXELS = 1 << 16;

    /** Whether it is what unixfdsink sends as long as it has no caps. */
    static boolean isNull(String text) {
        return text.equals("NULL") || text.equals("EMPTY") || text.equals("ANY");
    }

    static Caps of(String text) {
        try {
            return parse(text);
        } catch (IllegalArgumentException e) {
            return new Caps(text, null, null, null, false, String.valueOf(e.getMessage()));
        }
    }

    private static Caps parse(String text) {
        int end = 0;
        while (end < text.length() && ",(; ".indexOf(text.charAt(end)) < 0) {
            end++;
        }
        String media = text.substring(0, end);
        if (!media.equals("video/x-raw")) {
            throw new IllegalArgumentException("these are buffers of " + media + ", and not of raw video");
        }
        if (end < text.length() && text.charAt(end) == '(') {
            end = after(text, end);
        }
        Map<String, String> fields = fields(text, end);
        String mode = fields.getOrDefault("interlace-mode", "progressive");
        if (mode.equals("alternate")) {
            throw new IllegalArgumentException("each buffer has one field of an interlaced image");
        }
        int width = number(fields, "width");
        int height = number(fields, "height");
        FrameRate rate = rate(fields.get("framerate"));
        boolean isInterlaced = !mode.equals("progressive");
        String name = fields.getOrDefault("format", "");
        if (name.equals("DMA_DRM")) {
            return drm(text, fields.getOrDefault("drm-format", ""), width, height, rate, isInterlaced);
        }
        VideoFormat format = VideoFormat.named(name)
                .orElseThrow(() -> new IllegalArgumentException("the format " + name + " is not known here"));
        return new Caps(text, new Image(format.pixels(), width, height), format, rate, isInterlaced, "");
    }

    private static Caps drm(
            String text, String code, int width, int height, @Nullable FrameRate rate, boolean isInterlaced) {
        String[] parts = code.split(":", 2);
        PixelFormat pixels = parts[0].length() == 4 ? ofDrm(parts[0]) : null;
        if (pixels == null) {
            throw new IllegalArgumentException("the DRM format " + code + " is not known here");
        }
        long modifier = Image.LINEAR;
        if (parts.length == 2) {
            if (!parts[1].matches("0[xX][0-9a-fA-F]{1,16}")) {
                throw new IllegalArgumentException("the DRM format " + code + " has no modifier in hexadecimal digits");
            }
            modifier = Long.parseUnsignedLong(parts[1].substring(2), 16);
        }
        return new Caps(
                text,
                new Image(pixels, width, height, modifier),
                VideoFormat.of(pixels).orElse(null),
                rate,
                isInterlaced,
                "");
    }

    private static @Nullable PixelFormat ofDrm(String characters) {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            code |= (characters.charAt(i) & 0xFF) << (8 * i);
        }
        return PixelFormat.ofDrm(code).orElse(null);
    }

    private static int number(Map<String, String> fields, String name) {
        String digits = fields.getOrDefault(name, "");
        if (!digits.matches("[0-9]{1,6}") || Integer.parseInt(digits) < 1 || Integer.parseInt(digits) > MOST_PIXELS) {
            throw new IllegalArgumentException(name + " is " + (digits.isEmpty() ? "missing" : digits)
                    + ", and not a number from 1 to " + MOST_PIXELS);
        }
        return Integer.parseInt(digits);
    }

    /** 0/1 stands for a rate that varies. */
    private static @Nullable FrameRate rate(@Nullable String fraction) {
        if (fraction == null || !fraction.matches("[0-9]{1,9}(/[0-9]{1,9})?")) {
            return null;
        }
        String[] parts = fraction.split("/", 2);
        int frames = Integer.parseInt(parts[0]);
        int seconds = parts.length == 2 ? Integer.parseInt(parts[1]) : 1;
        return frames == 0 || seconds == 0 ? null : new FrameRate(frames, seconds);
    }

    /** The fields of the first structure: {@code name=(type)value} between commas, until a semicolon or the end. */
    private static Map<String, String> fields(String text, int from) {
        var fields = new HashMap<String, String>();
        int at = from;
        while (at < text.length() && text.charAt(at) != ';') {
            int equals = at;
            while (equals < text.length() && ",;=".indexOf(text.charAt(equals)) < 0) {
                equals++;
            }
            if (equals < text.length() && text.charAt(equals) == '=') {
                int end = equals + 1;
                while (end < text.length() && ",;".indexOf(text.charAt(end)) < 0) {
                    end = after(text, end);
                }
                fields.put(text.substring(at, equals).strip(), value(text.substring(equals + 1, end)));
                equals = end;
            }
            at = equals < text.length() && text.charAt(equals) == ',' ? equals + 1 : equals;
        }
        return fields;
    }

    /** The place behind a character, or behind what it opens: a text in quotes, or something in brackets. */
    private static int after(String text, int at) {
        char opening = text.charAt(at);
        if (opening == '\\') {
            return Math.min(at + 2, text.length());
        }
        if (opening != '"' && "([{<".indexOf(opening) < 0) {
            return at + 1;
        }
        // Without recursion: a peer may nest as deep as it likes.
        boolean quoted = false;
        int depth = 0;
        for (int i = at; i < text.length(); i++) {
            char one = text.charAt(i);
            if (one == '\\') {
                i++;
            } else if (one == '"') {
                quoted = !quoted;
            } else if (!quoted && "([{<".indexOf(one) >= 0) {
                depth++;
            } else if (!quoted && ")]}>".indexOf(one) >= 0) {
                depth--;
            }
            if (!quoted && depth <= 0) {
                return i + 1;
            }
        }
        return text.length();
    }

    /** A value without its type and its quotes. */
    private static String value(String field) {
        String value = field.strip();
        if (value.startsWith("(")) {
            value = value.substring(after(value, 0)).strip();
        }
        if (value.length() < 2 || !value.startsWith("\"") || !value.endsWith("\"")) {
            return value;
        }
        var plain = new StringBuilder();
        for (int i = 1; i < value.length() - 1; i++) {
            if (value.charAt(i) == '\\' && i < value.length() - 2) {
                i++;
            }
            plain.append(value.charAt(i));
        }
        return plain.toString();
    }

    /** The text for images at a rate; null if GStreamer has no name for the format. */
    static @Nullable String write(Image image, FrameRate rate) {
        VideoFormat format = VideoFormat.of(image.format()).orElse(null);
        OptionalInt fourcc = image.format().drmFourcc();
        String rest = ", width=(int)" + image.width() + ", height=(int)" + image.height() + ", framerate=(fraction)"
                + rate.frames() + "/" + rate.seconds();
        if (image.modifier() != Image.LINEAR) {
            return fourcc.isEmpty()
                    ? null
                    : "video/x-raw(memory:DMABuf), format=(string)DMA_DRM, drm-format=(string)"
                            + characters(fourcc.getAsInt())
                            + String.format(Locale.ROOT, ":0x%016x", image.modifier()) + rest;
        }
        return format == null
                ? null
                : "video/x-raw, format=(string)" + format.caps() + rest + ", interlace-mode=(string)progressive";
    }

    private static String characters(int fourcc) {
        var bytes = new byte[4];
        for (int i = 0; i < 4; i++) {
            bytes[i] = (byte) (fourcc >> (8 * i));
        }
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }
}
