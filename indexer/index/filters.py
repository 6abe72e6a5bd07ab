"""What filters ask of marks, held as columns in RAM: a filter becomes the rows that pass.

One `FilterColumns` belongs to one segment of rows. Codes are postings sorted by code, so that a
category or division, with everything below it, is one contiguous slice of them. SQL took 86 ms
to 7 s for filters that take about a millisecond here, at a million marks.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.labels import Labels
from indexer.index.passing import Bits, Named, Passing, any_of, both, none_of, passing_of
from indexer.index.ready_rows import Kind, ReadyRows
from indexer.index.recent_rows import RecentRows
from indexer.index.words import words_from_bytes, words_to_bytes
from indexer.marks import Change, CodeSource
from indexer.query import Filter
from models.vienna import ViennaCode

Arrays = Mapping[str, NDArray[Any]]
_NO_DATE = np.iinfo(np.int32).min
_SMALL = 10_000  # rows up to which finding those that pass again costs next to nothing
_REMEMBERED = 256  # questions whose answers are remembered
_BELOW = {"section": 1, "division": 100, "category": 10_000}  # size of a code's range of keys


@dataclass(frozen=True, eq=False)
class Postings:
    """Pairs (key, row), sorted by key.

    Attributes:
        keys: (m,) int32, ascending.
        rows: (m,) int32.
    """

    keys: NDArray[np.int32]
    rows: NDArray[np.int32]

    @classmethod
    def of(cls, pairs: Sequence[tuple[int, int]]) -> "Postings":
        """Sort (key, row) pairs."""
        both = np.array(pairs, np.int32).reshape(-1, 2)
        order = np.argsort(both[:, 0], kind="stable")
        return cls(both[order, 0], both[order, 1])

    def between(self, first: int, stop: int) -> slice:
        """Where the pairs with first <= key < stop stand."""
        # Of the keys' own type: searchsorted would else widen a copy of all of them.
        start, end = np.searchsorted(self.keys, np.array((first, stop), self.keys.dtype))
        return slice(int(start), int(end))


@dataclass(frozen=True, eq=False)
class Tally:
    """How many rows have each key.

    Attributes:
        keys: (c,) int64, ascending, each once.
        counts: (c,) int64.
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: NDArray[np.int64], rows: NDArray[np.int64]) -> "Tally":
        """Count (key, row) pairs, each once however often it comes."""
        pairs = np.unique(keys << 32 | rows)
        return cls(*np.unique(pairs >> 32, return_counts=True))


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted codes: postings with what the network said.

    Attributes:
        codes: by code, not by its ancestors.
        probabilities: (m,) float64, one for each pair.
        confident: (m,) bool, whether the code's own threshold was reached.
    """

    codes: Postings
    probabilities: NDArray[np.float64]
    confident: NDArray[np.bool_]

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "Predictions":
        """Sort the predicted codes of marks, a row each."""
        seen = [(code, row) for row, one in enumerate(changes) for code in one.predicted]
        keys = np.array([_key(code.code) for code, _ in seen], np.int32)
        order = np.argsort(keys, kind="stable")
        return cls(
            Postings(keys[order], np.array([row for _, row in seen], np.int32)[order]),
            np.array([code.probability for code, _ in seen], np.float64)[order],
            np.array([code.confident for code, _ in seen], np.bool_)[order],
        )


@dataclass(frozen=True, eq=False)
class FilterColumns:
    """All that filters ask of n rows; immutable."""

    assigned: Postings
    predicted: Predictions
    nice: Postings
    status: Labels
    office: Labels
    filed: NDArray[np.int32]  # (n,) proleptic day number, `no_date` without
    _tallies: dict[str, Tally] = field(default_factory=dict, repr=False)  # of all rows
    # Rows that many answers have: up to 32 MB at a million rows.
    _common: RecentRows = field(default_factory=lambda: RecentRows(_REMEMBERED), repr=False)
    _ready: ReadyRows = field(default_factory=ReadyRows, repr=False)  # filled by `arrays`

    no_date = _NO_DATE

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.filed)

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "FilterColumns":
        """Columns of live marks, a row each in the order given."""
        assigned = [(_key(code), row) for row, one in enumerate(changes) for code in one.assigned]
        return cls(
            assigned=Postings.of(assigned),
            predicted=Predictions.of(changes),
            nice=Postings.of([(n, row) for row, one in enumerate(changes) for n in one.nice]),
            status=Labels.of([one.status for one in changes]),
            office=Labels.of([one.office for one in changes]),
            filed=np.array([_day(one.filed) for one in changes], np.int32),
        )

    def allowed(self, wanted: Filter) -> Passing:
        """Rows that pass all of a filter but its `text`, which only SQL knows."""
        found: Passing | None = None
        for rows in self._conditions(wanted):
            found = rows if found is None else both(found, rows)
        found = self._filed_in_time(found, wanted)
        return Bits.of(np.ones(len(self), np.bool_)) if found is None else found

    def _conditions(self, wanted: Filter) -> Iterator[Passing]:
        """Rows that pass each part of a filter but its days."""
        if wanted.vienna_any:
            yield self._bearing(wanted.vienna_any, wanted)
        for code in wanted.vienna_all:
            yield self._with_code(code, wanted)
        if wanted.vienna_none:
            yield none_of(self._bearing(wanted.vienna_none, wanted), len(self))
        if wanted.nice:
            yield any_of([self._of_class(number) for number in sorted(wanted.nice)])
        for labels, words in ((self.status, wanted.status), (self.office, wanted.office)):
            if words:
                yield self._labelled(labels, words)

    def _filed_in_time(self, found: Passing | None, wanted: Filter) -> Passing | None:
        """Those of some rows, None for all, that were filed on the days asked for."""
        first, last = wanted.filed_from, wanted.filed_to
        if first is None and last is None:
            return found
        if isinstance(found, Named):
            return Named(found.rows[_between(self.filed[found.rows], first, last)])
        inside = self._remembered(
            ("filed", first, last), lambda: Bits.of(_between(self.filed, first, last))
        )
        return inside if found is None else both(found, inside)

    def code_tally(self, source: CodeSource, rows: NDArray[np.bool_] | None = None) -> Tally:
        """Count the rows that bear each code or anything below it, predicted ones if confident.

        Args:
            source: whose codes.
            rows: (n,) bool, the rows to count; None counts all, once.
        """
        if rows is None:
            if source not in self._tallies:
                everything = np.ones(len(self), np.bool_)
                self._tallies[source] = self.code_tally(source, everything)
            return self._tallies[source]
        keys, borne = [], []
        if source != "predicted":
            chosen = rows[self.assigned.rows]
            keys.append(self.assigned.keys[chosen])
            borne.append(self.assigned.rows[chosen])
        if source != "assigned":
            codes = self.predicted.codes
            chosen = rows[codes.rows] & self.predicted.confident
            keys.append(codes.keys[chosen])
            borne.append(codes.rows[chosen])
        return _tally_with_ancestors(np.concatenate(keys), np.concatenate(borne))

    def nice_tally(self, rows: NDArray[np.bool_] | None = None) -> Tally:
        """Count the rows of each Nice class; see `code_tally`."""
        if rows is None:
            if "nice" not in self._tallies:
                self._tallies["nice"] = self.nice_tally(np.ones(len(self), np.bool_))
            return self._tallies["nice"]
        chosen = rows[self.nice.rows]
        return Tally.of(
            self.nice.keys[chosen].astype(np.int64), self.nice.rows[chosen].astype(np.int64)
        )

    def _bearing(self, codes: Sequence[ViennaCode], wanted: Filter) -> Passing:
        """Rows that bear one of the codes, or a code below it, by the source that is asked for."""
        return any_of([self._with_code(code, wanted) for code in codes])

    def _with_code(self, code: ViennaCode, wanted: Filter) -> Passing:
        """Rows of one code."""
        asked = (code, wanted.vienna_source, wanted.min_probability)
        return self._remembered(asked, lambda: self._seek(code, wanted))

    def _seek(self, code: ViennaCode, wanted: Filter) -> Passing:
        first = _key(code)
        stop, found = first + _BELOW[code.level], []
        if wanted.vienna_source != "predicted":
            place = self.assigned.between(first, stop)
            found.append(self._of_keys("assigned", first, stop, lambda: self.assigned.rows[place]))
        if wanted.vienna_source != "assigned":
            found.append(self._seen(first, stop, wanted.min_probability))
        return any_of(found)

    def _seen(self, first: int, stop: int, least: float | None) -> Passing:
        """Rows in which the network sees one of some codes, with at least a probability."""
        part = self.predicted.codes.between(first, stop)
        rows = self.predicted.codes.rows[part]
        if least is not None:
            return passing_of(rows[self.predicted.probabilities[part] >= least], len(self))
        return self._of_keys("predicted", first, stop, lambda: rows[self.predicted.confident[part]])

    def _of_class(self, number: int) -> Passing:
        """Rows of one Nice class."""
        place = self.nice.between(number, number + 1)
        return self._remembered(
            number, lambda: self._of_keys("nice", number, number + 1, lambda: self.nice.rows[place])
        )

    def _of_keys(
        self, kind: Kind, first: int, stop: int, rows: Callable[[], NDArray[np.int32]]
    ) -> Passing:
        """Rows of some keys: made ready, or sought."""
        known = self._ready.get(kind, first, stop)
        return passing_of(rows(), len(self)) if known is None else known

    def _labelled(self, labels: Labels, words: frozenset[str]) -> Passing:
        """Rows that bear one of some words."""
        asked = (id(labels), words)  # which live as long as what is remembered
        return self._remembered(asked, lambda: Bits.of(labels.among(words)))

    def _remembered(self, asked: Hashable, seek: Callable[[], Passing]) -> Passing:
        """Rows that answer a question; if they are many, kept, to be asked for again."""
        known = self._common.get(asked)
        if known is not None:
            return known
        passing = seek()
        if isinstance(passing, Bits) and len(self) > _SMALL:
            self._common.put(asked, passing)
        return passing

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot; words as UTF-8 lines."""
        if not len(self._ready):
            self._make_ready()
        return {
            **self._ready.arrays(),
            "assigned_keys": self.assigned.keys,
            "assigned_rows": self.assigned.rows,
            "predicted_keys": self.predicted.codes.keys,
            "predicted_rows": self.predicted.codes.rows,
            "predicted_probabilities": self.predicted.probabilities,
            "predicted_confident": self.predicted.confident,
            "nice_keys": self.nice.keys,
            "nice_rows": self.nice.rows,
            "status_names": words_to_bytes(self.status.names),
            "status_column": self.status.column,
            "office_names": words_to_bytes(self.office.names),
            "office_column": self.office.column,
            "filed": self.filed,
        }

    def _make_ready(self) -> None:
        codes, sure = self.predicted.codes, self.predicted.confident
        levels, count = tuple(_BELOW.values()), len(self)
        self._ready.make("assigned", self.assigned.keys, self.assigned.rows, count, levels)
        self._ready.make("predicted", codes.keys[sure], codes.rows[sure], count, levels)
        self._ready.make("nice", self.nice.keys, self.nice.rows, count, (1,))

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "FilterColumns":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: an array is missing or does not fit the others.
        """
        return cls(
            assigned=Postings(arrays["assigned_keys"], arrays["assigned_rows"]),
            predicted=Predictions(
                Postings(arrays["predicted_keys"], arrays["predicted_rows"]),
                arrays["predicted_probabilities"],
                arrays["predicted_confident"],
            ),
            nice=Postings(arrays["nice_keys"], arrays["nice_rows"]),
            status=Labels(words_from_bytes(arrays["status_names"]), arrays["status_column"]),
            office=Labels(words_from_bytes(arrays["office_names"]), arrays["office_column"]),
            filed=arrays["filed"],
            _ready=ReadyRows.restored(arrays, len(arrays["filed"])),
        )

    @classmethod
    def merged(cls, parts: Sequence[tuple["FilterColumns", NDArray[np.int64]]]) -> "FilterColumns":
        """Columns of the kept rows of several, one after the other.

        Args:
            parts: columns, and which of their rows to keep, ascending.
        """
        places = [kept for _, kept in parts]
        moved = _moves(parts)
        predicted, order = _merge([one.predicted.codes for one, _ in parts], moved)
        return cls(
            assigned=_merge([one.assigned for one, _ in parts], moved)[0],
            predicted=Predictions(
                predicted,
                np.concatenate([one.predicted.probabilities for one, _ in parts])[order],
                np.concatenate([one.predicted.confident for one, _ in parts])[order],
            ),
            nice=_merge([one.nice for one, _ in parts], moved)[0],
            status=Labels.merged([one.status for one, _ in parts], places),
            office=Labels.merged([one.office for one, _ in parts], places),
            filed=np.concatenate([one.filed[kept] for one, kept in parts]),
        )


def _key(code: ViennaCode) -> int:
    """A number in the classification's order: everything below a code follows it."""
    return code.category * 10_000 + code.division * 100 + code.section


