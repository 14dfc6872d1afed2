// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Field;
import dev.cenalloc.plan.Heap;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.text.Printable;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link Profile} says of one device: how to recognise it, what memory it can use, and where that is from.
 * Immutable.
 */
public final class DeviceProfile {
    /** Whether a device is behind an IOMMU. */
    public enum Iommu {
        /** It is not. */
        NO,
        /** It is. */
        YES,
        /** It depends on the kernel: it is, exactly if the device's directory in sysfs has an {@code iommu_group}. */
        SYSFS
    }

    static final String IOMMU = "iommu";
    static final String IMPORTS = "imports";
    static final String MEMORY = "memory";
    static final String SIZES = "sizes";

    /** The profile that it is from. */
    private final String profile;

    private final Content content;

    /** The parts of a description, as the document has them. */
    record Content(
            String name,
            List<String> drivers,
            List<String> names,
            @Nullable Parameter parameter,
            @Nullable Role role,
            Constraints constraints,
            @Nullable Iommu iommu,
            boolean imports,
            @Nullable HeapProperties memory,
            @Nullable Sizes sizes,
            List<Fact> facts) {
        static Content of(Device device) {
            return new Content(
                    device.name(),
                    List.of(),
                    List.of(),
                    null,
                    null,
                    device.alternatives().getFirst(),
                    device.isBehindIommu() ? Iommu.YES : null,
                    true,
                    null,
                    null,
                    List.of());
        }

        /** The keys that say something of the device's memory. */
        Set<String> statements() {
            var keys = new LinkedHashSet<String>();
            constraints.fields().forEach(field -> keys.add(field.key()));
            keys.addAll(constraints.unknown().keySet());
            if (iommu != null) {
                keys.add(IOMMU);
            }
            if (!imports) {
                keys.add(IMPORTS);
            }
            if (memory != null) {
                keys.add(MEMORY);
            }
            if (sizes != null) {
                keys.add(SIZES);
            }
            return keys;
        }
    }

    DeviceProfile(String profile, Content content) {
        this.profile = profile;
        this.content = content;
    }

    Content content() {
        return content;
    }

    /** {@return its name in the profile} */
    public String name() {
        return content.name;
    }

    /** {@return the names that its driver reports to V4L2 or DRM, by which it is recognised on any board} */
    public List<String> drivers() {
        return content.drivers;
    }

    /** {@return the names of single devices, driver and bus, that it is; they go before the driver alone} */
    public List<String> names() {
        return content.names;
    }

    /** What the kernel must tell of a parameter of the driver, if this is the device; empty if nothing. */
    Optional<Parameter> parameter() {
        return Optional.ofNullable(content.parameter);
    }

    /** {@return what it does; empty if the profile does not say} */
    public Optional<Role> role() {
        return Optional.ofNullable(content.role);
    }

    /** {@return the memory that it can use, with the limits that an IOMMU removes} */
    public Constraints constraints() {
        return content.constraints;
    }

    /** {@return whether it is behind an IOMMU} */
    public Iommu iommu() {
        return content.iommu == null ? Iommu.NO : content.iommu;
    }

    /**
     * {@return whether its driver takes memory of others; if not, others can only take {@linkplain #memory its own}}
     */
    public boolean imports() {
        return content.imports;
    }

    /**
     * {@return the memory that its driver allocates and exports, as a heap for plans, with what the profile says of it;
     * empty if the profile does not say that the driver exports any} A device that does not {@linkplain #imports
     * import} names this heap as the only one.
     */
    public Optional<Heap> memory() {
        return Optional.ofNullable(content.memory).map(properties -> Heap.of(ownMemory(), properties));
    }

    private String ownMemory() {
        return "memory of " + content.name;
    }

    /** {@return the sizes of images, in pixels; empty if the profile does not say} */
    public Optional<Sizes> sizes() {
        return Optional.ofNullable(content.sizes);
    }

    /** {@return what the profile has its statements from, and notes} */
    public List<Fact> facts() {
        return content.facts;
    }

    /** {@return the keys of the statements without a source, such as {@code "maxSegments"}} */
    public List<String> unsourced() {
        return content.statements().stream()
                .filter(Predicate.not(this::isSourced))
                // Consent that another field implies.
                .filter(key -> !key.equals(Field.ACCEPTS_PROTECTED.key())
                        || !(content.constraints.flag(Field.PROTECTED) || content.constraints.says(Field.HEAPS)))
                .toList();
    }

    private boolean isSourced(String key) {
        return content.facts.stream().anyMatch(fact -> fact.says().contains(key));
    }

    /**
     * {@return the device for plans, with {@link Origin#PROFILE}} If the kernel decides whether it is behind an IOMMU,
     * none is assumed: what suits it then suits it behind one too.
     */
    public Device device() {
        return iommu() == Iommu.SYSFS
                ? described(false, "; without an IOMMU, as long as sysfs shows none")
                : described(iommu() == Iommu.YES, "");
    }

    /**
     * {@return the device for plans, as on a kernel of which is known whether it has the device behind an IOMMU}
     *
     * @param behindIommu counts only for {@link Iommu#SYSFS}
     */
    public Device device(boolean behindIommu) {
        return iommu() == Iommu.SYSFS
                ? described(behindIommu, behindIommu ? "; behind an IOMMU on this kernel" : "; no IOMMU on this kernel")
                : described(iommu() == Iommu.YES, "");
    }

    private Device described(boolean behindIommu, String more) {
        Constraints needs = content.imports ? content.constraints : content.constraints.onlyHeaps(List.of(ownMemory()));
        Device device = Device.of(content.name, needs, Origin.PROFILE, from() + more);
        for (Field field : needs.fields()) {
            String key = field == Field.HEAPS && !content.imports ? IMPORTS : field.key();
            device = device.withSource(field, source(key));
        }
        return behindIommu ? device.behindIommu() : device;
    }

    private String from() {
        return "profile " + profile;
    }

    /** What the profile has a statement from. */
    String source(String key) {
        String sources = content.facts.stream()
                .filter(fact -> fact.says().contains(key))
                .map(fact -> fact.source() + ", " + fact.certainty().word())
                .collect(Collectors.joining("; "));
        return from() + (sources.isEmpty() ? ", which gives no source" : ": " + sources);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof DeviceProfile that && profile.equals(that.profile) && content.equals(that.content);
    }

    @Override
    public int hashCode() {
        return Objects.hash(profile, content.name);
    }

    @Override
    public String toString() {
        return Printable.of(device().toString());
    }
}
