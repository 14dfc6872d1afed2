// SPDX-License-Identifier: Apache-2.0
module org.example.hello {
    requires dev.cenalloc;
}
