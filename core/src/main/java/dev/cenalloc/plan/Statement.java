// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.plan;

import dev.cenalloc.text.Printable;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * The constraint that one device puts on one field. A value.
 *
 * @param device the device
 * @param field the field
 * @param value the constraint, as text
 */
public record Statement(Device device, Field field, String value) {
    /** Checks the arguments, and escapes control characters in the text. */
    public Statement {
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(field, "field");
        value = Printable.of(Objects.requireNonNull(value, "value"));
    }

    /** All statements of a device. */
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
        return Printable.of(device.name() + verb + value + " (" + device.detail(field) + ")");
    }
}
