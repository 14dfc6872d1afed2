// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Heap;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.WeakHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What trials showed, as long as the {@link Cenalloc} lives. Bounded: the result that was not used for the longest time
 * is dropped first. Thread-safe.
 */
final class TrialCache {
    static final int MOST = 256;

    private static final Map<Cenalloc, TrialCache> CACHES = Collections.synchronizedMap(new WeakHashMap<>());

    /** As many as there are devices tried at a time, usually; two devices may have the same. */
    private static final Object[] LOCKS = Stream.generate(Object::new).limit(64).toArray();

    /**
     * The heaps belong to the key, since more may be registered. What is tried is the device, by its name, or a part of
     * it.
     */
    record Key(long number, String subject, Layout layout, List<Heap> heaps) {}

    /**
     * Images so alike that memory for one is likely to suit the other: of one format, and between two powers of two in
     * size.
     */
    record ImageClass(long number, String subject, PixelFormat format, int buffer, int sizeClass, List<Heap> heaps) {}

    /** Images of one kind and size, in whatever layout. */
    record ImageKey(long number, String subject, Image image, int buffer) {}

    private final Map<ImageKey, Constraints> rules = bounded();
    private final Map<Key, Device> devices = bounded();
    private final Map<ImageClass, List<Trial.Answer>> answers = bounded();

    private static <K, V> Map<K, V> bounded() {
        return Collections.synchronizedMap(new LinkedHashMap<>(16, 0.75F, true) {
            @Override
            protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
                return size() > MOST;
            }
        });
    }

    /** Adds what was found to what was found before: a layout that keeps a rule does not show that there is one. */
    Constraints rules(ImageKey key, Constraints found) {
        return Objects.requireNonNull(rules.merge(key, found, Constraints::and));
    }

    static TrialCache of(Cenalloc cenalloc) {
        return CACHES.computeIfAbsent(cenalloc, _ -> new TrialCache());
    }

    /** Held during a trial of the device with this number, by any context: the device is the same. */
    static Object lock(long number) {
        return LOCKS[Math.floorMod(Long.hashCode(number), LOCKS.length)];
    }

    /** How many results are kept. */
    int size() {
        return devices.size() + answers.size();
    }

    @Nullable
    Device device(Key key) {
        return devices.get(key);
    }

    void put(Key key, Device device) {
        devices.put(key, device);
    }

    @Nullable
    List<Trial.Answer> answers(ImageClass like) {
        return answers.get(like);
    }

    void put(ImageClass like, List<Trial.Answer> found) {
        answers.put(like, found);
    }
}
