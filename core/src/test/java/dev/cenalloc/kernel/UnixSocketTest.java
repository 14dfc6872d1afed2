// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cenalloc.OnEachKernel;
import dev.cenalloc.SmallStack;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.bindings.Sockets;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The same on the fake kernel and on the one of this machine, of which sockets need no device. */
@OnEachKernel
class UnixSocketTest {
    private static final long SECOND = 1_000_000_000L;

    enum World {
        FAKE {
            @Override
            Kernel kernel() {
                return new FakeKernel();
            }
        },
        LINUX {
            @Override
            Kernel kernel() {
                return LinuxKernel.instance();
            }
        };

        abstract Kernel kernel();
    }

    /** Two ends, and a file to pass. */
    private static final class Pair implements AutoCloseable {
        final Arena arena = Arena.ofShared();
        final Kernel kernel;
        final UnixSocket one;
        final UnixSocket other;
        final Descriptor file;
        final MemorySegment buffer = arena.allocate(1 << 20);

        Pair(Kernel kernel) {
            this.kernel = kernel;
            MemorySegment pair = arena.allocate(8, 4);
            assertEquals(0, kernel.socketPair(pair));
            one = new UnixSocket(kernel, pair.get(ValueLayout.JAVA_INT, 0));
            other = new UnixSocket(kernel, pair.get(ValueLayout.JAVA_INT, 4));
            int memory = kernel.memfdCreate("passed", Linux.MFD_CLOEXEC);
            assertTrue(memory >= 0);
            assertEquals(0, kernel.ftruncate(memory, 8192));
            file = new Descriptor(kernel, memory);
        }

        int otherFd() {
            return other.descriptor().number();
        }

        MemorySegment bytes(String text) {
            return arena.allocateFrom(text);
        }

        String receive() {
            long length = other.receive(buffer, 0, SECOND);
            assertTrue(length > 0, () -> "recvmsg: " + length);
            return buffer.getString(0);
        }

        long inode(int fd) {
            MemorySegment stat = arena.allocate(Linux.STAT_SIZE, 8);
            assertEquals(0, kernel.fstat(fd, stat));
            return stat.get(ValueLayout.JAVA_LONG, Linux.STAT_INO);
        }

        @Override
        public void close() {
            other.discard();
            one.discard();
            one.close();
            other.close();
            file.close();
            arena.close();
        }
    }

    @ParameterizedTest
    @EnumSource
    void bytesAndDescriptorsArrive(World world) throws Exception {
        try (var pair = new Pair(world.kernel())) {
            assertEquals(0, pair.one.send(pair.bytes("hello"), 0, 6, List.of(pair.file, pair.file), 0));
            assertEquals("hello", pair.receive());
            assertEquals(2, pair.other.available());
            for (int i = 0; i < 2; i++) {
                int fd = pair.other.take();
                assertEquals(pair.inode(pair.file.acquire()), pair.inode(fd));
                pair.file.release();
                pair.kernel.close(fd);
            }
            assertEquals(0, pair.other.available());
            assertThrows(IllegalStateException.class, pair.other::take);
        }
    }

    @Test
    void receivedDescriptorsAreCloseOnExec() throws Exception {
        try (var pair = new Pair(LinuxKernel.instance())) {
            assertEquals(0, pair.one.send(pair.bytes("x"), 0, 2, List.of(pair.file), 0));
            pair.receive();
            int fd = pair.other.take();
            String flags = Files.readAllLines(Path.of("/proc/self/fdinfo/" + fd)).stream()
                    .filter(line -> line.startsWith("flags:"))
                    .findFirst()
                    .orElseThrow();
            assertTrue((Long.parseLong(flags.replaceAll("\\D", ""), 8) & Linux.O_CLOEXEC) != 0, flags);
            pair.kernel.close(fd);
        }
    }

