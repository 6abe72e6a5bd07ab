"""`marklens search` and `marklens classify`: a picture in, marks or codes out."""

import json
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexer.query import FILTER_FIELDS, MAX_K, RERANK, FilterKind
from search_api.cli.batch import BATCH_OPTIONS, BatchOptions, run_batch_of
from search_api.cli.console import BAD_INPUT, AsJson, opened, print_plain, print_to_stderr
from search_api.cli.found import print_codes, show_listing, show_ranking
from search_api.cli.report import REPORT_OPTIONS, ReportOptions, write_report_of

if TYPE_CHECKING:
    from search_api.answers import Answer
    from search_api.list_fields import OptionFields
    from search_api.request import SearchRequest

_METAVARS: Mapping[FilterKind, str] = {
    "any_code": "CODE",
    "all_codes": "CODE",
    "no_code": "CODE",
    "classes": "CLASS",
    "share": "NUMBER",
    "first_day": "DATE",
    "last_day": "DATE",
    "text": "TEXT",
}

Pictures = Annotated[
    list[Path] | None,
    typer.Argument(
        help="The query picture; with --out a folder or table of them; with --together several "
        "of one sign.",
        metavar="[IMAGE]...",
    ),
]
Together = Annotated[
    bool,
    typer.Option(
        "--together",
        help="Search with several pictures of one sign: a mark scores by the nearest of them.",
    ),
]
MarkId = Annotated[
    str | None, typer.Option("--mark", help="Instead of IMAGE: a mark's id.", metavar="ID")
]
K = Annotated[str, typer.Option("-k", help=f"How many marks, 1 to {MAX_K}.", metavar="NUMBER")]
Offset = Annotated[
    str, typer.Option(metavar="NUMBER", help="How many of the first marks to leave out.")
]
Order = Annotated[
    str | None,
    typer.Option(
        "--order",
        metavar="ORDER",
        help="Without picture: what marks are listed by, words, id, filed or registered; falling "
        "with - before it.",
    ),
]
After = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", help="Without picture: the page after `next` of --json."),
]
Rerank = Annotated[
    str,
    typer.Option(
        metavar="NUMBER",
        help="How many of the first marks are ranked again by where they match and by codes; "
        "0 for none.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="WEIGHTS",
        help="Weight of each block, such as visual=1,concept=.5; words is how much --text counts, "
        "words=0 leaves out marks with other words.",
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        metavar="BOX", help="The part of the picture to compare: x,y,width,height in pixels."
    ),
]
Page = Annotated[str, typer.Option(metavar="NUMBER", help="Page of a TIFF or PDF, counted from 1.")]
PageNumber = Annotated[
    int, typer.Option(metavar="NUMBER", min=1, help="Page of a TIFF or PDF, counted from 1.")
]
Turn = Annotated[
    str, typer.Option(metavar="DEGREES", help="Turn the picture clockwise first, before --crop.")
]
OtherViews = Annotated[
    list[str] | None,
    typer.Option(
        "--other-view",
        metavar="VIEW",
        help="What is looked at of the picture after the first, then of the next, such as "
        "page=2;turn=90;crop=10,20,200,100. May be repeated.",
    ),
]
IgnoreWords = Annotated[
    bool,
    typer.Option(
        "--ignore-words",
        help="Paint the lettering of the picture over and compare the rest; needs the extra words.",
    ),
]
_LIST_OPTIONS = tuple(
    Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind)
    for name, kind in (("order", Order), ("after", After))
)


def _filter_options() -> Iterator[Parameter]:
    """An option for each field of a filter."""
    for one in FILTER_FIELDS:
        shown = _METAVARS.get(one.kind, one.name.rpartition("_")[2].upper())
        repeated = " May be repeated." if one.is_list else ""
        option = typer.Option(one.flag, metavar=shown, help=one.description + repeated)
        kind = list[str] | None if one.is_list else str | None
        default = one.example if one.kind == "choice" else None
        yield Parameter(
            one.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )


