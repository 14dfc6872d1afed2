// SPDX-License-Identifier: Apache-2.0
/// Buffers for other processes: a `Sender` lends frames over a Unix stream socket, a `Receiver` in another process
/// takes and returns them. Either end may listen. The memory is never copied: descriptors cross, once for each buffer.
///
/// ## The protocol, version 1
///
/// For peers in other languages. All numbers are little-endian. A message is a header, and a payload of the size that
/// the header has. The descriptors of a message are passed by SCM_RIGHTS with its first byte, at most 16 in one
/// `sendmsg`. Several messages may be sent in one `sendmsg`, then the descriptors of all of them come in their order.
/// Bytes may come in pieces of any size: call `recvmsg` in a loop, each time with room for 16 descriptors and with
/// MSG_CMSG_CLOEXEC; `read` loses the descriptors. Send with MSG_NOSIGNAL, or a peer that is gone ends the process.
/// There is no
/// handshake: the sender begins. Words that are 0 below are ignored by the receiver, and so are other bits of flags.
///
/// | header | | |
/// |--:|---|---|
/// | 0 | u32 | `CNA1` (0x31414E43) |
/// | 4 | u16 | type |
/// | 6 | u16 | number of descriptors |
/// | 8 | u32 | bytes of the payload, at most 65536 |
/// | 12 | u32 | number of the frame, chosen by the sender, 0 to 63 |
///
/// A message of another type than those below is skipped, with its payload and descriptors: later versions may add
/// some. Another first word ends the connection.
///
/// **1, BUFFERS**, from the sender: adds a frame. Its descriptors are dma-bufs, one for each memory.
///
/// | payload | | |
/// |--:|---|---|
/// | 0 | u32 | format, `DRM_FORMAT_*`; 0 if the memory holds bytes |
/// | 4, 8 | u32 | width, height in pixels; ignored without a format |
/// | 12 | u32 | number of memories *m*, 1 to 4; with a format, 1, or one for each of its planes |
/// | 16 | u64 | modifier, `DRM_FORMAT_MOD_*`; 0 is linear |
/// | 24 | u32 | number of planes *p*, at most 8; 0 without a format |
/// | 28 | u32 | bytes of the name *n*, at most 255 |
/// | 32 | u32 | bytes of the record *r*, at most 32768 |
/// | 36 | u32 | 0 |
/// | 40 | *m* × u64 | bytes of each memory that belong to the frame; the dma-buf may have more |
/// | then | *p* × 24 | u32 memory of the plane, u32 number of lines, u64 offset of its first byte, u64 pitch |
/// | then | *n* | name, UTF-8 |
/// | then | *r* | record, UTF-8: what else the receiver should know, such as constraints in JSON |
///
/// Planes are in the order of the format. Those in one memory have ascending offsets and do not overlap. Of a linear
/// image, each has room for the lines and for the bytes of a line.
///
/// **2, FRAME**, from the sender: lends a frame that was added, and that the receiver does not have.
///
/// | payload | | |
/// |--:|---|---|
/// | 0 | u64 | number of the image in the stream; all ones: none |
/// | 8 | u64 | when it was made, nanoseconds of CLOCK_MONOTONIC; all ones: not known |
/// | 16 | u32 | 1: the descriptor is a sync file, to be waited for before the memory is read; 2: the image is damaged |
/// | 20 | u32 | 0 |
///
/// Put the CPU's accesses to the memory between `DMA_BUF_IOCTL_SYNC` with START and with END.
///
/// **3, RELEASE**, from the receiver: gives a frame back, in any order.
///
/// | payload | | |
/// |--:|---|---|
/// | 0 | u32 | 1: the descriptor is a sync file, to be waited for before the memory is written |
/// | 4 | u32 | 0 |
///
/// **4, FORGET**, from the sender, without a payload: removes a frame that the receiver does not have. The receiver
/// closes its descriptors; the number may be added again.
///
/// An end that finds something else ends the connection. A connection that ends gives every frame back.
///
/// ## What a peer can do
///
/// Both ends can write to the memory at any time, also while a frame is lent: copy bytes first, then check and use the
/// copy. The kind of a descriptor that comes is found by system calls on it (fstat, SYNC_IOC_FILE_INFO). If it is a
/// file
/// of the peer's own file system (FUSE), the peer can keep these calls waiting. So accept connections only of users
/// that
/// are trusted not to do that: {@link dev.cenalloc.share.Connection#peer} names the user.
package dev.cenalloc.share;
