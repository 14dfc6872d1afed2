// SPDX-License-Identifier: Apache-2.0
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.osgi.framework.Bundle;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.launch.FrameworkFactory;

/** Somebody else's OSGi framework. Arguments: a directory for it, then the bundles; runs Hello in the last of them. */
class Bundles {
    static void main(String[] arguments) throws Exception {
        Framework framework = ServiceLoader.load(FrameworkFactory.class)
                .findFirst()
                .orElseThrow()
                .newFramework(Map.of("org.osgi.framework.storage", arguments[0]));
        framework.start();
        try {
            var bundles = new ArrayList<Bundle>();
            for (String jar : List.of(arguments).subList(1, arguments.length)) {
                bundles.add(framework
                        .getBundleContext()
                        .installBundle(Path.of(jar).toUri().toString()));
            }
            for (Bundle bundle : bundles) {
                bundle.start();
            }
            var main = bundles.getLast().loadClass("hello.Hello").getDeclaredMethod("main");
            main.setAccessible(true);
            main.invoke(null);
        } finally {
            framework.stop();
            framework.waitForStop(0);
        }
    }
}
