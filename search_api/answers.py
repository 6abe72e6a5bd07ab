"""The values that `MarkLens` returns, for Python, command line, HTTP and page to show."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.ingest import IngestProgress
from indexer.marks import Box, Mark
from indexer.query import Hit, PlanReport
from indexer.register import Register
from indexer.runs import RunCounts
from indexer.search.reranking import certainty
from models.vienna import PredictedCode, ViennaCode


@dataclass(frozen=True, slots=True)
class SeenCodes:
    """The Vienna codes that the network sees in a picture, most probable first.

    Attributes:
        vienna: those that reach their threshold, chosen so that three of five were right on
            logos that trained nothing.
        perhaps: those that may be there, less certain.
    """

    vienna: tuple[PredictedCode, ...]
    perhaps: tuple[PredictedCode, ...]

    @classmethod
    def of(cls, pictures: "Sequence[SeenCodes]") -> "SeenCodes":
        """What is seen in any of some pictures: each code where it is most probable."""
        seen = _most_probable(code for one in pictures for code in one.vienna)
        named = {one.code for one in seen}
        others = _most_probable(code for one in pictures for code in one.perhaps)
        return cls(seen, tuple(one for one in others if one.code not in named))

    def certainty(self, assigned: Iterable[ViennaCode] = ()) -> dict[ViennaCode, float]:
        """How surely a sign shows each thing, 0 to 1; what it was assigned it surely shows."""
        known = {above for code in assigned for above in (code, *code.ancestors())}
        shown = {one.code for one in self.vienna} | known
        return certainty(shown, [one.code for one in self.perhaps])


def _most_probable(codes: Iterable[PredictedCode]) -> tuple[PredictedCode, ...]:
    best: dict[ViennaCode, PredictedCode] = {}
    for one in sorted(codes, key=lambda seen: (-seen.probability, seen.code)):
        best.setdefault(one.code, one)
    return tuple(best.values())


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """One picture that was searched with.

    Attributes:
        pages: of the file that it comes from.
        boxes: of its whole sign and of its parts.
        handle: by which the server keeps it; None where it does not.
    """

    pages: int = 1
    boxes: tuple[Box, ...] = ()
    handle: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one search.

    Attributes:
        hits: the marks found, nearest first; of a request without picture, in its order.
        plan: how they were found, and in what time.
        vienna: the codes seen in the query picture, most probable first.
        perhaps: codes that may be there, less certain than those.
        pictures: what was searched with, the first one first; none in a listing.
        next: the cursor of the next page of a list; None at its end, and of a ranking.
    """

    hits: tuple[Hit, ...]
    plan: PlanReport
    vienna: tuple[PredictedCode, ...] = ()
    perhaps: tuple[PredictedCode, ...] = ()
    pictures: tuple[QueryPicture, ...] = ()
    next: str | None = None

    @property
    def better_than_chance(self) -> int | None:
        """How many of the hits, the first ones, are likelier variants than finds by chance.

        None without hits, and where probabilities are unknown.
        """
        if not self.hits or any(hit.probability is None for hit in self.hits):
            return None
        return sum(hit.band != "weak" for hit in self.hits)


@dataclass(frozen=True, slots=True)
class Added:
    """A mark that was written, and whether its id was new to the register."""

    mark: Mark
    created: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a register, as far as it is known without loading the network.

    Attributes:
        marks: live marks.
        sequence: number of the last committed change.
        fingerprint: the network that the embeddings come from; None in an empty register.
        dimension: numbers an embedding has; None in an empty register.
        database: URL of the register, without its password.
        data_dir: folder of pictures and snapshots.
    """

    marks: int
    sequence: int
    fingerprint: str | None
    dimension: int | None
    database: str
    data_dir: Path

    @classmethod
    def of(cls, register: Register, data_dir: Path) -> "Status":
        """Count what a register holds."""
        bound = register.bound()
        return cls(
            marks=register.count(),
            sequence=register.sequence(),
            fingerprint=bound[0] if bound else None,
            dimension=bound[1] if bound else None,
            database=register.url,
            data_dir=data_dir,
        )


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What `MarkLens.rebuild` did.

    Attributes:
        marks: live marks in the new index.
        sequence: the change up to which the index holds them.
        encoded: marks whose picture was encoded again.
        skipped: (id, reason) of marks whose picture could not be encoded; they stay in the
            register, and no search by picture finds them.
    """

    marks: int
    sequence: int
    encoded: int = 0
    skipped: tuple[tuple[str, str], ...] = ()


class IndexingState:
    """How far this process has come with indexing a source.

    Attributes:
        progress: None while it indexes nothing.
    """

    def __init__(self) -> None:
        self.progress: IngestProgress | None = None

    @contextmanager
    def followed(
        self, on_progress: Callable[[IngestProgress], None] | None
    ) -> Iterator[Callable[[IngestProgress], None]]:
        """Note the progress while the block runs, and pass it on."""

        def note(progress: IngestProgress) -> None:
            self.progress = progress
            if on_progress is not None:
                on_progress(progress)

        self.progress = IngestProgress(0, 0, RunCounts())
        try:
            yield note
        finally:
            self.progress = None
