"""The objects that HTTP answers with and that the command line prints with ``--json``."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, create_model

from indexer.marks import MARK_FIELDS, FieldKind, Mark
from indexer.query import Hit
from models.network.score_calibration import Band
from search_api.answers import Answer
from search_api.match_schemas import (
    PAIR_EXAMPLE,
    PairResponse,
    PlacesResponse,
    WordMatchResponse,
)
from search_api.query_schemas import (
    PREDICTED_EXAMPLE,
    QUERY_EXAMPLE,
    PredictedResponse,
    QueryResponse,
)

API = "/api/v1"

_TYPES: Mapping[FieldKind, Any] = {
    FieldKind.ID: str,
    FieldKind.TEXT: str | None,
    FieldKind.WORD: str | None,
    FieldKind.DAY: date | None,
    FieldKind.NICE: list[int],
    FieldKind.VIENNA: list[str],
    FieldKind.US_DESIGN: list[str],
}

_SHOWN = tuple(one for one in MARK_FIELDS if one.name != "image_name")
_MARK: dict[str, Any] = {
    **{one.name: one.example for one in _SHOWN},
    "words_read": None,
    "image": f"{API}/marks/EM-018000001/image",
    "image_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "predicted": [PREDICTED_EXAMPLE],
}
_HIT: dict[str, Any] = {
    **_MARK,
    "score": 0.87,
    "scores": {"visual": 0.91, "concept": 0.83, "colour": 0.72, "codes": 0.64},
    "match": None,
    "picture": None,
    "group": "EM-018000001",
    "pair": PAIR_EXAMPLE,
    "probability": 0.63,
    "band": "strong",
    "places": {"share": 0.43, "points": [[0.3, 0.4, 0.52, 0.41]]},
    "same_codes": 0.8,
}
_PLAN: dict[str, Any] = {
    "kind": "exact",
    "index": "faiss IndexScalarQuantizer fp16, cpu",
    "matched": 412,
    "total": 1742,
    "sequence": 1742,
    "milliseconds": {
        "decode": 1.8,
        "wait": 0.0,
        "encode": 91.0,
        "filter": 0.1,
        "search": 0.9,
        "rerank": 7.5,
    },
    "reranked": 150,
}


if TYPE_CHECKING:
    _RecordFields = BaseModel
else:
    _RecordFields = create_model(
        "_RecordFields",
        **{one.name: (_TYPES[one.kind], Field(description=one.description)) for one in _SHOWN},
    )


class _MarkFields(_RecordFields):
    """What the register says of a mark."""

    words_read: str | None = Field(
        description="Words that were read in the picture of a mark that came without any; empty "
        "where there are none, null where nobody looked."
    )
    image: str | None = Field(description="Path of its picture; null where it has none.")
    image_digest: str | None = Field(
        description="SHA-256 (hex) of its picture; as ?digest=… it makes the picture cacheable "
        "for ever."
    )
    predicted: list[PredictedResponse] = Field(
        description="Vienna codes that the network sees, from a probability of 0.05."
    )


def _mark_fields(mark: Mark) -> dict[str, Any]:
    record = mark.record
    return {
        **{one.name: one.as_json(record) for one in _SHOWN},
        "words_read": mark.words_read,
        "image": None if mark.image_digest is None else image_path(record.id),
        "image_digest": mark.image_digest,
        "predicted": [PredictedResponse.of(seen) for seen in mark.predicted],
    }


class HitResponse(_MarkFields):
    """A mark that was found, and how near it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_HIT]})

    score: float = Field(
        description="Weighted mean of the scores, nearer to 1 where places agree or the query "
        "shows a code of the mark."
    )
    scores: dict[str, float] = Field(
        description="Cosine of each block, -1 to 1; words: how alike they are, 0 to 1."
    )
    pair: PairResponse = Field(description="What of the query and of the mark matched best.")
    probability: float | None = Field(
        description="That it is the same sign or a variant, if the register holds one; null with "
        "other weights than the default ones."
    )
    band: Band | None = Field(
        description="The probability in a word: from 0.9, 0.5, 0.1 or 0. weak is no better than "
        "chance."
    )
    match: WordMatchResponse | None = Field(
        description="How its words match; null where words are no part of the score."
    )
    picture: float | None = Field(
        description="The score by picture alone, where words are part of the score."
    )
    group: str | None = Field(
        description="The first hit that shows the same sign, near-identical or a variant of the "
        "same owner: its own id where it is that."
    )
    places: PlacesResponse | None = Field(
        description="Where they match; null of a mark that was not ranked again, or has no places."
    )
    same_codes: float | None = Field(
        description="How surely the query shows a code of the mark, assigned or else predicted, 0 "
        "to 1; null of a mark that was not ranked again, and where same_codes has no weight."
    )

    @classmethod
    def of(cls, hit: Hit) -> "HitResponse":
        """Show a hit of a ranking.

        Raises:
            ValueError: it comes from a listing, which has no scores.
        """
        if hit.score is None or hit.pair is None:
            raise ValueError(f"{hit.id} was listed, not compared")
        return cls(
            score=hit.score,
            scores=dict(hit.scores),
            pair=PairResponse.of(hit.pair),
            probability=hit.probability,
            band=hit.band,
            match=WordMatchResponse.of_match(hit.words),
            picture=hit.picture,
            group=hit.group,
            places=None if hit.places is None else PlacesResponse.of(hit.places),
            same_codes=hit.same_codes,
            **_mark_fields(hit.mark),
        )


