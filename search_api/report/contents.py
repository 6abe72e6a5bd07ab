"""What the report of a search says, before anything is laid out."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path

from PIL import Image, ImageDraw

from indexer.errors import BadQuery
from indexer.marks import MARK_FIELDS, Mark
from indexer.query import (
    FILTER_FIELDS,
    MAX_K,
    WORDS,
    Filter,
    FilterField,
    ranks_words,
)
from indexer.register.image_store import ImageStore
from indexer.texts import is_storable, showable
from models.errors import MarkLensError
from models.images import decode_image, full_size
from models.version import marklens_version
from models.vienna import PredictedCode, ViennaTree
from search_api.answers import Answer
from search_api.marklens import MarkLens
from search_api.query_encoder import read_picture
from search_api.report.reported_marks import ReportedMark, reported_marks
from search_api.request import WHOLE, Box, Picture, SearchRequest, View

MAX_NOTE = 2000  # characters: a row of the PDF must fit on a page
_TITLES = {one.name: one.title for one in MARK_FIELDS}
_ASKS = {
    "any_code": "any of",
    "all_codes": "all of",
    "no_code": "none of",
    "classes": "any of",
    "words": "any of",
    "first_day": "from",
    "last_day": "to",
    "text": "containing",
}
_SHOWN_ELSEWHERE = frozenset(
    (
        *("picture", "others", "other_views", "keep", "mark_id", "filter", "weights"),
        *("k", "offset", "among", "alone"),
    )
)


@dataclass(frozen=True)
class ReportRequest:
    """What to report.

    Attributes:
        search: the search; of its marks the first `k` after `offset`, unless some are named.
        shortlist: ids of the marks to report, of whatever place.
        notes: id → what is to be said of the mark, at most 2000 characters.
        day: of the report; today's (UTC) where left out.
        picture_name: what the query picture is called, where it is not a file with a name.

    Raises:
        BadQuery: a note is too long or cannot be written, or the shortlist names more than 1000
            marks.
    """

    search: SearchRequest
    shortlist: Sequence[str] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    day: date | None = None
    picture_name: str = ""

    def __post_init__(self) -> None:
        """Check lengths."""
        if len(self.shortlist) > MAX_K:
            raise BadQuery(f"the shortlist names {len(self.shortlist)} marks; give at most {MAX_K}")
        for mark_id, note in self.notes.items():
            if not is_storable(mark_id + note):
                raise BadQuery(
                    f"the note on {mark_id!r} holds a NUL character or half a character; remove it"
                )
            if len(note) > MAX_NOTE:
                raise BadQuery(
                    f"the note on {mark_id} has {len(note)} characters; give it at most {MAX_NOTE}"
                )


@dataclass(frozen=True)
class Fact:
    """One line of what a report says of the search."""

    name: str
    value: str


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Attributes:
        day: of the report.
        facts: of the query, the filters, the register, the network and the index.
        marks: in the order of their places.
        seen: Vienna codes that the network saw in the query picture.
        blocks: names of the scores that each hit has; none in a listing.
        picture: the query picture, upright RGB, a crop outlined; None without one.
        images: where the marks' pictures are read as the report is written.
    """

    day: date
    facts: tuple[Fact, ...]
    marks: tuple[ReportedMark, ...]
    seen: tuple[PredictedCode, ...]
    blocks: tuple[str, ...]
    picture: Image.Image | None
    images: ImageStore

    def fact(self, name: str) -> str:
        """The value of a fact; empty where there is none."""
        return next((one.value for one in self.facts if one.name == name), "")

    def picture_of(self, mark: Mark, side: int) -> Image.Image | None:
        """A mark's picture, RGB, at most `side` pixels a side; None where there is none to see."""
        if mark.image_digest is None:
            return None
        try:
            return _reduced(decode_image(self.images.get(mark.image_digest)), side)
        except MarkLensError:  # lost or damaged since: the report shows that there is none
            return None


