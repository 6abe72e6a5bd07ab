"""What the network sees in a query, as JSON: Vienna codes, and where the sign and its parts are."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.reading import ReadLine, joined
from models.vienna import PredictedCode, ViennaCode, ViennaTree
from search_api.answers import Answer, QueryPicture, SeenCodes
from search_api.match_schemas import BOX_HELP, BoxShares, clipped

PREDICTED_EXAMPLE: dict[str, Any] = {
    "code": "03.01",
    "title": "Quadrupeds (Series I)",
    "probability": 0.93,
}
_PERHAPS: dict[str, Any] = {"code": "03.07", "title": "Birds, bats", "probability": 0.21}
_SEEN: dict[str, Any] = {"vienna": [PREDICTED_EXAMPLE], "perhaps": [_PERHAPS]}
_QUERY_PICTURE: dict[str, Any] = {
    "handle": "9f86d081884c7d659a2feaa0c55ad015",
    "pages": 1,
    "boxes": [[0.05, 0.05, 0.95, 0.95]],
}
_LINE: dict[str, Any] = {"text": "LION CAFE", "confidence": 0.98, "box": [0.1, 0.7, 0.9, 0.85]}
_WORDS: dict[str, Any] = {"text": "LION CAFE", "read_words": [_LINE]}
QUERY_EXAMPLE: dict[str, Any] = {
    **_SEEN,
    "pages": 1,
    "boxes": [[0.05, 0.05, 0.95, 0.95]],
    "pictures": [_QUERY_PICTURE],
}


class PredictedResponse(BaseModel):
    """A Vienna code that the network sees in a picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [PREDICTED_EXAMPLE]})

    code: str = Field(description="The code, as CC, CC.DD or CC.DD.SS.")
    title: str = Field(description="Its title in the Vienna Classification.")
    probability: float = Field(ge=0, le=1, description="Calibrated probability.")

    @classmethod
    def of(cls, seen: PredictedCode) -> "PredictedResponse":
        """Show a predicted code with its title."""
        code, title = _shown(seen.code)
        return cls(code=code, title=title, probability=seen.probability)


class ClassifyResponse(BaseModel):
    """The Vienna codes seen in a picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SEEN]})

    vienna: list[PredictedResponse] = Field(
        description="Vienna codes that reach their threshold, most probable first."
    )
    perhaps: list[PredictedResponse] = Field(
        description="Codes that may be there but do not reach it, most probable first."
    )

    @classmethod
    def of(cls, seen: SeenCodes | Answer) -> "ClassifyResponse":
        """Show what was seen."""
        return cls(
            vienna=[PredictedResponse.of(one) for one in seen.vienna],
            perhaps=[PredictedResponse.of(one) for one in seen.perhaps],
        )


class ReadLineResponse(BaseModel):
    """A line of text that was read in a picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LINE]})

    text: str = Field(description="As it is read.")
    confidence: float = Field(ge=0, le=1, description="Of the reading; below 0.7 none is given.")
    box: BoxShares = Field(description=f"Where it stands: {BOX_HELP}, turned, not yet cropped.")


class WordsResponse(BaseModel):
    """The words that were read in a picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WORDS]})

    text: str = Field(description="All of them: what to search for as `text`. Empty without any.")
    read_words: list[ReadLineResponse] = Field(description="Line by line, from top to bottom.")

    @classmethod
    def of(cls, lines: Sequence[ReadLine]) -> "WordsResponse":
        """Show what was read."""
        shown = [
            ReadLineResponse(text=one.text, confidence=one.confidence, box=clipped(one.box))
            for one in lines
        ]
        return cls(text=joined(lines), read_words=shown)


class QueryPictureResponse(BaseModel):
    """One picture that was searched with."""

    model_config = ConfigDict(json_schema_extra={"examples": [_QUERY_PICTURE]})

    handle: str | None = Field(
        description="Send it as `query` to search with the picture again, without its bytes; null "
        "where the server does not keep it."
    )
    pages: int = Field(
        description="Pages of the file that was sent; `page` says which of them is looked at."
    )
    boxes: list[BoxShares] = Field(
        description=f"Of the whole sign, and of its parts that are compared, too: {BOX_HELP}, "
        "turned, not yet cropped."
    )

    @classmethod
    def of(cls, picture: QueryPicture) -> "QueryPictureResponse":
        """Show a picture."""
        boxes = [clipped(box) for box in picture.boxes]
        return cls(handle=picture.handle, pages=picture.pages, boxes=boxes)


class QueryResponse(ClassifyResponse):
    """What was seen in the query."""

    model_config = ConfigDict(json_schema_extra={"examples": [QUERY_EXAMPLE]})

    pages: int = Field(description="Of the first picture.")
    boxes: list[BoxShares] = Field(description="Of the first picture.")
    pictures: list[QueryPictureResponse] = Field(
        description="Each picture of the sign, in the order in which `pair.picture` counts them."
    )

    @classmethod
    def of_answer(cls, answer: Answer) -> "QueryResponse":
        """Show the query of an answer."""
        pictures = [QueryPictureResponse.of(one) for one in answer.pictures]
        return cls(
            **ClassifyResponse.of(answer).model_dump(),
            pages=pictures[0].pages,
            boxes=pictures[0].boxes,
            pictures=pictures,
        )


@lru_cache(maxsize=4096)  # the classification has fewer codes; an answer names some hundreds
def _shown(code: ViennaCode) -> tuple[str, str]:
    """A code as text, and its title."""
    return str(code), ViennaTree.load().title(code)
