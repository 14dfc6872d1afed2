// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import static dev.cenalloc.node.drm.FakeCard.CONNECTOR;
import static dev.cenalloc.node.drm.FakeCard.CONSOLE;
import static dev.cenalloc.node.drm.FakeCard.CONSOLE_MODE;
import static dev.cenalloc.node.drm.FakeCard.CRTC;
import static dev.cenalloc.node.drm.FakeCard.OVERLAY;
import static dev.cenalloc.node.drm.FakeCard.PRIMARY;
import static dev.cenalloc.node.drm.FakeCard.PROPERTIES;
import static dev.cenalloc.node.drm.FakeCard.WRITEBACK;

import dev.cenalloc.bindings.Errno;
import dev.cenalloc.bindings.drm.drm_event;
import dev.cenalloc.bindings.drm.drm_event_vblank;
import dev.cenalloc.bindings.drm.drm_h;
import dev.cenalloc.bindings.drm.drm_mode_atomic;
import dev.cenalloc.kernel.FakeKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What is on the screen of a {@link FakeCard}, and the commits that change it. */
final class FakeScreen {
    /** How many events the kernel keeps. */
    private static final int ROOM = 128;

    /** Times in seconds: before and after any that the clock of a test shows. */
    private static final int LONG_AGO = 5;

    private static final int LATE = (int) 4_000_000_000L;

    private final FakeCard card;
    private final FakeKernel kernel;
    /** What is set, by the object and the property's name; 0 where nothing is. */
    private Map<String, Long> state = new TreeMap<>();
    /** The user data of the commits whose events were not read yet; of one, unless the card is prompt. */
    private final ArrayDeque<Long> events = new ArrayDeque<>();
    /** What becomes true when the commit is on the screen. */
    private final List<FakeKernel.Work> works = new ArrayList<>();

    private int sequence;

    FakeScreen(FakeCard card, FakeKernel kernel) {
        this.card = card;
        this.kernel = kernel;
        state.put(key(CRTC, "MODE_ID"), (long) CONSOLE_MODE);
        state.put(key(CRTC, "ACTIVE"), 1L);
        state.put(key(CONNECTOR, "CRTC_ID"), (long) CRTC);
        state.put(key(PRIMARY, "CRTC_ID"), (long) CRTC);
        state.put(key(PRIMARY, "FB_ID"), (long) CONSOLE);
        state.put(key(PRIMARY, "CRTC_W"), 1024L);
        state.put(key(PRIMARY, "SRC_W"), 1024L << 16);
    }

    private static String key(int object, String property) {
        return object + " " + property;
    }

    long value(int object, String property) {
        return state.getOrDefault(key(object, property), 0L);
    }

    int commit(MemorySegment argument) {
        int flags = drm_mode_atomic.flags(argument);
        boolean isTest = (flags & drm_h.DRM_MODE_ATOMIC_TEST_ONLY()) != 0;
        if (!isTest && !card.mayChange) {
            throw new AssertionError("the display would have been changed");
        }
        var next = new TreeMap<>(state);
        var now = new HashMap<String, Long>();
        read(argument, next, now);
        int result = check(next, flags);
        if (isTest) {
            card.tests++;
            return card.verdict != 0 ? -card.verdict : result;
        }
        if (result < 0 || card.refusal != 0) {
            return Math.min(result, -card.refusal);
        }
        card.commits++;
        state = next;
        card.inFence = now.getOrDefault("IN_FENCE_FD", -1L);
        boolean isEvent = (flags & drm_h.DRM_MODE_PAGE_FLIP_EVENT()) != 0;
        if (isEvent) {
            events.add(drm_mode_atomic.user_data(argument));
        }
        boolean isDone = !isEvent || card.isPrompt;
        fence(now.getOrDefault("OUT_FENCE_PTR", 0L), isDone, false);
        fence(now.getOrDefault("WRITEBACK_OUT_FENCE_PTR", 0L), isDone, card.losesCaptures);
        return 0;
    }

    /** Reads a request: what stays goes to one map, what is for this commit to the other. */
    private static void read(MemorySegment argument, Map<String, Long> lasting, Map<String, Long> once) {
        try (Arena arena = Arena.ofConfined()) {
            int count = drm_mode_atomic.count_objs(argument);
            MemorySegment ids = FakeCard.memory(arena, drm_mode_atomic.objs_ptr(argument), 4L * count);
            MemorySegment counts = FakeCard.memory(arena, drm_mode_atomic.count_props_ptr(argument), 4L * count);
            int place = 0;
            for (int i = 0; i < count; i++) {
                int object = ids.getAtIndex(ValueLayout.JAVA_INT, i);
                for (int j = 0; j < counts.getAtIndex(ValueLayout.JAVA_INT, i); j++) {
                    MemorySegment property =
                            FakeCard.memory(arena, drm_mode_atomic.props_ptr(argument) + 4L * place, 4);
                    MemorySegment value =
                            FakeCard.memory(arena, drm_mode_atomic.prop_values_ptr(argument) + 8L * place, 8);
                    String name = PROPERTIES.get(property.get(ValueLayout.JAVA_INT, 0) - 1);
                    boolean isOnce = name.contains("FENCE") || name.equals("WRITEBACK_FB_ID");
                    (isOnce ? once : lasting)
                            .put(isOnce ? name : key(object, name), value.get(ValueLayout.JAVA_LONG, 0));
                    place++;
                }
            }
        }
    }

