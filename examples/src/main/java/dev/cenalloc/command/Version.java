// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.command;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** The version that was built, and on what it runs. */
final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() throws IOException {
        var properties = new Properties();
        try (InputStream file = Version.class.getResourceAsStream("version.properties")) {
            properties.load(Objects.requireNonNull(file, "version.properties is missing beside the classes"));
        }
        return new String[] {
            "cenalloc " + properties.getProperty("version"),
            "Java " + Runtime.version() + " on " + System.getProperty("os.name") + " "
                    + System.getProperty("os.version") + ", " + System.getProperty("os.arch")
        };
    }
}
