"""A search and its answer, as values."""

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BadFilter, BadQuery
from indexer.marks import NICE_CLASSES, CodeSource, Mark, is_storable
from models.vienna import ViennaCode

MAX_K = 1000
MAX_WORDS = 1000  # characters; SQLite refuses patterns above 50,000 bytes
PlanKind = Literal["none", "gather", "exact", "ivf"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which marks may be found; an empty field restricts nothing.

    A code matches every mark that bears it or anything below it. ``nice``, ``status`` and
    ``office`` ask for any of their values. A mark without filing date lies outside every range.

    Attributes:
        vienna_any: at least one of these.
        vienna_all: each of these.
        vienna_none: none of these.
        vienna_source: codes assigned by an office, predicted by the network, or either.
        min_probability: least probability of a predicted code; None takes each code's own
            calibrated threshold.
        nice: Nice classes, 1 to 45.
        status: such as ``registered``; brought to lower case.
        office: such as ``EM``.
        filed_from, filed_to: first and last day of filing, both included.
        text: part of the mark's words, in any case.

    Raises:
        BadFilter: a value is out of range or the range of dates is upside down.
    """

    vienna_any: tuple[ViennaCode, ...] = ()
    vienna_all: tuple[ViennaCode, ...] = ()
    vienna_none: tuple[ViennaCode, ...] = ()
    vienna_source: CodeSource = "either"
    min_probability: float | None = None
    nice: frozenset[int] = frozenset()
    status: frozenset[str] = frozenset()
    office: frozenset[str] = frozenset()
    filed_from: date | None = None
    filed_to: date | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        sources = typing.get_args(CodeSource)
        if self.vienna_source not in sources:
            raise BadFilter(f"vienna_source is {self.vienna_source!r}; take {', '.join(sources)}")
        least = self.min_probability
        if least is not None and not 0.0 <= least <= 1.0:
            raise BadFilter(f"min_probability is {least}; it goes from 0 to 1")
        wrong = sorted(number for number in self.nice if number not in NICE_CLASSES)
        if wrong:
            raise BadFilter(f"Nice class {wrong[0]} does not exist; they go from 1 to 45")
        if self.filed_from and self.filed_to and self.filed_from > self.filed_to:
            raise BadFilter(f"filed_from {self.filed_from} is after filed_to {self.filed_to}")
        words = self.text or ""
        if len(words) > MAX_WORDS or not is_storable(words):
            raise BadFilter(
                f"text has {len(words)} characters; give it at most {MAX_WORDS}, none of them NUL"
            )
        object.__setattr__(self, "status", frozenset(status.lower() for status in self.status))

    @property
    def is_empty(self) -> bool:
        """Whether every mark passes."""
        wanted = (self.vienna_any, self.vienna_all, self.vienna_none, self.nice, self.status)
        return not any((*wanted, self.office, self.filed_from, self.filed_to, self.text))


@dataclass(frozen=True)
class SearchQuery:
    """What to look for.

    Attributes:
        embedding: (d,) float16, unit-length blocks.
        k: how many marks, 1 to 1000.
        filter: which may be found.
        weights: block name → weight ≥ 0, not all 0; a block left out keeps its default.
        exclude: ids never to return, such as the query mark's own.

    Raises:
        BadQuery: ``k`` or a weight is out of range.
    """

    embedding: NDArray[np.float16]
    k: int = 20
    filter: Filter = field(default_factory=Filter)
    weights: Mapping[str, float] | None = None
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 1 <= self.k <= MAX_K:
            raise BadQuery(f"k is {self.k}; ask for 1 to {MAX_K} marks")
        for name, weight in (self.weights or {}).items():
            if not (math.isfinite(weight) and weight >= 0):
                raise BadQuery(f"the weight of {name} is {weight}; it must be 0 or more")


@dataclass(frozen=True)
class Hit:
    """One mark found.

    Attributes:
        id: of the mark.
        score: Σ weight · cosine / Σ weight over the blocks, -1 to 1; higher is nearer.
        scores: cosine of each block.
        mark: what the register holds of it.
    """

    id: str
    score: float
    scores: Mapping[str, float]
    mark: Mark


@dataclass(frozen=True)
class PlanReport:
    """How a search was done.

    Attributes:
        kind: ``none`` (no mark passes), ``gather`` (the few that pass, one by one), ``exact``
            (a scan of all rows, those that do not pass masked) or ``ivf`` (the same in the lists
            that most probably hold the best, so that a mark may be missed).
        index: what computed.
        matched: marks that pass the filter.
        total: marks searchable.
        sequence: the register's state that was searched.
        milliseconds: time of the stages ``filter`` and ``search``.
    """

    kind: PlanKind
    index: str
    matched: int
    total: int
    sequence: int
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class SearchResult:
    """Hits, nearest first, and how they were found."""

    hits: tuple[Hit, ...]
    plan: PlanReport
