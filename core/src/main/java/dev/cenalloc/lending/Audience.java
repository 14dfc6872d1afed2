// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.lending;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.Linux;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.kernel.Log;
import dev.cenalloc.kernel.Times;
import dev.cenalloc.stream.Frame;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The processes that take the frames of a stream. A frame goes back to its stream when the last of them has given it
 * back. Two frames of the ring stay with the stream, and each member gets an equal share of the others; a member that
 * has its share gets no frame until it gives one back. So a slow member, or a dead one, never stops the stream, nor the
 * other members. Closed by its owner, which closes the listening socket, too. For one thread at a time.
 *
 * @param <M> the members
 */
@SuppressWarnings("ReferenceEquality") // a frame is one object, handed out again and again
public final class Audience<M extends Member> {
    /** Members at a time; more are turned away. */
    public static final int MOST_MEMBERS = 32;
    /** Frames that members have at a time. */
    public static final int MOST_FRAMES = 64;

    /** Connections that one call accepts. */
    private static final int MOST_ACCEPTS = 8;
    /** A program that connects again and again must not fill the log. */
    private static final int MOST_WARNINGS = 100;
    /** How long no connection is accepted after one could not be, since this process has too many files open. */
    private static final long ACCEPT_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Kernel kernel;
    private final Protocol<M> protocol;
    private final String name;

    private final List<M> members = new ArrayList<>();
    /** Bits of the numbers that members have. */
    private int numbers;
    /** One is always free. */
    private final Loan[] loans = new Loan[MOST_FRAMES + 1];

    private int away;

    private final MemorySegment polled =
            Arena.ofAuto().allocate(Linux.POLLFD.byteSize() * (1 + MOST_MEMBERS), Long.BYTES);
    /** Those that are polled, in the order of their descriptors: members come and go meanwhile. */
    private final List<M> polledMembers = new ArrayList<>(MOST_MEMBERS);

    private int mostAway;
    private long patienceNanos = TimeUnit.SECONDS.toNanos(2);
    private long nextId = 1;
    private long acceptNanos = System.nanoTime();
    private int warnings;

    private long missed;
    private long returned;
    /** What giving back a frame failed with, until it is thrown. */
    private @Nullable CenallocException failure;

    /** A frame that members have, or none. */
    private static final class Loan {
        @Nullable
        Frame frame;

        long loan;
        long id;
        /** Bits of the members' numbers. */
        int holders;
    }

    /**
     * Nobody yet.
     *
     * @param name what messages call the members, such as "receivers at /run/frames"
     */
    public Audience(Kernel kernel, Protocol<M> protocol, String name) {
        this.kernel = kernel;
        this.protocol = protocol;
        this.name = name;
        for (int i = 0; i < loans.length; i++) {
            loans[i] = new Loan();
        }
    }

    /** Sets how many frames all members together may have; 0: all of the ring but two, or one. */
    public void setMostAway(int frames) {
        if (frames < 0 || frames > MOST_FRAMES) {
            throw new IllegalArgumentException("frames must be from 0 to " + MOST_FRAMES + ", not " + frames);
        }
        mostAway = frames;
    }

    /** Sets how long a member may keep its frames while another gets none. */
    public void setPatience(Duration time) {
        patienceNanos = Times.nanos(Objects.requireNonNull(time, "time"));
    }

    // ---- frames ----

    /**
     * Gives a frame to each member that has not its share already. Takes it over if {@link #check} does not throw.
     *
     * @return to how many members it went
     */
    public int send(Frame frame) throws CenallocException {
        check(frame);
        int sent = 0;
        Loan loan = freeLoan();
        try {
            serve(0);
            int most = mostAway > 0 ? mostAway : Math.max(1, frame.ring().size() - 2);
            int share = Math.max(1, most / Math.max(1, members.size()));
            if (away >= most && isWanted(share)) {
                dropStuck();
            }
            sent = sendToAll(frame, loan, away < most ? share : 0);
        } finally {
            if (loan.frame == null) {
                giveBack(frame, frame.loans());
            }
        }
        throwFailure();
        return sent;
    }

    /** Refuses, before anything is done, a frame that cannot be lent. */
    private void check(Frame frame) {
        if (!frame.isLent()) {
            throw new IllegalStateException(frame + " was given back, or its stream has ended");
        }
        if (frame.memory().isAccessed()) {
            throw new IllegalStateException("a CPU access to " + frame + " is open: close it first");
        }
        for (Loan loan : loans) {
            if (loan.frame == frame && loan.loan == frame.loans()) {
                throw new IllegalStateException(frame + " was sent already");
            }
        }
    }

