"""Filters answered in RAM: from codes, classes, labels and days of a segment to the rows that pass.

Codes are posting lists sorted by code, so that a category or division, with everything below it,
is one contiguous part of them. SQL took 86 ms to 7 s for filters that take about a millisecond
here, at a million marks.
"""

import functools
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.columns import (
    KeyRows,
    Labels,
    PostingLists,
    row_moves,
    words_from_bytes,
    words_to_bytes,
)
from indexer.index.row_sets import RowSet, RowSetCache
from indexer.marks import Change
from indexer.query import DAY_COLUMNS, FILTER_FIELDS, WORD_COLUMNS, Filter, FilterField
from models.vienna import ViennaCode

Arrays = Mapping[str, NDArray[Any]]
NO_DATE = np.iinfo(np.int32).min
KEYS_BELOW = {"section": 1, "division": 100, "category": 10_000}  # size of a code's span of keys
_SMALL = 10_000  # rows up to which finding those that pass again costs next to nothing
_CACHED = 256  # row sets, up to 32 MB at a million rows


@dataclass(frozen=True, eq=False)
class PredictedCodes:
    """Predicted codes: posting lists with what the network said of each pair.

    Attributes:
        codes: by code, not by its ancestors.
        probabilities: (m,) float64.
        confident: (m,) bool, whether the code's own threshold was reached.
    """

    codes: PostingLists
    probabilities: NDArray[np.float64]
    confident: NDArray[np.bool_]

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "PredictedCodes":
        """The predicted codes of marks, a row each."""
        seen = [*chain.from_iterable(one.predicted for one in changes)]
        _, probabilities, confident = zip(*seen, strict=True) if seen else ((), (), ())
        codes, order = PostingLists.of(
            [[code_key(code) for code, _, _ in one.predicted] for one in changes]
        )
        return cls(
            codes,
            np.array(probabilities, np.float64)[order],
            np.array(confident, np.bool_)[order],
        )

    def sure(self, least: float | None) -> NDArray[np.bool_]:
        """Which pairs count: those of at least a probability, or above their code's threshold."""
        return self.confident if least is None else self.probabilities >= least