def make_report(marklens: MarkLens, asked: ReportRequest) -> Report:
    """Search, and put down what a report says of it.

    Raises:
        UnknownMark: the shortlist names a mark that the register does not hold.
        BadQuery: a note is on a mark that is not reported.
        MarkLensError: as `MarkLens.search` raises.
    """
    request = replace(asked.search, alone=True)  # so that the same report can be made again
    if asked.shortlist:
        request = replace(request, k=MAX_K, offset=0, after=None)
    answer = marklens.search(request)
    marks = reported_marks(marklens, request, answer, asked.shortlist, asked.notes)
    lost = sorted(asked.notes.keys() - {one.mark.record.id for one in marks})
    if lost:
        raise BadQuery(f"there is a note on {lost[0]}, which is not among the marks reported")
    content = _content(marklens, request)
    picture = None if content is None else marklens.draw(content, replace(request.view, crop=None))
    day = asked.day or datetime.now(UTC).date()
    return Report(
        day=day,
        facts=tuple(_facts(marklens, asked, answer, _named(asked, content, picture))),
        marks=marks,
        seen=answer.vienna,
        blocks=tuple(answer.hits[0].scores) if answer.hits else (),
        picture=None if picture is None else _outlined(picture, request.crop),
        images=marklens.images,
    )


def _content(marklens: MarkLens, request: SearchRequest) -> bytes | Image.Image | None:
    """The query picture as it was given: a file's bytes, or an open picture."""
    picture = request.picture
    if picture is None:
        if request.mark_id is None or marklens.mark(request.mark_id).image_digest is None:
            return None
        return marklens.image(request.mark_id)
    return _given(marklens, picture)


def _given(marklens: MarkLens, picture: Picture) -> bytes | Image.Image:
    opened = marklens.queries.opened(picture)
    return read_picture(opened) if isinstance(opened, Path) else opened


def _others(marklens: MarkLens, request: SearchRequest) -> list[Fact]:
    """The further pictures of the sign, by their digests, and what of them is compared."""
    facts = []
    for number, (picture, view) in enumerate(zip_longest(request.others, request.other_views), 2):
        given = _given(marklens, picture)
        if isinstance(given, bytes):
            said = [f"SHA-256 {hashlib.sha256(given).hexdigest()}"]
        else:
            said = [f"{given.width} × {given.height} pixels"]
        said += [f"{name} {value}" for name, value in _options(view or WHOLE)]
        facts.append(Fact(f"Picture {number}", ", ".join(said)))
    return facts


def _facts(marklens: MarkLens, asked: ReportRequest, answer: Answer, query: str) -> list[Fact]:
    request, plan = asked.search, answer.plan
    bound = marklens.register.bound()
    facts = [Fact("Query", _query(marklens, request) or query), *_others(marklens, request)]
    facts += facts_asked(marklens, request)
    done = "compared" if request.is_ranked else "listed"
    facts.append(Fact("Marks", f"{plan.matched:,} of {plan.total:,} pass and were {done}"))
    facts.append(Fact("Reported", _which(asked)))
    if answer.better_than_chance is not None and not asked.shortlist:
        facts.append(Fact("Better than chance", f"{answer.better_than_chance:,} of these"))
    if plan.reranked:
        facts.append(Fact("Ranked again", f"the first {plan.reranked:,}, by places and codes"))
    facts.append(Fact("Register state", f"change {plan.sequence:,}"))
    facts.append(Fact("Network", bound[0] if bound else "none"))
    how = _PLANS.get(plan.kind, plan.kind) if request.is_ranked else f"by {request.list_order}"
    facts.append(Fact("Index", f"{plan.index}, {how}"))
    facts.append(Fact("Made with", f"MarkLens {marklens_version()}"))
    return facts


