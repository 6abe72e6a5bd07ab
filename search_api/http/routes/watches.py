"""`/watches`: named lists of signs, what came near them, and their Atom feed."""

import secrets
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field

from indexer.errors import UnknownWatch
from indexer.marks import Mark
from indexer.register.thumbnails import step_of
from indexer.register.watch_rows import Watch, WatchEvent
from indexer.register.watches import MAX_NUMBER
from search_api.field_types import Absent
from search_api.http.dependencies import GuardedRoute, Indexer, MarkLensDep, form_of
from search_api.http.problem_details import documented
from search_api.http.watch_forms import ChangeForm, ReadForm, WatchForm
from search_api.schemas import API
from search_api.watch.feed import MEDIA_TYPE, atom_feed
from search_api.watch.watching import Watching
from search_api.watch.webhook import shown_url

router = APIRouter(prefix=API, tags=["watches"], route_class=GuardedRoute)

_SIGN_PIXELS = 160  # longest side of a sign's thumbnail
Name = Annotated[
    str, Path(min_length=1, max_length=64, description="The watch's name.", examples=["Our lions"])
]
_WATCH: dict[str, Any] = {
    "name": "Our lions",
    "threshold": 0.6,
    "signs": ["EM-018000001", "lion.png"],
    "pictures": [
        f"{API}/watches/Our%20lions/signs/1/image",
        f"{API}/watches/Our%20lions/signs/2/image",
    ],
    "asked": {"nice": [30]},
    "webhook": None,
    "webhook_error": None,
    "unread": 1,
    "feed": f"{API}/watches/Our%20lions/feed?key=3q2-7w",
    "created": "2026-11-29T09:00:00Z",
}
_EVENT: dict[str, Any] = {
    "id": 7,
    "sign": "lion.png",
    "mark": "EM-018000099",
    "text": "LIONHEART",
    "words_read": None,
    "image_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "withdrawn": False,
    "score": 0.71,
    "found": "2026-11-29T10:00:00Z",
    "read": False,
}


class WatchResponse(BaseModel):
    """A watch."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WATCH]})

    name: str
    threshold: float
    signs: list[str] = Field(description="Marks' ids and pictures' names.")
    pictures: list[str] = Field(description="Path of each sign's picture, as it is compared.")
    asked: dict[str, Any] = Field(description="Filter and weights, as the fields of a search.")
    webhook: str | None = Field(description="Without what its address says after a question mark.")
    webhook_error: str | None = Field(description="Why it was not reached last.")
    unread: int = Field(description="How many marks came near since somebody read what did.")
    feed: str = Field(description="Path of its Atom feed; who knows it can read it.")
    created: datetime

    @classmethod
    def of(cls, watch: Watch) -> "WatchResponse":
        """Show a watch."""
        path = f"{API}/watches/{quote(watch.name, safe='')}"
        return cls(
            name=watch.name,
            threshold=watch.threshold,
            signs=[sign.label for sign in watch.signs],
            pictures=[f"{path}/signs/{sign.id}/image" for sign in watch.signs],
            asked=dict(watch.asked),
            webhook=watch.webhook and shown_url(watch.webhook),
            webhook_error=watch.last_error,
            unread=watch.unread,
            feed=f"{path}/feed?key={watch.feed_key}",
            created=watch.created,
        )


class WatchesResponse(BaseModel):
    """All watches, by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"watches": [_WATCH]}]})

    watches: list[WatchResponse]


class EventResponse(BaseModel):
    """A mark that came near a watched sign."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EVENT]})

    id: int = Field(description="Rising number.")
    sign: str = Field(description="What it came near.")
    mark: str = Field(description="The mark's id.")
    text: str | None = Field(description="Its words, as a hit has them.")
    words_read: str | None = Field(description="Words read in its picture, as a hit has them.")
    image_digest: str | None = Field(description="SHA-256 (hex) of its picture now.")
    withdrawn: bool = Field(description="Whether it is no longer in the register.")
    score: float
    found: datetime
    read: bool = Field(description="Whether somebody said so.")

    @classmethod
    def of(cls, event: WatchEvent, mark: Mark | None) -> "EventResponse":
        """Show an event, and the mark as it is now."""
        return cls(
            id=event.id,
            sign=event.sign,
            mark=event.mark_id,
            text=mark.record.text if mark else None,
            words_read=mark.words_read if mark else None,
            image_digest=mark.image_digest if mark else None,
            withdrawn=mark is None,
            score=event.score,
            found=event.found,
            read=event.is_read,
        )


class EventsResponse(BaseModel):
    """What came near a watch, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [_EVENT]}]})

    events: list[EventResponse]


@router.post(
    "/watches",
    summary="Watch for marks that come near some signs",
    response_description="The watch; marks written from now on are compared with it.",
    status_code=status.HTTP_201_CREATED,
    dependencies=[form_of(WatchForm), Indexer],
    responses=documented(400, 401, 403, 404, 410, 413, 415, 422, 501, 503),
)
def add_watch(
    form: Annotated[WatchForm, Form(media_type="multipart/form-data")], marklens: MarkLensDep
) -> WatchResponse:
    """Watch marks of the register and other pictures, within a filter, under some weights."""
    return WatchResponse.of(Watching(marklens).add(form.watch()))


