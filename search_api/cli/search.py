"""`marklens search` and `marklens classify`: a picture in, marks or codes out."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from search_api.cli.console import Context, complain, print_plain, print_table

if TYPE_CHECKING:
    from indexer.query import Filter
    from search_api.answers import Answer
    from search_api.schemas import PredictedResponse, SearchResponse

_BAD_INPUT = 2
_SHOWN_CODES = 4  # codes of a hit that fit its line

_REPEATED = "may be repeated"
_CODES = f"a prefix means everything below it; {_REPEATED}"
Texts = list[str] | None

Picture = Annotated[Path | None, typer.Argument(help="The query picture.", metavar="IMAGE")]
MarkId = Annotated[
    str | None, typer.Option("--mark", help="Instead of IMAGE: a mark's id.", metavar="ID")
]
K = Annotated[int, typer.Option("-k", help="How many marks, 1 to 1000.", metavar="NUMBER")]
Vienna = Annotated[
    Texts, typer.Option(metavar="CODE", help=f"Any of these Vienna codes; {_CODES}.")
]
AllVienna = Annotated[
    Texts, typer.Option(metavar="CODE", help=f"All of these Vienna codes; {_CODES}.")
]
NotVienna = Annotated[
    Texts, typer.Option(metavar="CODE", help=f"None of these Vienna codes; {_CODES}.")
]
CodeSource = Annotated[
    Literal["assigned", "predicted", "either"],
    typer.Option(
        metavar="SOURCE",
        help="Whose codes of a mark count: assigned (the office's), predicted (the network's) or "
        "either.",
    ),
]
Probability = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER", help="Least probability of a predicted code; by default each code's own."
    ),
]
Nice = Annotated[
    Texts, typer.Option(metavar="CLASS", help=f"Any of these Nice classes; {_REPEATED}.")
]
Statuses = Annotated[
    Texts, typer.Option(metavar="STATUS", help=f"Any of these statuses; {_REPEATED}.")
]
Offices = Annotated[
    Texts, typer.Option(metavar="OFFICE", help=f"Any of these offices; {_REPEATED}.")
]
FiledFrom = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Filed on this day or later."),
]
FiledTo = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Filed on this day or earlier."),
]
Words = Annotated[str | None, typer.Option(metavar="WORDS", help="Part of the words in the mark.")]
Weights = Annotated[
    str | None,
    typer.Option(metavar="WEIGHTS", help="Weight of each block, such as visual=1,concept=.5."),
]
Crop = Annotated[
    str | None,
    typer.Option(
        metavar="BOX", help="The part of the picture to compare: x,y,width,height in pixels."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def search(  # noqa: PLR0913 - its parameters are the command's options
    context: typer.Context,
    image: Picture = None,
    mark: MarkId = None,
    k: K = 20,
    vienna: Vienna = None,
    all_vienna: AllVienna = None,
    not_vienna: NotVienna = None,
    vienna_source: CodeSource = "either",
    min_probability: Probability = None,
    nice: Nice = None,
    status: Statuses = None,
    office: Offices = None,
    filed_from: FiledFrom = None,
    filed_to: FiledTo = None,
    text: Words = None,
    weights: Weights = None,
    crop: Crop = None,
    as_json: AsJson = False,
) -> None:
    """Find the marks that look most like a picture.

    Without IMAGE and --mark, the marks that pass the filters are listed by id: also those that
    have no picture, which only this finds.

    All filters must hold; within one of them any of its values is enough. Vienna codes are
    written 03, 03.01 or 03.01.08.
    """
    if image is not None and mark is not None:
        raise typer.BadParameter("give a picture, or --mark with the id of a mark, not both")
    if image is None and mark is None:
        _list(context.obj, context.params)
        return

    from search_api.schemas import SearchResponse

    response = SearchResponse.of(_answer(context.obj, context.params))
    if as_json:
        print_plain(response.model_dump_json(indent=2))
    else:
        _print_hits(response)


def classify(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(help="Pictures.", metavar="IMAGE...")],
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Gets a PNG that shows where each code was seen; one IMAGE only."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Name the Vienna codes seen in pictures, most probable first.

    A picture that cannot be read does not keep the others from being looked at; the exit code
    is 2 then.
    """
    if explain is not None and (len(images) != 1 or not explain.parent.is_dir()):
        raise typer.BadParameter("--explain draws one IMAGE, into a folder that is there")

    from models.errors import UnreadableImage
    from search_api.marklens import MarkLens
    from search_api.schemas import ClassifyResponse

    given: Context = context.obj
    results: list[dict[str, object]] = []
    with MarkLens.open(given.settings()) as marklens:
        for image in images:
            try:
                seen = ClassifyResponse.of(marklens.classify(image)).vienna
            except UnreadableImage as error:
                complain(str(error))
                results.append({"image": str(image), "error": str(error)})
                continue
            results.append({"image": str(image), "vienna": [one.model_dump() for one in seen]})
            if explain is not None:
                marklens.explain(image).save(explain, "PNG")
            if not as_json:
                print_table(str(image), ("probability", "code", "title"), _codes(seen))
    if as_json:
        print_plain(json.dumps({"images": results}, indent=2))
    if any("error" in result for result in results):
        raise typer.Exit(_BAD_INPUT)