    private int check(Map<String, Long> next, int flags) {
        boolean modeset = (flags & drm_h.DRM_MODE_ATOMIC_ALLOW_MODESET()) != 0;
        if ((flags & drm_h.DRM_MODE_ATOMIC_NONBLOCK()) != 0
                && !events.isEmpty()
                && !card.isPrompt
                && !card.isQueueing) {
            return -Errno.EBUSY;
        }
        if ((flags & drm_h.DRM_MODE_PAGE_FLIP_EVENT()) != 0 && events.size() == ROOM) {
            return -Errno.ENOMEM;
        }
        long mode = next.getOrDefault(key(CRTC, "MODE_ID"), 0L);
        if (mode != 0 && mode != value(CRTC, "MODE_ID") && (!modeset || !card.hasBlob(mode))) {
            return -Errno.EINVAL;
        }
        for (int plane : List.of(PRIMARY, OVERLAY)) {
            long framebuffer = next.getOrDefault(key(plane, "FB_ID"), 0L);
            if (framebuffer != 0 && framebuffer != CONSOLE && !card.hasFramebuffer(framebuffer)) {
                return -Errno.EINVAL;
            }
            if (framebuffer != 0
                    && next.getOrDefault(key(plane, "CRTC_W"), 0L)
                            != next.getOrDefault(key(plane, "SRC_W"), 0L) >> 16) {
                return -Errno.ERANGE;
            }
        }
        boolean isWritten = next.getOrDefault(key(WRITEBACK, "CRTC_ID"), 0L) != 0;
        if (isWritten && card.refusesWriteback) {
            return -Errno.EINVAL;
        }
        boolean both = next.getOrDefault(key(CONNECTOR, "CRTC_ID"), 0L) != 0 && isWritten;
        return card.writesInstead && both ? -Errno.EINVAL : 0;
    }

    private void fence(long pointer, boolean isDone, boolean isLost) {
        if (pointer != 0) {
            var work = new FakeKernel.Work();
            if (isDone && !isLost) {
                work.status = 1;
            } else if (!isLost) {
                works.add(work);
            }
            try (Arena arena = Arena.ofConfined()) {
                FakeCard.memory(arena, pointer, 4).set(ValueLayout.JAVA_INT, 0, kernel.fence(work));
            }
        }
    }

    /** To remove what is on the screen blanks it. */
    void removed(int framebuffer) {
        for (int plane : List.of(PRIMARY, OVERLAY)) {
            if (value(plane, "FB_ID") == framebuffer) {
                state.put(key(plane, "FB_ID"), 0L);
                state.put(key(plane, "CRTC_ID"), 0L);
                state.put(key(CRTC, "ACTIVE"), plane == PRIMARY ? 0 : value(CRTC, "ACTIVE"));
            }
        }
    }

    boolean hasEvent() {
        return !events.isEmpty();
    }

    void closed() {
        events.clear();
    }

    /** The commit comes on the screen, if it has not. */
    long readEvents(MemorySegment target) {
        long at = 0;
        for (; !events.isEmpty(); at += drm_event_vblank.sizeof()) {
            MemorySegment event = target.asSlice(at);
            drm_event.type(event, drm_h.DRM_EVENT_FLIP_COMPLETE());
            drm_event.length(event, (int) drm_event_vblank.sizeof());
            drm_event_vblank.user_data(event, events.remove());
            drm_event_vblank.sequence(event, ++sequence);
            drm_event_vblank.tv_sec(event, card.isPrompt ? LONG_AGO : LATE);
            drm_event_vblank.tv_usec(event, sequence);
        }
        works.forEach(work -> work.status = 1);
        works.clear();
        return at;
    }

    @Override
    public String toString() {
        var shown = new TreeMap<>(state);
        shown.computeIfPresent(key(CRTC, "MODE_ID"), (_, blob) -> {
            byte[] content = card.content(blob);
            return content == null ? -1 : (long) Arrays.hashCode(content);
        });
        shown.values().removeIf(value -> value == 0);
        return shown.toString();
    }
}