@router.get(
    "/watches",
    summary="List the watches",
    response_description="All watches.",
    dependencies=[Indexer],
    responses=documented(401, 403, 503),
)
def list_watches(marklens: MarkLensDep) -> WatchesResponse:
    """Show every watch; what somebody watches is only for who may write."""
    found = marklens.register.watches.all()
    return WatchesResponse(watches=[WatchResponse.of(one) for one in found])


@router.get(
    "/watches/{name}",
    summary="Look at a watch",
    response_description="The watch.",
    dependencies=[Indexer],
    responses=documented(401, 403, 404, 422, 503),
)
def get_watch(name: Name, marklens: MarkLensDep) -> WatchResponse:
    """Show one watch."""
    return WatchResponse.of(marklens.register.watches.get(name))


@router.patch(
    "/watches/{name}",
    summary="Change a watch",
    response_description="The watch; it holds for marks that are compared from now on.",
    dependencies=[form_of(ChangeForm), Indexer],
    responses=documented(400, 401, 403, 404, 410, 413, 415, 422, 501, 503),
)
def change_watch(
    name: Name,
    form: Annotated[ChangeForm, Form(media_type="multipart/form-data")],
    marklens: MarkLensDep,
) -> WatchResponse:
    """Change threshold or webhook, add signs, or remove some with what they found."""
    return WatchResponse.of(Watching(marklens).change(name, form.change()))


@router.delete(
    "/watches/{name}",
    summary="Remove a watch",
    response_description="It is gone, with what came near it.",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Indexer],
    responses=documented(401, 403, 404, 422, 503),
)
def remove_watch(name: Name, marklens: MarkLensDep) -> None:
    """Remove a watch and what it found."""
    marklens.register.watches.remove(name)


@router.get(
    "/watches/{name}/signs/{sign}/image",
    summary="Show a watched sign",
    response_class=Response,
    response_description="A thumbnail of what new marks are compared with.",
    dependencies=[Indexer],
    responses={
        200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
        **documented(401, 403, 404, 422, 503),
    },
)
def get_sign_image(
    name: Name,
    sign: Annotated[int, Path(ge=1, le=MAX_NUMBER, description="The sign's number.", examples=[1])],
    marklens: MarkLensDep,
) -> Response:
    """Send what is watched, the part of a picture where that is compared; it never changes."""
    digest = marklens.register.watches.picture(name, sign)
    decode = marklens.queries.admission.decode
    content = marklens.images.thumbnail(digest, step_of(_SIGN_PIXELS), decode)
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(content, headers=headers, media_type="image/webp")


@router.get(
    "/watches/{name}/events",
    summary="What came near a watch",
    response_description="The newest first; with `after` the oldest first.",
    dependencies=[Indexer],
    responses=documented(401, 403, 404, 422, 503),
)
def watch_events(
    name: Name,
    marklens: MarkLensDep,
    after: Annotated[
        int | Absent,
        Query(
            ge=0,
            le=MAX_NUMBER,
            description="Only events with a higher number, the oldest first: 0, then the number of "
            "the last event that was answered, gives each of them once.",
            examples=[0],
        ),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="At most so many.", examples=[100])
    ] = 100,
) -> EventsResponse:
    """List the marks that scored at least the threshold when they were written."""
    watch = marklens.register.watches.get(name)
    found = marklens.register.watches.events(watch.name, after, limit)
    marks = marklens.register.marks(list({one.mark_id for one in found}))
    return EventsResponse(events=[EventResponse.of(one, marks.get(one.mark_id)) for one in found])


@router.post(
    "/watches/{name}/read",
    summary="Say that what came near a watch was read",
    response_description="The watch. What was read before stays so.",
    dependencies=[form_of(ReadForm), Indexer],
    responses=documented(401, 403, 404, 415, 422, 503),
)
def read_watch(
    name: Name,
    form: Annotated[ReadForm, Form(media_type="multipart/form-data")],
    marklens: MarkLensDep,
) -> WatchResponse:
    """Read for everybody: page, command line and feed show the same as new."""
    marklens.register.watches.read(name, form.upto)
    return WatchResponse.of(marklens.register.watches.get(name))


@router.get(
    "/watches/{name}/feed",
    summary="What came near a watch, as an Atom feed",
    response_class=Response,
    response_description="The newest hundred.",
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        **documented(404, 422, 503),
    },
)
def watch_feed(
    name: Name,
    key: Annotated[
        str,
        Query(max_length=64, description="Secret part of the feed's address.", examples=["3q2-7w"]),
    ],
    request: Request,
    marklens: MarkLensDep,
) -> Response:
    """Feed readers cannot send a token, so the address itself holds a secret."""
    watch = marklens.register.watches.get(name)
    if not secrets.compare_digest(key.encode(), watch.feed_key.encode()):
        raise UnknownWatch(name)
    events = marklens.register.watches.events(watch.name)
    address = str(request.base_url).rstrip("/")
    feed = atom_feed(watch, events, marklens.register.identity(), address)
    return Response(feed, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-cache"})
