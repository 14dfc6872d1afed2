package dev.cenalloc.stream;

import dev.cenalloc.Cenalloc;
import dev.cenalloc.CenallocException;
import dev.cenalloc.MissingDeviceException;
import dev.cenalloc.NoPermissionException;
import dev.cenalloc.image.FrameRate;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRequest;
import dev.cenalloc.image.Layout;
import dev.cenalloc.image.PixelFormat;
import dev.cenalloc.plan.Device;
import dev.cenalloc.plan.Plan;
import java.util.List;

/**
 * What devices agreed on in {@link #negotiate}: images, how many a second, and the memory for them. Immutable; holds nothing
 * open. For each buffer of the pool, {@link Cenalloc#create(Image)} and attach the {@link #devices()}.
 */
public final class Agreement {
    private final Image image;
    private final FrameRate rate;
    private final List<Plan> plans;
    private final List<Layout> layouts;
    private final String explanation;

    Agreement(Image image, FrameRate rate, List<Plan> plans, String explanation) {
        this.image = image;
        this.rate = rate;
        this.plans = List.copyOf(plans);
        this.layouts = plans.stream().map(plan -> plan.layout().orElseThrow()).toList();
        this.explanation = explanation;
    }

    /**
     * Finds the best images that all of these devices have in common, for which there is memory that suits them all. The best
     * is:
     *
     * <ol>
     *   <li>The format that is wished for; else the one with the most bits of colour in a pixel, of these the one with the fewest
     *       bytes, of these the one that the producer names first.
     *   <li>The size that is wished for; else the largest area among the sizes at which the rate that is wished for is reached,
     *       without a wish 29.97, which television calls 30; if it is reached at none, the largest area. Of equal areas the one that
     *       the producer names first, then the wider.
     *   <li>The rate that is wished for, or the nearest above it that all have, or if there is none, below; without a wish the highest
     *       that all have, and if none of them sets a limit, the nearest to 30.
     * </ol>
     *
     * <p>The size and the rate are chosen for each format, and then the memory is planned, in that order of formats: each device is
     * asked what memory it takes for the {@link Layout}, and again if all of them together change it. The first format for which
     * there is a heap wins.
     *
     * <p>Ports of declared devices ask nothing of the kernel. Others may try imports, and block for as long as {@link
     * Probe#device} does.
     *
     * @param cenalloc whose heaps the memory may come from
     * @param wish what the caller insists on; {@link ImageRequest#ANY} leaves it all to the devices
     * @param ports all that take part, at least one; the first is the producer
     * @return what they agree on; it holds nothing open, and no memory has been allocated for it
     * @throws IllegalArgumentException if there is no port
     * @throws NoCommonImageException EINVAL: there are no such images. It names the smallest set of ports that clash; if there are
     *     images but no memory for them, it tells for each why
     * @throws NoPermissionException EACCES, EPERM: this process may not open the node of a device
     * @throws MissingDeviceException ENOENT: the node of a device is gone
     * @throws CenallocException ENODEV: a device was unplugged
     */
    public static Agreement negotiate(Cenalloc cenalloc, ImageRequest wish, List<Port> ports) throws CenallocException {
        return new Negotiation(cenalloc, wish, ports).agree();
    }

    /** {@return the images: format, size and modifier} */
    public Image image() {
        return image;
    }

    /** {@return how many of them a second} */
    public FrameRate rate() {
        return rate;
    }

    /** {@return the plans of the image's buffers, one for each; see {@link PixelFormat#buffers}} Each has a heap to try. */
    public List<Plan> plans() {
        return plans;
    }

    /**
     * {@return the devices to attach to a buffer, in the order of the ports, each once, however many of the ports are its}
     *
     * @throws IllegalStateException if the image lies in several buffers
     */
    public List<Device> devices() {
        return devices(onlyBuffer());
    }

    /**
     * As {@link #devices()}, of one of the buffers of an image whose planes have buffers of their own.
     *
     * @param buffer which, from 0
     * @return the devices, with what they need for what lies there
     * @throws IndexOutOfBoundsException if there is no such buffer
     */
    public List<Device> devices(int buffer) {
        return List.copyOf(plans.get(buffer).attached());
    }

    /**
     * {@return where the image lies in a buffer, so that it suits everyone}
     *
     * @throws IllegalStateException if the image lies in several buffers
     */
    public Layout layout() {
        return layout(onlyBuffer());
    }

    /**
     * As {@link #layout()}, of one of the buffers of an image whose planes have buffers of their own.
     *
     * @param buffer which, from 0
     * @return where its planes lie
     * @throws IndexOutOfBoundsException if there is no such buffer
     */
    public Layout layout(int buffer) {
        return layouts.get(buffer);
    }

    /** {@return where the image lies in each of its buffers} */
    public List<Layout> layouts() {
        return layouts;
    }

    private int onlyBuffer() {
        if (plans.size() != 1) {
            throw new IllegalStateException(image + " lies in " + plans.size() + " buffers: say which of them");
        }
        return 0;
    }

    /**
     * {@return why these images and no others, in words, in lines: what decided about format, size and rate, and what stood against
     * formats that would have been better} Why their memory is what it is, each of the {@link #plans()} explains.
     */
    public String explain() {
        return explanation;
    }

    @Override
    public String toString() {
        return explanation;
    }
}
