// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.CenallocException;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.Field;
import dev.cenalloc.text.Printable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The profiles of one machine, and why they are its profiles: see {@link Boards#ofMachine}. Immutable; asks the kernel
 * only in {@link #device} and {@link #recognise}.
 */
public final class MachineProfile {
    private final Kernel kernel;
    private final List<Profile> profiles;
    private final List<String> why;
    private final List<String> doubts;

    MachineProfile(Kernel kernel, List<Profile> profiles, List<String> why, List<String> doubts) {
        this.kernel = kernel;
        this.profiles = List.copyOf(profiles);
        this.why = List.copyOf(why);
        this.doubts = doubts.stream().map(Printable::of).toList();
    }

    /** {@return the profiles, those first that go before the others} */
    public List<Profile> profiles() {
        return profiles;
    }

    /**
     * {@return what is doubtful about the choice, as text: profiles that exclude each other, or are of another machine}
     */
    public List<String> doubts() {
        return doubts;
    }

    /**
     * {@return the descriptions that a word means, of the first profile that has any: see {@link Profile#find}}
     *
     * @param word the name of a device, the word of a role, or the name of a driver
     */
    public List<DeviceProfile> find(String word) {
        Objects.requireNonNull(word, "word");
        return profiles.stream()
                .map(profile -> profile.find(word))
                .filter(found -> !found.isEmpty())
                .findFirst()
                .orElse(List.of());
    }

    /**
     * {@return a device of this machine for plans, as the first profile has it that knows its name or driver; empty if
     * none does} If the profile says that the kernel decides about an IOMMU, the device's directory in sysfs is asked.
     * If several descriptions of that profile fit, since one driver serves different hardware, the device has the
     * constraints of all of them.
     *
     * @param name the name of the device, driver and bus
     * @param driver the name that the driver reports to V4L2 or DRM
     * @param node its device node
     */
    public Optional<Device> device(String name, String driver, Path node) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(driver, "driver");
        Objects.requireNonNull(node, "node");
        List<DeviceProfile> fit = recognise(name, driver);
        if (fit.isEmpty()) {
            return Optional.empty();
        }
        boolean asked = fit.stream().anyMatch(one -> one.iommu() == DeviceProfile.Iommu.SYSFS);
        boolean behind = asked && isBehindIommu(node);
        return Optional.of(all(
                name,
                fit.stream().map(description -> description.device(behind)).toList()));
    }

    /**
     * {@return the descriptions that a device of this machine fits, of the first profile that has any: see {@link
     * Profile#recognise}} Descriptions for another value of a parameter than the driver's module has are left out.
     *
     * @param name the name of the device, driver and bus
     * @param driver the name that the driver reports to V4L2 or DRM
     */
    public List<DeviceProfile> recognise(String name, String driver) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(driver, "driver");
        return profiles.stream()
                .map(profile -> profile.recognise(name, driver).stream()
                        .filter(one -> one.parameter()
                                .map(parameter -> parameter.mayHold(kernel, name))
                                .orElse(true))
                        .toList())
                .filter(fit -> !fit.isEmpty())
                .findFirst()
                .orElse(List.of());
    }

    /** One device that stands for several that might be it. */
    private static Device all(String name, List<Device> devices) {
        if (devices.size() == 1) {
            return devices.getFirst().named(name);
        }
        Constraints together = devices.stream()
                .map(Device::constraints)
                .reduce(Constraints::and)
                .orElseThrow();
        String which = devices.stream().map(Device::name).collect(Collectors.joining(" or "));
        Device device = Device.of(
                name,
                together,
                Origin.PROFILE,
                devices.getFirst().detail() + "; it may be " + which + ", so that it has the constraints of each");
        for (Field field : together.fields()) {
            String sources = devices.stream()
                    .filter(one -> one.constraints().says(field))
                    .map(one -> one.detail(field))
                    .distinct()
                    .collect(Collectors.joining("; "));
            device = device.withSource(field, sources);
        }
        return device;
    }

    /**
     * A group alone says it; only of the kind "identity" is known that addresses pass as they are. A question that
     * failed for now says nothing: the device keeps the constraints that it has without an IOMMU.
     */
    private boolean isBehindIommu(Path node) {
        long number = kernel.deviceNumber(node);
        if (number <= 0) {
            return false;
        }
        Path group = kernel.sysfs(number).resolve("iommu_group");
        try {
            return kernel.isThere(group)
                    && !Recognition.text(kernel, group.resolve("type")).equals("identity");
        } catch (CenallocException e) {
            return false;
        }
    }

    /** {@return which profiles were taken and why, and the doubts, as text in one line} */
    @Override
    public String toString() {
        var parts = new ArrayList<String>(why);
        parts.addAll(doubts);
        return Printable.of(parts.isEmpty() ? "no profile is known for this machine" : String.join("; ", parts));
    }
}
