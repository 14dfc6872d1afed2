// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The names of error numbers. {@code ci/abi} asserts those below 512 in C. */
class ErrnoTest {
    /** The ends of each row of the tables, what drivers return, and all that are asserted nowhere else. */
    @ParameterizedTest
    @CsvSource({
        "1, EPERM",
        "11, EAGAIN",
        "35, EDEADLK",
        "42, ENOMSG",
        "57, EBADSLT",
        "59, EBFONT",
        "61, ENODATA",
        "67, ENOLINK",
        "71, EPROTO",
        "95, EOPNOTSUPP",
        "105, ENOBUFS",
        "108, ESHUTDOWN",
        "121, EREMOTEIO",
        "133, EHWPOISON",
        "512, ERESTARTSYS",
        "515, ENOIOCTLCMD",
        "516, ERESTART_RESTARTBLOCK",
        "517, EPROBE_DEFER",
        "518, EOPENSTALE",
        "519, ENOPARAM",
        "521, EBADHANDLE",
        "522, ENOTSYNC",
        "523, EBADCOOKIE",
        "524, ENOTSUPP",
        "525, ETOOSMALL",
        "526, ESERVERFAULT",
        "527, EBADTYPE",
        "528, EJUKEBOX",
        "529, EIOCBQUEUED",
        "530, ERECALLCONFLICT",
        "531, ENOGRACE"
    })
    void numbersHaveTheKernelsNames(int errno, String name) {
        assertEquals(name, Errno.name(errno));
    }

    @Test
    void onlyTheNumbersThatNoErrorHasAreWithoutAName() {
        var without = IntStream.rangeClosed(0, 531)
                .filter(errno -> Errno.name(errno).startsWith("errno "))
                .filter(errno -> errno < 134 || errno >= 512)
                .boxed()
                .toList();
        // EWOULDBLOCK and EDEADLOCK, which have other numbers elsewhere; 520 is free.
        assertEquals(List.of(41, 58, 520), without);
    }

    @ParameterizedTest
    @CsvSource({"-1", "134", "511", "532", "2147483647", "-2147483648"})
    void otherNumbersAreToldAsNumbers(int errno) {
        assertEquals("errno " + errno, Errno.name(errno));
    }

    @Test
    void eachConstantHasItsOwnName() throws Exception {
        for (var field : Errno.class.getFields()) {
            assertEquals(field.getName(), Errno.name(field.getInt(null)));
        }
    }
}
