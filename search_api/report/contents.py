"""What the report of a search says, before anything is laid out."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path

from PIL import Image

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
from search_api.languages import ENGLISH, LANGUAGES, Language, message
from search_api.marklens import MarkLens
from search_api.query_encoder import read_picture
from search_api.report.drawing import outlined, reduced
from search_api.report.reported_marks import ReportedMark, reported_marks
from search_api.request import WHOLE, Picture, SearchRequest, View

TITLE = message("Trademark search report")
MAX_NOTE = 2000  # characters: a row of the PDF must fit on a page
_TITLES = {one.name: one.title for one in MARK_FIELDS}
_ASKS = {
    "any_code": message("any of"),
    "all_codes": message("all of"),
    "no_code": message("none of"),
    "classes": message("any of"),
    "words": message("any of"),
    "first_day": message("from"),
    "last_day": message("to"),
    "text": message("containing"),
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
        language: of the report, ``en`` or ``fr``; names of columns in CSV are English in any.

    Raises:
        BadQuery: there is no such language, a note is too long or cannot be written, or the
            shortlist names more than 1000 marks.
    """

    search: SearchRequest
    shortlist: Sequence[str] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    day: date | None = None
    picture_name: str = ""
    language: str = ENGLISH.code

    def __post_init__(self) -> None:
        """Check the language, and lengths."""
        if self.language not in LANGUAGES:
            raise BadQuery(f"no report is in {self.language!r}; there are {', '.join(LANGUAGES)}")
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
    """One line of what a report says of the search.

    Attributes:
        name: in English.
        value: in the report's language.
        title: the name in the report's language, where it is not in the catalogue.
    """

    name: str
    value: str
    title: str = ""


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
        language: of all but the names of facts.
    """

    day: date
    facts: tuple[Fact, ...]
    marks: tuple[ReportedMark, ...]
    seen: tuple[PredictedCode, ...]
    blocks: tuple[str, ...]
    picture: Image.Image | None
    images: ImageStore
    language: Language = ENGLISH

    def fact(self, name: str) -> str:
        """The value of a fact; empty where there is none."""
        return next((one.value for one in self.facts if one.name == name), "")

    def lines(self, most_codes: int | None = None) -> list[tuple[str, str]]:
        """What is said of the search, as title and text, with some or all of the codes seen."""
        say = self.language.say
        lines = [(one.title or say(one.name), one.value) for one in self.facts]
        if self.seen:
            lines.append((say("Codes seen"), seen_as_text(self, most_codes)))
        return lines

    def picture_of(self, mark: Mark, side: int) -> Image.Image | None:
        """A mark's picture, RGB, at most `side` pixels a side; None where there is none to see."""
        if mark.image_digest is None:
            return None
        try:
            return reduced(decode_image(self.images.get(mark.image_digest)), side)
        except MarkLensError:  # lost or damaged since: the report shows that there is none
            return None


