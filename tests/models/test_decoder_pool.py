"""The processes that decode are kept, limited, replaced when they fail, and end with us."""

import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from models.errors import UnreadableImage
from models.images import decode_image, decoder_pool
from models.images.decoder_pool import DecoderPool, Request

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1L8 2L3 8z"/></svg>'
ASKED = Request("mark", 1, 8)


def red() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (200, 0, 0)).save(file, "PNG")
    return file.getvalue()


def deep_png(side: int, channels: int = 1) -> bytes:
    """A 16-bit PNG of `side` by `side` pixels, all of one grey but the first row: grey or RGBA."""

    def chunk(name: bytes, body: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + sum_

    packer = zlib.compressobj(1)
    rows = packer.compress(b"\0" + b"\x10\0" * side * channels)
    rows += b"".join(packer.compress(b"\0" + b"\x80\0" * side * channels) for _ in range(side - 1))
    head = struct.pack(">IIBBBBB", side, side, 16, {1: 0, 4: 6}[channels], 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", rows + packer.flush()), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in parts)


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    made = DecoderPool()
    yield made
    made.close()


def pids(pool: DecoderPool) -> set[int]:
    return {worker.process.pid for worker in pool._workers}


def has_ended(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"  # nobody has asked for its end yet


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not has_ended(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert has_ended(pid)


def decodes(pool: DecoderPool) -> bool:
    image = pool.decode(red(), ASKED)
    return (image.mode, image.size, image.getpixel((5, 5))) == ("RGB", (20, 10), (200, 0, 0))


def in_background(pool: DecoderPool, content: bytes) -> tuple[threading.Thread, list[str]]:
    """Decode in a thread; the list gets what it is refused with."""
    said: list[str] = []

    def decode() -> None:
        try:
            pool.decode(content, ASKED)
        except UnreadableImage as error:
            said.append(str(error))

    thread = threading.Thread(target=decode)
    thread.start()
    return thread, said


def test_one_process_decodes_one_picture_after_the_other(pool: DecoderPool) -> None:
    assert decodes(pool)
    first = pids(pool)
    assert all(decodes(pool) for _ in range(10))
    assert pool.decode(SVG, ASKED).size == (1024, 1024)
    assert pids(pool) == first
    assert len(first) == 1


def test_a_picture_that_is_refused_leaves_its_process_usable(pool: DecoderPool) -> None:
    assert decodes(pool)
    first = pids(pool)
    crash = SVG.replace(b"<path", b"<g>" * 30_000 + b"</g>" * 30_000 + b"<path")
    for content in (crash, b"<svg", b"no picture", red()[:-20]):
        with pytest.raises(UnreadableImage, match=r"^mark: "):
            pool.decode(content, ASKED)
    assert decodes(pool)
    assert pids(pool) == first


@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_decoder_that_crashes_refuses_its_picture_and_nothing_else(
    pool: DecoderPool, crash: signal.Signals
) -> None:
    assert decodes(pool)
    (worker,) = pids(pool)
    os.kill(worker, signal.SIGSTOP)  # so that it is hit with the picture in hand
    thread, said = in_background(pool, red())
    time.sleep(0.2)
    os.kill(worker, crash)
    os.kill(worker, signal.SIGCONT)
    thread.join(30)
    assert len(said) == 1
    assert "mark: cannot be decoded" in said[0]
    assert decodes(pool)
    assert worker not in pids(pool)


def test_a_process_that_was_killed_while_it_waited_is_replaced_unnoticed(pool: DecoderPool) -> None:
    assert decodes(pool)
    (first,) = pids(pool)
    os.kill(first, signal.SIGKILL)
    wait_for_end(first)
    assert decodes(pool)
    assert first not in pids(pool)


def test_a_process_that_hangs_is_given_up_and_replaced(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decodes(pool)
    (first,) = pids(pool)
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(decoder_pool, "_DECODE_S", 0.1)
    with pytest.raises(UnreadableImage, match="too much time"):
        pool.decode(red(), ASKED)
    assert has_ended(first)
    monkeypatch.undo()
    assert decodes(pool)


def test_an_answer_that_no_decoder_gives_is_not_believed(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_pool, "_MOST_PIXELS", 100)  # a picture of 600 bytes is too much
    with pytest.raises(UnreadableImage, match="cannot be decoded"):
        decodes(pool)
    monkeypatch.undo()
    assert decodes(pool)


def test_many_threads_share_a_few_processes(pool: DecoderPool) -> None:
    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(lambda _: decodes(pool), range(60)))
    assert 1 <= len(pids(pool)) <= (os.cpu_count() or 1)


def test_a_decoder_is_limited_and_has_nothing_of_the_server(pool: DecoderPool) -> None:
    assert decodes(pool)
    (worker,) = pids(pool)
    limits = Path(f"/proc/{worker}/limits").read_text()
    size = {line[:18].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
    assert int(size["Max address space"]) <= 1.25 * 2**30
    assert size["Max file size"] == "0"
    assert int(size["Max cpu time"]) <= 60
    assert b"MARKLENS" not in Path(f"/proc/{worker}/environ").read_bytes()
    loaded = Path(f"/proc/{worker}/maps").read_text()
    assert "torch" not in loaded
    assert "openvino" not in loaded


def large(kind: str, side: int) -> bytes:
    """A white picture."""
    file = io.BytesIO()
    options = {"strip_size": 2**30, "compression": "tiff_lzw"} if kind == "TIFF" else {}
    Image.new("RGB", (side, side), "white").save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(("kind", "side", "most"), [("WEBP", 4000, 14), ("TIFF", 5700, 30)])
def test_more_pixels_than_a_decoder_can_hold_are_refused_with_their_limit(
    kind: str, side: int, most: int
) -> None:
    with pytest.raises(UnreadableImage, match=rf"{kind}, up to {most} megapixels are read") as told:
        decode_image(large(kind, side))
    assert "as a JPEG, of which 64 are" in str(told.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(lambda: deep_png(8000), [128, 128, 128], id="16-bit grey"),
        pytest.param(lambda: deep_png(7000, 4), [191, 191, 191], id="16-bit RGBA"),
        pytest.param(lambda: large("TIFF", 5500), [255, 255, 255], id="TIFF of one strip"),
        pytest.param(lambda: large("WEBP", 3800), [255, 255, 255], id="WebP"),
    ],
)
def test_a_large_deep_picture_is_reduced_before_it_is_copied(
    content: Callable[[], bytes], expected: list[int]
) -> None:
    """64 megapixels of 16 bits took 1.6 GB, a WebP of as many 1 GB."""
    code = (
        "import json, pathlib, sys\n"
        "from models.images.decoding import decode\n"
        "image = decode(sys.stdin.buffer.read(), 'mark', 1, 8)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "used = int(status.split('VmHWM:')[1].split()[0])\n"
        "print(json.dumps([image.size, image.getpixel((9, 9)), used]))\n"
    )
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        input=content(),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    size, pixel, used_kb = json.loads(ran.stdout)
    assert (size, pixel) == ([2048, 2048], expected)
    assert used_kb <= 300_000


_PARENT = """
import os, sys, time
from models.images import decode_image, decoders
picture = sys.stdin.buffer.read()
def decodes():
    return decode_image(picture).mode == "RGB"
def pids():
    return {worker.process.pid for worker in decoders._workers}
assert decodes()
mine = pids()
child = os.fork()
if child == 0:
    sound = decodes() and not pids() & mine
    decoders.close()
    os._exit(0 if sound else 1)
assert os.waitpid(child, 0)[1] == 0
assert decodes() and pids() == mine
print(*mine, flush=True)
time.sleep(600 if "killed" in sys.argv else 0)
"""


@pytest.mark.parametrize("end", ["orderly", "killed"])
def test_processes_survive_a_fork_and_end_with_the_one_that_started_them(end: str) -> None:
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", _PARENT, end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        assert parent.stderr
        parent.stdin.write(red())
        parent.stdin.close()
        line = parent.stdout.readline()
        if end == "killed":
            parent.kill()
        assert parent.stderr.read() == b""
        wait_for_end(int(line))
