// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.json;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.cenalloc.image.ImageRange.Sizes;
import dev.cenalloc.json.DeviceProfile.Content;
import dev.cenalloc.plan.HeapProperties;
import dev.cenalloc.plan.HeapProperties.Trait;
import java.io.IOException;
import java.util.List;

/** Writes a profile; what a document need not say is left out. Stateless. */
final class ProfileWriter {
    private ProfileWriter() {}

    static void write(JsonGenerator generator, Profile profile) throws IOException {
        if (!profile.title().isEmpty()) {
            generator.writeStringField("title", profile.title());
        }
        Profile.Matches matches = profile.matches();
        if (!matches.equals(Profile.Matches.NONE)) {
            generator.writeObjectFieldStart("matches");
            strings(generator, "compatible", matches.compatible());
            strings(generator, "pci", matches.pci());
            strings(generator, "usb", matches.usb());
            strings(generator, "drivers", matches.drivers());
            generator.writeEndObject();
        }
        generator.writeObjectFieldStart("devices");
        for (DeviceProfile device : profile.descriptions()) {
            generator.writeObjectFieldStart(device.name());
            device(generator, device.content());
            generator.writeEndObject();
        }
        generator.writeEndObject();
        generator.writeObjectFieldStart("uses");
        for (String use : profile.uses()) {
            generator.writeArrayFieldStart(use);
            for (String heap : profile.heaps(use)) {
                generator.writeString(heap);
            }
            generator.writeEndArray();
        }
        generator.writeEndObject();
        if (!profile.heaps().isEmpty()) {
            generator.writeObjectFieldStart("heaps");
            for (var heap : profile.heaps().entrySet()) {
                generator.writeObjectFieldStart(heap.getKey());
                heap(generator, heap.getValue());
                generator.writeEndObject();
            }
            generator.writeEndObject();
        }
    }

    private static void heap(JsonGenerator generator, HeapProperties heap) throws IOException {
        traits(generator, heap);
        trait(generator, "scarce", heap.scarce());
        if (heap.isProtected()) {
            generator.writeBooleanField("protected", true);
        }
        if (heap.addressSpace().isPresent()) {
            generator.writeObjectFieldStart("reach");
            generator.writeNumberField(
                    heap.addressSpace().get(), heap.highestAddress().orElseThrow());
            generator.writeEndObject();
        }
    }

    private static void strings(JsonGenerator generator, String key, List<String> strings) throws IOException {
        if (strings.isEmpty()) {
            return;
        }
        generator.writeArrayFieldStart(key);
        for (String string : strings) {
            generator.writeString(string);
        }
        generator.writeEndArray();
    }

    private static void device(JsonGenerator generator, Content device) throws IOException {
        strings(generator, "drivers", device.drivers());
        strings(generator, "names", device.names());
        if (device.parameter() != null) {
            generator.writeObjectFieldStart("parameter");
            generator.writeStringField(
                    device.parameter().key(), device.parameter().value());
            generator.writeEndObject();
        }
        if (device.role() != null) {
            generator.writeStringField("role", device.role().word());
        }
        ConstraintsWriter.write(generator, device.constraints());
        if (device.iommu() != null) {
            switch (device.iommu()) {
                case YES -> generator.writeBooleanField(DeviceProfile.IOMMU, true);
                case NO -> generator.writeBooleanField(DeviceProfile.IOMMU, false);
                case SYSFS -> generator.writeStringField(DeviceProfile.IOMMU, "sysfs");
            }
        }
        if (!device.imports()) {
            generator.writeBooleanField(DeviceProfile.IMPORTS, false);
        }
        if (device.memory() != null) {
            memory(generator, device.memory());
        }
        if (device.sizes() != null) {
            sizes(generator, device.sizes());
        }
        if (!device.facts().isEmpty()) {
            generator.writeArrayFieldStart("facts");
            for (Fact fact : device.facts()) {
                generator.writeStartObject();
                strings(generator, "says", fact.says());
                generator.writeStringField("source", fact.source());
                generator.writeStringField("certainty", fact.certainty().word());
                if (!fact.note().isEmpty()) {
                    generator.writeStringField("note", fact.note());
                }
                generator.writeEndObject();
            }
            generator.writeEndArray();
        }
    }

    private static void memory(JsonGenerator generator, HeapProperties memory) throws IOException {
        generator.writeObjectFieldStart(DeviceProfile.MEMORY);
        traits(generator, memory);
        generator.writeEndObject();
    }

    private static void traits(JsonGenerator generator, HeapProperties memory) throws IOException {
        trait(generator, "contiguous", memory.contiguous());
        trait(generator, "cpuMappable", memory.cpuMappable());
        trait(generator, "pages", memory.pages());
        trait(generator, "cached", memory.cached());
    }

    private static void trait(JsonGenerator generator, String key, Trait trait) throws IOException {
        if (trait != Trait.UNKNOWN) {
            generator.writeBooleanField(key, trait == Trait.YES);
        }
    }

    private static void sizes(JsonGenerator generator, Sizes sizes) throws IOException {
        generator.writeObjectFieldStart(DeviceProfile.SIZES);
        generator.writeNumberField("minWidth", sizes.minWidth());
        generator.writeNumberField("maxWidth", sizes.maxWidth());
        generator.writeNumberField("widthStep", sizes.widthStep());
        generator.writeNumberField("minHeight", sizes.minHeight());
        generator.writeNumberField("maxHeight", sizes.maxHeight());
        generator.writeNumberField("heightStep", sizes.heightStep());
        generator.writeEndObject();
    }
}
