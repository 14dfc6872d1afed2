// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Skips where this machine lacks the heaps, and says which. In the machine made for the tests, where the system
 * property {@code cenalloc.devices} is {@code required}, nothing is skipped: what is missing there makes the test fail.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@OnEachKernel
@ExtendWith(RequiresHeap.Condition.class)
public @interface RequiresHeap {
    /** Names of heaps; {@code udmabuf} is one. */
    String[] value();

    final class Condition implements ExecutionCondition {
        /** Whether this is the machine made for the tests. */
        public static boolean isRequired() {
            return "required".equals(System.getProperty("cenalloc.devices"));
        }

        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            for (String heap : context.getRequiredTestClass()
                    .getAnnotation(RequiresHeap.class)
                    .value()) {
                Path node = heap.equals("udmabuf") ? UdmabufSource.PATH : Path.of("/dev/dma_heap", heap);
                if (!isRequired() && !Files.isReadable(node)) {
                    return ConditionEvaluationResult.disabled("no usable " + node + " here");
                }
            }
            return ConditionEvaluationResult.enabled("the heaps are here, or must be");
        }
    }
}
