// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * Fails each class of device tests after which the kernel has a dma-buf that it had not before, of whoever. ci/device-tests
 * registers it for all of them. Leaves out memory of cards that no process has any more: videobuf2 keeps it when it
 * could not be attached (ci/kernel-bug videobuf2-attach).
 */
public final class NothingLeft implements BeforeAllCallback, AfterAllCallback {
    private static final Namespace NAMESPACE = Namespace.create(NothingLeft.class);
    /** A device, and a process that ends, let go of a buffer in their own time. */
    private static final int TRIES = 250;

    private static final int MILLISECONDS = 20;

    @Override
    public void beforeAll(ExtensionContext context) throws Exception {
        if (isOutermost(context)) {
            context.getStore(NAMESPACE).put("before", Traces.listOfDmaBufs());
        }
    }

    @Override
    public void afterAll(ExtensionContext context) throws Exception {
        if (!isOutermost(context)) {
            return;
        }
        @SuppressWarnings("unchecked") // put above
        var before = (List<String>)
                Objects.requireNonNull(context.getStore(NAMESPACE).get("before"));
        List<String> left = List.of();
        for (int i = 0; i < TRIES; i++) {
            left = new ArrayList<>(Traces.listOfDmaBufs());
            before.forEach(left::remove);
            boolean isKept =
                    left.stream().allMatch(NothingLeft::isOfCard) && holders().isEmpty();
            if (left.isEmpty() || isKept) {
                return;
            }
            Thread.sleep(MILLISECONDS);
        }
        throw new AssertionError("the kernel has dma-bufs that it had not before this class:\n"
                + String.join("\n", left) + "\nwho holds any:\n" + String.join("\n", holders()));
    }

    private static boolean isOutermost(ExtensionContext context) {
        return context.getRequiredTestClass().getEnclosingClass() == null;
    }

    private static boolean isOfCard(String dmaBuf) {
        return dmaBuf.contains("\tdrm\t");
    }

    /** Open files and mappings of dma-bufs, and open cards, of all processes. */
    private static Set<String> holders() throws IOException {
        var holders = new TreeSet<String>();
        try (var processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path process : processes) {
                try (var files = Files.newDirectoryStream(process.resolve("fd"))) {
                    for (Path file : files) {
                        String target = Files.readSymbolicLink(file).toString();
                        if (target.startsWith("/dmabuf:") || target.startsWith("/dev/dri/")) {
                            holders.add(file + " -> " + target);
                        }
                    }
                    Files.readAllLines(process.resolve("maps")).stream()
                            .filter(line -> line.contains("/dmabuf:"))
                            .forEach(line -> holders.add(process + "/maps: " + line));
                } catch (IOException e) {
                    // The process has ended.
                }
            }
        }
        return holders;
    }
}