    private Loan freeLoan() {
        for (Loan loan : loans) {
            if (loan.frame == null) {
                return loan;
            }
        }
        throw new IllegalStateException(name + " have " + MOST_FRAMES + " frames: wait until they give some back");
    }

    private int sendToAll(Frame frame, Loan loan, int share) {
        long id = nextId++;
        protocol.prepare(frame, id);
        int sent = 0;
        for (int i = members.size() - 1; i >= 0; i--) { // from the end: some are dropped on the way
            M member = members.get(i);
            boolean gets = false;
            try {
                gets = member.away < share && protocol.send(member, frame, id);
            } catch (CenallocException e) {
                drop(member, e);
                continue;
            }
            member.missed(!gets);
            if (!gets) {
                missed++;
                continue;
            }
            if (member.away++ == 0) {
                member.progressNanos = System.nanoTime();
            }
            if (loan.frame == null) {
                lend(loan, frame, id);
            }
            loan.holders |= 1 << member.index;
            sent++;
        }
        return sent;
    }

    private void lend(Loan loan, Frame frame, long id) {
        loan.frame = frame;
        loan.loan = frame.loans();
        loan.id = id;
        loan.holders = 0;
        away++;
        frame.handTo(name);
    }

    /**
     * A member gives a frame back.
     *
     * @return whether it had it
     */
    public boolean release(M member, long id) {
        int bit = 1 << member.index;
        for (Loan loan : loans) {
            if (loan.frame != null && loan.id == id && (loan.holders & bit) != 0) {
                member.away--;
                member.progressNanos = System.nanoTime();
                end(loan, bit);
                return true;
            }
        }
        return false;
    }

    /** A member has a frame no more. */
    private void end(Loan loan, int bit) {
        loan.holders &= ~bit;
        Frame frame = loan.frame;
        if (loan.holders == 0 && frame != null) {
            loan.frame = null;
            away--;
            returned++;
            giveBack(frame, loan.loan);
        }
    }

    private void giveBack(Frame frame, long loan) {
        // Its stream may have ended meanwhile.
        if (!frame.isLent() || frame.loans() != loan) {
            return;
        }
        try {
            frame.close();
        } catch (CenallocException e) {
            failure = failure == null ? e : failure;
        } catch (IllegalStateException e) {
            Log.warn("{} cannot be given back: {}", frame, e.toString()); // the program has used it meanwhile
        }
    }

    private void throwFailure() throws CenallocException {
        CenallocException thrown = failure;
        if (thrown != null) {
            failure = null;
            throw thrown;
        }
    }

    // ---- members ----

    /** Waits for something from the members, takes what is there, and accepts new ones. */
    private void serve(long timeoutNanos) throws CenallocException {
        boolean pauses = acceptNanos - System.nanoTime() > 0;
        setPolled(0, pauses ? -1 : protocol.listening());
        polledMembers.clear();
        for (int i = 0; i < members.size(); i++) { // no iterator: it would be an object a frame
            polledMembers.add(members.get(i));
            setPolled(i + 1, members.get(i).fd());
        }
        int millis = Times.millis(pauses ? Math.min(timeoutNanos, ACCEPT_PAUSE_NANOS) : timeoutNanos);
        int ready = kernel.poll(polled, 1 + polledMembers.size(), millis);
        if (ready < 0 && ready != -Errno.EINTR) {
            throw CenallocException.ofCall(-ready, "poll", null, -1);
        }
        for (int i = 0; i < polledMembers.size() && ready > 0; i++) {
            if (isReady(i + 1)) {
                receive(polledMembers.get(i));
            }
        }
        if (ready > 0 && isReady(0)) {
            accept();
        }
    }

    private void setPolled(int index, int fd) {
        long at = index * Linux.POLLFD.byteSize();
        polled.set(ValueLayout.JAVA_INT, at, fd);
        polled.set(ValueLayout.JAVA_SHORT, at + 4, Linux.POLLIN);
        polled.set(ValueLayout.JAVA_SHORT, at + 6, (short) 0);
    }

    private boolean isReady(int index) {
        return polled.get(ValueLayout.JAVA_SHORT, index * Linux.POLLFD.byteSize() + 6) != 0;
    }

