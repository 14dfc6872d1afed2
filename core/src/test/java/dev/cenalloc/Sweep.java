package dev.cenalloc;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/**
 * A test that goes through thousands of cases on the fake kernel or in code that makes no call. Its result depends on
 * no machine, so that ci/device-tests, which repeats every other test on the emulated machines, leaves it out.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@Tag("sweep")
public @interface Sweep {}
