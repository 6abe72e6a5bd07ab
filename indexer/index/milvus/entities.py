"""A mark as entities of a collection: one for each vector, each with all that filters ask.

Whole signs and parts are in partitions of their own, since a search compares with one or the other
and a server reads every vector of the partitions that it is asked of, also those that do not pass.

Codes are numbers (`code_key`), each beside its division and category, so that a code that means
all below it is one number to look for. Words are percent-encoded, so that no word can be more than
a word in an expression. Predicted codes are kept twice: those that reach their threshold as
numbers, and all of them with their probability, for filters that name another threshold.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any
from urllib.parse import quote

import numpy as np

from indexer.index.filters import KEYS_BELOW, code_key
from indexer.marks import Change
from indexer.query import DAY_COLUMNS, WORD_COLUMNS
from models.vienna import ViennaCode

WHOLES, PARTS = "wholes", "parts"  # partitions
SLOTS = 8  # keys of a mark, one for each vector that it may have
POSITION_KEY = -1  # of the entity that says how far the collection is
NO_DAY = 0
LAYOUT = 3  # of entities: raised when they change, so that collections are made anew


def key_of(number: int, place: int) -> int:
    """The key of a mark's vector: 0 for the whole sign, then its parts."""
    return number * SLOTS + place


def partition_of(key: int) -> str:
    """Where the entity with a key is."""
    return PARTS if key % SLOTS else WHOLES


def entities_of(change: Change) -> list[dict[str, Any]]:
    """The entities of a mark; none of one that no picture can find.

    Raises:
        ValueError: it has more vectors than there are keys.
    """
    vectors = change.embedding
    if change.deleted or vectors is None or not np.isfinite(vectors).all():
        return []
    if len(vectors) > SLOTS:
        raise ValueError(f"mark {change.id} has {len(vectors)} vectors; {SLOTS} are foreseen")
    seen: dict[str, float] = {}
    for one in change.predicted:
        for above in with_ancestors(one.code):
            seen[str(above)] = max(one.probability, seen.get(str(above), 0.0))
    sure = [one.code for one in change.predicted if one.confident]
    fields = {
        "mark": change.number,
        "sequence": change.sequence,
        "assigned": _keys(change.assigned),
        "predicted": _keys(sure),
        "seen": seen,
        "nice": sorted(change.nice),
        **{name: encoded(getattr(change, name)) for name in WORD_COLUMNS},
        **{name: day_number(getattr(change, name)) for name in DAY_COLUMNS},
    }
    return [
        {"key": key_of(change.number, place), **fields, "vector": vector}
        for place, vector in enumerate(vectors.astype(np.float32))
    ]


def position_entity(sequence: int, dimension: int) -> dict[str, Any]:
    """The entity that says up to which change the collection holds the register."""
    return {
        "key": POSITION_KEY,
        "mark": POSITION_KEY,
        "sequence": sequence,
        "assigned": [],
        "predicted": [],
        "seen": {},
        "nice": [],
        **dict.fromkeys(WORD_COLUMNS, ""),
        **dict.fromkeys(DAY_COLUMNS, NO_DAY),
        "vector": np.zeros(dimension, np.float32),
    }


def unused_keys(changes: Iterable[Change], used: Iterable[int]) -> list[int]:
    """Keys that marks may have had and have no longer; one that was written once had no others."""
    again = [change.number for change in changes if change.sequence != change.number]
    every = {key_of(number, place) for number in again for place in range(SLOTS)}
    return sorted(every.difference(used))


def with_ancestors(code: ViennaCode) -> list[int]:
    """Numbers of a code, of its division and of its category."""
    key = code_key(code)
    return sorted({key // below * below for below in KEYS_BELOW.values()})


def encoded(word: str | None) -> str:
    """A word as entities have it; empty for none."""
    return "" if word is None else quote(word, safe="")


def day_number(day: date | None) -> int:
    """A day as entities have it."""
    return NO_DAY if day is None else day.toordinal()


def _keys(codes: Iterable[ViennaCode]) -> list[int]:
    return sorted({above for code in codes for above in with_ancestors(code)})
