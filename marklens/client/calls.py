"""Each request of the HTTP API: built here, and its answer read, for both clients."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from marklens.client import answers
from marklens.client.answers import (
    Answer,
    AuditEntry,
    Batch,
    Event,
    Facets,
    FoundCode,
    Page,
    Seen,
    StoredMark,
    ViennaNode,
    Watch,
    Words,
)
from marklens.client.asking import (
    File,
    Filter,
    Form,
    NewMark,
    NewWatch,
    Picture,
    Query,
    Shown,
    WatchChange,
    change_form,
    files,
    form_of,
    pictures_of,
    search_form,
    shown_form,
    watch_form,
)
from marklens.client.problems import ClientError, sendable

API = "/api/v1"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request.

    Attributes:
        method, path: of HTTP.
        read: makes the result of the answer.
        params: of the address.
        form: the fields of a form.
        files: of the form.
        is_repeatable: whether it may be sent again where the server was busy: it changes nothing,
            or the same twice over.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    form: Form = field(default_factory=dict)
    files: Sequence[File] = ()
    is_repeatable: bool = True

    def result(self, response: httpx.Response) -> T:
        """What a successful answer says.

        Raises:
            ClientError: it cannot be read: something else than such a server answered.
        """
        try:
            return self.read(response)
        except ValueError as error:
            raise ClientError(f"the server's answer cannot be read: {error}") from error

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request as httpx sends it.

        Raises:
            ClientError: it cannot be sent.
        """
        if http.is_closed:
            raise ClientError("this client is closed: make another one")
        with sendable():
            return http.build_request(
                self.method,
                API + self.path,
                params=self.params or None,
                data=self.form or None,
                files=list(self.files) or None,
            )


def search(query: Query) -> Call[Answer]:
    """Find the marks most like a picture or a mark, nearest first."""
    form = search_form(query) | {"keep": str(query.keep)}
    return Call("POST", "/search", _json(Answer), form=form, files=pictures_of(query))


def classify(
    picture: Shown,
    crop: tuple[int, int, int, int] | None = None,
    page: int = 1,
    turn: int = 0,
    *,
    ignore_words: bool = False,
) -> Call[Seen]:
    """Say which Vienna codes the network sees in a picture."""
    form, sent = shown_form(picture, crop, page, turn, ignore_words)
    return Call("POST", "/classify", _json(Seen), form=form, files=sent)


def words(
    picture: Shown,
    crop: tuple[int, int, int, int] | None = None,
    page: int = 1,
    turn: int = 0,
) -> Call[Words]:
    """Read the words in a picture; the server needs the extra `words`."""
    form, sent = shown_form(picture, crop, page, turn)
    return Call("POST", "/words", _json(Words), form=form, files=sent)


def explain(
    picture: Shown,
    crop: tuple[int, int, int, int] | None = None,
    page: int = 1,
    turn: int = 0,
    *,
    code: str | None = None,
) -> Call[bytes]:
    """A PNG of where each code was seen; of one code, a transparent layer for the picture."""
    form, sent = shown_form(picture, crop, page, turn)
    form |= {} if code is None else {"code": code}
    return Call("POST", "/classify/explain", _content, form=form, files=sent)


def query_image(handle: str) -> Call[bytes]:
    """The picture that the server keeps under a handle."""
    return Call("GET", f"{_path('queries', handle)}/image", _content)


def forget(handle: str) -> Call[None]:
    """Have the server forget a picture."""
    return Call("DELETE", _path("queries", handle), _nothing)


def find_codes(
    words: str, source: Literal["assigned", "predicted", "either"] = "either"
) -> Call[tuple[FoundCode, ...]]:
    """Vienna codes by words for what they stand for, or all below a code, the best first."""

    def found(response: httpx.Response) -> tuple[FoundCode, ...]:
        return answers.read(answers.FoundCodes, response.json()).found

    return Call("GET", "/vienna", found, params={"q": words, "source": source})


def vienna(
    source: Literal["assigned", "predicted", "either"] = "either",
) -> Call[tuple[ViennaNode, ...]]:
    """The Vienna Classification, with how many marks bear each code."""

    def found(response: httpx.Response) -> tuple[ViennaNode, ...]:
        return answers.read(answers.Vienna, response.json()).categories

    return Call("GET", "/vienna", found, params={"source": source})


def facets(filter: Filter | None = None, compared: bool = False) -> Call[Facets]:
    """How many marks pass a filter with each code, class, status and office.

    With `compared` as of a search by picture: marks without one do not count.
    """
    params = form_of(filter or Filter()) | {"compared": str(compared)}
    return Call("GET", "/facets", _json(Facets), params=params)


def page(
    filter: Filter | None = None,
    order: str | None = None,
    page_size: int = 100,
    after: str | None = None,
) -> Call[Page]:
    """List marks by words and data: one page, after the cursor of the one before."""
    asked = form_of(filter or Filter()) | {"k": str(page_size)}
    asked |= {name: text for name, text in (("order", order), ("after", after)) if text}
    return Call("GET", "/marks", _json(Page), params=asked)


def mark(mark_id: str) -> Call[StoredMark]:
    """Look at a mark."""
    return Call("GET", _mark_path(mark_id), _json(StoredMark))


def image(mark_id: str, size: int | None = None) -> Call[bytes]:
    """The picture of a mark, or a thumbnail of about so many pixels."""
    params = {} if size is None else {"size": size}
    return Call("GET", f"{_mark_path(mark_id)}/image", _content, params=params)


