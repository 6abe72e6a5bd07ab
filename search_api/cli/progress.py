"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere, or nothing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from search_api.cli.console import complain

_LINE_EVERY_S = 5.0


class Advance(Protocol):
    """Say how far the work has come."""

    def __call__(self, done: int, total: int, marks: int, note: str = "") -> None:
        """Show it.

        Args:
            done: steps done, of `total`.
            total: steps in all.
            marks: marks done in all: what the rate counts.
            note: what else to show, such as ``3 rejected``.
        """


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Show progress while the block runs, and hand it the function to report with."""
    if quiet:
        yield _show_nothing
    elif sys.stderr.isatty():
        with _bar(title) as advance:
            yield advance
    else:
        yield _Lines(title)


def _show_nothing(done: int, total: int, marks: int, note: str = "") -> None:
    """Show nothing: stdout and stderr are a machine's."""


@dataclass
class Pace:
    """Rate and time left, counted from the first report on: loading the network is no work."""

    clock: Callable[[], float] = time.monotonic
    _start: tuple[float, int, int] | None = None
    rate: float | None = None  # marks/s
    left_s: float | None = None

    def note(self, done: int, total: int, marks: int) -> None:
        """Take a report in."""
        now = self.clock()
        if self._start is None:
            self._start = (now, done, marks)
            return
        then, first_done, first_marks = self._start
        if now > then and done > first_done:
            self.rate = (marks - first_marks) / (now - then)
            self.left_s = max(total - done, 0) * (now - then) / (done - first_done)

    def __str__(self) -> str:
        """Both in words, as far as they are known."""
        if self.rate is None or self.left_s is None:
            return ""
        minutes, seconds = divmod(round(self.left_s), 60)
        return f"{self.rate:.1f} marks/s, {minutes}:{seconds:02d} left"


class _Lines:
    """A line every few seconds, for logs."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._pace = Pace()
        self._next = time.monotonic() + _LINE_EVERY_S

    def __call__(self, done: int, total: int, marks: int, note: str = "") -> None:
        self._pace.note(done, total, marks)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_EVERY_S
        parts = [f"{done:,} of {total:,}", str(self._pace), note]
        complain(f"{self._title}: {', '.join(part for part in parts if part)}")


@contextmanager
def _bar(title: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    pace = Pace()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )
    task = bar.add_task(f"{title}: loading the network", total=None, words="")

    def advance(done: int, total: int, marks: int, note: str = "") -> None:
        pace.note(done, total, marks)
        parts = [f"{marks:,} marks", str(pace), note]
        words = ", ".join(part for part in parts if part)
        bar.update(task, description=title, completed=done, total=max(total, done), words=words)

    with bar:
        yield advance