def _answer(context: Context, given: Mapping[str, Any]) -> "Answer":
    """Search for what the options say; they are checked before the network is loaded."""
    from search_api.fields import parse_crop, parse_weights
    from search_api.marklens import MarkLens

    wanted = _filter(given)
    crop = None if given["crop"] is None else parse_crop(given["crop"])
    weights = None if given["weights"] is None else parse_weights(given["weights"])
    with MarkLens.open(context.settings()) as marklens:
        if given["mark"] is not None:
            return marklens.search_like(
                given["mark"], crop=crop, k=given["k"], filter=wanted, weights=weights
            )
        return marklens.search(
            given["image"], crop=crop, k=given["k"], filter=wanted, weights=weights
        )


def _list(context: Context, given: Mapping[str, Any]) -> None:
    """List the marks that pass the filters."""
    from indexer.query import MAX_K
    from search_api.marklens import MarkLens
    from search_api.schemas import MarkResponse

    wanted, k = _filter(given), given["k"]
    if wanted.is_empty:
        raise typer.BadParameter(
            "give a picture, or --mark with the id of a mark, or a filter such as --text to list by"
        )
    if not 1 <= k <= MAX_K:
        raise typer.BadParameter(f"-k goes from 1 to {MAX_K}")
    with MarkLens.open(context.settings()) as marklens:
        marks, total = marklens.find(wanted, k)
    if given["as_json"]:
        shown = [MarkResponse.of(mark).model_dump(mode="json") for mark in marks]
        print_plain(json.dumps({"total": total, "marks": shown}, indent=2))
        return
    rows = [
        (mark.record.id, mark.record.text or "", _few([str(code) for code in mark.record.vienna]))
        for mark in marks
    ]
    if rows:
        print_table("marks by id", ("id", "text", "codes"), rows)
    print_plain(f"{len(marks):,} of {total:,} marks that pass")


def _filter(given: Mapping[str, Any]) -> "Filter":
    from indexer.query import Filter
    from search_api.fields import parse_codes, split_list

    def texts(name: str) -> list[str]:
        return split_list(given[name] or ())

    return Filter(
        vienna_any=parse_codes("--vienna", texts("vienna")),
        vienna_all=parse_codes("--all-vienna", texts("all_vienna")),
        vienna_none=parse_codes("--not-vienna", texts("not_vienna")),
        vienna_source=given["vienna_source"],
        min_probability=given["min_probability"],
        nice=_classes(texts("nice")),
        status=frozenset(status.lower() for status in texts("status")),
        office=frozenset(texts("office")),
        filed_from=given["filed_from"] and given["filed_from"].date(),
        filed_to=given["filed_to"] and given["filed_to"].date(),
        text=given["text"],
    )


def _classes(texts: Iterable[str]) -> frozenset[int]:
    try:
        return frozenset(int(text) for text in texts)
    except ValueError as error:
        raise typer.BadParameter(
            "a Nice class is a number from 1 to 45", param_hint="--nice"
        ) from error


def _print_hits(response: "SearchResponse") -> None:
    seen = response.query.vienna
    if seen:
        print_table("seen in the query", ("probability", "code", "title"), _codes(seen))
        print_plain("")
    plan = response.plan
    if not plan.total:
        complain("the register is empty: read marks into it with `marklens index`")
    if response.hits:
        blocks = list(response.hits[0].scores)
        rows = [
            (
                rank,
                f"{hit.score:.3f}",
                *(f"{hit.scores[block]:.2f}" for block in blocks),
                hit.id,
                hit.text or "",
                _few(hit.vienna or [one.code for one in hit.predicted]),
            )
            for rank, hit in enumerate(response.hits, start=1)
        ]
        columns = ("rank", "score", *blocks, "id", "text", "codes")
        print_table("marks most like it", columns, rows)
    took = plan.milliseconds
    total = took.decode + took.encode + took.filter + took.search
    print_plain(f"{plan.matched:,} of {plan.total:,} marks compared ({plan.kind}), {total:.0f} ms")


def _codes(seen: "Iterable[PredictedResponse]") -> list[tuple[str, str, str]]:
    return [(f"{one.probability:.2f}", one.code, one.title) for one in seen]


def _few(codes: list[str]) -> str:
    more = " …" if len(codes) > _SHOWN_CODES else ""
    return " ".join(codes[:_SHOWN_CODES]) + more


COMMANDS = (search, classify)
