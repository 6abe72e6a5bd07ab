"""What a search found, as tables for people or as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexer.marks import MARK_FIELDS, FieldKind
from indexer.query import FILTER_FIELDS
from search_api.cli.console import print_plain, print_table, print_to_stderr

if TYPE_CHECKING:
    from indexer.marks import Mark
    from indexer.query import Filter, Hit, PlanReport
    from search_api.answers import Answer
    from search_api.query_schemas import ClassifyResponse

_SHOWN = 4  # codes or classes of a mark that fit its line
# Columns of a list that are left out of a narrow terminal, the first one first.
_SPARE = ("nice", "office", "registered", "codes")
_TRIES = {
    "text": "one word of --text alone, or its first letters",
    "number": "fewer digits in --number",
    "owner": "one word in --owner, spelt as the register has it",
}


def show_ranking(answer: "Answer", wanted: "Filter", *, as_json: bool) -> None:
    """Print codes and hits of a picture, or all of the answer as JSON."""
    from search_api.query_schemas import ClassifyResponse
    from search_api.schemas import SearchResponse

    if as_json:
        print_plain(SearchResponse.of(answer).model_dump_json(indent=2))
        return
    if answer.vienna or answer.perhaps:
        print_codes("seen in the query", ClassifyResponse.of(answer))
        print_plain("")
    plan = answer.plan
    has_several = len(answer.pictures) > 1
    if answer.hits:
        rows = [
            (
                rank,
                shown_score(hit.score or 0.0, 3),
                *(shown_score(cosine, 2) for cosine in hit.scores.values()),
                _meaning(hit),
                hit.id,
                shown_words(hit.mark),
                _codes_of(hit.mark),
                *((hit.pair.picture + 1,) if has_several and hit.pair else ()),
            )
            for rank, hit in enumerate(answer.hits, start=1)
        ]
        columns = ("rank", "score", *answer.hits[0].scores, "same sign", "id", "text", "codes")
        columns += ("picture",) if has_several else ()
        print_table("marks most like it", columns, rows)
    if answer.better_than_chance is not None and answer.better_than_chance < len(answer.hits):
        after = f"after rank {answer.better_than_chance}" if answer.better_than_chance else "here"
        print_plain(f"no mark {after} is nearer than any query finds one by chance")
    done = "compared by their nearest lists" if plan.kind == "ivf" else "compared"
    spent = sum(plan.milliseconds.values())
    print_plain(f"{plan.matched:,} of {plan.total:,} marks {done} ({plan.kind}), {spent:.0f} ms")
    _print_advice(plan, wanted)


def show_listing(answer: "Answer", wanted: "Filter", *, as_json: bool) -> None:
    """Print the marks of a list, or all of the answer as JSON."""
    from search_api.list_schemas import ListResponse

    total = answer.plan.matched
    if as_json:
        print_plain(ListResponse.of(answer).model_dump_json(indent=2))
        return
    matches = any(hit.words for hit in answer.hits)
    said = [one for one in MARK_FIELDS if one.kind in (FieldKind.WORD, FieldKind.DAY)]
    rows = [
        (
            *((hit.words.said,) if hit.words else ()),
            hit.id,
            shown_words(hit.mark),
            hit.mark.record.owner or "",
            _codes_of(hit.mark),
            *(str(one.as_json(hit.mark.record) or "") for one in said),
            hit.mark.record.office or "",
            _few(hit.mark.record.nice),
        )
        for hit in answer.hits
    ]
    if rows:
        match = ("match",) if matches else ()
        days = (one.name for one in said)
        columns = (*match, "id", "text", "owner", "codes", *days, "office", "nice")
        print_table("marks with words like it" if matches else "marks", columns, rows, _SPARE)
    print_plain(f"{len(rows):,} of {total:,} marks that pass")
    _print_advice(answer.plan, wanted)


def _print_advice(plan: "PlanReport", wanted: "Filter") -> None:
    """Say what may help where no mark passes."""
    if plan.matched:
        return
    if not plan.total:
        print_to_stderr("the register is empty: read marks into it with `marklens index`")
        return
    given = [one for one in FILTER_FIELDS if one.restricts and getattr(wanted, one.name)]
    tries = [_TRIES[one.name] for one in given if one.name in _TRIES]
    if len(given) > 1:
        tries.append(f"without one of {', '.join(one.flag for one in given)}")
    if tries:
        print_to_stderr(f"no mark passes: try {'; or '.join(tries)}")


def _meaning(hit: "Hit") -> str:
    """How probably it is the same sign or a variant: the band and the number."""
    return "" if hit.probability is None else f"{hit.band} {hit.probability:.2f}"


def print_codes(title: str, seen: "ClassifyResponse") -> None:
    """The codes that are seen, and apart from them those that may be there."""
    for name, codes in ((title, seen.vienna), (f"{title}: perhaps", seen.perhaps)):
        if codes or name == title:
            rows = [(f"{one.probability:.2f}", one.code, one.title) for one in codes]
            print_table(name, ("probability", "code", "title"), rows)


def shown_score(value: float, digits: int) -> str:
    """A score for people: never below zero, nor minus zero."""
    return f"{max(0.0, value):.{digits}f}"


def shown_words(mark: "Mark") -> str:
    """A mark's words; those that were only read in its picture are said to be."""
    return f"{mark.words_read} (read)" if mark.words_read else mark.words


def _codes_of(mark: "Mark") -> str:
    """The first of a mark's codes: the office's, or else the network's."""
    return _few(mark.record.vienna or [seen.code for seen in mark.predicted])


def _few(values: Sequence[object]) -> str:
    return " ".join(map(str, values[:_SHOWN])) + (" …" if len(values) > _SHOWN else "")
