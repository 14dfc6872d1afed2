// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/**
 * A test whose result may depend on the kernel or the architecture: ci/device-tests repeats it in every virtual machine.
 * All others have said everything on the machine that builds.
 */
@Target({ElementType.TYPE, ElementType.METHOD, ElementType.ANNOTATION_TYPE})
@Retention(RetentionPolicy.RUNTIME)
@Tag("kernel")
public @interface OnEachKernel {}
