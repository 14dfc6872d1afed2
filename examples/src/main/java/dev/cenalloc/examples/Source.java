package dev.cenalloc.examples;

import dev.cenalloc.DmaBuf;
import java.io.IOException;
import java.util.List;

/** Where frames to show come from: a {@link Camera}, or a {@link Converter} behind one. For one thread at a time. */
interface Source {
    /** How many buffers it has at a time so that none of its work waits. */
    int depth();

    /** Will fill these dma-bufs. From now on the index of a buffer in this list is its name. */
    void use(List<DmaBuf> memory) throws IOException;

    /** Takes possession of all buffers and starts to stream. */
    void start() throws IOException;

    /**
     * Waits for a frame and takes it, until {@link #giveBack}. Allocates nothing. Damaged frames are passed over, for a while.
     *
     * @return the index of its buffer, or {@link VideoQueue#NONE} if what came was nothing, damaged, or one to be ahead
     */
    int next() throws IOException;

    /** Gives a buffer back, to be filled again. Allocates nothing. */
    void giveBack(int index) throws IOException;

    String name();
}
