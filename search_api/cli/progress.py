"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere, or nothing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from search_api.cli.console import print_to_stderr

_LINE_EVERY_S = 5.0


class Advance(Protocol):
    """Say how far the work has come."""

    def __call__(self, done: int, total: int, marks: int, note: str = "") -> None:
        """Show it.

        Args:
            done: steps done, of `total`.
            total: steps in all.
            marks: marks (or what else is counted) done in all: what the rate counts.
            note: what else to show, such as ``3 rejected``.
        """


@contextmanager
def progress(title: str, *, unit: str = "marks", quiet: bool = False) -> Iterator[Advance]:
    """Show progress while the block runs, and hand it the function to report with.

    Args:
        title: of the work.
        unit: what is counted.
        quiet: show nothing: stderr is a machine's.
    """
    if quiet:
        yield _show_nothing
    elif sys.stderr.isatty():
        with _bar(title, unit) as advance:
            yield advance
    else:
        yield _Lines(title, unit)


def _show_nothing(done: int, total: int, marks: int, note: str = "") -> None:
    """Show nothing: stdout and stderr are a machine's."""


@dataclass
class Pace:
    """Rate and time left, counted from the first report on: loading the network is no work."""

    clock: Callable[[], float] = time.monotonic
    unit: str = "marks"
    _start: tuple[float, int, int] | None = None
    rate: float | None = None  # units/s
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
        return f"{self.rate:.1f} {self.unit}/s, {minutes}:{seconds:02d} left"


class _Lines:
    """A line every few seconds, for logs."""

    def __init__(self, title: str, unit: str) -> None:
        self._title, self._unit = title, unit
        self._pace = Pace(unit=unit)
        self._next = time.monotonic() + _LINE_EVERY_S

    def __call__(self, done: int, total: int, marks: int, note: str = "") -> None:
        self._pace.note(done, total, marks)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_EVERY_S
        # A table's steps are its lines, of which the header is no mark.
        share = f"{marks:,} {self._unit}, {done / max(total, done, 1):.0%}"
        where = f"{done:,} of {total:,}" if done == marks else share
        parts = [where, str(self._pace), note]
        print_to_stderr(f"{self._title}: {', '.join(part for part in parts if part)}")


@contextmanager
def _bar(title: str, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    pace = Pace(unit=unit)
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
        parts = [f"{marks:,} {unit}", str(pace), note]
        words = ", ".join(part for part in parts if part)
        bar.update(task, description=title, completed=done, total=max(total, done), words=words)

    with bar:
        yield advance
