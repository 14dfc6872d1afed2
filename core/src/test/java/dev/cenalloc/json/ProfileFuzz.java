// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cenalloc.fuzz.FuzzTarget;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/** Any bytes as a profile of a board: what is read, is written and read again, is the same. */
public final class ProfileFuzz implements FuzzTarget {
    @Override
    public List<byte[]> seeds() {
        return Stream.concat(Boards.all().stream().map(Profile::write), Stream.of(ProfileTest.BOARD))
                .map(json -> json.getBytes(StandardCharsets.UTF_8))
                .toList();
    }

    @Override
    public boolean read(byte[] input) throws IOException {
        Profile profile;
        try {
            profile = Profile.read("board", new ByteArrayInputStream(input));
        } catch (ConstraintsFormatException e) {
            ConstraintsFuzz.checkPlace(e);
            return false;
        }
        String written = profile.write();
        Profile again = Profile.read("board", written);
        assertEquals(profile.toString(), again.toString());
        assertEquals(profile.descriptions(), again.descriptions());
        assertEquals(written, again.write());
        return true;
    }
}
