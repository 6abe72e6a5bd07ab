"""The marks that a report has: the first of a search, or those of a shortlist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, repeat

from indexer.errors import UnknownMark
from indexer.marks import Mark, MarkRecord
from indexer.query import MAX_K, Hit
from search_api.answers import Answer
from search_api.languages import ENGLISH, Language, message
from search_api.marklens import MarkLens
from search_api.request import SearchRequest


@dataclass(frozen=True)
class ReportedMark:
    """A mark of a report.

    Attributes:
        mark: what the register holds of it; nothing but the id of one that was withdrawn.
        rank: its place; None where a shortlisted mark has none, and on the page after a cursor.
        hit: how near it is; None where that is not known.
        note: what its reader wrote.
        unplaced: why a shortlisted mark has no place; empty where it has one.
    """

    mark: Mark
    rank: int | None
    hit: Hit | None
    note: str = ""
    unplaced: str = ""


def reported_marks(
    marklens: MarkLens,
    request: SearchRequest,
    answer: Answer,
    shortlist: Sequence[str],
    notes: Mapping[str, str],
    language: Language = ENGLISH,
) -> tuple[ReportedMark, ...]:
    """The marks to report: those named, in the order of their places, or all hits.

    Raises:
        UnknownMark: the shortlist names a mark that the register never held.
    """
    places = repeat(None) if request.after else count(request.offset + 1)  # a cursor counts none
    found = {
        hit.id: ReportedMark(hit.mark, place, hit, notes.get(hit.id, ""))
        for hit, place in zip(answer.hits, places, strict=False)
    }
    if not shortlist:
        return tuple(found.values())
    named = dict.fromkeys(shortlist)
    others = marklens.register.marks([mark_id for mark_id in named if mark_id not in found])
    lost = [mark_id for mark_id in named if mark_id not in found and mark_id not in others]
    withdrawn = marklens.register.withdrawn(lost)
    for mark_id in lost:
        if mark_id not in withdrawn:
            raise UnknownMark(mark_id)
    chosen = [one for mark_id, one in found.items() if mark_id in named]
    near = _found_beyond(marklens, request, tuple(others))
    for one in (*near, *(mark_id for mark_id in others if mark_id not in near)):
        why = language.say("after place %(n)s", n=language.number(MAX_K))
        if one not in near:
            why = language.say(_why_left_out(request, others[one]))
        chosen.append(ReportedMark(others[one], None, near.get(one), notes.get(one, ""), why))
    why = language.say("withdrawn from the register")
    gone = [ReportedMark(_nothing_of(one), None, None, notes.get(one, ""), why) for one in lost]
    return (*chosen, *gone)


def _nothing_of(mark_id: str) -> Mark:
    """A mark of which only the id is left."""
    return Mark(
        MarkRecord(mark_id), 0, None, None, None, None, (), datetime.min.replace(tzinfo=UTC)
    )


def _found_beyond(
    marklens: MarkLens, request: SearchRequest, among: tuple[str, ...]
) -> Mapping[str, Hit]:
    """Those of some marks that are found after the first 1000, so not ranked again either."""
    if not among:
        return {}
    asked = replace(request, k=len(among), offset=0, rerank=0, among=among)
    return {hit.id: hit for hit in marklens.search(asked).hits}


def _why_left_out(request: SearchRequest, mark: Mark) -> str:
    if mark.record.id == request.mark_id:
        return message("the mark searched with")
    if request.is_ranked and mark.image_digest is None:
        return message("no picture to compare")
    return message("left out by the filters")
