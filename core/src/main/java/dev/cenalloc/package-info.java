// SPDX-License-Identifier: Apache-2.0
/**
 * Linux dma-bufs that several devices share, in the memory that suits all of them. Seven types do the work:
 *
 * <table>
 * <caption>The types to begin with</caption>
 * <tr><td>{@link dev.cenalloc.Cenalloc}</td><td>knows the heaps of this machine, creates buffers</td></tr>
 * <tr><td>{@link dev.cenalloc.SharedBuffer}</td><td>a buffer for several devices; it has no memory before its first
 *     use</td></tr>
 * <tr><td>{@link dev.cenalloc.plan.Device}</td><td>a device that uses the buffer, declared or probed</td></tr>
 * <tr><td>{@link dev.cenalloc.plan.Constraints}</td><td>what a device needs of memory</td></tr>
 * <tr><td>{@link dev.cenalloc.plan.Plan}</td><td>the heaps that suit all devices, best first, with the
 *     reasons</td></tr>
 * <tr><td>{@link dev.cenalloc.DmaBuf}</td><td>the memory: a file descriptor that drivers accept</td></tr>
 * <tr><td>{@link dev.cenalloc.Mapping}</td><td>the memory as a {@code MemorySegment}</td></tr>
 * </table>
 *
 * <h2>The life of a buffer</h2>
 *
 * <table>
 * <caption>What happens when</caption>
 * <tr><th>event</th><th>rule</th></tr>
 * <tr><td>create</td><td>no memory, no descriptor, no system call</td></tr>
 * <tr><td>attach before the first use</td><td>the constraints are merged; if no memory can satisfy them, the device is
 *     refused (EINVAL) and the buffer is unchanged</td></tr>
 * <tr><td>attach after the first use</td><td>accepted if the memory suits the device, else refused (EBUSY);
 *     {@link dev.cenalloc.SharedBuffer#relocate(dev.cenalloc.plan.Device) relocate} moves memory that is not in
 *     use</td></tr>
 * <tr><td>expect, complete</td><td>optional: a first use before all devices are attached is a warning or an
 *     exception</td></tr>
 * <tr><td>first use: dmaBuf, map, access</td><td>one allocation, however many threads race; if a heap is out of memory,
 *     the next heap of the plan is tried, and never another</td></tr>
 * <tr><td>detach</td><td>as if the device had never been attached; existing memory stays where it is</td></tr>
 * <tr><td>close</td><td>refused while a mapping or a CPU access is open</td></tr>
 * <tr><td>lost without close</td><td>a cleaner releases it and logs an error; with
 *     {@code -Ddev.cenalloc.traceAllocations=true} the error shows where it was allocated</td></tr>
 * </table>
 *
 * <h2>A conflict</h2>
 *
 * {@snippet :
 * var display = Device.of("display", Constraints.NONE.maxSegments(16).maxPitch(16_384), "its data sheet");
 * var gpu = Device.of("gpu", Constraints.NONE.pitchAlignment(256).minPitch(8193), "its driver");
 * var encoder = Device.of("encoder", Constraints.NONE.contiguous().maxPitch(8192), "board profile");
 * Plan plan = cenalloc.plan(new Image(PixelFormat.NV12, 1000, 480), List.of(display, gpu, encoder));
 * System.out.println(plan.explain());
 * }
 *
 * <p>No pitch is at least 8193 and at most 8192 bytes. The explanation lists what each device needs, and at its end the
 * smallest set of statements that conflict. The display is not part of it:
 *
 * <pre>
 * NV12 1000x480 for display, gpu, encoder
 *   display: at most 16 segments, a pitch of at most 16384 bytes (its data sheet)
 *   gpu: a pitch in multiples of 256 bytes, a pitch of at least 8193 bytes (its driver)
 *   encoder: contiguous memory, a pitch of at most 8192 bytes (board profile)
 * …
 *   gpu needs a pitch of at least 8193 bytes (its driver)
 *   encoder needs a pitch of at most 8192 bytes (board profile)
 * </pre>
 *
 * <p>Attaching the three to one buffer throws {@link dev.cenalloc.IncompatibleConstraintsException} with the same set.
 * With a {@code minPitch} of 1024 the plan has one candidate: the heap {@code reserved}, since the encoder needs
 * contiguous memory.
 *
 * <h2>Watching a program</h2>
 *
 * <p>dma-bufs count neither as Java heap nor as resident memory of a process. {@link dev.cenalloc.Cenalloc#statistics}
 * has their numbers, {@link dev.cenalloc.Cenalloc#publish} shows these to JMX, {@link dev.cenalloc.Cenalloc#buffers}
 * and {@link dev.cenalloc.Cenalloc#dump} list each. A recording of the JDK's Flight Recorder has these events, in
 * category {@code cenalloc}, without any setting:
 *
 * <table>
 * <caption>Events</caption>
 * <tr><th>{@code dev.cenalloc.}</th><th>what happened, and what it tells besides</th><th>from</th></tr>
 * <tr><td>{@code Allocate}</td><td>a heap gave memory: buffer, size, heap</td><td></td></tr>
 * <tr><td>{@code Import}</td><td>a dma-buf from elsewhere was adopted: exporter</td><td></td></tr>
 * <tr><td>{@code Free}</td><td>a descriptor was closed: age</td><td></td></tr>
 * <tr><td>{@code Map}</td><td>a buffer was mapped: direction</td><td></td></tr>
 * <tr><td>{@code CpuAccess}</td><td>an access, from begin to close: direction, and how long it waited to
 *     begin</td><td>10 ms</td></tr>
 * <tr><td>{@code FenceWait}</td><td>a wait for a fence or buffer: whether it was signalled</td><td>10 ms</td></tr>
 * <tr><td>{@code PoolWait}</td><td>a wait for a buffer of a pool: the holder, whether it got one</td><td>10
 *     ms</td></tr>
 * <tr><td>{@code Relocate}</td><td>memory moved: from and to which heap</td><td></td></tr>
 * <tr><td>{@code Leak}</td><td>the cleaner released what was never closed: where it was allocated, if that was
 *     traced</td><td></td></tr>
 * </table>
 *
 * <p>What fails has no event. While nothing is recorded, a frame costs neither objects nor system calls for them; while
 * all is recorded, a CPU access costs one object. The column on the right is the threshold, which a recording's
 * settings change.
 *
 * <h2>The rest</h2>
 *
 * <p>Package {@code image}: pixel formats, layouts, sizes and rates. {@code plan}: constraints, heaps and plans,
 * without a system call. {@code stream}: ports, negotiation, rings of buffers, frames. {@code v4l2}: cameras,
 * converters, outputs. {@code kms}: displays. {@code device}: finding devices, and probing which memory they accept.
 * {@code json}: constraints, board profiles and plans as JSON.
 *
 * <p>Source: the rules of attaching are those of the cenalloc RFC of 2014.
 */
@NullMarked
package dev.cenalloc;

import org.jspecify.annotations.NullMarked;
