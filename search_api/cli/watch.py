"""`marklens watch`: named watches of signs, and the marks that came near them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_api.cli.console import AsJson, counted, opened, print_plain, print_table
from search_api.cli.near import near_as_json, near_sentence
from search_api.cli.search import (
    Crop,
    IgnoreWords,
    OtherViews,
    Page,
    Turn,
    read_fields,
    with_filter,
)

if TYPE_CHECKING:
    from indexer.register.watch_rows import Watch

watch = typer.Typer(help="Watch for new marks that come near some signs.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the watch.", metavar="NAME")]


Images = Annotated[list[Path] | None, typer.Argument(help="Pictures to watch.", metavar="IMAGE...")]
Marks = Annotated[
    list[str] | None,
    typer.Option("--mark", metavar="ID", help="A mark of the register. May be repeated."),
]
Threshold = Annotated[float, typer.Option(metavar="SCORE", help="Score from which a mark is near.")]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="WEIGHTS", help="Weight of each block, such as visual=1,concept=.5."
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address that gets a POST of JSON for what came near."),
]


MoreImages = Annotated[
    list[Path] | None, typer.Argument(help="More pictures to watch.", metavar="IMAGE...")
]
Removed = Annotated[
    list[str] | None,
    typer.Option(
        "--remove",
        metavar="SIGN",
        help="A sign that is watched no more, as `marklens watch show` names it; what it found is "
        "deleted. May be repeated.",
    ),
]
NewThreshold = Annotated[
    float | None, typer.Option(metavar="SCORE", help="Score from which a mark is near.")
]
NoWebhook = Annotated[bool, typer.Option("--no-webhook", help="Tell no webhook any more.")]
_MAX_NUMBER = 2**63 - 1  # of an event: indexer.register.watches, which loads SQLAlchemy
After = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        min=0,
        max=_MAX_NUMBER,
        help="Only events after this number, the oldest first.",
    ),
]
Limit = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=100_000, help="At most so many.")]


@watch.command()
@with_filter()
def add(  # noqa: PLR0913 - its parameters are the command's options
    context: typer.Context,
    name: Name,
    images: Images = None,
    *,
    marks: Marks = None,
    threshold: Threshold = 0.6,
    weights: Weights = None,
    webhook: Webhook = None,
    crop: Crop = None,
    page: Page = "1",
    turn: Turn = "0",
    other_views: OtherViews = None,
    ignore_words: IgnoreWords = False,
    as_json: AsJson = False,
    **asked: Any,
) -> None:
    """Watch signs: marks written from now on are compared with them.

    A server does so as marks come, `marklens index` at its end. The filters are those of a search;
    crop, page and turn are of the first sign, --other-view of those after it.
    """
    from search_api.query_encoder import read_picture
    from search_api.watch.asked import NewWatch
    from search_api.watch.watching import Watching

    asked |= {"crop": crop, "page": page, "turn": turn, "other_views": other_views}
    asked |= {"ignore_words": ignore_words}
    fields = read_fields({"weights": weights, **asked})
    pictures = [(image.name, read_picture(image)) for image in images or []]
    new = NewWatch(name, threshold, marks or (), pictures, fields, webhook)
    with opened(context, create=True) as marklens:
        made = Watching(marklens).add(new)
    if as_json:
        print_plain(json.dumps(_as_json(made), indent=2))
    else:
        signs = counted(len(made.signs), "sign")
        print_plain(f"{signs} watched as {made.name} from {made.threshold:g}")


@watch.command()
def edit(  # noqa: PLR0913 - its parameters are the command's options
    context: typer.Context,
    name: Name,
    images: MoreImages = None,
    *,
    marks: Marks = None,
    remove: Removed = None,
    threshold: NewThreshold = None,
    webhook: Webhook = None,
    no_webhook: NoWebhook = False,
    crop: Crop = None,
    page: Page = "1",
    turn: Turn = "0",
    other_views: OtherViews = None,
    ignore_words: IgnoreWords = False,
    as_json: AsJson = False,
) -> None:
    """Change a watch: threshold or webhook, more signs, or fewer.

    It holds for marks that are compared from now on. Name, filters and weights stay; crop, page and
    turn are of the first sign that is added.
    """
    from search_api.query_encoder import read_picture
    from search_api.watch.asked import WatchChange
    from search_api.watch.watching import Watching

    views = {"crop": crop, "page": page, "turn": turn, "other_views": other_views}
    fields = read_fields({**views, "ignore_words": ignore_words})
    pictures = [(image.name, read_picture(image)) for image in images or []]
    more = (marks or (), pictures, fields)
    change = WatchChange(threshold, webhook, no_webhook, *more, removed=remove or ())
    with opened(context) as marklens:
        made = Watching(marklens).change(name, change)
    if as_json:
        print_plain(json.dumps(_as_json(made), indent=2))
    else:
        print_plain(
            f"{counted(len(made.signs), 'sign')} watched as {made.name} from {made.threshold:g}"
        )


@watch.command("list")
def list_watches(context: typer.Context, as_json: AsJson = False) -> None:
    """List the watches."""
    with opened(context) as marklens:
        found = marklens.register.watches.all()
    if as_json:
        print_plain(json.dumps({"watches": [_as_json(one) for one in found]}, indent=2))
        return
    rows = [
        (one.name, len(one.signs), one.unread, f"{one.threshold:g}", _shown(one.webhook) or "")
        for one in found
    ]
    if rows:
        print_table("watches", ("name", "signs", "new", "threshold", "webhook"), rows)
    else:
        print_plain("no watches; make one with `marklens watch add`")


@watch.command()
def show(
    context: typer.Context,
    name: Name,
    after: After = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show the marks that came near a watch, the newest first."""
    from search_api.watch.watching import event_as_json

    with opened(context) as marklens:
        made = marklens.register.watches.get(name)
        events = marklens.register.watches.events(name, after, limit)
    if as_json:
        shown = {**_as_json(made), "events": [event_as_json(one) for one in events]}
        print_plain(json.dumps(shown, indent=2))
        return
    print_plain(f"{name} watches {', '.join(sign.label for sign in made.signs)}")
    if made.last_error:
        print_plain(f"webhook: {made.last_error}")
    rows = [
        (
            one.id,
            "" if one.is_read else "new",
            f"{one.found:%Y-%m-%d %H:%M}",
            one.mark_id,
            one.sign,
            f"{one.score:.3f}",
        )
        for one in events
    ]
    if rows:
        print_table("came near (UTC)", ("number", "", "found", "mark", "sign", "score"), rows)
    else:
        print_plain("nothing came near")


