// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.node.drm;

import dev.cenalloc.CenallocException;
import dev.cenalloc.DmaBuf;
import dev.cenalloc.bindings.Errno;
import dev.cenalloc.image.Image;
import dev.cenalloc.image.ImageRange;
import dev.cenalloc.image.Layout;
import dev.cenalloc.kernel.Kernel;
import dev.cenalloc.node.DeviceNode;
import dev.cenalloc.node.Importer;
import dev.cenalloc.node.Refusal;
import dev.cenalloc.plan.Constraints;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A DRM node. Buffers are imported and made framebuffers, which nothing shows; a connected screen is asked whether it
 * would show them, unless another program controls it. A driver without displays, such as vgem, has no framebuffers,
 * nor has a render node: there the import alone counts. Closed by the object that made it.
 */
public final class DrmImporter implements Importer {
    private static final String TEST = "DRM_IOCTL_MODE_ATOMIC with DRM_MODE_ATOMIC_TEST_ONLY";

    private final Card card;
    private final boolean ownsCard;
    /** Read once; null before. */
    private @Nullable List<Scanout> scanouts;

    private @Nullable Layout layout;
    /** Of that layout. */
    private @Nullable Source source;

    /** Where the images could be seen; null if nowhere. */
    private @Nullable Scanout scanout;

    /** The objects of the scan-out, for the numbers of their properties. */
    private @Nullable Pipe pipe;

    private String omitted = "";
    /** What the driver was found to want of the pitches; null before it was asked. */
    private @Nullable Constraints rules;

    private record Pipe(KmsObject crtc, KmsObject connector, KmsObject plane) {}

    private DrmImporter(Card card, boolean ownsCard, @Nullable List<Scanout> scanouts) {
        this.card = card;
        this.ownsCard = ownsCard;
        this.scanouts = scanouts;
    }

    /** Opens a node, which closing this closes. */
    public static DrmImporter open(Kernel kernel, Path path, long number) throws CenallocException {
        return new DrmImporter(Card.open(kernel, path, number), true, null);
    }

    /**
     * An importer of a card that is open, and stays open when this is closed.
     *
     * @param scanout the way to the screen that is to show the images
     */
    public static DrmImporter of(Card card, Scanout scanout) {
        return new DrmImporter(card, false, List.of(scanout));
    }

    @Override
    public String driver() {
        return card.driver();
    }

    @Override
    public String name() {
        return card.name();
    }

    @Override
    public Optional<List<ImageRange>> produces() {
        return Optional.empty();
    }

    @Override
    public Optional<List<ImageRange>> consumes() throws CenallocException {
        return card.setsModes()
                ? Optional.of(
                        scanouts().stream().findFirst().map(Scanout::images).orElse(List.of()))
                : Optional.empty();
    }

    @Override
    public List<String> otherFormats(boolean output) throws CenallocException {
        return output && card.setsModes()
                ? scanouts().stream().findFirst().map(Scanout::otherFormats).orElse(List.of())
                : List.of();
    }

    /** Of the screens that were asked for last: {@link #otherFormats} goes before. */
    @Override
    public List<String> doubts(boolean output) {
        List<Scanout> known = scanouts;
        return !output || known == null
                ? List.of()
                : known.stream().findFirst().map(Scanout::doubts).orElse(List.of());
    }

    /** Whether another program controls the displays, so that this process cannot. */
    public boolean isControlledByAnother() {
        return card.tryMaster() < 0;
    }

    /** The ways to its screens, as they were when this was asked first. */
    public List<Scanout> scanouts() throws CenallocException {
        List<Scanout> known = scanouts;
        if (known == null) {
            known = card.scanouts();
            scanouts = known;
        }
        return known;
    }

