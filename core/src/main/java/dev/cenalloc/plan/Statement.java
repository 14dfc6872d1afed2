package dev.cenalloc.plan;

import java.util.ArrayList;
import java.util.List;

/**
 * What one device says about one field, and how that is known. A value.
 *
 * @param device who
 * @param field about what
 * @param value what, in words
 */
public record Statement(Device device, Field field, String value) {
    /** All that a device says. */
    static List<Statement> of(Device device) {
        var all = new ArrayList<Statement>();
        for (Field field : device.constraints().fields()) {
            all.add(of(device, field));
        }
        return all;
    }

    static Statement of(Device device, Field field) {
        return new Statement(device, field, Wording.of(device.constraints(), field));
    }

    @Override
    public String toString() {
        String verb = field.isAdvisory() || field.rule() == Field.Rule.AND ? ": " : " needs ";
        return device.name() + verb + value + " (" + device.detail() + ")";
    }
}
