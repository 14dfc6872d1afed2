// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.share;

/**
 * The process at the other end of a connection, as the kernel noted it when the connection was made. A value.
 *
 * @param pid its process id in the namespace of this process; 0 if it is in no namespace below
 * @param uid its effective user
 * @param gid its effective group
 */
public record Peer(int pid, int uid, int gid) {}