class MarkResponse(_MarkFields):
    """A mark of the register."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_MARK,
                    "media_type": "image/png",
                    "width": 256,
                    "height": 200,
                    "sequence": 1742,
                    "updated": "2026-11-23T16:00:00Z",
                }
            ]
        }
    )

    media_type: str | None = Field(description="What the original picture is.")
    width: int | None = Field(description="Its width in pixels.")
    height: int | None = Field(description="Its height in pixels.")
    sequence: int = Field(description="Number of the change that wrote it last.")
    updated: datetime = Field(description="When that was (UTC).")

    @classmethod
    def of(cls, mark: Mark) -> "MarkResponse":
        """Show a mark."""
        return cls(
            media_type=mark.media_type,
            width=mark.width,
            height=mark.height,
            sequence=mark.sequence,
            updated=mark.updated,
            **_mark_fields(mark),
        )


class Milliseconds(BaseModel):
    """Where the time of a search went."""

    decode: float = Field(description="Reading the query picture.")
    wait: float = Field(description="Waiting for a turn to decode and to encode.")
    encode: float = Field(description="The network.")
    filter: float = Field(description="Finding the marks that the filter allows.")
    search: float = Field(description="Ranking them.")
    rerank: float = Field(description="Ranking the first of them again.")


class PlanResponse(BaseModel):
    """How the search ran; scores are exact, and only ivf may miss a mark that is allowed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PLAN]})

    kind: str = Field(
        description="none: the filter allows no mark; gather: few; exact: a scan; ivf: a scan of "
        "the lists that most probably hold the best, which may miss a mark."
    )
    index: str = Field(description="The index and the device that ran.")
    matched: int = Field(description="Marks that the filter allows.")
    total: int = Field(description="Marks in the index.")
    sequence: int = Field(description="Change of the register up to which the index goes.")
    milliseconds: Milliseconds
    reranked: int = Field(description="Marks that were ranked again by their places and codes.")


class SearchResponse(BaseModel):
    """The marks most like the query, nearest first, and how they were found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "query": QUERY_EXAMPLE,
                    "plan": _PLAN,
                    "hits": [_HIT],
                    "better_than_chance": 1,
                }
            ]
        }
    )

    query: QueryResponse
    plan: PlanResponse
    hits: list[HitResponse]
    better_than_chance: int | None = Field(
        description="How many of the hits, the first ones, are better than chance: those after "
        "them any query finds, even where nothing is like it. Null where probabilities are, and "
        "without hits."
    )

    @classmethod
    def of(cls, answer: Answer) -> "SearchResponse":
        """Show an answer."""
        plan = answer.plan
        return cls(
            query=QueryResponse.of_answer(answer),
            plan=PlanResponse(
                kind=plan.kind,
                index=plan.index,
                matched=plan.matched,
                total=plan.total,
                sequence=plan.sequence,
                milliseconds=Milliseconds(**plan.milliseconds),
                reranked=plan.reranked,
            ),
            hits=[HitResponse.of(hit) for hit in answer.hits],
            better_than_chance=answer.better_than_chance,
        )


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: Annotated[
        str, Field(description="Its name; `pictures.1` is the second picture of a sign.")
    ]
    detail: Annotated[str, Field(description="What is wrong with it.")]


class ProblemResponse(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:marklens:problem:bad-field",
                    "title": "A field cannot be understood",
                    "status": 422,
                    "detail": "k: Input should be greater than or equal to 1",
                    "instance": f"{API}/search",
                    "errors": [
                        {"field": "k", "detail": "Input should be greater than or equal to 1"}
                    ],
                }
            ]
        }
    )

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong here and what to do about it, in one sentence.")
    instance: str = Field(description="Path of the request.")
    errors: list[FieldProblem] = Field(description="The fields at fault, where it is fields.")


def image_path(mark_id: str) -> str:
    """Path of a mark's picture on the server."""
    return f"{API}/marks/{quote(mark_id, safe='')}/image"
