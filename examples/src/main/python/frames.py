# SPDX-License-Identifier: Apache-2.0
"""Takes frames of a program that uses dev.cenalloc.share, or lends it some. Needs Python 3.9 and nothing else.

    frames.py receive SOCKET         prints what comes and a checksum of each frame, and gives the frames back
    frames.py send SOCKET COUNT      lends COUNT frames in two buffers of the system heap: NV12, 64x48

The protocol is on the page of that package: core/src/main/java/dev/cenalloc/share/package-info.java.
"""
import contextlib, fcntl, mmap, os, select, socket, struct, sys, time, zlib

BUFFERS, FRAME, RELEASE, FORGET = 1, 2, 3, 4
HEADER, BUFFER, PLANE = struct.Struct("<4sHHII"), struct.Struct("<4sIIIQIIII"), struct.Struct("<IIQQ")
DMA_HEAP_IOCTL_ALLOC, DMA_BUF_IOCTL_SYNC = 0xC0184800, 0x40086200
READ, WRITE, END = 1, 2, 4


class Connection:
    def __init__(self, path):
        self.socket, self.descriptors = socket.socket(socket.AF_UNIX), []
        self.socket.connect(path)

    def send(self, kind, frame, payload, descriptors=()):
        message = HEADER.pack(b"CNA1", kind, len(descriptors), len(payload), frame) + payload
        sent = socket.send_fds(self.socket, [message], descriptors)
        self.socket.sendall(message[sent:])

    def bytes(self, size):
        taken = b""
        while len(taken) < size:
            more, descriptors, _, _ = socket.recv_fds(self.socket, size - len(taken), 16, socket.MSG_CMSG_CLOEXEC)
            if not more:
                raise EOFError("the other end is gone")
            taken, self.descriptors = taken + more, self.descriptors + descriptors
        return taken

    def next(self):
        """Type, frame, payload and descriptors of the next message. The descriptors are the caller's to close."""
        magic, kind, count, size, frame = HEADER.unpack(self.bytes(HEADER.size))
        if magic != b"CNA1" or size > 65536:
            raise ValueError("not this protocol")
        payload = self.bytes(size)
        descriptors, self.descriptors = self.descriptors[:count], self.descriptors[count:]
        return kind, frame, payload, descriptors


@contextlib.contextmanager
def access(descriptor, direction):
    """Around what the processor reads or writes, since devices do not see its caches."""
    fcntl.ioctl(descriptor, DMA_BUF_IOCTL_SYNC, struct.pack("<Q", direction))
    yield
    fcntl.ioctl(descriptor, DMA_BUF_IOCTL_SYNC, struct.pack("<Q", direction | END))


def receive(connection):
    frames = {}
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            kind, frame, payload, descriptors = connection.next()
            if kind == BUFFERS:
                code, width, height, memories, _, planes, name, _, _ = BUFFER.unpack_from(payload)
                sizes = struct.unpack_from(f"<{memories}Q", payload, BUFFER.size)
                end = BUFFER.size + 8 * memories + PLANE.size * planes
                print(f"frame {frame}: {payload[end:end + name].decode()}, {code.decode()} {width}x{height}")
                frames[frame] = [(fd, mmap.mmap(fd, size, prot=mmap.PROT_READ)) for fd, size in zip(descriptors, sizes)]
                continue
            if kind == FRAME:
                checksum = 0
                for fence in descriptors:
                    select.select([fence], [], [])  # readable when the work that it stands for has ended
                for descriptor, memory in frames[frame]:
                    with access(descriptor, READ):
                        checksum = zlib.crc32(memory, checksum)
                print(f"number {struct.unpack_from('<Q', payload)[0]}: checksum {checksum:08x}")
                connection.send(RELEASE, frame, struct.pack("<II", 0, 0))
            elif kind == FORGET:
                for descriptor, memory in frames.pop(frame):
                    memory.close()  # it has a descriptor of its own
                    os.close(descriptor)
                print(f"frame {frame} is forgotten")
            for descriptor in descriptors:
                os.close(descriptor)


def send(connection, count):
    width, height, size, memories, away = 64, 48, 64 * 48 * 3 // 2, [], set()
    heap = os.open("/dev/dma_heap/system", os.O_RDONLY)
    for frame in range(2):
        request = struct.pack("<QIIQ", size, 0, os.O_RDWR | os.O_CLOEXEC, 0)
        descriptor = struct.unpack("<QIIQ", fcntl.ioctl(heap, DMA_HEAP_IOCTL_ALLOC, request))[1]
        memories.append((descriptor, mmap.mmap(descriptor, size)))
        payload = BUFFER.pack(b"NV12", width, height, 1, 0, 2, 6, 0, 0) + struct.pack("<Q", size)
        payload += PLANE.pack(0, height, 0, width) + PLANE.pack(0, height // 2, width * height, width)
        connection.send(BUFFERS, frame, payload + b"Python", [descriptor])
    for number in range(count + 2):  # the last two rounds only wait for what is away
        frame, (descriptor, memory) = number % 2, memories[number % 2]
        while frame in away:
            _, returned, _, fences = connection.next()
            for fence in fences:
                select.select([fence], [], [])
                os.close(fence)
            away.remove(returned)
        if number < count:
            with access(descriptor, WRITE):
                memory[:] = bytes([number % 251]) * size
            connection.send(FRAME, frame, struct.pack("<QQII", number, time.monotonic_ns(), 0, 0))
            away.add(frame)


if __name__ == "__main__":
    mode, path, *count = sys.argv[1:]
    {"receive": receive, "send": send}[mode](Connection(path), *map(int, count))