def add(new: NewMark, picture: Picture) -> Call[StoredMark]:
    """Register a mark, or replace the one with its id."""
    pictures = [*files("image", [picture])]
    return Call("POST", "/marks", _json(StoredMark), form=form_of(new), files=pictures)


def delete(mark_id: str) -> Call[None]:
    """Withdraw a mark; `NotFound` may mean that an attempt before did, whose answer was lost."""
    return Call("DELETE", _mark_path(mark_id), _nothing)


def report(
    query: Query,
    format: Literal["pdf", "xlsx", "csv"] = "pdf",
    shortlist: Sequence[str] = (),
    notes: Mapping[str, str] | None = None,
    day: date | None = None,
    picture_name: str | None = None,
) -> Call[bytes]:
    """A report of a search: the first marks or a shortlist, with notes by id."""
    form = search_form(query) | {"format": format}
    if picture_name is not None:
        form["picture_name"] = picture_name
    if shortlist:
        form["shortlist"] = list(shortlist)
    if notes:
        form["notes"] = json.dumps(dict(notes))
    if day is not None:
        form["date"] = day.isoformat()
    return Call("POST", "/search/report", _content, form=form, files=pictures_of(query))


def batch(
    pictures: Sequence[Picture],
    query: Query | None = None,
    format: Literal["csv", "xlsx", "jsonl", "pdf"] = "csv",
) -> Call[Batch]:
    """Have the server search with each picture; `query` says how, and has no picture itself.

    Instead of pictures, one zip file of them, or the path of a table that names them beside them.
    """
    form = search_form(query or Query()) | {"format": format}
    sent = [*files("images", pictures)]
    return Call("POST", "/batches", _json(Batch), form=form, files=sent, is_repeatable=False)


def batch_state(batch_id: str) -> Call[Batch]:
    """Look how far a batch is."""
    return Call("GET", _batch_path(batch_id), _json(Batch))


def batch_results(batch_id: str) -> Call[bytes]:
    """The table of a batch, or a zip file of its reports, once it is done."""
    return Call("GET", f"{_batch_path(batch_id)}/results", _content)


def forget_batch(batch_id: str) -> Call[None]:
    """Stop a batch, and have its pictures and results removed."""
    return Call("DELETE", _batch_path(batch_id), _nothing)


def watches() -> Call[tuple[Watch, ...]]:
    """All watches."""

    def found(response: httpx.Response) -> tuple[Watch, ...]:
        return answers.read(answers.Watches, response.json()).watches

    return Call("GET", "/watches", found)


def watch(name: str) -> Call[Watch]:
    """Look at a watch."""
    return Call("GET", _watch_path(name), _json(Watch))


def add_watch(new: NewWatch) -> Call[Watch]:
    """Watch for marks that come near some signs."""
    sent = [*files("images", new.pictures)]
    return Call(
        "POST", "/watches", _json(Watch), form=watch_form(new), files=sent, is_repeatable=False
    )


def change_watch(name: str, change: WatchChange) -> Call[Watch]:
    """Change threshold, webhook or signs of a watch."""
    sent = [*files("images", change.pictures)]
    return Call("PATCH", _watch_path(name), _json(Watch), form=change_form(change), files=sent)


def delete_watch(name: str) -> Call[None]:
    """Remove a watch, and what it found."""
    return Call("DELETE", _watch_path(name), _nothing)


def read_watch(name: str, upto: int | None = None) -> Call[Watch]:
    """Say that what came near was read: up to the event of a number, or all there is."""
    form: Form = {} if upto is None else {"upto": str(upto)}
    return Call("POST", f"{_watch_path(name)}/read", _json(Watch), form=form)


def events(name: str, after: int | None = None, limit: int = 100) -> Call[tuple[Event, ...]]:
    """What came near a watch, the newest first; with `after` those above it, the oldest first."""

    def found(response: httpx.Response) -> tuple[Event, ...]:
        return answers.read(answers.Events, response.json()).events

    params = {"limit": limit} | ({} if after is None else {"after": after})
    return Call("GET", f"{_watch_path(name)}/events", found, params=params)


def feed(watched: Watch) -> Call[bytes]:
    """The Atom feed of a watch."""
    return Call("GET", watched.feed.removeprefix(API), _content)


def audit(limit: int = 100, who: str | None = None) -> Call[tuple[AuditEntry, ...]]:
    """Who wrote what, the newest first; needs a key of scope `admin`."""

    def found(response: httpx.Response) -> tuple[AuditEntry, ...]:
        return answers.read(answers.Audit, response.json()).entries

    params = {"limit": limit} | ({} if who is None else {"who": who})
    return Call("GET", "/audit", found, params=params)


def _mark_path(mark_id: str) -> str:
    return _path("marks", mark_id)


def _batch_path(batch_id: str) -> str:
    return f"/batches/{quote(batch_id, safe='')}"


def _watch_path(name: str) -> str:
    return _path("watches", name)


def _path(kind: str, name: str) -> str:
    """The path of one mark, watch or picture.

    Raises:
        ClientError: no name is given, so the path would be that of all of them.
    """
    if not name:
        raise ClientError(f"one of the {kind} is meant, but what names it is empty")
    return f"/{kind}/{quote(name, safe='')}"


def _json(kind: type[T]) -> Callable[[httpx.Response], T]:
    return lambda response: answers.read(kind, response.json())


def _content(response: httpx.Response) -> bytes:
    return response.content


def _nothing(response: httpx.Response) -> None:
    return None
