"""SVGs and PDFs are programs: each is drawn in a child process, within limits that end with it.

The decoding process that forks it has one thread. Nothing of a drawing is left for the next picture
there, and a renderer that falls over takes only the child along.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable

DRAWN, REFUSED, FAILED = range(3)

_TIMEOUT_S = 30.0  # wall clock, for a drawing that waits; what computes ends earlier


def draw_apart(draw: Callable[[], tuple[int, bytes]], cpu_s: int) -> tuple[int, bytes, bytes]:
    """Draw in a child process, which the kernel ends at its limits.

    Args:
        draw: gives DRAWN and a picture, or REFUSED and a sentence.
        cpu_s: seconds of a processor that it may take.

    Returns:
        What it gives, or FAILED and nothing; and what was printed meanwhile.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_REAL, _TIMEOUT_S)  # nothing handles it: it kills
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
            os.dup2(writing, sys.stdout.fileno())  # where renderers report
            with os.fdopen(writing, "wb") as pipe:
                status, answer = draw()
                pipe.write(b"\0" + bytes([status]) + answer)
            os._exit(0)
        finally:
            os._exit(1)  # never back into the loop
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report, _, found = pipe.read().partition(b"\0")  # no document holds a NUL
    _, ended = os.waitpid(child, 0)
    if not found or ended != 0:
        return FAILED, b"", report
    return found[0], found[1:], report
