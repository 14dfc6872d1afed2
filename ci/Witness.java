// SPDX-License-Identifier: Apache-2.0
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.Writer;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.util.HashSet;
import javax.imageio.ImageIO;

/**
 * Compares what QEMU's display shows with a picture, every pixel. QEMU says it itself, from outside of the guest.
 *
 * <pre>java ci/Witness.java SOCKET PICTURE.png SCREENDUMP.png</pre>
 *
 * The socket is that of {@code ci/vm --qmp}. The screendump is written. The exit status is 0 if the two are the same.
 */
void main(String[] args) throws IOException {
    Path screendump = Path.of(args[2]).toAbsolutePath();
    try (var qemu = SocketChannel.open(UnixDomainSocketAddress.of(args[0]))) {
        var answers = new BufferedReader(Channels.newReader(qemu, StandardCharsets.UTF_8));
        var requests = Channels.newWriter(qemu, StandardCharsets.UTF_8);
        ask(requests, answers, "{\"execute\": \"qmp_capabilities\"}");
        String file = screendump.toString().replace("\\", "\\\\").replace("\"", "\\\"");
        ask(
                requests,
                answers,
                "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"" + file + "\", \"format\": \"png\"}}");
    }
    BufferedImage camera = ImageIO.read(Path.of(args[1]).toFile());
    BufferedImage screen = ImageIO.read(screendump.toFile());
    if (camera.getWidth() != screen.getWidth() || camera.getHeight() != screen.getHeight()) {
        end("the screen has " + size(screen) + ", the camera's frame " + size(camera), 1);
    }
    long different = 0;
    var colours = new HashSet<Integer>();
    for (int y = 0; y < camera.getHeight(); y++) {
        for (int x = 0; x < camera.getWidth(); x++) {
            colours.add(camera.getRGB(x, y));
            if (camera.getRGB(x, y) != screen.getRGB(x, y)) {
                different++;
            }
        }
    }
    // A black frame on a black screen proves nothing.
    boolean proves = different == 0 && colours.size() > 1;
    end(size(camera) + " in " + colours.size() + " colours: " + different + " pixels differ", proves ? 0 : 1);
}

void ask(Writer requests, BufferedReader answers, String request) throws IOException {
    requests.write(request + "\n");
    requests.flush();
    // The greeting and events may come before the answer.
    String line;
    do {
        line = answers.readLine();
        if (line == null || line.startsWith("{\"error\"")) {
            end("QEMU refused " + request + ": " + line, 1);
        }
    } while (!line.startsWith("{\"return\""));
}

String size(BufferedImage image) {
    return image.getWidth() + "x" + image.getHeight();
}

void end(String message, int status) {
    IO.println(message);
    System.exit(status);
}
