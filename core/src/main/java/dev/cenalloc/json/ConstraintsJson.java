package dev.cenalloc.json;

import dev.cenalloc.plan.Constraints;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;

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
 * <p>Keys are those of {@link dev.cenalloc.Field#key}; {@code advise} has the
 * {@linkplain dev.cenalloc.Field#isAdvisory advisory} ones and {@code require} the others. Only the version is mandatory.
 * A value is, by the field's rule:
 *
 * <ul>
 *   <li>for a number: an integer from 1 to 2<sup>63</sup>-1; for a limit (MIN) also {@code "unlimited"}, which says as much
 *       as silence
 *   <li>for yes or no: {@code true}, or {@code false}, which says as much as silence. For the two fields that need
 *       everybody's consent {@code false} also takes back what another field implies: a list of nothing but protected
 *       heaps accepts protected memory, unless {@code "acceptsProtected": false} says otherwise
 *   <li>for {@code heaps}, {@code near} and {@code usage}: a list of at least one string; for {@code usage}, names of
 *       {@link dev.cenalloc.Usage}; {@code near} may be empty, which devices that disagree leave of it
 *   <li>for {@code highestAddress}: an object with an integer, or {@code "unlimited"}, for each address space
 * </ul>
 *
 * <p>A field in {@code advise} that this version does not know has no effect, and is kept and written again as it was
 * ({@link Constraints#unknown}). One in {@code require} is refused: somebody meant it, and it would not be kept.
 * Everything else that is not as described is refused as well: another version, a field in the wrong place, other keys, a
 * key twice, {@code null}, fractions, numbers in strings, text behind the document.
 *
 * <p>What is read may come from anybody. It has at most 2<sup>20</sup> bytes (a string: characters), is nested at most 64
 * deep, and has at most 1024 unknown fields and address spaces each; names have at most 1024 characters and numbers 1000.
 */
public final class ConstraintsJson {
    /** The one that is read and written. */
    static final int VERSION = 1;

    private ConstraintsJson() {}

    /**
     * {@return the constraints that a document says}
     *
     * @param json the document
     * @throws ConstraintsFormatException if it is not one as described above, or the constraints contradict each other
     */
    public static Constraints read(String json) throws ConstraintsFormatException {
        return ConstraintsReader.read(json);
    }

    /**
     * {@return the constraints that a document says} The stream is read to its end, but no further than a document may
     * have, and not closed.
     *
     * @param json the document, in UTF-8 without a byte order mark
     * @throws ConstraintsFormatException if it is not one as described above, or the constraints contradict each other
     * @throws IOException what the stream throws
     */
    public static Constraints read(InputStream json) throws IOException {
        return read(text(json));
    }

    /** What is in a stream, if it is no longer than a document may be. */
    static String text(InputStream json) throws IOException {
        return decoded(json.readNBytes(Json.LARGEST_DOCUMENT + 1));
    }

    /** Here and not by the JSON library, which would guess encodings. */
    private static String decoded(byte[] utf8) throws ConstraintsFormatException {
        var text = CharBuffer.allocate(utf8.length);
        // One byte more than a document may have can end within a character: that is too long, not broken.
        boolean complete = utf8.length <= Json.LARGEST_DOCUMENT;
        var result = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8), text, complete);
        String good = text.flip().toString();
        if (!complete) {
            throw ConstraintsReader.tooLong();
        }
        if (result.isError()) {
            int line = (int) good.chars().filter(c -> c == '\n').count() + 1;
            int column = good.length() - good.lastIndexOf('\n');
            throw new ConstraintsFormatException("this is not UTF-8: save the document in it", "", line, column);
        }
        return good;
    }

    /**
     * {@return the document for some constraints} In one line, and the same for equal constraints. {@link #read(String)} gives
     * the same constraints again.
     *
     * @param constraints any that a device can have
     * @throws IllegalArgumentException if no document is read as these constraints: they are {@linkplain
     *     Constraints#isImpossible impossible}, as merged ones may be; or the value of an {@linkplain Constraints#unknown
     *     unknown} field is not JSON, or has spaces around it; or there is more of something than a document may have
     */
    public static String write(Constraints constraints) {
        String json = Json.document(VERSION, generator -> ConstraintsWriter.write(generator, constraints));
        try {
            if (read(json).equals(constraints)) {
                return json;
            }
        } catch (ConstraintsFormatException e) {
            throw new IllegalArgumentException("no document says: " + constraints + "; " + e.getMessage(), e);
        }
        throw new IllegalArgumentException("no document says: " + constraints + "; is each value in "
                + constraints.unknown() + " JSON, without spaces around it?");
    }
}