def facts_asked(marklens: MarkLens, request: SearchRequest) -> list[Fact]:
    """What is asked beside the query itself: options, weights, words and filters."""
    facts = [Fact(name, value) for name, value in options_of(request).items()]
    has_words = request.is_ranked and ranks_words(request.filter, request.weights)
    if request.is_ranked:
        weights = marklens.searcher.weights(request.weights).items()
        counting = {name: weight for name, weight in weights if name != WORDS or has_words}
        shown = ", ".join(f"{name} {weight:g}" for name, weight in counting.items())
        facts.append(Fact("Weights", shown))
    filters = request.filter
    if filters.text:
        only = "" if has_words else "only marks with words like "
        facts.append(Fact("Words", f"{only}{filters.text}, spelt or sounding alike"))
    others = filters_of(replace(filters, text=None))
    return [*facts, Fact("Filters", "; ".join(others) or "none")]


_PLANS = {
    "none": "no mark to compare",
    "gather": "each mark compared",
    "exact": "each mark compared",
    "ivf": "nearest lists compared: a mark may be missing",
    "milvus": "candidates of a server compared",
}


def _which(asked: ReportRequest) -> str:
    if asked.shortlist:
        return "a shortlist"
    first, last = asked.search.offset + 1, asked.search.offset + asked.search.k
    if asked.search.after:
        return f"{asked.search.k:,} of a further page"
    return f"places {first:,} to {last:,}" if asked.search.offset else f"the first {last:,}"


def _query(marklens: MarkLens, request: SearchRequest) -> str | None:
    """What is searched with, where it is no picture of the user's."""
    if request.mark_id is not None:
        words = marklens.mark(request.mark_id).words
        return f"mark {request.mark_id}" + (f", {words}" if words else "")
    return None if request.is_ranked else "no picture: marks by their words and data"


def _named(
    asked: ReportRequest, content: bytes | Image.Image | None, picture: Image.Image | None
) -> str:
    """The query picture's name, size and digest; empty without one."""
    if picture is None:
        return ""
    given = asked.search.picture
    name = given.name if isinstance(given, Path) else asked.picture_name
    width, height = full_size(picture)
    parts = [showable(name) or "a picture", f"{width} × {height} pixels"]
    if isinstance(content, bytes):
        parts.append(f"SHA-256 {hashlib.sha256(content).hexdigest()}")
    return ", ".join(parts)


def options_of(request: SearchRequest) -> dict[str, str]:
    """What else was asked, title to value, also what is new to a search."""
    return {
        name.replace("_", " ").capitalize(): value
        for name, value in _options(request)
        if name not in _SHOWN_ELSEWHERE
    }


def _options(asked: SearchRequest | View) -> Iterator[tuple[str, str]]:
    """What is not as it is by default, as name and value."""
    for one in fields(asked):
        value = getattr(asked, one.name)
        if value not in (None, one.default):
            yield one.name, _shown(value)


def filters_of(filter: Filter) -> list[str]:
    """What a filter asks, a phrase each field."""
    said = []
    for one in FILTER_FIELDS:
        value = getattr(filter, one.name)
        if value and not (one.kind == "choice" and value == one.example):
            said.append(f"{_phrase(one)} {_shown(value)}")
    return said


def _phrase(one: FilterField) -> str:
    if one.kind in ("choice", "share"):
        return one.name.replace("_", " ").capitalize()
    return f"{_TITLES[one.of]} {_ASKS.get(one.kind, one.kind.replace('_', ' '))}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def seen_as_text(seen: Sequence[PredictedCode], most: int) -> str:
    """Predicted codes with their titles and probabilities, the first few."""
    tree = ViennaTree.load()
    parts = [f"{one.code} {tree.title(one.code)} ({one.probability:.0%})" for one in seen[:most]]
    return "; ".join(parts) + (f" and {len(seen) - most} more" if len(seen) > most else "")


def _outlined(image: Image.Image, crop: Box | None) -> Image.Image:
    """The query picture with a red line around the part that was compared."""
    whole = full_size(image)
    small = _reduced(image, _QUERY_SIDE)
    if crop is None:
        return small
    x, y, width, height = crop
    across, down = small.width / whole[0], small.height / whole[1]
    box = (x * across, y * down, (x + width) * across - 1, (y + height) * down - 1)
    ImageDraw.Draw(small).rectangle(box, outline=(200, 30, 45), width=3)
    return small


_QUERY_SIDE = 800


def _reduced(image: Image.Image, side: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small
