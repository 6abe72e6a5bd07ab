"""What matched in query and hit, as JSON: boxes as shares of a picture, and words."""

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from indexer.matches import Pair, PlaceMatches
from indexer.words.likeness import WordMatch

Share = Annotated[float, Field(ge=0, le=1)]
BoxShares = tuple[Share, Share, Share, Share]
BOX_HELP = "left, top, right and bottom as shares of the picture's width and height"
_DIGITS = 5  # of a share: a tenth of a pixel of the largest picture


PAIR_EXAMPLE: dict[str, Any] = {
    "picture": 0,
    "query": 1,
    "mark": 0,
    "query_box": [0.1, 0.2, 0.4, 0.6],
    "mark_box": [0.05, 0.05, 0.95, 0.95],
}


class PairResponse(BaseModel):
    """What matched best: the whole sign, or a part, of the query and of the mark."""

    model_config = ConfigDict(json_schema_extra={"examples": [PAIR_EXAMPLE]})

    picture: int = Field(ge=0, description="Which picture of the query it is, 0 for the first.")
    query: int = Field(ge=0, description="Of the query: 0 the whole sign, 1 to 3 a part of it.")
    mark: int = Field(ge=0, description="Of the mark, likewise.")
    query_box: BoxShares = Field(
        description=f"Where that is in the query's picture, turned, not yet cropped: {BOX_HELP}."
    )
    mark_box: BoxShares | None = Field(
        description=f"Where that is in the mark's picture: {BOX_HELP}; null where none is stored."
    )

    @classmethod
    def of(cls, pair: Pair) -> "PairResponse":
        """Show a pair."""
        return cls(
            picture=pair.picture,
            query=pair.query,
            mark=pair.mark,
            query_box=clipped(pair.query_box),
            mark_box=None if pair.mark_box is None else clipped(pair.mark_box),
        )


class PlacesResponse(BaseModel):
    """Where the pair matches, by what the network sees at each place."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"share": 0.43, "points": [[0.3, 0.4, 0.52, 0.41]]}]}
    )

    share: Share = Field(description="How much of the query's places agrees on one displacement.")
    points: list[tuple[Share, Share, Share, Share]] = Field(
        description="Places that match, the most similar first: x and y in the query's picture, "
        "turned, not yet cropped, then x and y in the mark's, as shares of width and height."
    )

    @classmethod
    def of(cls, places: PlaceMatches) -> "PlacesResponse":
        """Show what matches."""
        # All at once: one by one they take longer than all else of an answer.
        points = np.array(places.points).reshape(-1, 4).clip(0, 1).round(_DIGITS).tolist()
        return cls(share=places.share, points=points)


def clipped(box: tuple[float, float, float, float]) -> BoxShares:
    """A box within the picture: a part is cut out with a margin, which may reach beyond it."""
    left, top, right, bottom = (round(min(1.0, max(0.0, share)), _DIGITS) for share in box)
    return left, top, right, bottom


class WordMatchResponse(BaseModel):
    """How a mark's words match those that were looked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "sounds",
                    "score": 0.917,
                    "letters": 1,
                    "found": 1,
                    "of": 1,
                    "said": "sounds alike",
                }
            ]
        }
    )

    kind: str = Field(
        description="exact, holds (the same words among others), latin (the same in Latin "
        "letters), begins, contains, sounds, letters (a few differ) or some words."
    )
    score: float = Field(ge=0, le=1, description="How alike they are.")
    letters: int = Field(description="Letters that differ in the words that match.")
    found: int = Field(description="Words that match.")
    of: int = Field(description="Words that were looked for.")
    said: str = Field(description="The same for people.")

    @classmethod
    def of_match(cls, match: WordMatch | None) -> "WordMatchResponse | None":
        """Show how words match; None where none were looked for."""
        if match is None:
            return None
        return cls(**{name: getattr(match, name) for name in cls.model_fields})
