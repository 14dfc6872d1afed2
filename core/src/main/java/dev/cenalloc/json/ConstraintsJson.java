// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.plan.Constraints;
import dev.cenalloc.text.Printable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * Constraint sets as JSON, version 1. Stateless, safe for any number of threads.
 *
 * {@snippet lang=json :
 * {
 *   "version": 1,
 *   "require": {
 *     "heaps": ["default_cma_region", "system"],
 *     "contiguous": true,
 *     "maxSegments": 16,
 *     "highestAddress": {"pci": 4294967295}
 *   },
 *   "advise": {
 *     "near": ["numa0"],
 *     "usage": ["CPU_HEAVY"]
 *   }
 * }
 * }
 *
 * <p>The keys are those of {@link dev.cenalloc.plan.Field#key}. {@code advise} has the
 * {@linkplain dev.cenalloc.plan.Field#isAdvisory advisory} fields, {@code require} the others. Only the version is
 * mandatory. The field's rule determines its value:
 *
 * <ul>
 *   <li>a number: an integer from 1 to 2<sup>63</sup>-1; for a limit (MIN) also {@code "unlimited"}, which means the
 *       same as an absent field
 *   <li>a flag: {@code true}, or {@code false}, which means the same as an absent field. Two fields need the consent of
 *       all devices; there, {@code false} also withdraws consent that another field implies: a list of protected heaps
 *       only implies {@code acceptsProtected}, unless {@code "acceptsProtected": false} is present
 *   <li>{@code heaps}, {@code near} and {@code usage}: a list of at least one string; for {@code usage}, names of
 *       {@link dev.cenalloc.plan.Usage}; {@code near} may be empty, which is the result of devices that disagree
 *   <li>{@code highestAddress}: an object with an integer, or {@code "unlimited"}, for each address space
 * </ul>
 *
 * <p>An unknown field in {@code advise} has no effect; it is kept and written again unchanged
 * ({@link Constraints#unknown}). An unknown field in {@code require} is refused, since it would be ignored. Everything
 * else that differs from this description is refused too: another version, a field in the wrong section, other keys, a
 * duplicate key, {@code null}, fractions, numbers in strings, text after the document.
 *
 * <p>A document may come from an untrusted source. It has at most 2<sup>20</sup> bytes (a string: characters), is
 * nested at most 64 deep, and has at most 1024 unknown fields and at most 1024 address spaces. A name has at most 1024
 * characters, a number at most 1000.
 */
public final class ConstraintsJson {
    /** The only version that is read and written. */
    static final int VERSION = 1;

    private ConstraintsJson() {}

    /**
     * {@return the constraints in a document}
     *
     * @param json the document
     * @throws ConstraintsFormatException if it is not one as described above, or the constraints contradict each other
     */
    public static Constraints read(String json) throws ConstraintsFormatException {
        return ConstraintsReader.read(Objects.requireNonNull(json, "json"));
    }

    /**
     * {@return the constraints in a document} Reads the stream to its end, or to the largest size of a document, and
     * does not close it. Blocks as the stream does.
     *
     * @param json the document, in UTF-8 without a byte order mark
     * @throws ConstraintsFormatException if it is not one as described above, or the constraints contradict each other
     * @throws IOException as the stream throws it
     */
    public static Constraints read(InputStream json) throws IOException {
        return read(text(Objects.requireNonNull(json, "json")));
    }

    /** The content of a stream, if it is not too long for a document. */
    static String text(InputStream json) throws IOException {
        return decoded(json.readNBytes(Json.LARGEST_DOCUMENT + 1));
    }

    /** Not by the JSON library, which would guess the encoding. */
    private static String decoded(byte[] utf8) throws ConstraintsFormatException {
        var text = CharBuffer.allocate(utf8.length);
        // A document that is too long may be cut within a character: the error is the length, not the encoding.
        boolean complete = utf8.length <= Json.LARGEST_DOCUMENT;
        var result = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8), text, complete);
        String good = text.flip().toString();
        if (!complete) {
            throw ConstraintsReader.tooLong();
        }
        if (result.isError()) {
            int line = (int) good.chars().filter(c -> c == '\n').count() + 1;
            int column = good.length() - good.lastIndexOf('\n');
            throw new ConstraintsFormatException("this is not UTF-8: save the document in UTF-8", "", line, column);
        }
        return good;
    }

    /**
     * {@return the document for constraints} It has one line, and equal constraints have equal documents.
     * {@link #read(String)} returns the same constraints again.
     *
     * @param constraints the constraints of a device
     * @throws IllegalArgumentException if no document has these constraints: they are
     *     {@linkplain Constraints#isImpossible impossible}, as merged ones may be; or the value of an
     *     {@linkplain Constraints#unknown unknown} field is not JSON, or has spaces around it; or they exceed a limit
     *     of documents
     */
    public static String write(Constraints constraints) {
        Objects.requireNonNull(constraints, "constraints");
        String json = Json.document(VERSION, generator -> ConstraintsWriter.write(generator, constraints));
        try {
            if (read(json).equals(constraints)) {
                return json;
            }
        } catch (ConstraintsFormatException e) {
            throw new IllegalArgumentException(
                    "no document can have these constraints: " + constraints + "; " + e.getMessage(), e);
        }
        throw new IllegalArgumentException("no document can have these constraints: " + constraints + "; each value in "
                + Printable.of(constraints.unknown().toString()) + " must be JSON, without spaces around it");
    }
}
