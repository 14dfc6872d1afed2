// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.plan.Constraints;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Device.Origin;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.text.Printable;
import java.io.IOException;
import java.io.InputStream;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The known constraints of the devices of a board, as a file that is shipped with the board or checked in: constraints
 * by the name of a device, and heaps by use, as in an administrator's table. Immutable. {@link Boards} has the profiles
 * that are shipped with this library.
 *
 * {@snippet lang=json :
 * {
 *   "version": 1,
 *   "title": "a board",
 *   "matches": {"compatible": ["vendor,board"]},
 *   "devices": {
 *     "vivid platform:vivid-001": {"require": {"contiguous": true}},
 *     "screen": {
 *       "drivers": ["rockchip"],
 *       "role": "display",
 *       "require": {"maxSegments": 1, "pitchAlignment": 64},
 *       "iommu": "sysfs",
 *       "sizes": {"maxWidth": 4096, "maxHeight": 2304},
 *       "facts": [
 *         {"says": ["maxSegments"], "source": "drivers/gpu/drm/drm_gem_dma_helper.c:475", "certainty": "read"}
 *       ]
 *     },
 *     "npu": {"drivers": ["rocket"], "imports": false, "memory": {"contiguous": false}}
 *   },
 *   "uses": {
 *     "camera": ["vidbuf"]
 *   },
 *   "heaps": {
 *     "vidbuf": {"contiguous": true, "scarce": true, "reach": {"ram": 1073741823}}
 *   }
 * }
 * }
 *
 * <p>Only the version is mandatory. {@code matches} recognises a machine: by {@code compatible} strings of its device
 * tree, by {@code pci} and {@code usb} ids (vendor and device, {@code "8086:9a19"}), or by {@code drivers} of its V4L2
 * and DRM devices. A use has the heaps that its buffers may come from. A heap or exporter whose name tells nothing has
 * {@code contiguous}, {@code cpuMappable}, {@code pages}, {@code cached}, {@code scarce}, {@code protected} and {@code
 * reach}, its highest address in an address space; {@link #describe} tells them to a context. A device has
 *
 * <ul>
 *   <li>{@code require} and {@code advise}, as {@link ConstraintsJson} describes them. A driver that needs one run of
 *       bus addresses, as vb2-dma-contig and the GEM-DMA helper do, has {@code "maxSegments": 1}, which an IOMMU
 *       provides; {@code "contiguous"} is for devices that need contiguous memory behind an IOMMU too. The address
 *       space of physical memory is {@code "ram"}
 *   <li>{@code iommu}: whether it is behind an IOMMU; {@code "sysfs"} if the kernel decides:
 *       {@link DeviceProfile.Iommu#SYSFS}
 *   <li>{@code imports}: false if its driver takes no memory of others. Then the only heap that it allows is its own
 *       memory: {@link DeviceProfile#memory}
 *   <li>{@code memory}: that its driver exports memory, which is {@code contiguous}, {@code cpuMappable},
 *       {@code cached}, of {@code pages}, or not
 *   <li>{@code drivers}: the names that its driver reports to V4L2 or DRM; {@code names}: driver and bus. By these it
 *       is recognised, as by its own name
 *   <li>{@code parameter}: the value that a parameter of the driver's module has, if this is the device, such as
 *       {@code {"vivid.allocators": "1"}}. Of a list of values, the one with the number that ends the device's name
 *       counts: the second for {@code vivid platform:vivid-001}. If the kernel does not tell, the device may be this
 *       one
 *   <li>{@code role}: a {@link Role}, in lower case. The first device of a role is the usual one of the board
 *   <li>{@code sizes}: of images in pixels, {@code minWidth}, {@code maxWidth}, {@code widthStep}, {@code minHeight},
 *       {@code maxHeight}, {@code heightStep}
 *   <li>{@code facts}: the sources. Each has {@code source}, {@code certainty} ({@code read}, {@code inferred} or
 *       {@code reported}), and {@code says}, the keys that it is the source of, or a {@code note}, or both
 * </ul>
 *
 * <p>A document that differs from this description is refused. It has at most 1024 devices, uses and heaps each.
 */
public final class Profile {
    static final int VERSION = 1;

    private final String name;
    private final String title;
    private final Matches matches;
    /** In the order of the document. */
    private final Map<String, DeviceProfile> devices;

    private final Map<String, List<String>> uses;
    private final Map<String, HeapProperties> heaps;

    /**
     * What a machine is recognised by: any one of these. A value.
     *
     * @param compatible strings of the device tree
     * @param pci vendor and device of PCI functions, four hexadecimal digits each, with a colon between
     * @param usb vendor and product of USB devices, likewise
     * @param drivers names of the drivers of V4L2 and DRM devices
     */
    public record Matches(List<String> compatible, List<String> pci, List<String> usb, List<String> drivers) {
        static final Matches NONE = new Matches(List.of(), List.of(), List.of(), List.of());

        /** Copies the lists. */
        public Matches {
            compatible = copy(compatible, "compatible");
            pci = copy(pci, "pci");
            usb = copy(usb, "usb");
            drivers = copy(drivers, "drivers");
        }

        private static List<String> copy(List<String> strings, String name) {
            for (String string : Objects.requireNonNull(strings, name)) {
                Objects.requireNonNull(string, () -> "an element of " + name);
            }
            return List.copyOf(strings);
        }
    }

    Profile(
            String name,
            String title,
            Matches matches,
            Map<String, DeviceProfile> devices,
            Map<String, List<String>> uses,
            Map<String, HeapProperties> heaps) {
        this.heaps = Collections.unmodifiableMap(heaps);
        this.name = name;
        this.title = title;
        this.matches = matches;
        this.devices = Collections.unmodifiableMap(devices);
        this.uses = Collections.unmodifiableMap(uses);
    }

    /**
     * {@return a profile without devices and uses}
     *
     * @param name its name in explanations, such as the name of its file
     * @throws IllegalArgumentException if the name is blank
     */
    public static Profile empty(String name) {
        return new Profile(checked(name, "name"), "", Matches.NONE, Map.of(), Map.of(), Map.of());
    }

    /**
     * {@return the profile in a document}
     *
     * @param name its name in explanations, such as the name of its file
     * @param json the text, at most 2<sup>20</sup> characters
     * @throws IllegalArgumentException if the name is blank
     * @throws ConstraintsFormatException if it is not as described above
     */
    public static Profile read(String name, String json) throws ConstraintsFormatException {
        return new ProfileReader(checked(name, "name"), Objects.requireNonNull(json, "json")).read();
    }

    /**
     * {@return the profile in a stream} Reads the stream to its end, or to the largest size of a document, and does not
     * close it. Blocks as the stream does.
     *
     * @param name its name in explanations, such as the name of its file
     * @param json the text in UTF-8, at most 2<sup>20</sup> bytes
     * @throws IllegalArgumentException if the name is blank
     * @throws ConstraintsFormatException if it is not as described above
     * @throws IOException as the stream throws it
     */
    public static Profile read(String name, InputStream json) throws IOException {
        checked(name, "name");
        return read(name, ConstraintsJson.text(Objects.requireNonNull(json, "json")));
    }

    /** {@return the document for this profile, in one line} Reading it returns an equal profile. */
    public String write() {
        return Json.document(VERSION, generator -> ProfileWriter.write(generator, this));
    }

    /**
     * {@return this profile with a device added, or replaced if it has one of this name}
     *
     * @param device a device with one set of constraints
     * @throws IllegalArgumentException if it declares no constraints, or alternatives
     */
    public Profile with(Device device) {
        if (Objects.requireNonNull(device, "device").alternatives().size() != 1) {
            throw new IllegalArgumentException(
                    Printable.of(device.name()) + " does not declare one set of constraints");
        }
        var more = new LinkedHashMap<>(devices);
        more.put(device.name(), new DeviceProfile(name, DeviceProfile.Content.of(device)));
        return new Profile(name, title, matches, more, uses, heaps);
    }

    /**
     * {@return this profile with a use added, or replaced if it has one of this name}
     *
     * @param use the name of the use
     * @param heaps the names of the heaps, at least one
     * @throws IllegalArgumentException if the use is blank, or there is no heap
     */
    public Profile withUse(String use, List<String> heaps) {
        checked(use, "use");
        Objects.requireNonNull(heaps, "heaps");
        var more = new TreeMap<>(uses);
        more.put(use, checked(heaps));
        return new Profile(name, title, matches, devices, more, this.heaps);
    }

    private static String checked(String name, String parameter) {
        if (Objects.requireNonNull(name, parameter).isBlank()) {
            throw new IllegalArgumentException(parameter + " must not be blank");
        }
        return name;
    }

    static List<String> checked(List<String> heaps) {
        Constraints.NONE.onlyHeaps(heaps); // refuses an empty list
        return List.copyOf(heaps);
    }

    /** {@return its name in explanations} */
    public String name() {
        return name;
    }

    /** {@return the board, in words; may be empty} */
    public String title() {
        return title;
    }

    /** {@return what a machine is recognised by, so that this profile is its} */
    public Matches matches() {
        return matches;
    }

    /**
     * {@return the device with its constraints and {@link Origin#PROFILE}; empty if the profile does not have it} If
     * there are other descriptions of the device, {@link Device#mostTrusted} selects one.
     *
     * @param device the name of the device
     */
    public Optional<Device> device(String device) {
        return description(device).map(DeviceProfile::device);
    }

    /**
     * {@return the description of a device; empty if the profile does not have it}
     *
     * @param device the name of the device
     */
    public Optional<DeviceProfile> description(String device) {
        return Optional.ofNullable(devices.get(Objects.requireNonNull(device, "device")));
    }

    /** {@return the descriptions of all devices, in the order of the document} */
    public List<DeviceProfile> descriptions() {
        return List.copyOf(devices.values());
    }

    /**
     * {@return the descriptions that a word means, in the order of the document: the device of that name; else those of
     * that role; else those with that driver; empty if there is none}
     *
     * @param word the name of a device, the {@link Role#word} of a role, or the name of a driver
     */
    public List<DeviceProfile> find(String word) {
        Objects.requireNonNull(word, "word");
        List<DeviceProfile> named = recognised(word);
        if (!named.isEmpty()) {
            return named;
        }
        List<DeviceProfile> inRole =
                select(device -> device.role().map(Role::word).equals(Optional.of(word)));
        return inRole.isEmpty() ? select(device -> device.drivers().contains(word)) : inRole;
    }

    /**
     * {@return the descriptions that a device of a machine fits, in the order of the document: the one with its name;
     * else those with its driver}
     *
     * @param device the name of the device, driver and bus
     * @param driver the name that the driver reports to V4L2 or DRM
     */
    public List<DeviceProfile> recognise(String device, String driver) {
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(driver, "driver");
        List<DeviceProfile> named = recognised(device);
        return named.isEmpty()
                ? select(known ->
                        known.drivers().contains(driver) || known.name().equals(driver))
                : named;
    }

    private List<DeviceProfile> recognised(String device) {
        DeviceProfile named = devices.get(device);
        return named != null ? List.of(named) : select(known -> known.names().contains(device));
    }

    private List<DeviceProfile> select(Predicate<DeviceProfile> condition) {
        return devices.values().stream().filter(condition).toList();
    }

    /**
     * {@return a device that allows the heaps of a use, for plans; empty if the profile does not have the use}
     *
     * @param use the name of the use
     */
    public Optional<Device> use(String use) {
        return Optional.ofNullable(uses.get(Objects.requireNonNull(use, "use")))
                .map(heaps -> Device.of(
                        use, Constraints.NONE.onlyHeaps(heaps), Origin.PROFILE, "profile " + name + ", table of uses"));
    }

    /** {@return what it says of heaps and exporters, by their names, sorted} */
    public Map<String, HeapProperties> heaps() {
        return heaps;
    }

    /**
     * States what this profile says of heaps and exporters: {@link Cenalloc#describe} for each.
     *
     * @param cenalloc the context
     * @throws IllegalArgumentException if one of the names is that of a registered heap; those before it are described
     */
    public void describe(Cenalloc cenalloc) {
        Objects.requireNonNull(cenalloc, "cenalloc");
        heaps.forEach(cenalloc::describe);
    }

    /** {@return the names of its devices, sorted} */
    public List<String> devices() {
        return devices.keySet().stream().sorted().toList();
    }

    /** {@return the names of its uses, sorted} */
    public List<String> uses() {
        return List.copyOf(uses.keySet());
    }

    /** The heaps of a use that the profile has. */
    List<String> heaps(String use) {
        return Objects.requireNonNull(uses.get(use));
    }

    @Override
    public String toString() {
        return Printable.of(name + (title.isEmpty() ? "" : " (" + title + ")") + ": "
                + devices.values().stream().map(DeviceProfile::name).collect(Collectors.joining(", ")));
    }
}
