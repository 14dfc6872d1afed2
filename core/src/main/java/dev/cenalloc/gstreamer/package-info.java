// SPDX-License-Identifier: Apache-2.0
/// Frames from and for GStreamer pipelines in other processes, without copying: a `UnixFdSource` takes the frames of a
/// pipeline that ends in `unixfdsink`, a `UnixFdSink` gives frames to pipelines that begin with `unixfdsrc` (GStreamer
/// 1.24 and later). The memory must be dma-bufs, such as `v4l2src io-mode=dmabuf` or `libcamerasrc` give.
///
/// ## The protocol
///
/// It is GStreamer's, over a Unix stream socket; the sink listens. Facts: `gst-plugins-bad/gst/unixfd`,
/// `gstreamer/gst/gstmeta.c` and `gst-plugins-base/gst-libs/gst/video/gstvideometa.c` of 1.26 and of August 2026.
/// Numbers have the byte order of the machine. A message is a header of two u32, type and bytes of the payload, then
/// the payload. The descriptors come by SCM_RIGHTS with the header. Up to 1.26 the sink sends header and payload in one
/// `sendmsg`; later ones send the payload after it.
///
/// | type | | direction | payload |
/// |--:|---|---|---|
/// | 0 | NEW_BUFFER | from the sink | below; one descriptor for each memory |
/// | 1 | RELEASE_BUFFER | to the sink | u64 id |
/// | 2 | CAPS | from the sink | text with NUL; `NULL` as long as there are none |
/// | 3 | EOS | from the sink | |
///
/// | NEW_BUFFER | | |
/// |--:|---|---|
/// | 0 | u64 | id, which may come again after its release |
/// | 8, 16, 24 | u64 | pts, dts, of CLOCK_MONOTONIC, and duration, in nanoseconds; all ones: none |
/// | 32, 40 | u64 | `offset` and `offset_end` of the GstBuffer, which are ignored here |
/// | 48 | u32 | GstBufferFlags |
/// | 52 | u8 | 0: plain memory, 1: dma-bufs |
/// | 53, 54 | u8, u16 | number of memories *m*, number of metas |
/// | 56 | *m* × 16 | u64 bytes, u64 offset in the file of the descriptor; several may lie in one file |
/// | then | | metas: u32 size of all of it, u32 length of the name, name, NUL, u8 version, content |
///
/// `GstVideoMeta`, version 0: u32 flags, format, width, height, number of planes *p* (1 to 4); *p* × u64 offsets,
/// counted through all memories; *p* × i32 strides; paddings, which are ignored here. Without it, the planes lie as
/// `gst_video_info_set_format` has them.
///
/// ## Limits of this side
///
/// A payload has at most 65536 bytes, a buffer at most 16 memories. All planes of an image lie in one dma-buf, or each
/// in its own. Formats are those that {@link dev.cenalloc.image.PixelFormat} and GStreamer's `video/x-raw` have in
/// common; with a modifier, `video/x-raw(memory:DMABuf), format=DMA_DRM`. Images with one field in a buffer are not
/// taken.
package dev.cenalloc.gstreamer;