    private void receive(M member) {
        try {
            protocol.receive(member);
        } catch (CenallocException e) {
            drop(member, e);
        }
    }

    private void accept() {
        for (int i = 0; i < MOST_ACCEPTS; i++) {
            M member;
            try {
                member = protocol.accept();
            } catch (CenallocException e) {
                warn("a process cannot join the " + name + ": " + e.reason());
                acceptNanos = System.nanoTime() + ACCEPT_PAUSE_NANOS;
                return;
            }
            if (member == null) {
                return;
            }
            if (members.size() == MOST_MEMBERS) {
                warn(member.name() + " is turned away: there are " + MOST_MEMBERS + " " + name + " already");
                member.close();
                continue;
            }
            member.index = Integer.numberOfTrailingZeros(~numbers);
            numbers |= 1 << member.index;
            members.add(member);
        }
    }

    /** Ends a connection, which gives back what the member has. A member that left is no matter of the log. */
    private void drop(M member, CenallocException why) {
        boolean left = why.errno() == Errno.EPIPE || why.errno() == Errno.ECONNRESET;
        drop(member, left ? null : why.reason());
    }

    private void drop(M member, @Nullable String why) {
        if (!members.remove(member)) {
            return;
        }
        if (why != null) {
            warn(member.name() + " is disconnected from the " + name + ": " + why);
        }
        numbers &= ~(1 << member.index);
        try {
            member.close();
        } catch (OutOfMemoryError | StackOverflowError e) {
            member.close(); // it continues; it is no member any more, so nobody would call this again
        }
        for (Loan loan : loans) {
            if (loan.frame != null && (loan.holders & 1 << member.index) != 0) {
                end(loan, 1 << member.index);
            }
        }
    }

    /** Ends the connection of a member, which gives back what it has. */
    public void dismiss(M member) {
        drop(member, (String) null);
    }

    private void warn(String what) {
        if (warnings++ < MOST_WARNINGS) {
            Log.warn("{}", what);
        }
    }

    private boolean isWanted(int share) {
        for (int i = 0; i < members.size(); i++) {
            if (members.get(i).away < share) {
                return true;
            }
        }
        return false;
    }

    /** Of those that hold frames, ends the connections of those that gave none back for long. */
    private void dropStuck() {
        long now = System.nanoTime();
        for (int i = members.size() - 1; i >= 0; i--) {
            M member = members.get(i);
            long nanos = now - member.progressNanos;
            if (member.away > 0 && nanos >= patienceNanos) {
                drop(
                        member,
                        "it has kept " + member.away + " frames for " + nanos / 1_000_000 + " ms, and others get none");
            }
        }
    }

    // ---- waits and counts ----

    /** Waits until a frame comes back; returns how many did. */
    public int collect(Duration timeout) throws CenallocException {
        long before = returned;
        boolean _ = await(timeout, () -> returned > before || away == 0);
        return (int) (returned - before);
    }

    /** Waits until there is a number of members; returns whether there is. */
    public boolean awaitMembers(int count, Duration timeout) throws CenallocException {
        return await(timeout, () -> members.size() >= count);
    }

    /** Waits until all frames are back; returns whether they are. */
    public boolean awaitAll(Duration timeout) throws CenallocException {
        return await(timeout, () -> away == 0);
    }

    private interface Condition {
        boolean holds();
    }

    private boolean await(Duration timeout, Condition condition) throws CenallocException {
        long deadline = System.nanoTime() + Times.nanos(timeout);
        do {
            serve(condition.holds() ? 0 : deadline - System.nanoTime());
        } while (!condition.holds() && deadline - System.nanoTime() > 0);
        throwFailure();
        return condition.holds();
    }

    /** {@return the members, as of the last call} */
    public List<M> members() {
        return List.copyOf(members);
    }

    /** {@return how many members there are, as of the last call} */
    public int size() {
        return members.size();
    }

    /** {@return how many frames members have, as of the last call} */
    public int away() {
        return away;
    }

    /** {@return how many frames members did not get; two count for two members} */
    public long missed() {
        return missed;
    }

    /** Ends the connections, and gives back all frames. */
    public void close() throws CenallocException {
        members().forEach(this::dismiss);
        throwFailure();
    }

    @Override
    public String toString() {
        return members.size() + " " + name;
    }
}
