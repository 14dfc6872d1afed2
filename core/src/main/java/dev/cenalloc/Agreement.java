package dev.cenalloc;

import java.util.List;

/**
 * What devices agreed on in {@link Cenalloc#negotiate}: images, how many a second, and the memory for them. Immutable; holds nothing
 * open. For each buffer of the pool, {@link Cenalloc#create(Image)} and attach the {@link #devices()}.
 */
public final class Agreement {
    private final Image image;
    private final Rate rate;
    private final List<Plan> plans;
    private final String explanation;

    Agreement(Image image, Rate rate, List<Plan> plans, String explanation) {
        this.image = image;
        this.rate = rate;
        this.plans = List.copyOf(plans);
        this.explanation = explanation;
    }

    /** {@return the images: format, size and modifier} */
    public Image image() {
        return image;
    }

    /** {@return how many of them a second} */
    public Rate rate() {
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
        return plans.get(buffer).layout().orElseThrow();
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