    @Override
    public long prepare(Layout wanted) throws CenallocException {
        Image image = wanted.image();
        List<ImageRange> images =
                scanouts().stream().flatMap(one -> one.images().stream()).toList();
        if (!images.isEmpty() && images.stream().noneMatch(range -> range.format() == image.format())) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "probe",
                    card.node().path(),
                    -1,
                    name() + " shows no images of " + image.format()
                            + (hasCode(image) ? "" : ", which only V4L2 defines"),
                    "what it shows: "
                            + images.stream()
                                    .map(range -> range.format().toString())
                                    .distinct()
                                    .collect(Collectors.joining(", "))
                            + scanouts().stream()
                                    .flatMap(one -> one.otherFormats().stream())
                                    .distinct()
                                    .collect(Collectors.collectingAndThen(
                                            Collectors.joining(", "),
                                            others -> others.isEmpty() ? "" : "; unknown here: " + others)));
        }
        Source whole = Source.of(List.of(wanted));
        source = whole;
        layout = wanted;
        scanout =
                scanouts().stream().filter(one -> one.shows(image)).findFirst().orElse(null);
        omitted = "";
        rules = null;
        if (!hasCode(image)) {
            omitted = "no framebuffer was made, since only V4L2 defines " + image.format();
        } else if (scanout == null && card.setsModes()) {
            omitted = "not tried on a screen, since none that is connected has such images";
        }
        if (image.format().buffers() > 1 && image.modifier() != Image.LINEAR) {
            throw new CenallocException(
                    Errno.EINVAL,
                    "probe",
                    card.node().path(),
                    -1,
                    "only a device that knows the modifier can lay out " + image,
                    "take a linear image");
        }
        if (image.format().buffers() > 1 && hasCode(image) && card.setsModes()) {
            FramebufferTrial.requirePlanesApart(card, whole.layouts().getFirst());
        }
        return wanted.size();
    }

    /** Whether DRM has a code for the format. A device without displays may take the memory nevertheless. */
    private static boolean hasCode(Image image) {
        return image.format().drmFourcc().isPresent();
    }

    @Override
    public Constraints needs() {
        return Constraints.NONE;
    }

    @Override
    public Constraints rules() {
        return rules == null ? Constraints.NONE : rules;
    }

    @Override
    public String omitted() {
        return omitted;
    }

    @Override
    public Optional<Refusal> offer(List<DmaBuf> buffers) throws CenallocException {
        Image image = Objects.requireNonNull(layout).image();
        Source shown = Objects.requireNonNull(source);
        Layout wanted = shown.layouts().getFirst();
        List<Layout> layouts = FramebufferTrial.withOthers(wanted);
        DeviceNode node = card.node();
        // Of the planes of one framebuffer: those offered by turns, and memory of the driver's own for the others.
        var planes = new ArrayList<Integer>();
        var imported = new ArrayList<Integer>();
        var framebuffers = new ArrayList<Framebuffer>();
        try (Arena arena = Arena.ofConfined()) {
            boolean makes = hasCode(image) && addOthers(arena, layouts, wanted.buffer(), planes);
            for (DmaBuf buffer : buffers) {
                int handle = Framebuffer.tryImport(node, arena, buffer);
                Optional<Refusal> refusal = node.refusal(handle, Framebuffer.IMPORT);
                if (refusal.isPresent()) {
                    return refusal;
                }
                imported.add(handle);
                if (!makes) {
                    continue;
                }
                var handles = new ArrayList<>(planes);
                handles.add(wanted.buffer(), handle);
                int id = Framebuffer.tryAdd(card, arena, handles, layouts);
                // No displays, or a node that is for rendering only.
                if (id == -Errno.EOPNOTSUPP || id == -Errno.EACCES) {
                    continue;
                }
                refusal = node.refusal(id, Framebuffer.ADD);
                if (refusal.isPresent()) {
                    if (rules == null) {
                        rules = FramebufferTrial.pitches(card, wanted);
                    }
                    if (rules.equals(Constraints.NONE)) {
                        return refusal;
                    }
                    continue; // the memory is taken, and the image will be with another pitch
                }
                framebuffers.add(new Framebuffer(node, id));
                refusal = shown(image, shown, id);
                if (refusal.isPresent()) {
                    return refusal;
                }
            }
            return Optional.empty();
        } finally {
            framebuffers.forEach(Framebuffer::close);
            imported.stream().distinct().forEach(handle -> Framebuffer.release(node, handle));
            planes.forEach(handle -> Framebuffer.release(node, handle));
        }
    }

    /**
     * Adds memory of the driver's own for the planes in the other buffers.
     *
     * @return whether a framebuffer can be made then
     */
    private boolean addOthers(Arena arena, List<Layout> layouts, int offered, List<Integer> handles)
            throws CenallocException {
        if (layouts.size() > 1 && !card.setsModes()) {
            return false; // no displays
        }
        for (Layout one : layouts) {
            if (one.buffer() == offered) {
                continue;
            }
            int handle = DumbBuffer.tryCreate(card.node(), arena, one.size());
            if (handle < 0) {
                omitted = "no framebuffer was made, since the driver has no memory of its own for the other planes";
                return false;
            }
            handles.add(handle);
        }
        return true;
    }

    /** The display's refusal to show a framebuffer; empty if it would, or cannot be asked. */
    private Optional<Refusal> shown(Image image, Source source, int framebuffer) throws CenallocException {
        if (scanout == null) {
            return Optional.empty();
        }
        if (card.acquireMaster() < 0) {
            omitted = "not tried on the screen, which another program controls";
            return Optional.empty();
        }
        int result;
        try {
            Scanout.Mode mode = scanout.mode(image).orElseThrow();
            int blob = card.createBlob(mode.info());
            try {
                Pipe known = pipe(scanout);
                var change = new AtomicRequest.Builder()
                        .set(known.crtc, "MODE_ID", blob)
                        .set(known.crtc, "ACTIVE", 1)
                        .set(known.connector, "CRTC_ID", scanout.crtc())
                        .set(known.plane, "FB_ID", framebuffer);
                Placement.centred(image, mode).in(source).set(change, known.plane, scanout.crtc());
                result =
                        change.build().tryCommit(card.node(), AtomicRequest.TEST_ONLY | AtomicRequest.ALLOW_MODESET, 0);
            } finally {
                card.destroyBlob(blob);
            }
        } finally {
            card.releaseMaster();
        }
        return card.node().refusal(result, TEST).map(refusal -> Refusal.ofImage(refusal.call(), refusal.errno()));
    }

    private Pipe pipe(Scanout of) throws CenallocException {
        Pipe known = pipe;
        if (known == null || known.plane.id() != of.plane()) {
            known = new Pipe(card.crtc(of.crtc()), card.connector(of.connector()), card.plane(of.plane()));
            pipe = known;
        }
        return known;
    }

    @Override
    public void close() {
        if (ownsCard) {
            card.close();
        }
    }
}
