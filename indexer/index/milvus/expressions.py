"""A filter as an expression of Milvus, which then compares only the vectors that pass.

Nothing of a filter enters an expression but numbers and percent-encoded words.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from indexer.index.filters import code_key
from indexer.index.milvus.entities import NO_DAY, day_number, encoded
from indexer.query import FILTER_FIELDS, Filter
from models.vienna import ViennaCode

_NOBODY = "key < -1"


def expression_of(wanted: Filter) -> str:
    """What all of a filter but its texts asks; empty where that is nothing."""
    return every(_conditions(wanted))


def every(conditions: Iterable[str]) -> str:
    """All of some conditions, of which empty ones ask nothing."""
    return " and ".join(f"({one})" for one in conditions if one)


def with_numbers(numbers: NDArray[np.int64]) -> str:
    """The marks with some numbers."""
    return f"mark in {numbers.tolist()}" if len(numbers) else _NOBODY


def without_numbers(numbers: NDArray[np.int64]) -> str:
    """All others."""
    return f"mark not in {numbers.tolist()}" if len(numbers) else ""


def _conditions(wanted: Filter) -> Iterator[str]:
    for one in FILTER_FIELDS:
        value = getattr(wanted, one.name)
        if not value:
            continue
        match one.kind:
            case "any_code":
                yield _any(_has(code, wanted) for code in value)
            case "all_codes":
                yield from (_has(code, wanted) for code in value)
            case "no_code":
                yield from (f"not ({_has(code, wanted)})" for code in value)
            case "classes":
                yield f"array_contains_any({one.of}, {sorted(value)})"
            case "words":
                words = ", ".join(f'"{encoded(word)}"' for word in sorted(value) if word)
                yield f"{one.of} in [{words}]" if words else _NOBODY
            case "first_day":
                yield f"{one.of} >= {day_number(value)}"
            case "last_day":
                yield f"{one.of} <= {day_number(value)} and {one.of} != {NO_DAY}"


def _any(conditions: Iterable[str]) -> str:
    return " or ".join(f"({one})" for one in conditions)


def _has(code: ViennaCode, wanted: Filter) -> str:
    """Whether a mark has a code or one below it, by the source that is asked for.

    It must be false, not unknown, of a mark without the code, so that ``not`` finds that.
    """
    key, least = code_key(code), wanted.min_probability
    found = []
    if wanted.vienna_source != "predicted":
        found.append(f"array_contains(assigned, {key})")
    if wanted.vienna_source != "assigned":
        sure = f"array_contains(predicted, {key})"
        seen = f'(exists seen["{key}"]) and seen["{key}"] >= {least or 0:.20f}'
        found.append(sure if least is None else seen)
    return _any(found)
