"""Ranks the first candidates of a search again, by their places and by their Vienna codes.

The pair of pictures that scores best, whole signs or parts, is compared by its places
(`models.network.places`). And a mark may bear a code that the query shows: how surely it shows it,
codes of broader levels counting less, says how far the two agree on what is depicted. What agrees,
of 0 to 1, closes a share of the distance to 1:

    1 - (1 - score) · (1 - weight of places · places) · (1 - weight of codes · codes)

A mark that is not ranked again, or has neither places nor codes, keeps its score. So no candidate
falls behind a mark that was not ranked again, scores never exceed 1, and the same picture still
scores 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.matches import Candidate, PlaceMatches
from indexer.search.ranking import Ranked
from indexer.search.scoring import Query
from models.encoder import Embedding
from models.network.parts import is_thing
from models.network.places import Agreement, Places, from_bytes, match, one_from_bytes
from models.vienna import ViennaCode

POINTS = 24  # places that are told of a hit, the most similar first
# What codes count, by level, and those that are perhaps shown: see docs/decisions/0029.
_LEVELS = {"category": 0.6, "division": 0.8, "section": 1.0}
_PERHAPS = 0.5


def certainty(
    shown: Iterable[ViennaCode], perhaps: Iterable[ViennaCode]
) -> dict[ViennaCode, float]:
    """How surely a query shows each thing, as `SearchQuery` takes it: 0 to 1.

    Args:
        shown: codes that reach their threshold, or are known.
        perhaps: codes that may be there.
    """
    said = {**dict.fromkeys(perhaps, _PERHAPS), **dict.fromkeys(shown, 1.0)}
    return {code: share for code, share in said.items() if is_thing(code)}


class Reranking:
    """The places and the codes of one query."""

    def __init__(
        self, query: Embedding, shown: Mapping[ViennaCode, float], compared: Query
    ) -> None:
        """Prepare a query.

        Args:
            query: its embedding.
            shown: how surely it shows each code.
            compared: the weights of places and codes.
        """
        self._places_weight = compared.places_weight
        self._codes_weight = compared.same_codes_weight
        self._pictures = from_bytes(query.places) if self._places_weight else []
        counting = shown if self._codes_weight else {}
        self._shown = {code: share * _LEVELS[code.level] for code, share in counting.items()}
        self._found: dict[int, _Found] = {}  # by sequence of the mark
        self._agreement: dict[int, float] = {}
        self._known: dict[ViennaCode, float] = {}

    @property
    def is_on(self) -> bool:
        """Whether it changes anything: it needs a weight, and a query with places or codes."""
        return bool(self._pictures or self._shown)

    def apply(self, ranked: Sequence[Ranked], candidates: Mapping[int, Candidate]) -> list[Ranked]:
        """Score marks again.

        Args:
            ranked: all marks of a ranking.
            candidates: those that are ranked again, by sequence.

        Returns:
            The same marks, best first; equal ones by number.
        """
        if self._codes_weight:
            self._agreement = {at: self._agree(one.codes) for at, one in candidates.items()}
        compared: dict[int, list[tuple[Ranked, Places]]] = {}
        for one in ranked if self._pictures else ():
            candidate = candidates.get(one.sequence)
            picture = candidate and one_from_bytes(candidate.places, one.pair[1])
            if picture is not None:
                compared.setdefault(one.pair[0], []).append((one, picture))
        for of_query, marks in compared.items():
            self._compare(self._pictures[of_query], marks)
        again = [one._replace(score=self._score(one)) for one in ranked]
        return sorted(again, key=lambda one: (-one.score, one.number))

    def matches(self, ranked: Ranked) -> PlaceMatches | None:
        """What agrees between the query and a mark; None of one that was not ranked again."""
        found = self._found.get(ranked.sequence)
        return None if found is None else found.told()

    def agreement(self, ranked: Ranked) -> float | None:
        """How surely the query shows a code of a mark; None where codes were not compared."""
        return self._agreement.get(ranked.sequence)

    def _agree(self, codes: Sequence[ViennaCode]) -> float:
        return max((self._shown_of(code) for code in codes), default=0.0)

    def _shown_of(self, code: ViennaCode) -> float:
        """How surely a code, or one above it, is shown; the same few codes come again and again."""
        known = self._known.get(code)
        if known is None:
            known = max(self._shown.get(one, 0.0) for one in (code, *code.ancestors()))
            self._known[code] = known
        return known

    def _score(self, one: Ranked) -> float:
        found = self._found.get(one.sequence)
        places = 0.0 if found is None else min(1.0, self._places_weight * found.share)
        codes = min(1.0, self._codes_weight * self._agreement.get(one.sequence, 0.0))
        return one.score + (1.0 - (1.0 - places) * (1.0 - codes)) * (1.0 - one.score)

    def _compare(self, query: Places, marks: Sequence[tuple[Ranked, Places]]) -> None:
        agreement, points = match(query, [places for _, places in marks]), query.in_picture()
        for at, (one, places) in enumerate(marks):
            self._found[one.sequence] = _Found(points, places, agreement, at)


class _Found(NamedTuple):
    """What agrees between a picture of the query and one of a mark: a row of an agreement.

    Attributes:
        points: (q, 2) of the query's places in its picture.
    """

    points: NDArray[np.float32]
    mark: Places
    agreement: Agreement
    row: int

    @property
    def share(self) -> float:
        """Of the query's votes."""
        return float(self.agreement.shares[self.row])

    def told(self) -> PlaceMatches:
        """The share, and the places that agree most."""
        strength = self.agreement.strength[self.row]
        rows = np.argsort(-strength, kind="stable")[:POINTS]
        rows = rows[strength[rows] > 0]
        met = self.mark.cells[self.agreement.best[self.row][rows]]
        places = self.mark._replace(cells=met).in_picture()
        points = np.concatenate([self.points[rows], places], axis=1).tolist()
        return PlaceMatches(self.share, tuple(map(tuple, points)))
