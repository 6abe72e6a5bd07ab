"""Decode pictures, one after the other, within limits. A program, run by `decoder_pool`.

Requests and answers go over the socket that is its stdin: two lengths (uint32), a JSON object of
the first length, bytes of the second. A request is a `decoder_pool.Request` with a picture's file;
an answer is size and info with the pixels, or a sentence that refuses. The end of the socket ends
the program. It is run as a file, without site and with nothing of the server in it.
"""

import json
import math
import os
import resource
import socket
import struct
import sys

MOST_MEMORY = 1280 * 1024 * 1024  # bytes of address space, libraries and stacks included
MOST_CPU_S = 20  # for one picture
_LENGTHS = struct.Struct("!II")


def main() -> None:
    """Answer requests until the socket ends."""
    sys.path += sys.argv[1:]
    from models.errors import MissingPackage, UnreadableImage
    from models.images.decoding import decode

    channel = socket.socket(fileno=os.dup(0))
    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    _send(channel, {}, b"")
    with channel.makefile("rb") as requests:
        while lengths := requests.read(_LENGTHS.size):
            asked, size = _LENGTHS.unpack(lengths)
            request = json.loads(requests.read(asked))
            content = requests.read(size)
            _allow_cpu(MOST_CPU_S)
            try:
                image = decode(content, **request)
            except UnreadableImage as error:
                _send(channel, {"unreadable": str(error)}, b"")
            except MissingPackage as error:
                _send(channel, {"missing": str(error)}, b"")
            else:
                _send(channel, {"size": image.size, "info": image.info}, image.tobytes())
                del image
            del content


def _send(channel: socket.socket, said: dict[str, object], pixels: bytes) -> None:
    text = json.dumps(said).encode()
    channel.sendall(_LENGTHS.pack(len(text), len(pixels)) + text)
    channel.sendall(pixels)


def _allow_cpu(seconds: int) -> None:
    """Have the kernel end this process once it has computed for so much longer."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main()
