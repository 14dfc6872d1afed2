/**
 * Buffers that several devices share.
 *
 * <h2>What this is about</h2>
 *
 * <p>A <i>dma-buf</i> is memory with a file descriptor. Hand the descriptor to a camera's driver and the camera writes into
 * that memory; hand the same one to a display's and the display reads from it; map it and the CPU sees the picture: nobody
 * copies. The memory comes from a <i>heap</i>, such as {@code /dev/dma_heap/system}, and that is where it goes wrong. One
 * device needs its memory in one physically contiguous piece, another gathers it from scattered pages, a third reaches only
 * part of it. The kernel allocates from the heap it is told; which heap suits every device is left to the program, and
 * usually guessed.
 *
 * <p>Here devices say what they need before anything is allocated, and the library works out the heap. A
 * {@link dev.cenalloc.SharedBuffer} starts as a size. Each {@link dev.cenalloc.Device} that will use it is attached with the
 * {@link dev.cenalloc.Constraints} it puts on memory. At the <i>first use</i>, the first map or the first look at the
 * descriptor, they are solved into a {@link dev.cenalloc.Plan}: the heaps that satisfy all of them, plentiful memory before
 * scarce. The first that has memory gives it, and from then on the buffer is a {@link dev.cenalloc.DmaBuf}.
 *
 * <h2>The life of a buffer</h2>
 *
 * <table>
 * <caption>What happens when</caption>
 * <tr><th>event</th><th>rule</th></tr>
 * <tr><td>create</td><td>no memory, no descriptor, no system call</td></tr>
 * <tr><td>attach before the first use</td><td>the constraints are merged; if no memory could satisfy them, the device is refused
 *     (EINVAL) and the buffer is as before</td></tr>
 * <tr><td>attach after it</td><td>accepted if the memory suits, else refused as busy (EBUSY);
 *     {@link dev.cenalloc.SharedBuffer#relocate(Device)} moves it, contents and all, while nobody uses it</td></tr>
 * <tr><td>seal, expect, participants</td><td>optional: a first use before everyone has come is then an exception or a warning</td></tr>
 * <tr><td>first use</td><td>one allocation, however many threads race; a heap out of memory passes it on to the next that satisfies
 *     all, never to one that does not; every attempt is recorded</td></tr>
 * <tr><td>detach</td><td>as if the device had never been attached; memory that exists stays where it is</td></tr>
 * <tr><td>close</td><td>refused while something is mapped or in CPU access; a buffer that was never used closes too</td></tr>
 * <tr><td>lost without close</td><td>released by a cleaner, with a warning; where it was allocated is told if
 *     {@code -Ddev.cenalloc.traceAllocations=true}</td></tr>
 * </table>
 *
 * <h2>A worked example</h2>
 *
 * <p>A display gathers its picture from up to 4096 segments and reads lines up to 16384 bytes apart. A GPU wants lines that begin
 * at multiples of 256 bytes, at least 1024 apart. An encoder needs contiguous memory and takes lines up to 8192 apart. The
 * {@link dev.cenalloc.Image} has 1000x480 pixels in the format NV12, which is a plane of brightness and one of colour.
 *
 * {@snippet :
 * var display = Device.of("display", Constraints.NONE.maxSegments(4096).maxPitch(16_384), "its data sheet");
 * var gpu = Device.of("gpu", Constraints.NONE.pitchAlignment(256).minPitch(1024), "its driver");
 * var encoder = Device.of("encoder", Constraints.NONE.contiguous().maxPitch(8192), "board profile");
 * Plan plan = cenalloc.plan(new Image(PixelFormat.NV12, 1000, 480), List.of(display, gpu, encoder));
 * System.out.println(plan.explain());
 * }
 *
 * <p>Each field is merged by its own {@linkplain dev.cenalloc.Field rule}: the smallest of the limits, the largest of the
 * demands, the least common multiple of the alignments. So the lines lie 1024 bytes apart, which the encoder accepts, the
 * buffer grows from 720,000 to 737,280 bytes, and since the encoder needs it in one, the system heap is out:
 *
 * <pre>
 * NV12 1000x480, which makes 737280 bytes for display, gpu, encoder
 *   plane: 480 lines at a pitch of 1024 bytes from byte 0
 *   plane: 240 lines at a pitch of 1024 bytes from byte 491520
 *   display: at most 4096 segments, a pitch of at most 16384 bytes (its data sheet)
 *   gpu: a pitch in multiples of 256 bytes, a pitch of at least 1024 bytes (its driver)
 *   encoder: contiguous memory, a pitch of at most 8192 bytes (board profile)
 * Together: contiguous memory (encoder), at most 4096 segments (display), a pitch in multiples of 256 bytes (gpu), …
 * To try: reserved (score 50).
 *   with reserved, guaranteed: contiguous, maxSegments, pitchAlignment, minPitch, maxPitch
 *   not system: its memory is scattered and encoder needs it contiguous
 * </pre>
 *
 * <p>Now another GPU comes, whose lines are at least 8193 bytes apart. No memory can please both it and the encoder, and that is
 * what {@link dev.cenalloc.IncompatibleConstraintsException} says: the smallest set of statements that clash, without the
 * bystanders.
 *
 * <pre>
 * wide gpu needs a pitch of at least 8193 bytes (its driver)
 * encoder needs a pitch of at most 8192 bytes (board profile)
 * </pre>
 *
 * <h2>Devices of which nothing is written down</h2>
 *
 * <p>Neither V4L2 nor DRM can be asked what memory a device takes, but a driver can be offered some: {@link dev.cenalloc.Probe}
 * does so, at the real size, without disturbing a device in use, and names the heaps that were taken and refused.
 *
 * {@snippet :
 * Device camera = cenalloc.probe(Path.of("/dev/video0")).device(layout);
 * }
 *
 * <h2>Which images</h2>
 *
 * <p>Before there is an image to lay out, the devices have to agree on one. A {@link dev.cenalloc.Port} says which a device gives
 * or takes, and {@link dev.cenalloc.Cenalloc#negotiate} finds the best format, size and rate that all have in common and that there
 * is memory for; why it is that one, or who clashes if there is none, can be read.
 *
 * {@snippet :
 * var camera = Port.of(declaredCamera, List.of(
 *         new ImageRange(PixelFormat.XR24, Sizes.of(640, 480), Rates.of(Rate.of(30))),
 *         new ImageRange(PixelFormat.YUYV, Sizes.of(1280, 720), Rates.of(Rate.of(30)))));
 * var display = Port.of(declaredDisplay, List.of(
 *         new ImageRange(PixelFormat.XR24, Sizes.upTo(1920, 1080), Rates.upTo(Rate.of(60)))));
 * Agreement agreement = cenalloc.negotiate(Wish.ANYTHING, List.of(camera, display));
 * System.out.println(agreement.explain());
 * }
 *
 * <pre>
 * XR24 640x480 at 30 frames a second, from camera to display
 *   format: the only one in common
 *   size: the only one in common
 *   rate: the only one in common at this size
 * </pre>
 *
 * <p>Of devices with nodes, {@link dev.cenalloc.Probe#produces} and {@link dev.cenalloc.Probe#consumes} tell the ports.
 *
 * <p>A display that took RG16 instead would be told of: <i>no format in common: camera gives XR24, YUYV; display takes RG16</i>.
 *
 * <h2>Who is done with a buffer</h2>
 *
 * <p>Devices work while the program goes on. {@link dev.cenalloc.DmaBuf#await} waits until nobody writes a buffer, or nobody uses
 * it. A {@link dev.cenalloc.Fence} stands for the end of one such use and can be handed on: to a display that is to show the
 * buffer afterwards, or {@linkplain dev.cenalloc.DmaBuf#importFence into a buffer}, whose next user waits for it. Only drivers
 * that know fences take part; V4L2 gives a buffer back when it is done.
 *
 * <h2>How far constraints are kept</h2>
 *
 * <p>A heap can be asked for a size and nothing else, so not every wish can be granted. For each field and heap the plan tells the
 * {@link dev.cenalloc.Assurance}: guaranteed by the choice of heap or by the layout, checked on the memory that came, or advice
 * that only changes the order of the heaps. And it is a matter of words: a driver that was described wrongly refuses the buffer
 * when it is given it, or a device bounces what it cannot reach.
 *
 * <p>The idea, and the rules of attaching, are those of the cenalloc RFC of 2014, carried out in user space.
 */
@NullMarked
package dev.cenalloc;

import org.jspecify.annotations.NullMarked;
