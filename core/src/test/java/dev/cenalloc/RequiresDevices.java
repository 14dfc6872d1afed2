// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Takes over cameras, displays and heaps, so it runs only where the property says that it may. */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@OnEachKernel
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "takes over devices, so it runs only where -Dcenalloc.devices=required says that it may")
public @interface RequiresDevices {}
