"""The columns of a mark in the tables of a report."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from indexer.marks import MARK_FIELDS, FieldKind
from indexer.query import Hit
from search_api.languages import Language, message
from search_api.report.contents import Report
from search_api.report.reported_marks import ReportedMark

Cell = str | int | float | date | None


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as a program reads it.
        title: as people read it, in English.
        width: in characters.
        value: its cell of a mark.
    """

    name: str
    title: str
    width: int
    value: Callable[[ReportedMark], Cell]


def columns_of(report: Report) -> list[Column]:
    """The columns of a report's marks: place, scores, what the register says, note."""
    say = report.language.say
    places = [one.hit.pair.picture for one in report.marks if one.hit and one.hit.pair]
    return [
        Column("rank", message("Place"), 7, lambda one: one.rank),
        *([_UNPLACED] if any(one.unplaced for one in report.marks) else []),
        _of_hit("score", message("Score"), 8, lambda hit: hit.score),
        _of_hit("probability", message("Probability"), 11, lambda hit: hit.probability),
        _of_hit(
            "band", message("Band"), 14, lambda hit: None if hit.band is None else say(hit.band)
        ),
        *(_score(name) for name in report.blocks),
        *([_of_hit("picture", message("By picture"), 10, _picture)] if any(places) else []),
        _of_hit(
            "match",
            message("Words match"),
            16,
            lambda hit: match_said(hit, report.language) or None,
        ),
        *(_field(one) for one in MARK_FIELDS if one.name != "image_name"),
        Column("words_read", message("Words read"), 24, lambda one: one.mark.words_read or None),
        Column("predicted", message("Codes seen"), 28, lambda one: "; ".join(_seen(one))),
        Column("note", message("Note"), 40, lambda one: one.note or None),
    ]


def match_said(hit: Hit, language: Language) -> str:
    """How a mark's words match; empty where none were looked for."""
    words = hit.words
    if words is None:
        return ""
    if words.kind == "some words":
        return language.say("%(found)s of %(of)s words", found=words.found, of=words.of)
    if words.kind == "letters":
        return language.plural(words.letters, "%(n)s letter differs", "%(n)s letters differ")
    return language.say(words.said)


# A band whose sign between its words is another one on the pages.
NEAR_IDENTICAL = message("near-identical")
_UNPLACED = Column("unplaced", message("Without place"), 22, lambda one: one.unplaced or None)


def _of_hit(name: str, title: str, width: int, value: Callable[[Hit], Cell]) -> Column:
    """A column on how near a mark is; empty where that is not known."""
    return Column(name, title, width, lambda one: None if one.hit is None else value(one.hit))


def _picture(hit: Hit) -> Cell:
    """Which picture of the query it is near to, counted from 1."""
    return None if hit.pair is None else hit.pair.picture + 1


def _score(block: str) -> Column:
    title = block.replace("_", " ").capitalize()
    return _of_hit(block, title, 9, lambda hit: hit.scores.get(block))


def _field(field: Any) -> Column:
    def value(one: ReportedMark) -> Cell:
        if field.kind is FieldKind.DAY:
            day: date | None = getattr(one.mark.record, field.name)
            return day
        held = field.as_json(one.mark.record)
        return "; ".join(map(str, held)) if isinstance(held, list) else held

    return Column(field.column, field.title, _WIDTHS.get(field.kind, 14), value)


_WIDTHS = {FieldKind.TEXT: 24, FieldKind.DAY: 12, FieldKind.ID: 18}


def _seen(one: ReportedMark) -> list[str]:
    return [f"{seen.code} {seen.probability:.2f}" for seen in one.mark.predicted]
