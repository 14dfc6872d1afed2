// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/** Needs a heap and the native libraries: {@code ci/cookbook} runs it in the guest, where it is not skipped. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@EnabledIfSystemProperty(
        named = "cenalloc.devices",
        matches = "required",
        disabledReason = "needs a heap and native libraries of others: ci/cookbook runs it in the guest")
@ExtendWith(NothingIsLeft.class)
@interface OnDevices {}
