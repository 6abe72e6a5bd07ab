"""The options of a bulk run, its progress and its report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from indexer.runs import RunCounts


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How to run.

    Attributes:
        resume: go on with the source's unfinished run, if it has one and has not changed since.
        dry_run: look at everything, write nothing but the rejects file.
        batch: marks a transaction; also the pictures the network gets at once.
        rejects_dir: folder of the rejects file; `rejects` beside the image store by default.
        retry_s: how long to try again where the database went away, seconds.
        stop: asked between batches; once true the run ends there as interrupted.
        read_words: whether the words in the pictures of marks without words are read.
    """

    resume: bool = False
    dry_run: bool = False
    batch: int = 16
    rejects_dir: Path | None = None
    retry_s: float = 120.0
    stop: Callable[[], bool] = lambda: False
    read_words: bool = False


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far a run has come; `position` counts towards `last_position`.

    What it counts is read, decoded and on its way through the network into the register.
    """

    position: int
    last_position: int
    counts: RunCounts


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did; read = indexed + updated + unchanged + rejected.

    A resumed run counts from its very beginning, before the interruption.

    Attributes:
        rejects_file: where the rejected rows stand with their reasons; None if there are none.
        interrupted: stopped before the end of the source.
        resumed_after: the position a resumed run went on from; 0 for a run from the start.
        warnings: what was left out and what looks odd, the marks named.
        withdrawn: how many of the updated marks the source took out of the register.
        broken: where files of the source end or break in their middle; what stood before that
            is indexed.
        encoded: pictures the network saw: each once, however many marks bear it.
        words_read: marks without words in whose picture some were read, and `without_words` those
            in whose picture there are none.
        encoding_s: how long the network computed, seconds (of several workers the mean), and
            `seconds` the whole run took; of a resumed run since it was resumed.
    """

    read: int
    indexed: int
    updated: int
    unchanged: int
    rejected: int
    rejects_file: Path | None
    interrupted: bool = False
    resumed_after: int = 0
    warnings: tuple[str, ...] = ()
    withdrawn: int = 0
    broken: tuple[str, ...] = ()
    encoded: int = 0
    words_read: int = 0
    without_words: int = 0
    encoding_s: float = 0.0
    seconds: float = 0.0
