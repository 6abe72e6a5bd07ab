"""What of a query and of a mark is compared, and what of it matched."""

from dataclasses import dataclass
from typing import NamedTuple

from indexer.marks import Box
from models.vienna import ViennaCode


@dataclass(frozen=True, slots=True)
class Pair:
    """What matched best: the whole sign or a part of the query, and of the mark.

    Attributes:
        query, mark: 0 for the whole sign, 1 to 3 for its parts, the largest first.
        query_box, mark_box: where it is: left, top, right, bottom as shares of the picture's width
            and height; None for a mark of which no box is stored.
        picture: which of the query's pictures it is, 0 for the first.
    """

    query: int
    mark: int
    query_box: Box
    mark_box: Box | None
    picture: int = 0


class Candidate(NamedTuple):
    """What a mark is ranked again by.

    Attributes:
        places: coded; empty of a mark without.
        codes: that it bears: assigned by the office or, where it gave none, predicted with
            confidence, so that marks without codes are not put behind those that have some.
    """

    places: bytes
    codes: tuple[ViennaCode, ...]


@dataclass(frozen=True, slots=True)
class PlaceMatches:
    """Where the pair matches.

    Attributes:
        share: 0 to 1, how much of the query's places agrees on one displacement.
        points: x and y in the query's picture, x and y in the mark's, as shares of their widths and
            heights: places that match, the most similar first.
    """

    share: float
    points: tuple[tuple[float, float, float, float], ...]