@watch.command()
def read(
    context: typer.Context,
    name: Name,
    upto: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            min=0,
            max=_MAX_NUMBER,
            help="Number of the last event that was read; by default the newest.",
        ),
    ] = None,
) -> None:
    """Mark what came near as read, for the page, the feed and everybody."""
    with opened(context) as marklens:
        marklens.register.watches.read(name, upto)
        left = marklens.register.watches.get(name).unread
    print_plain(f"{counted(left, 'new mark')} of {name}")


@watch.command()
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Compare what was written since the last time, and tell the webhooks."""
    from search_api.watch.watching import Watching

    with opened(context) as marklens:
        news = marklens.register.watches.news()
        Watching(marklens).check()
        near = news.near()
    if as_json:
        print_plain(json.dumps({"near": near_as_json(near)}, indent=2))
    else:
        print_plain(near_sentence(near) if near else "no mark came near")


@watch.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove a watch and what it found."""
    with opened(context) as marklens:
        marklens.register.watches.remove(name)
    print_plain(f"{name} is no longer watched")


def _shown(webhook: str | None) -> str | None:
    from search_api.watch.webhook import shown_url

    return None if webhook is None else shown_url(webhook)


def _as_json(made: "Watch") -> Mapping[str, Any]:
    return {
        "name": made.name,
        "threshold": made.threshold,
        "signs": [sign.label for sign in made.signs],
        "asked": dict(made.asked),
        "webhook": _shown(made.webhook),
        "webhook_error": made.last_error,
        "unread": made.unread,
    }