def with_filter(*more: Parameter) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a filter, and some more, in place of its `asked`."""

    def given(command: Callable[..., None]) -> Callable[..., None]:
        parameters = signature(command).parameters.values()
        own = [one for one in parameters if one.kind is not Parameter.VAR_KEYWORD]
        options = [*own, *more, *_filter_options()]
        command.__signature__ = Signature(options)  # type: ignore[attr-defined]  # Typer reads it
        return command

    return given


@with_filter(*_LIST_OPTIONS, *REPORT_OPTIONS, *BATCH_OPTIONS)
def search(  # noqa: PLR0913 - its parameters are the command's options
    context: typer.Context,
    pictures: Pictures = None,
    *,
    together: Together = False,
    mark_id: MarkId = None,
    k: K = "20",
    offset: Offset = "0",
    rerank: Rerank = str(RERANK),
    weights: Weights = None,
    crop: Crop = None,
    page: Page = "1",
    turn: Turn = "0",
    other_views: OtherViews = None,
    ignore_words: IgnoreWords = False,
    as_json: AsJson = False,
    **asked: Any,
) -> None:
    """Find the marks that look most like a picture.

    Without IMAGE and --mark, the marks that pass the filters are listed, also those that have no
    picture. With --text these are the marks whose words are spelt or sound alike, the likest first.

    All filters must hold; within one of them any of its values is enough. Vienna codes are
    written 03, 03.01 or 03.01.08 and mean everything below them; codes and classes may also be
    separated by commas, statuses and offices only repeated.

    Of a list, a narrow terminal shows fewer columns; --json has all.
    """
    files = pictures or []
    _check_pictures(files, mark_id, together)
    report, batch = ReportOptions.taken_from(asked), BatchOptions.taken_from(asked, files)
    asked |= {"mark_id": mark_id, "k": k, "offset": offset, "rerank": rerank, "weights": weights}
    asked |= {"crop": crop, "page": page, "turn": turn, "other_views": other_views}
    asked |= {"ignore_words": ignore_words}
    request = read_fields(asked).request(*files)
    if not request.is_ranked and request.filter.is_empty:
        raise typer.BadParameter(
            "give a picture, or --mark with the id of a mark, or a filter such as --text to list by"
        )
    with opened(context) as marklens:
        if batch is not None:
            return run_batch_of(marklens, request, batch, as_json=as_json)
        if report is not None:
            return write_report_of(marklens, request, report, as_json=as_json)
        answer = marklens.search(request)
    if not request.is_ranked:
        return show_listing(answer, request.filter, as_json=as_json)
    _warn_of_pages(files, request, answer)
    return show_ranking(answer, request.filter, as_json=as_json)


def _check_pictures(files: list[Path], mark_id: str | None, together: bool) -> None:
    """Refuse pictures beside a mark, that are not there, or not said to show one sign.

    Raises:
        typer.BadParameter: they are.
    """
    if files and mark_id is not None:
        raise typer.BadParameter("give a picture, or --mark with the id of a mark, not both")
    if len(files) > 1 and not together:
        raise typer.BadParameter(
            "several pictures: add --together where they show one sign; else search with each, or "
            "with --out and a folder"
        )
    for file in files:  # before the network is loaded
        if not file.exists():
            raise typer.BadParameter(f"{file}: there is no such file")


def classify(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="Pictures.", metavar="IMAGE...")],
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Gets a PNG that shows where each code was seen; one IMAGE only."
        ),
    ] = None,
    page: PageNumber = 1,
    as_json: AsJson = False,
) -> None:
    """Name the Vienna codes seen in pictures, most probable first; less certain ones apart.

    A picture that cannot be read does not keep the others from being looked at; the exit code
    is 2 then.
    """
    if explain is not None and (len(images) != 1 or not explain.parent.is_dir()):
        raise typer.BadParameter("--explain draws one IMAGE, into a folder that is there")

    from models.errors import UnreadableImage
    from search_api.query_schemas import ClassifyResponse
    from search_api.request import View

    view = View(page=page)
    results: list[dict[str, object]] = []
    with opened(context, create=True) as marklens:
        for image in images:
            try:
                seen = ClassifyResponse.of(marklens.codes(image, view))
            except UnreadableImage as error:
                print_to_stderr(str(error))
                results.append({"image": str(image), "error": str(error)})
                continue
            results.append({"image": str(image), **seen.model_dump()})
            if explain is not None:
                marklens.explain(image, view).save(explain, "PNG")
            if not as_json:
                print_codes(str(image), seen)
    if as_json:
        print_plain(json.dumps({"images": results}, indent=2))
    if any("error" in result for result in results):
        raise typer.Exit(BAD_INPUT)


def read_fields(texts: Mapping[str, Any]) -> "OptionFields":
    """What the options of a search say; they are checked before the network is loaded."""
    from pydantic import ValidationError

    from search_api.errors import plain_fault
    from search_api.list_fields import OptionFields

    given = {name: value for name, value in texts.items() if value is not None}
    try:
        return OptionFields.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        raise typer.BadParameter(
            f"{str(fault['input'])[:80]!r}: {plain_fault(fault)}",
            param_hint=_FLAGS.get(name, "--" + name),
        ) from error


def _warn_of_pages(files: list[Path], request: "SearchRequest", answer: "Answer") -> None:
    from search_api.request import views_of

    views = views_of(request.view, request.other_views)
    for place, (file, picture, view) in enumerate(zip(files, answer.pictures, views, strict=False)):
        if picture.pages > 1:
            was = f"{file} has {picture.pages} pages; page {view.page} was compared: "
            print_to_stderr(f"{was}{'--other-view' if place else '--page'} chooses another")


_FLAGS = {one.name: one.flag for one in FILTER_FIELDS}
_FLAGS |= {"mark_id": "--mark", "k": "-k", "other_views": "--other-view"}

COMMANDS = (search, classify)
