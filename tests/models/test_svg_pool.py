"""The processes that draw SVGs are kept, limited, replaced when they fail, and end with us."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.images import svg_pool
from models.images.svg_pool import DRAWN, FAILED, REFUSED, SvgPool

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1L8 2L3 8z"/></svg>'
CRASH = SVG.replace(b"<path", b"<g>" * 30_000 + b"</g>" * 30_000 + b"<path")
PNG = b"\x89PNG"


@pytest.fixture
def pool() -> Iterator[SvgPool]:
    made = SvgPool()
    yield made
    made.close()


def pids(pool: SvgPool) -> set[int]:
    return {worker.process.pid for worker in pool._workers}


def has_ended(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"  # nobody has asked for its end yet


def draws(pool: SvgPool) -> bool:
    status, png = pool.draw(SVG, 30.0)
    return status == DRAWN and png.startswith(PNG)


def test_one_process_draws_one_drawing_after_the_other(pool: SvgPool) -> None:
    assert draws(pool)
    first = pids(pool)
    assert all(draws(pool) for _ in range(10))
    assert pids(pool) == first
    assert len(first) == 1


def test_a_drawing_that_fails_leaves_its_process_usable(pool: SvgPool) -> None:
    assert draws(pool)
    first = pids(pool)
    assert pool.draw(CRASH, 30.0) == (FAILED, b"")
    assert pool.draw(b"<svg", 30.0)[0] == REFUSED
    assert draws(pool)
    assert pids(pool) == first


def test_a_process_that_was_killed_is_replaced_and_the_drawing_drawn(pool: SvgPool) -> None:
    assert draws(pool)
    (first,) = pids(pool)
    os.kill(first, signal.SIGKILL)
    assert draws(pool)
    assert first not in pids(pool)


def test_a_process_that_hangs_is_given_up_and_replaced(
    pool: SvgPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert draws(pool)
    (first,) = pids(pool)
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(svg_pool, "_GRACE_S", 0.1)
    assert pool.draw(SVG, 0.1) == (FAILED, b"")
    assert has_ended(first)
    monkeypatch.undo()
    assert draws(pool)


def test_many_threads_share_a_few_processes(pool: SvgPool) -> None:
    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(lambda _: draws(pool), range(36)))
    assert 1 <= len(pids(pool)) <= (os.cpu_count() or 1)


_PARENT = """
import os, sys, time
from models.images import svg
document = sys.stdin.buffer.read()
def draws():
    return svg.drawing_pool().draw(document, 30.0)[1].startswith(b"\\x89PNG")
def pids():
    return {worker.process.pid for worker in svg.drawing_pool()._workers}
assert draws()
mine = pids()
child = os.fork()
if child == 0:
    sound = draws() and not pids() & mine
    svg.drawing_pool().close()
    os._exit(0 if sound else 1)
assert os.waitpid(child, 0)[1] == 0
assert draws() and pids() == mine
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
        parent.stdin.write(SVG)
        parent.stdin.close()
        line = parent.stdout.readline()
        if end == "killed":
            parent.kill()
        assert parent.stderr.read() == b""
        deadline = time.monotonic() + 30
        while not has_ended(int(line)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert has_ended(int(line))
