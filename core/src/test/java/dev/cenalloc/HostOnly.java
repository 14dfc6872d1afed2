// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/**
 * A test whose result depends on no kernel, and that takes long on an emulated machine: one that goes through thousands
 * of cases, or starts virtual machines of Java. ci/device-tests, which repeats every other test on the emulated
 * machines, leaves it out.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@Tag("host-only")
public @interface HostOnly {}
