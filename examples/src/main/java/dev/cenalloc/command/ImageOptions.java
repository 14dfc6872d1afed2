// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.PixelFormat;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** What images the user wants; what is left out, the devices decide among themselves. */
final class ImageOptions {
    /** In pixels. */
    record Size(int width, int height) {}

    @Option(
            names = "--format",
            description = "One of ${COMPLETION-CANDIDATES}; by default the best that all devices have.")
    private @Nullable PixelFormat format;

    @Option(
            names = "--size",
            converter = SizeConverter.class,
            description = "WIDTHxHEIGHT in pixels; by default the largest that all devices have at the rate.")
    private @Nullable Size size;

    @Option(names = "--fps", converter = RateConverter.class, description = "Frames a second; by default the most.")
    private @Nullable FrameRate rate;

    ImageRequest request() {
        ImageRequest request = ImageRequest.ANY;
        request = format == null ? request : request.format(format);
        request = size == null ? request : request.size(size.width, size.height);
        return rate == null ? request : request.rate(rate);
    }

    /** Reads WIDTHxHEIGHT. */
    static final class SizeConverter implements ITypeConverter<Size> {
        @Override
        public Size convert(String text) {
            if (!text.matches("[1-9]\\d{0,4}x[1-9]\\d{0,4}")) {
                throw new TypeConversionException(
                        "a size is WIDTHxHEIGHT in pixels, such as 640x480, not '" + text + "'");
            }
            String[] dimensions = text.split("x", -1);
            return new Size(Integer.parseInt(dimensions[0]), Integer.parseInt(dimensions[1]));
        }
    }

    private static final class RateConverter implements ITypeConverter<FrameRate> {
        @Override
        public FrameRate convert(String text) {
            if (!text.matches("[1-9]\\d{0,5}(/[1-9]\\d{0,5})?")) {
                throw new TypeConversionException(
                        "a rate is a number of frames a second, such as 30 or 30000/1001, not '" + text + "'");
            }
            String[] parts = text.split("/", -1);
            return new FrameRate(Long.parseLong(parts[0]), parts.length == 1 ? 1 : Long.parseLong(parts[1]));
        }
    }
}
