"""What a program asks of a server: which marks, compared with what; what is to be made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal

from marklens.client.problems import ClientError

Picture = bytes | Path


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that the server keeps: what an answer gave as `QueryPicture.handle`."""

    handle: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The picture of a mark of the register."""

    mark_id: str


Shown = Picture | Kept | Registered
Form = dict[str, str | list[str]]
File = tuple[str, tuple[str, bytes]]  # of a form: its field, name and content


@dataclass(frozen=True, slots=True)
class Filter:
    """Which marks may be found; what is left out asks nothing.

    Attributes:
        vienna_any: Vienna codes, of which a mark has at least one; ``03.01`` means all below it.
        vienna_all: Vienna codes, all of which it has.
        vienna_none: Vienna codes, none of which it has.
        vienna_source: whose codes count.
        min_probability: from which a code that the network sees counts, 0 to 1.
        nice: Nice classes, at least one of them.
        status: legal statuses, any of them.
        office: offices, any of them.
        filed_from: the first day of filing.
        filed_to: the last day of filing.
        registered_from: the first day of registration.
        registered_to: the last day of registration.
        text: words in the mark, spelt or sounding alike.
        number: the mark's number, or parts of it.
        owner: words of the owner's name, or parts of them, in any order.
    """

    vienna_any: Sequence[str] = ()
    vienna_all: Sequence[str] = ()
    vienna_none: Sequence[str] = ()
    vienna_source: Literal["assigned", "predicted", "either"] = "either"
    min_probability: float | None = None
    nice: Sequence[int] = ()
    status: Sequence[str] = ()
    office: Sequence[str] = ()
    filed_from: date | None = None
    filed_to: date | None = None
    registered_from: date | None = None
    registered_to: date | None = None
    text: str | None = None
    number: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What of a picture is looked at.

    Attributes:
        crop: x, y, width, height in pixels of the part to compare, after turning.
        page: of a TIFF or PDF, from 1.
        turn: degrees clockwise.
    """

    crop: tuple[int, int, int, int] | None = None
    page: int = 1
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A search by picture, by a mark of the register, or by pictures that the server keeps.

    Attributes:
        picture: bytes or path of the picture.
        others: further pictures of the same sign.
        handles: instead of bytes, what an earlier answer gave as `QueryPicture.handle`.
        mark_id: instead of a picture, a mark of the register.
        crop: x, y, width, height in pixels of the part to compare, after turning.
        page: of a TIFF or PDF, from 1.
        turn: degrees clockwise.
        other_views: what is looked at of the pictures after the first, in their order.
        ignore_words: compare the picture without its lettering, which is read and painted over.
        filter: which marks may be found.
        weights: block → weight; one left out keeps its default.
        k: how many marks, 1 to 1000.
        offset: how many of the first to leave out.
        rerank: how many of the first are ranked again by places and codes; the server's number
            where None.
        keep: whether the server keeps the picture for later searches, by a handle.
    """

    picture: Picture | None = None
    others: Sequence[Picture] = ()
    handles: Sequence[str] = ()
    mark_id: str | None = None
    crop: tuple[int, int, int, int] | None = None
    page: int = 1
    turn: int = 0
    other_views: Sequence[View] = ()
    ignore_words: bool = False
    filter: Filter = field(default_factory=Filter)
    weights: Mapping[str, float] | None = None
    k: int = 20
    offset: int = 0
    rerank: int | None = None
    keep: bool = True


@dataclass(frozen=True, slots=True)
class NewMark:
    """A mark to register, or to put in the place of the one with the same id."""

    id: str
    text: str | None = None
    owner: str | None = None
    office: str | None = None
    status: str | None = None
    filed: date | None = None
    registered: date | None = None
    nice: Sequence[int] = ()
    vienna: Sequence[str] = ()
    us_design: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NewWatch:
    """Signs to watch.

    Attributes:
        name: of the watch.
        threshold: score from which a new mark is near, above 0 to 1.
        marks: ids of marks of the register.
        pictures: other signs.
        handles: of pictures that were searched with: other signs, too.
        names: what the pictures of the handles are called, in their order.
        crop, page, turn, other_views, ignore_words: what of the signs is watched, as in a `Query`.
        filter: among which new marks.
        weights: block → weight; one left out keeps its default.
        webhook: address that gets a POST for what came near.
    """

    name: str
    threshold: float
    marks: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    handles: Sequence[str] = ()
    names: Sequence[str] = ()
    crop: tuple[int, int, int, int] | None = None
    page: int = 1
    turn: int = 0
    other_views: Sequence[View] = ()
    ignore_words: bool = False
    filter: Filter = field(default_factory=Filter)
    weights: Mapping[str, float] | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class WatchChange:
    """What of a watch is changed; the rest stays.

    Attributes:
        threshold: score from which a new mark is near, above 0 to 1.
        webhook: address that gets a POST for what came near.
        remove_webhook: whether nobody is told any more.
        marks, pictures, handles, names: more signs, as in a `NewWatch`.
        remove: signs that are watched no more, with what they found.
    """

    threshold: float | None = None
    webhook: str | None = None
    remove_webhook: bool = False
    marks: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    handles: Sequence[str] = ()
    names: Sequence[str] = ()
    remove: Sequence[str] = ()


def form_of(asked: Filter | NewMark) -> Form:
    """The fields of a form that say what is not left out."""
    given = ((one.name, getattr(asked, one.name)) for one in fields(asked))
    return {name: _written(value) for name, value in given if value not in (None, ())}


def search_form(asked: Query) -> Form:
    """The fields of a search, without its pictures."""
    form = _compared_form(asked) | {"k": str(asked.k), "offset": str(asked.offset)}
    if asked.mark_id is not None:
        form["mark_id"] = asked.mark_id
    if asked.rerank is not None:
        form["rerank"] = str(asked.rerank)
    return form


def watch_form(asked: NewWatch) -> Form:
    """The fields of a watch to be made, without its pictures."""
    form = _compared_form(asked) | {"name": asked.name, "threshold": str(asked.threshold)}
    form |= {"marks": list(asked.marks)} if asked.marks else {}
    form |= {"names": list(asked.names)} if asked.names else {}
    return form | ({"webhook": asked.webhook} if asked.webhook else {})


def change_form(asked: WatchChange) -> Form:
    """The fields of a change of a watch, without its pictures."""
    lists = {"marks": asked.marks, "query": asked.handles, "names": asked.names}
    form: Form = {name: list(value) for name, value in lists.items() if value}
    form |= {"remove": list(asked.remove)} if asked.remove else {}
    form |= {"threshold": str(asked.threshold)} if asked.threshold is not None else {}
    form |= {"remove_webhook": "true"} if asked.remove_webhook else {}
    return form | ({"webhook": asked.webhook} if asked.webhook else {})


def _compared_form(asked: Query | NewWatch) -> Form:
    """The fields of what is compared, among which marks, and how."""
    form = form_of(asked.filter) | view_form(asked.crop, asked.page, asked.turn)
    if asked.ignore_words:
        form["ignore_words"] = "true"
    if asked.other_views:
        form["other_views"] = [_view_text(one) for one in asked.other_views]
    if asked.handles:
        form["query"] = list(asked.handles)
    if asked.weights is not None:
        form["weights"] = json.dumps(dict(asked.weights))
    return form


def view_form(crop: tuple[int, int, int, int] | None, page: int, turn: int) -> Form:
    """The fields that say what of a picture is looked at."""
    form: Form = {"page": str(page), "turn": str(turn)}
    return form if crop is None else form | {"crop": ",".join(map(str, crop))}


def _view_text(view: View) -> str:
    """A view as one text: ``page=2;turn=90;crop=10,20,200,100``."""
    fields = view_form(view.crop, view.page, view.turn)
    return ";".join(f"{name}={value}" for name, value in fields.items())


def shown_form(
    picture: Shown,
    crop: tuple[int, int, int, int] | None,
    page: int,
    turn: int,
    ignore_words: bool = False,
) -> tuple[Form, list[File]]:
    """The fields that say what is looked at of one picture, and its file where it is sent."""
    form = view_form(crop, page, turn) | {"ignore_words": str(ignore_words)}
    if isinstance(picture, Kept):
        return form | {"query": picture.handle}, []
    if isinstance(picture, Registered):
        return form | {"mark_id": picture.mark_id}, []
    return form, [*files("image", [picture])]


def pictures_of(asked: Query) -> list[File]:
    """The pictures of a search that are sent."""
    first = [] if asked.picture is None else [asked.picture]
    return [*files("image", first), *files("other_images", asked.others)]


def files(name: str, pictures: Sequence[Picture]) -> Iterator[File]:
    """Pictures as files of a form's field.

    Raises:
        ClientError: one is a text, whose letters would be sent.
    """
    for place, picture in enumerate(pictures, start=1):
        if isinstance(picture, Path):
            yield name, (picture.name, picture.read_bytes())
        elif isinstance(picture, bytes):
            yield name, (f"picture {place}", picture)
        else:
            raise ClientError(f"a picture is bytes or a Path, not {picture!r:.80}: write Path(…)")


def _written(value: Any) -> str | list[str]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(one) for one in value]
    return value.isoformat() if isinstance(value, date) else str(value)