@dataclass(frozen=True, eq=False)
class FilterColumns:
    """All that filters ask of n rows; immutable."""

    assigned: PostingLists
    predicted: PredictedCodes
    nice: PostingLists
    words: Mapping[str, Labels]  # by field of a mark
    days: Mapping[str, NDArray[np.int32]]  # by field: (n,) proleptic day, `NO_DATE` without
    # The rows that have each code or one below it, or each class, which `facets` finds once.
    known_rows: dict[tuple[str, float | None], KeyRows] = field(default_factory=dict, repr=False)
    _cache: RowSetCache = field(default_factory=lambda: RowSetCache(_CACHED, _SMALL), repr=False)

    def __len__(self) -> int:
        """Count the rows."""
        return len(next(iter(self.days.values())))

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "FilterColumns":
        """Columns of live marks, a row each in the order given."""
        return cls(
            assigned=PostingLists.of([[*map(code_key, one.assigned)] for one in changes])[0],
            predicted=PredictedCodes.of(changes),
            nice=PostingLists.of([one.nice for one in changes])[0],
            words={name: Labels.of([getattr(c, name) for c in changes]) for name in WORD_COLUMNS},
            days={
                name: np.array([_day(getattr(one, name)) for one in changes], np.int32)
                for name in DAY_COLUMNS
            },
        )

    def allowed(self, wanted: Filter) -> RowSet:
        """Rows that pass all of a filter but its texts, which only SQL knows."""
        conditions = [*self._conditions(wanted)]
        if not conditions:
            return RowSet.all(len(self))
        return functools.reduce(operator.and_, conditions)

    def _conditions(self, wanted: Filter) -> Iterator[RowSet]:
        """Rows that pass each field of a filter."""
        for one in FILTER_FIELDS:
            value = getattr(wanted, one.name)
            if not value:
                continue
            match one.kind:
                case "any_code":
                    yield self._with_any_code(value, wanted)
                case "all_codes":
                    yield from (self._with_code(code, wanted) for code in value)
                case "no_code":
                    yield ~self._with_any_code(value, wanted)
                case "classes":
                    yield RowSet.union([self._of_class(number) for number in sorted(value)])
                case "words":
                    yield self._labelled(one.of, value)
                case "first_day" | "last_day":
                    yield self._dated(one, value)

    def _with_any_code(self, codes: Sequence[ViennaCode], wanted: Filter) -> RowSet:
        return RowSet.union([self._with_code(code, wanted) for code in codes])

    def _with_code(self, code: ViennaCode, wanted: Filter) -> RowSet:
        """Rows that have a code, or one below it, by the source that is asked for."""
        question = (code, wanted.vienna_source, wanted.min_probability)
        return self._cached(question, lambda: self._find_code(code, wanted))

    def _find_code(self, code: ViennaCode, wanted: Filter) -> RowSet:
        first = code_key(code)
        stop, found = first + KEYS_BELOW[code.level], []
        if wanted.vienna_source != "predicted":
            found.append(self.assigned.rows[self.assigned.span(first, stop)])
        if wanted.vienna_source != "assigned":
            codes = self.predicted.codes
            span = codes.span(first, stop)
            found.append(codes.rows[span][self.predicted.sure(wanted.min_probability)[span]])
        return RowSet.of_rows(len(self), *found)

    def _of_class(self, number: int) -> RowSet:
        """Rows of one Nice class."""
        span = self.nice.span(number, number + 1)
        return self._cached(number, lambda: RowSet.of_rows(len(self), self.nice.rows[span]))

    def _labelled(self, name: str, words: frozenset[str]) -> RowSet:
        """Rows whose field is one of some words."""
        return self._cached((name, words), lambda: RowSet.of_mask(self.words[name].any_of(words)))

    def _dated(self, asked: FilterField, day: date) -> RowSet:
        """Rows dated from a day on, or up to it; those without a day never are."""

        def found() -> RowSet:
            days = self.days[asked.of]
            if asked.kind == "first_day":
                return RowSet.of_mask(days >= _day(day))
            return RowSet.of_mask((days <= _day(day)) & (days != NO_DATE))

        return self._cached((asked.name, day), found)

    def _cached(self, question: Hashable, find: Callable[[], RowSet]) -> RowSet:
        known = self._cache.get(question)
        if known is None:
            known = find()
            self._cache.put(question, known)
        return known

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot."""
        return {
            "assigned_keys": self.assigned.keys,
            "assigned_rows": self.assigned.rows,
            "predicted_keys": self.predicted.codes.keys,
            "predicted_rows": self.predicted.codes.rows,
            "predicted_probabilities": self.predicted.probabilities,
            "predicted_confident": self.predicted.confident,
            "nice_keys": self.nice.keys,
            "nice_rows": self.nice.rows,
            **{f"{name}_names": words_to_bytes(one.names) for name, one in self.words.items()},
            **{f"{name}_column": one.column for name, one in self.words.items()},
            **self.days,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "FilterColumns":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: an array is missing or does not fit the others.
        """
        return cls(
            assigned=PostingLists(arrays["assigned_keys"], arrays["assigned_rows"]),
            predicted=PredictedCodes(
                PostingLists(arrays["predicted_keys"], arrays["predicted_rows"]),
                arrays["predicted_probabilities"],
                arrays["predicted_confident"],
            ),
            nice=PostingLists(arrays["nice_keys"], arrays["nice_rows"]),
            words={
                name: Labels(words_from_bytes(arrays[f"{name}_names"]), arrays[f"{name}_column"])
                for name in WORD_COLUMNS
            },
            days={name: arrays[name] for name in DAY_COLUMNS},
        )

    @classmethod
    def merged(cls, parts: Sequence[tuple["FilterColumns", NDArray[np.int64]]]) -> "FilterColumns":
        """Columns of the kept rows of several, one after the other.

        Args:
            parts: columns, and which of their rows to keep, ascending.
        """
        kept = [rows for _, rows in parts]
        moves = row_moves([len(one) for one, _ in parts], kept)
        predicted, order = PostingLists.merged([one.predicted.codes for one, _ in parts], moves)
        return cls(
            assigned=PostingLists.merged([one.assigned for one, _ in parts], moves)[0],
            predicted=PredictedCodes(
                predicted,
                np.concatenate([one.predicted.probabilities for one, _ in parts])[order],
                np.concatenate([one.predicted.confident for one, _ in parts])[order],
            ),
            nice=PostingLists.merged([one.nice for one, _ in parts], moves)[0],
            words={
                name: Labels.merged([one.words[name] for one, _ in parts], kept)
                for name in WORD_COLUMNS
            },
            days={
                name: np.concatenate([one.days[name][rows] for one, rows in parts])
                for name in DAY_COLUMNS
            },
        )


def code_key(code: ViennaCode) -> int:
    """A code's number in the classification's order: everything below a code follows it."""
    return code.category * 10_000 + code.division * 100 + code.section


def _day(day: date | None) -> int:
    return NO_DATE if day is None else day.toordinal()
