// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.wayland;

import dev.cenalloc.CenallocException;
import dev.cenalloc.bindings.Errno;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What the compositor offers to everybody, as far as it is used here. */
final class Globals extends Proxy {
    private static final Set<String> USED =
            Set.of(Wire.COMPOSITOR, Wire.WM_BASE, Wire.DMABUF, Wire.SHM, Wire.VIEWPORTER, Wire.PRESENTATION);

    private record Global(int name, int version) {}

    private final Map<String, Global> globals = new HashMap<>();

    private Globals() {
        super(Wire.REGISTRY);
    }

    /** Asks for all. */
    static Globals read(Channel channel) throws CenallocException {
        var globals = new Globals();
        channel.request(channel.display(), Wire.DISPLAY_GET_REGISTRY, 1);
        channel.add(globals);
        channel.put(globals.id);
        channel.sync("tell what it offers");
        return globals;
    }

    @Override
    void event(int opcode, Channel channel) throws CenallocException {
        if (opcode == Wire.REGISTRY_GLOBAL) {
            int name = channel.integer();
            String type = channel.string();
            int version = channel.integer();
            if (USED.contains(type)) {
                globals.putIfAbsent(type, new Global(name, version));
            }
        }
    }

    /** The version that is offered; 0 if it is not. */
    int version(String type) {
        Global global = globals.get(type);
        return global == null ? 0 : global.version;
    }

    /**
     * Begins to use an object, with at most this version.
     *
     * @return the version
     */
    int bind(Channel channel, Proxy proxy, int most) throws CenallocException {
        Global global = globals.get(proxy.type);
        if (global == null) {
            throw missing(proxy.type, null);
        }
        byte[] text = proxy.type.getBytes(StandardCharsets.US_ASCII);
        int version = Math.clamp(Integer.toUnsignedLong(global.version), 1, most);
        channel.request(this, Wire.REGISTRY_BIND, 3 + Channel.words(text));
        channel.put(global.name);
        channel.put(text);
        channel.put(version);
        channel.add(proxy);
        channel.put(proxy.id);
        return version;
    }

    /** Something that a window cannot do without is not offered. */
    static CenallocException missing(String type, @Nullable String why) {
        return new CenallocException(
                Errno.EOPNOTSUPP,
                "wl_registry.bind",
                null,
                -1,
                "the compositor offers no " + type + (why == null ? "" : ", " + why),
                "use another compositor, or show the frames on a dev.cenalloc.kms.Display");
    }
}
