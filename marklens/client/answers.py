"""What a server answers, as frozen dataclasses read from its JSON.

Fields that a newer server adds are passed over; the page `/docs` of a server describes each.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from marklens.client.problems import ClientError

Box = tuple[float, ...]  # left, top, right, bottom, as shares of the picture
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenCode:
    """A Vienna code that the network sees, and how sure it is (0 to 1)."""

    code: str
    title: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The codes seen in a picture: those that reach their threshold, and what may be there."""

    vienna: tuple[SeenCode, ...]
    perhaps: tuple[SeenCode, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadLine:
    """A line of text that was read in a picture, and where."""

    text: str
    confidence: float
    box: Box


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """The words that were read in a picture: all of them, and line by line."""

    text: str
    read_words: tuple[ReadLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundCode:
    """A Vienna code that words may mean; `by` is the everyday word that it was found by."""

    code: str
    title: str
    marks: int
    fit: int
    by: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundCodes:
    """Codes by words, the best first."""

    found: tuple[FoundCode, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ViennaNode:
    """A code of the Vienna Classification, how many marks bear it, and the codes below it."""

    code: str
    title: str
    marks: int
    children: "tuple[ViennaNode, ...]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vienna:
    """The Vienna Classification."""

    categories: tuple[ViennaNode, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Facets:
    """How many marks pass a filter, in all and with each value."""

    matched: int
    vienna: Mapping[str, int]
    nice: Mapping[str, int]
    status: Mapping[str, int]
    office: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One write."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    request: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """Writes, the newest first."""

    entries: tuple[AuditEntry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryPicture:
    """A picture that was searched with; `handle` searches with it again, where it is kept."""

    handle: str | None
    pages: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenQuery(Seen):
    """What was seen in the query; pages and boxes are those of the first picture."""

    pages: int
    boxes: tuple[Box, ...]
    pictures: tuple[QueryPicture, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WordMatch:
    """How a mark's words match those looked for; `said` in plain English."""

    kind: str
    score: float
    letters: int
    found: int
    of: int
    said: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What the register says of a mark."""

    id: str
    text: str | None
    owner: str | None
    office: str | None
    status: str | None
    filed: date | None
    registered: date | None
    nice: tuple[int, ...]
    vienna: tuple[str, ...]
    us_design: tuple[str, ...]
    image: str | None
    image_digest: str | None
    words_read: str | None
    predicted: tuple[SeenCode, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredMark(Mark):
    """A mark with what its picture is, and when it was written last."""

    media_type: str | None
    width: int | None
    height: int | None
    sequence: int
    updated: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedMark(StoredMark):
    """A mark of a list; `match` where words were looked for."""

    match: WordMatch | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a list; `next` is the cursor of the page after it."""

    total: int
    next: str | None
    marks: tuple[ListedMark, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """What matched best: of the query and of the mark, 0 the whole sign, 1 to 3 a part of it."""

    query: int
    mark: int
    query_box: Box
    mark_box: Box | None
    picture: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where the pair matches: x, y in the query and in the mark, the most similar first."""

    share: float
    points: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit(Mark):
    """A mark that was found, and how near it is (higher is nearer)."""

    score: float
    scores: Mapping[str, float]
    pair: Pair
    probability: float | None
    band: str | None
    match: WordMatch | None
    picture: float | None
    group: str | None
    places: Places | None
    same_codes: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How the search ran."""

    kind: str
    index: str
    matched: int
    total: int
    sequence: int
    milliseconds: Mapping[str, float]
    reranked: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The marks most like the query, nearest first."""

    query: SeenQuery
    plan: Plan
    hits: tuple[Hit, ...]
    better_than_chance: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A picture that no search could be made with."""

    image: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A batch: ``waiting``, ``running``, ``done``, or ``stopped`` for the reason in `error`."""

    id: str
    state: str
    done: int
    total: int
    seconds_left: float | None
    unreadable: tuple[Unreadable, ...]
    created: datetime
    format: str
    results: str | None
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """A watch; `feed` is the path of its Atom feed, which holds a secret."""

    name: str
    threshold: float
    signs: tuple[str, ...]
    pictures: tuple[str, ...]
    asked: Mapping[str, Any]
    webhook: str | None
    webhook_error: str | None
    unread: int
    feed: str
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Watches:
    """All watches, by name."""

    watches: tuple[Watch, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A mark that came near a watched sign."""

    id: int
    sign: str
    mark: str
    text: str | None
    words_read: str | None
    image_digest: str | None
    withdrawn: bool
    score: float
    found: datetime
    read: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """What came near a watch."""

    events: tuple[Event, ...]


def read(kind: type[T], value: Any) -> T:
    """Make a dataclass of the JSON of an answer.

    Raises:
        ClientError: a field that must be there is not, so the server is of another version.
    """
    hints = _hints(kind)  # type: ignore[arg-type]  # a class, which is hashable
    try:
        made = {name: _read(hint, value.get(name)) for name, hint in hints.items()}
    except (TypeError, AttributeError) as error:
        raise ClientError(f"the server's answer is no {kind.__name__}: {error}") from error
    return kind(**made)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """Field → type of a dataclass; kept, since a page of hits asks for each of them."""
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}


def _read(hint: Any, value: Any) -> Any:
    """A value of JSON as its type hint says."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _read(inner[0], value)
    if value is None and hint is not Any:
        raise TypeError("a field is missing")
    if origin is tuple:
        return tuple(_read(inner[0], one) for one in value)
    if is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value)
    if hint in (date, datetime):
        return hint.fromisoformat(value)
    return float(value) if hint is float else value
