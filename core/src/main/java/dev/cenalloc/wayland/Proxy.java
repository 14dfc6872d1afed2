// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;

/** An object that the compositor has for this process, by its number, and what becomes of its events. */
abstract class Proxy {
    /** The name of its interface. */
    final String type;
    /** While {@link Channel} knows it. */
    int id;

    Proxy(String type) {
        this.type = type;
    }

    /**
     * An event has come.
     *
     * @param opcode which
     * @param channel whose current message has its arguments
     * @throws CenallocException EPROTO if it breaks the protocol; the channel is closed then
     */
    void event(int opcode, Channel channel) throws CenallocException {}

    /** An object whose events are of no interest here. */
    static final class Silent extends Proxy {
        Silent(String type) {
            super(type);
        }
    }

    /** Tells that the compositor has come so far, by its only event. */
    static final class Callback extends Proxy {
        private boolean done;

        Callback() {
            super(Wire.CALLBACK);
        }

        boolean isDone() {
            return done;
        }

        @Override
        void event(int opcode, Channel channel) {
            if (opcode == Wire.CALLBACK_DONE) {
                channel.forget(this);
                done = true;
            }
        }
    }
}