def _tally_with_ancestors(keys: NDArray[np.int32], rows: NDArray[np.int32]) -> Tally:
    """Count each code's rows, and those of each division and category above it."""
    levels = []
    for below in _BELOW.values():
        # A code without division counts for no division, one without section for no section.
        held = keys % (below * 100) >= below if below < _BELOW["category"] else keys > 0
        above = keys[held].astype(np.int64) // below * below
        levels.append(Tally.of(above, rows[held].astype(np.int64)))
    together = np.concatenate([one.keys for one in levels])
    order = np.argsort(together)
    return Tally(together[order], np.concatenate([one.counts for one in levels])[order])


def _day(filed: date | None) -> int:
    return _NO_DATE if filed is None else filed.toordinal()


def _between(filed: NDArray[np.int32], first: date | None, last: date | None) -> NDArray[np.bool_]:
    """Which of some days lie in a span; rows without a day never do."""
    inside: NDArray[np.bool_] = filed >= _day(first or date.min)
    if last is not None:
        inside &= filed <= _day(last)
    return inside


def _moves(
    parts: Sequence[tuple[FilterColumns, NDArray[np.int64]]],
) -> list[NDArray[np.int32]]:
    """For each part, the new row of each of its rows; -1 for those that are left behind."""
    moved, offset = [], 0
    for columns, kept in parts:
        target = np.full(len(columns), -1, np.int32)
        target[kept] = np.arange(offset, offset + len(kept), dtype=np.int32)
        moved.append(target)
        offset += len(kept)
    return moved


def _merge(
    postings: Sequence[Postings], moved: Sequence[NDArray[np.int32]]
) -> tuple[Postings, NDArray[np.int64]]:
    """Merge, and say from which pair of the concatenation each merged pair comes."""
    keys = np.concatenate([one.keys for one in postings])
    rows = np.concatenate([to[one.rows] for one, to in zip(postings, moved, strict=True)])
    order = np.argsort(keys, kind="stable")
    order = order[rows[order] >= 0]
    return Postings(keys[order], rows[order]), order
