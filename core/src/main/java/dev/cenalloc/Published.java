// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.management.InstanceAlreadyExistsException;
import javax.management.InstanceNotFoundException;
import javax.management.JMException;
import javax.management.ObjectName;

/** A context in the platform's MBean server. Closed by that context. Thread-safe. */
final class Published implements CenallocMXBean, AutoCloseable {
    private final Cenalloc cenalloc;
    private final ObjectName name;

    private Published(Cenalloc cenalloc, ObjectName name) {
        this.cenalloc = cenalloc;
        this.name = name;
    }

    /** As {@link Cenalloc#publish}. */
    static Published register(Cenalloc cenalloc, String name) {
        boolean isPlain = name.chars().allMatch(c -> Character.isLetterOrDigit(c) || "-_. ".indexOf(c) >= 0);
        try {
            var published = new Published(
                    cenalloc,
                    new ObjectName("dev.cenalloc:type=Cenalloc,name=" + (isPlain ? name : ObjectName.quote(name))));
            ManagementFactory.getPlatformMBeanServer().registerMBean(published, published.name);
            return published;
        } catch (InstanceAlreadyExistsException e) {
            throw new IllegalArgumentException("a Cenalloc is published by this name already: " + e.getMessage(), e);
        } catch (JMException e) {
            throw new IllegalStateException("cannot be published: " + e, e);
        }
    }

    @Override
    public int getBuffers() {
        return total().buffers();
    }

    @Override
    public long getBytes() {
        return total().bytes();
    }

    @Override
    public long getPeakBytes() {
        return total().peakBytes();
    }

    @Override
    public long getAllocations() {
        return total().allocations();
    }

    @Override
    public long getFailures() {
        return total().failures();
    }

    private HeapUsage total() {
        return cenalloc.statistics().total();
    }

    @Override
    public HeapUsage getAdopted() {
        return cenalloc.statistics().adopted();
    }

    @Override
    public Map<String, HeapUsage> getHeaps() {
        var heaps = new LinkedHashMap<String, HeapUsage>();
        cenalloc.statistics().heaps().forEach((heap, usage) -> heaps.put(heap.name(), usage));
        return heaps;
    }

    @Override
    public String dump() {
        return cenalloc.dump();
    }

    /** Takes it out of the server. Idempotent. */
    @Override
    public void close() {
        try {
            ManagementFactory.getPlatformMBeanServer().unregisterMBean(name);
        } catch (InstanceNotFoundException e) {
            return; // the program took it out
        } catch (JMException e) {
            throw new IllegalStateException(name + " stays published: " + e, e);
        }
    }
}