    @ParameterizedTest
    @EnumSource
    void withoutBytesTheTimeoutEnds(World world) {
        try (var pair = new Pair(world.kernel())) {
            assertEquals(-Errno.EAGAIN, pair.other.receive(pair.buffer, 0, 0));
            assertEquals(-Errno.EAGAIN, pair.other.receive(pair.buffer, 0, 1_500_000));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPeerThatDoesNotReadIsNotWaitedForWithoutEnd(World world) {
        try (var pair = new Pair(world.kernel())) {
            int result = 0;
            while (result == 0) {
                result = pair.one.send(pair.buffer, 0, 1 << 12, List.of(), 2_000_000);
            }
            assertTrue(result == -Errno.EAGAIN || result == -Errno.ETIMEDOUT, Errno.name(-result));
            assertEquals(-Errno.ETIMEDOUT, pairFilledInPart(world));
        }
    }

    /** Of a message larger than the room, a part is sent. */
    private static int pairFilledInPart(World world) {
        try (var pair = new Pair(world.kernel())) {
            return pair.one.send(pair.buffer, 0, pair.buffer.byteSize(), List.of(), 2_000_000);
        }
    }

    /** What could not be sent whole must not be continued by another message. */
    @Test
    void anErrorAfterAPartEndsTheConnection() {
        var kernel = new FakeKernel();
        kernel.socketPiece = 1;
        try (var pair = new Pair(kernel)) {
            kernel.sendErrno = Errno.ENOMEM;
            kernel.failingSend = 1;
            assertEquals(-Errno.ENOMEM, pair.one.send(pair.bytes("abc"), 0, 4, List.of(pair.file), 0));
            assertTrue(pair.one.isOpen(), "nothing was sent");
            assertFalse(pair.one.isCut());
            kernel.failingSend = 2;
            assertEquals(-Errno.ENOMEM, pair.one.send(pair.bytes("abc"), 0, 4, List.of(pair.file), 0));
            assertFalse(pair.one.isOpen());
            assertTrue(pair.one.isCut());
            assertEquals(1, pair.other.receive(pair.buffer, 0, 0));
            assertEquals(0, pair.other.receive(pair.buffer, 0, 0), "the end of the stream");
        }
        assertEquals(0, kernel.openFiles());
    }

    @Test
    void descriptorsBehindOtherControlDataArrive() {
        var kernel = new FakeKernel();
        kernel.identifiesSenders = true;
        try (var pair = new Pair(kernel)) {
            int before = kernel.openFiles();
            assertEquals(0, pair.one.send(pair.bytes("x"), 0, 2, List.of(pair.file, pair.file), 0));
            assertEquals("x", pair.receive());
            assertEquals(2, pair.other.available());
            assertEquals(before + 2, kernel.openFiles(), "what names the process is closed");
            int fd = pair.other.take();
            assertEquals(pair.inode(pair.file.acquire()), pair.inode(fd));
            pair.file.release();
            kernel.close(fd);
            assertEquals(0, pair.one.send(pair.bytes("none"), 0, 5, List.of(), 0));
            assertEquals("none", pair.receive());
        }
        assertEquals(0, kernel.openFiles());
    }

    /** Of two threads that see a connection, the second must not wait for another one. */
    @ParameterizedTest
    @EnumSource
    void acceptDoesNotBlock(World world) {
        Kernel kernel = world.kernel();
        try (Arena arena = Arena.ofConfined()) {
            byte[] name = ("\0cenalloc-accept-" + ProcessHandle.current().pid()).getBytes(StandardCharsets.US_ASCII);
            MemorySegment address = arena.allocate(Sockets.ADDRESS_PATH + name.length, 2);
            address.set(ValueLayout.JAVA_SHORT, 0, (short) Sockets.AF_UNIX);
            MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, Sockets.ADDRESS_PATH, name.length);
            int listening = kernel.socket(Sockets.SOCK_NONBLOCK);
            assertEquals(0, kernel.bind(listening, address));
            assertEquals(0, kernel.listen(listening, 1));
            assertEquals(-Errno.EAGAIN, kernel.accept(listening));
            int connecting = kernel.socket(0);
            assertEquals(0, kernel.connect(connecting, address));
            int accepted = kernel.accept(listening);
            assertTrue(accepted >= 0);
            assertEquals(-Errno.EAGAIN, kernel.accept(listening));
            List.of(accepted, connecting, listening).forEach(kernel::close);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aPeerThatIsGoneIsTheEndOfTheStream(World world) {
        try (var pair = new Pair(world.kernel())) {
            assertEquals(0, pair.one.send(pair.bytes("last"), 0, 5, List.of(), 0));
            pair.one.close();
            assertEquals("last", pair.receive());
            assertEquals(0, pair.other.receive(pair.buffer, 0, SECOND));
            assertEquals(-Errno.EPIPE, pair.other.send(pair.buffer, 0, 1, List.of(), 0));
        }
    }

    @ParameterizedTest
    @EnumSource
    void moreDescriptorsThanAMessageMayHaveAreRefusedAndClosed(World world) throws Exception {
        try (var pair = new Pair(world.kernel())) {
            List<Descriptor> most = IntStream.range(0, UnixSocket.MOST_DESCRIPTORS)
                    .mapToObj(_ -> pair.file)
                    .toList();
            // What is not taken in time: the third lot finds no room.
            for (int i = 0; i < 3; i++) {
                assertEquals(0, pair.one.send(pair.bytes("much"), 0, 5, most, 0));
            }
            assertEquals("much", pair.receive());
            assertEquals("much", pair.receive());
            assertEquals(-Errno.EPROTO, pair.other.receive(pair.buffer, 0, SECOND));
            assertEquals(2 * UnixSocket.MOST_DESCRIPTORS, pair.other.available());
        }
    }

    @Test
    void aLimitOfThisProcessIsToldApartFromWhatThePeerDid() {
        var kernel = new FakeKernel();
        for (int room = 0; room < 3; room++) {
            try (var pair = new Pair(kernel)) {
                assertEquals(0, pair.one.send(pair.bytes("x"), 0, 2, List.of(pair.file, pair.file, pair.file), 0));
                kernel.mostFiles = kernel.openFiles() + room;
                assertEquals(-Errno.EMFILE, pair.other.receive(pair.buffer, 0, SECOND));
                assertEquals(room, pair.other.available());
                kernel.mostFiles = Integer.MAX_VALUE;
                pair.other.discard();
            }
            assertEquals(0, kernel.openFiles());
        }
    }

    @ParameterizedTest
    @EnumSource
    void afterAllItIsAsBefore(World world) throws Exception {
        Kernel kernel = world.kernel();
        int before = openFiles(kernel);
        try (var pair = new Pair(kernel)) {
            for (int i = 0; i < 10; i++) {
                assertEquals(0, pair.one.send(pair.bytes("x"), 0, 2, List.of(pair.file), 0));
            }
            pair.receive();
        }
        assertEquals(before, openFiles(kernel));
    }

    private static int openFiles(Kernel kernel) throws Exception {
        if (kernel instanceof FakeKernel fake) {
            return fake.openFiles();
        }
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return (int) files.filter(file -> readLink(file).matches("socket:.*|/memfd:passed.*"))
                    .count();
        }
    }

    private static String readLink(Path file) {
        try {
            return Files.readSymbolicLink(file).toString();
        } catch (java.io.IOException e) {
            return "";
        }
    }

    @Test
    void aMessageThatComesInPiecesIsWhole() {
        var kernel = new FakeKernel();
        kernel.socketPiece = 1;
        try (var pair = new Pair(kernel)) {
            assertEquals(0, pair.one.send(pair.bytes("abc"), 0, 4, List.of(pair.file), 0));
            var text = new StringBuilder();
            for (int i = 0; i < 4; i++) {
                assertEquals(1, pair.other.receive(pair.buffer, 0, 0));
                text.append((char) pair.buffer.get(ValueLayout.JAVA_BYTE, 0));
                assertEquals(1, pair.other.available(), "with the first byte");
            }
            assertEquals("abc\0", text.toString());
        }
    }

    /** The kernel of this machine, which tells that a call waits, and so holds its descriptors. */
    private static Kernel withPolls(CountDownLatch polls) {
        return (Kernel) Proxy.newProxyInstance(
                Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, (_, method, arguments) -> {
                    boolean blocks = method.getName().equals("receive") && arguments[2].equals(0);
                    if (blocks || method.getName().equals("poll")) {
                        polls.countDown();
                    }
                    return method.invoke(LinuxKernel.instance(), arguments);
                });
    }

    @Test
    void closingEndsAReceiveThatWaits() throws Exception {
        var waits = new CountDownLatch(1);
        try (var pair = new Pair(withPolls(waits))) {
            var result = CompletableFuture.supplyAsync(() -> pair.other.receive(pair.buffer, 0, 60 * SECOND));
            waits.await();
            pair.other.close();
            assertEquals(0, result.get(30, TimeUnit.SECONDS));
        }
    }

    @Test
    void aDescriptorThatIsClosedMeanwhileIsSentAllTheSame() throws Exception {
        // The peer does not read, so that the call is under way while another thread closes the file.
        // The second poll: that of the attempt which finds the socket full is the first.
        var waits = new CountDownLatch(2);
        try (var pair = new Pair(withPolls(waits))) {
            int sent = 0;
            while (pair.one.send(pair.buffer, 0, 1 << 12, List.of(), 0) == 0) {
                sent++;
            }
            int messages = sent;
            var result = CompletableFuture.supplyAsync(
                    () -> pair.one.send(pair.bytes("x"), 0, 2, List.of(pair.file), 60 * SECOND));
            waits.await();
            pair.file.close();
            assertFalse(pair.file.isGone(), "the call holds it");
            long left = (long) messages << 12;
            while (left > 0) {
                left -= pair.other.receive(pair.buffer, 0, SECOND);
            }
            assertEquals(0, result.get(30, TimeUnit.SECONDS));
            while (pair.other.available() == 0) {
                pair.other.receive(pair.buffer, 0, SECOND);
            }
            assertTrue(pair.file.isGone());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aClosedDescriptorIsNotSent(World world) {
        try (var pair = new Pair(world.kernel())) {
            var closed = new Descriptor(pair.kernel, pair.kernel.dup(pair.file.acquire()));
            pair.file.release();
            closed.close();
            assertThrows(
                    IllegalStateException.class, () -> pair.one.send(pair.buffer, 0, 1, List.of(pair.file, closed), 0));
            assertEquals(-Errno.EAGAIN, pair.other.receive(pair.buffer, 0, 0));
            assertTrue(pair.file.seize(), "no call holds it");
            pair.file.reopen();
        }
    }

    @ParameterizedTest
    @EnumSource
    void thePeerIsKnown(World world) {
        try (var pair = new Pair(world.kernel())) {
            MemorySegment peer = pair.arena.allocate(Sockets.CREDENTIALS_SIZE, Integer.BYTES);
            assertTrue(pair.one.peer(peer) > 0);
            assertEquals(ProcessHandle.current().pid(), peer.get(ValueLayout.JAVA_INT, 0));
        }
    }

    /** A call that failed is repeated for its errno. If the repeat waited too, this would have no end. */
    @Test
    void aWaitIsNotRepeated() throws Exception {
        var waits = new CountDownLatch(1);
        try (var pair = new Pair(withPolls(waits))) {
            var result = CompletableFuture.supplyAsync(() -> pair.other.receive(pair.buffer, 0, 2 * SECOND));
            waits.await();
            Thread.sleep(500); // until the call has begun, with its limit
            MemorySegment none = pair.arena.allocate(Sockets.TIMEVAL_SIZE, Long.BYTES);
            assertEquals(0, LinuxKernel.instance().setSocketOption(pair.otherFd(), Sockets.SO_RCVTIMEO, none));
            assertEquals(-Errno.EAGAIN, result.get(30, TimeUnit.SECONDS));
        }
    }

    /** It is set once, for calls with the same limit; if it cannot be set, poll waits. */
    @Test
    void theTimeLimitOfASocketIsSetOnce() {
        var kernel = new FakeKernel();
        try (var pair = new Pair(kernel)) {
            kernel.calls.clear();
            kernel.whileWaiting = () -> assertEquals(0, pair.one.send(pair.bytes("x"), 0, 1, List.of(), 0));
            for (int i = 0; i < 3; i++) {
                assertEquals(1, pair.other.receive(pair.buffer, 0, SECOND));
            }
            assertEquals(
                    List.of("setsockopt", "recvmsg", "sendmsg", "recvmsg", "sendmsg", "recvmsg", "sendmsg"),
                    kernel.calls);
            kernel.calls.clear();
            kernel.failCall(0, Errno.EINVAL);
            assertEquals(1, pair.other.receive(pair.buffer, 0, 2 * SECOND));
            assertEquals(List.of("setsockopt", "recvmsg", "poll", "sendmsg", "recvmsg"), kernel.calls);
        }
    }

    @Test
    void eachErrorOfTheKernelComesOut() {
        var errors = new ArrayList<Integer>();
        for (boolean waits : new boolean[] {false, true}) {
            var kernel = new FakeKernel();
            try (var pair = new Pair(kernel)) {
                // The time limit, an attempt that finds nothing, and a wait, which a socket that does not block needs.
                kernel.failCall(waits ? 2 : 0, Errno.EMFILE);
                errors.add((int) pair.other.receive(pair.buffer, 0, waits ? SECOND : 0));
                assertEquals(
                        waits ? List.of("setsockopt", "recvmsg", "poll") : List.of("recvmsg"),
                        kernel.calls.subList(kernel.calls.size() - (waits ? 3 : 1), kernel.calls.size()));
            }
        }
        var kernel = new FakeKernel();
        try (var pair = new Pair(kernel)) {
            kernel.failCall(0, Errno.EMFILE);
            errors.add(pair.one.send(pair.bytes("x"), 0, 2, List.of(pair.file), 0));
            kernel.failCall(0, Errno.EINVAL);
            assertEquals(-Errno.EINVAL, pair.one.peer(pair.buffer.asSlice(0, Sockets.CREDENTIALS_SIZE)));
        }
        assertEquals(List.of(-Errno.EMFILE, -Errno.EMFILE, -Errno.EMFILE), errors);
    }

    // ---- the stack overflows ----

    /** At every depth near the end: what is passed can be closed, and its number is, at the latest with the socket. */
    @Test
    void anOverflowOfTheStackKeepsNoDescriptor() throws Exception {
        SmallStack.with(() -> {
            sendAt(0); // loads the classes
            int overflows = 0;
            // Again if a compiler has made the frames smaller after the depth was measured.
            for (int i = 0; i < 10 && overflows == 0; i++) {
                int deepest = SmallStack.deepest();
                for (int less = 200; less >= 0; less--) {
                    overflows += sendAt(deepest - less) ? 1 : 0;
                }
            }
            assertTrue(overflows > 0);
        });
    }

    private static boolean sendAt(int depth) throws Exception {
        var kernel = new FakeKernel();
        boolean overflown = false;
        try (var pair = new Pair(kernel)) {
            try {
                SmallStack.deep(
                        depth,
                        () -> assertEquals(
                                0,
                                pair.one.send(
                                        pair.buffer, 0, 4, List.of(pair.file, pair.other.descriptor(), pair.file), 0)));
            } catch (StackOverflowError e) {
                overflown = true;
            }
            pair.file.close();
            pair.one.close();
            assertTrue(pair.file.isGone(), "at " + depth);
            assertFalse(pair.other.descriptor().isGone());
        }
        assertEquals(0, kernel.openFiles(), "at " + depth);
        return overflown;
    }
}