def make_report(marklens: MarkLens, asked: ReportRequest) -> Report:
    """Search, and put down what a report says of it.

    Raises:
        UnknownMark: the shortlist names a mark that the register never held.
        BadQuery: a note is on a mark that is not reported.
        MarkLensError: as `MarkLens.search` raises.
    """
    request = replace(asked.search, alone=True)  # so that the same report can be made again
    if asked.shortlist:
        request = replace(request, k=MAX_K, offset=0, after=None)
    language = LANGUAGES[asked.language]
    answer = marklens.search(request)
    marks = reported_marks(marklens, request, answer, asked.shortlist, asked.notes, language)
    lost = sorted(asked.notes.keys() - {one.mark.record.id for one in marks})
    if lost:
        raise BadQuery(f"there is a note on {lost[0]}, which is not among the marks reported")
    content = _content(marklens, request)
    picture = None if content is None else marklens.draw(content, replace(request.view, crop=None))
    day = asked.day or datetime.now(UTC).date()
    return Report(
        day=day,
        facts=tuple(_facts(marklens, asked, answer, _named(asked, content, picture))),
        language=language,
        marks=marks,
        seen=answer.vienna,
        blocks=tuple(answer.hits[0].scores) if answer.hits else (),
        picture=None if picture is None else outlined(picture, request.crop),
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


def _others(marklens: MarkLens, request: SearchRequest, language: Language) -> list[Fact]:
    """The further pictures of the sign, by their digests, and what of them is compared."""
    facts, say = [], language.say
    for number, (picture, view) in enumerate(zip_longest(request.others, request.other_views), 2):
        given = _given(marklens, picture)
        if isinstance(given, bytes):
            said = [f"SHA-256 {hashlib.sha256(given).hexdigest()}"]
        else:
            said = [_size(given.size, language)]
        said += [f"{say(_title(name))} {value}" for name, value in _options(view or WHOLE)]
        title = say("Picture %(n)s", n=number)
        facts.append(Fact(f"Picture {number}", ", ".join(said), title))
    return facts


def _facts(marklens: MarkLens, asked: ReportRequest, answer: Answer, query: str) -> list[Fact]:
    request, plan = asked.search, answer.plan
    bound = marklens.register.bound()
    language = LANGUAGES[asked.language]
    say, number = language.say, language.number
    facts = [Fact(message("Query"), _query(marklens, request, language) or query)]
    facts += [*_others(marklens, request, language), *facts_asked(marklens, request, language)]
    done = say("%(matched)s of %(total)s pass and were listed")
    if request.is_ranked:
        done = say("%(matched)s of %(total)s pass and were compared")
    counts = {"matched": number(plan.matched), "total": number(plan.total)}
    facts.append(Fact(message("Marks"), done % counts))
    facts.append(Fact(message("Reported"), _which(asked, language)))
    if answer.better_than_chance is not None and not asked.shortlist:
        better = say("%(n)s of these", n=number(answer.better_than_chance))
        facts.append(Fact(message("Better than chance"), better))
    if plan.reranked:
        first = say("the first %(n)s, by places and codes", n=number(plan.reranked))
        facts.append(Fact(message("Ranked again"), first))
    facts.append(Fact(message("Register state"), say("change %(n)s", n=number(plan.sequence))))
    facts.append(Fact(message("Network"), bound[0] if bound else say("none")))
    how = say("by %(order)s", order=request.list_order)
    if request.is_ranked:
        how = say(_PLANS.get(plan.kind, plan.kind))
    facts.append(Fact(message("Index"), f"{say(plan.index)}, {how}"))
    facts.append(Fact(message("Made with"), f"MarkLens {marklens_version()}"))
    return facts


def facts_asked(
    marklens: MarkLens, request: SearchRequest, language: Language = ENGLISH
) -> list[Fact]:
    """What is asked beside the query itself: options, weights, words and filters."""
    facts = [Fact(name, value) for name, value in options_of(request).items()]
    has_words = request.is_ranked and ranks_words(request.filter, request.weights)
    if request.is_ranked:
        weights = marklens.searcher.weights(request.weights).items()
        counting = {name: weight for name, weight in weights if name != WORDS or has_words}
        shown = ", ".join(f"{name} {weight:g}" for name, weight in counting.items())
        facts.append(Fact(message("Weights"), shown))
    filters = request.filter
    if filters.text:
        said = language.say("only marks with words like %(words)s, spelt or sounding alike")
        if has_words:
            said = language.say("%(words)s, spelt or sounding alike")
        facts.append(Fact(message("Words"), said % {"words": filters.text}))
    others = filters_of(replace(filters, text=None), language)
    return [*facts, Fact(message("Filters"), "; ".join(others) or language.say("no filter"))]


_PLANS = {
    "none": message("no mark to compare"),
    "gather": message("each mark compared"),
    "exact": message("each mark compared"),
    "ivf": message("nearest lists compared: a mark may be missing"),
    "milvus": message("candidates of a server compared"),
}


def _which(asked: ReportRequest, language: Language) -> str:
    say, number = language.say, language.number
    if asked.shortlist:
        return say("a shortlist")
    first, last = asked.search.offset + 1, asked.search.offset + asked.search.k
    if asked.search.after:
        return say("%(n)s of a further page", n=number(asked.search.k))
    if asked.search.offset:
        return say("places %(first)s to %(last)s", first=number(first), last=number(last))
    return say("the first %(n)s", n=number(last))


def _query(marklens: MarkLens, request: SearchRequest, language: Language) -> str | None:
    """What is searched with, where it is no picture of the user's."""
    if request.mark_id is not None:
        words = marklens.mark(request.mark_id).words
        shown = language.say("mark %(id)s", id=request.mark_id)
        return shown + (f", {words}" if words else "")
    if request.is_ranked:
        return None
    return language.say("no picture: marks by their words and data")


def _size(size: tuple[int, int], language: Language) -> str:
    return language.say("%(width)s × %(height)s pixels", width=size[0], height=size[1])


def _named(
    asked: ReportRequest, content: bytes | Image.Image | None, picture: Image.Image | None
) -> str:
    """The query picture's name, size and digest; empty without one."""
    if picture is None:
        return ""
    given, language = asked.search.picture, LANGUAGES[asked.language]
    name = given.name if isinstance(given, Path) else asked.picture_name
    parts = [
        showable(name) or language.say("a picture"),
        _size(full_size(picture), language),
    ]
    if isinstance(content, bytes):
        parts.append(f"SHA-256 {hashlib.sha256(content).hexdigest()}")
    return ", ".join(parts)


def options_of(request: SearchRequest) -> dict[str, str]:
    """What else was asked, title to value, also what is new to a search."""
    return {
        _title(name): value for name, value in _options(request) if name not in _SHOWN_ELSEWHERE
    }


def _title(name: str) -> str:
    """What a field is called, in English."""
    return name.replace("_", " ").capitalize()


def _options(asked: SearchRequest | View) -> Iterator[tuple[str, str]]:
    """What is not as it is by default, as name and value."""
    for one in fields(asked):
        value = getattr(asked, one.name)
        if value not in (None, one.default):
            yield one.name, _shown(value)


def filters_of(filter: Filter, language: Language = ENGLISH) -> list[str]:
    """What a filter asks, a phrase each field."""
    said = []
    for one in FILTER_FIELDS:
        value = getattr(filter, one.name)
        if value and not (one.kind == "choice" and value == one.example):
            said.append(f"{_phrase(one, language)} {_shown(value)}")
    return said


def _phrase(one: FilterField, language: Language) -> str:
    if one.kind in ("choice", "share"):
        return language.say(_title(one.name))
    asks = _ASKS.get(one.kind, one.kind.replace("_", " "))
    return f"{language.say(_TITLES[one.of])} {language.say(asks)}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def seen_as_text(report: Report, most: int | None = None) -> str:
    """The codes seen in the query, with titles and probabilities, all or the first few."""
    tree, share = ViennaTree.load(), report.language.share
    parts = [
        f"{one.code} {tree.title(one.code)} ({share(one.probability)})"
        for one in report.seen[:most]
    ]
    left = len(report.seen) - len(parts)
    more = report.language.say(" and %(n)s more", n=left) if left else ""
    return "; ".join(parts) + more
