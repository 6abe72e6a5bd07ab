"""Marks found and counted by words, codes, classes and dates alone, in SQL.

A search by picture resolves its filter in memory (`indexer.index.filters`); there is no order by
likeness here, so the database answers, and knows also the marks that have no embedding.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import itemgetter
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.marks import CodeSource, Facets
from indexer.pages import DAYS, Page, Place, compare_places, place_of
from indexer.query import DAY_COLUMNS, FILTER_FIELDS, Filter, FilterField
from indexer.register import counters, rows, schema, word_index, word_search
from indexer.register.among import among, among_named
from indexer.texts import is_mark_id
from indexer.words.forms import Words, fold
from indexer.words.likeness import WordMatch, match_all
from models.vienna import ViennaCode

_LEAST_PART = 3  # letters from which marks that hold them within a word are found by an index
_HOLDING = 150  # marks that hold a text somewhere
_COUNTED = 64  # filters and facets whose counts are kept
# Marks with a code that are looked up by it: of more, a page comes sooner by looking at one mark
# after the other in the order of the list.
_RARE = 2_000
_Counts = TypeVar("_Counts")
# Id and words of live marks, with the day that a list is in the order of; made once.
_TEXTS: dict[str | None, sa.Select[Any]] = {
    day: sa.select(schema.marks.c.id, rows.WORDS, schema.marks.c[day] if day else sa.null()).where(
        among_named(schema.marks.c.number, "numbers"), rows.LIVE
    )
    for day in (None, *DAYS)
}


class Counted:
    """What was counted of a register, until it changes: counting may read all marks."""

    def __init__(self) -> None:
        # Of one state of the register; exchanged whole, never altered, since threads share it.
        self._state: tuple[int, dict[object, Any]] = (-1, {})

    def of(self, connection: Connection, wanted: Hashable, count: Callable[[], _Counts]) -> _Counts:
        """Count what is wanted, unless it was counted since the last write."""
        now = counters.sequence(connection)
        sequence, known = self._state
        if sequence != now:
            known = {}
        if wanted in known:
            return cast("_Counts", known[wanted])
        counts = count()
        kept = list(known.items())[1 - _COUNTED :]  # without the oldest, where it is full
        self._state = now, dict([*kept, (wanted, counts)])
        return counts


def find(
    connection: Connection,
    wanted: Filter,
    page: Page,
    counted: Counted,
    only: Sequence[str] | None = None,
) -> tuple[list[str], int]:
    """Ids, in order, of the live marks on a page that pass a filter; and how many pass.

    With `only`, of some ids.
    """
    passes = _passing(_conditions(connection, wanted))
    if only is not None:
        passes = sa.and_(among(schema.marks.c.id, [*filter(is_mark_id, only)]), passes)
    ids = _page_of(connection, passes, page)
    if wanted.is_empty and only is None:
        return ids, counters.live_marks(connection)
    found = sa.select(sa.func.count()).select_from(schema.marks).where(passes)
    if only is not None:
        return ids, int(connection.scalar(found) or 0)
    return ids, counted.of(connection, wanted, lambda: int(connection.scalar(found) or 0))


def _page_of(connection: Connection, passes: sa.ColumnElement[bool], page: Page) -> list[str]:
    marks = schema.marks.c
    name, falls = page.order.removeprefix("-"), page.order.startswith("-")
    found = sa.select(marks.id).where(passes)
    many, (day, last) = page.offset + page.limit, page.after or (None, "")
    by_id = marks.id.desc() if falls else marks.id
    ids: list[str] = []
    if name in DAYS and (page.after is None or day is not None):
        # Those that have the day come first.
        column = marks[name]
        dated = found.where(column.is_not(None))
        if page.after is not None:
            place = sa.tuple_(column, marks.id)
            reached = sa.tuple_(sa.literal(date.fromisoformat(str(day))), sa.literal(last))
            dated = dated.where(place < reached if falls else place > reached)
        dated = dated.order_by(*((column.desc(), by_id) if falls else (column, by_id)))
        ids += connection.scalars(dated.limit(many))
    if len(ids) < many:
        undated = found.where(marks[name].is_(None)) if name in DAYS else found
        if page.after is not None and day is None:
            undated = undated.where(marks.id < last if falls else marks.id > last)
        ids += connection.scalars(undated.order_by(by_id).limit(many - len(ids)))
    return ids[page.offset :]


def by_words(
    connection: Connection, wanted: Filter, page: Page, only: Sequence[str] | None = None
) -> tuple[list[tuple[str, WordMatch]], int]:
    """Marks whose words are like a filter's `text`, among those that pass the rest of it.

    With `only`, those of them that have some ids.

    Returns:
        id and match of those on the page, and how many there are: some hundreds at most.
    """
    text, is_alone = wanted.text or "", replace(wanted, text=None).is_empty
    asked, conditions = Words.of(text), {} if is_alone else _conditions(connection, wanted)
    passes = None if is_alone else _passing(conditions, but="text")
    numbers = set(word_index.candidates(connection, asked, passes))
    if len(fold(text)) >= _LEAST_PART:
        numbers |= _holding(connection, text, None if is_alone else _passing(conditions))
    order = page.order
    texts = _TEXTS.get(order.removeprefix("-"), _TEXTS[None])
    some = connection.execute(texts, {"numbers": sorted(numbers)}).all()
    matches = match_all(asked, [Words.of(words or "") for _, words, _ in some])
    found = [
        (place_of(order, mark_id, on, match), mark_id, match)
        for (mark_id, _, on), match in zip(some, matches, strict=True)
        if match is not None and (only is None or mark_id in only)
    ]
    return [(mark_id, match) for _, mark_id, match in _on_page(found, page)], len(found)


def _on_page(
    found: list[tuple[Place, str, WordMatch]], page: Page
) -> list[tuple[Place, str, WordMatch]]:
    falls = page.order.startswith("-")
    undated = [one for one in found if one[0][0] is None]  # they come last, rising or falling
    dated = [one for one in found if one[0][0] is not None]
    found = sorted(dated, key=itemgetter(0), reverse=falls) + sorted(
        undated, key=itemgetter(1), reverse=falls
    )
    if page.after is not None:
        found = [one for one in found if compare_places(one[0], page.after, page.order) > 0]
    return found[page.offset : page.offset + page.limit]


def ids_after(connection: Connection, last: str, limit: int) -> list[str]:
    """The next ids of live marks, in the database's order of texts."""
    marks = schema.marks
    wanted = sa.select(marks.c.id).where(rows.LIVE, marks.c.id > last).order_by(marks.c.id)
    return list(connection.scalars(wanted.limit(limit)))


def facets(connection: Connection) -> Facets:
    """The statuses, offices, classes and spans of days of live marks, with their counts."""
    marks, classes = schema.marks, schema.mark_classes
    status, office = (
        {
            row[0]: row[1]
            for row in connection.execute(
                sa.select(column, sa.func.count())
                .where(rows.LIVE, column.is_not(None))
                .group_by(column)
                .order_by(column)
            )
        }
        for column in (marks.c.status, marks.c.office)
    )
    # Deleted marks have no classes.
    nice = connection.execute(
        sa.select(classes.c.nice_class, sa.func.count())
        .group_by(classes.c.nice_class)
        .order_by(classes.c.nice_class)
    )
    spans = {}
    for name in DAY_COLUMNS:
        day = marks.c[name]
        ends = sa.select(sa.func.min(day), sa.func.max(day)).where(rows.LIVE)
        first, last = connection.execute(ends).one()
        spans[name] = None if first is None else (first, last)
    return Facets(status, office, {row[0]: row[1] for row in nice}, **spans)


def count_codes(connection: Connection, source: CodeSource) -> dict[ViennaCode, int]:
    """Marks that have each code or anything below it; only live marks have codes."""
    return _count_codes(connection, Filter(vienna_source=source), sa.true())


def _count_codes(
    connection: Connection, wanted: Filter, where: sa.ColumnElement[bool]
) -> dict[ViennaCode, int]:
    codes = schema.mark_codes.c
    counts: dict[ViennaCode, int] = {}
    # The first 2, 5 and 8 characters of a code name its category, division and section.
    for length in (2, 5, 8):
        above = sa.func.substr(codes.code, 1, length).label("above")
        found = (
            sa.select(above, sa.func.count(codes.mark_id.distinct()))
            .where(_counts(wanted), where, sa.func.length(codes.code) >= length)
            .group_by(above)
        )
        counts |= {ViennaCode.parse(code): n for code, n in connection.execute(found)}
    return counts


@dataclass(frozen=True)
class FacetCounts:
    """How many of the marks that pass a filter have each value of each facet.

    Attributes:
        matched: marks that pass all of the filter.
        vienna: by code, for each code or anything below it.
        nice: by class.
        status, office: by word.
    """

    matched: int
    vienna: Mapping[ViennaCode, int]
    nice: Mapping[int, int]
    status: Mapping[str, int]
    office: Mapping[str, int]


def count_passing(
    connection: Connection, wanted: Filter, numbers: Sequence[int] | None, with_pictures: bool
) -> FacetCounts:
    """Count live marks; what a facet's own field asks is left out of its counts.

    Args:
        connection: to the database.
        wanted: the filter.
        numbers: of the only marks to count; None for all.
        with_pictures: whether only marks with an embedding count.
    """
    marks, classes, embeddings = schema.marks, schema.mark_classes, schema.mark_embeddings
    narrow: list[sa.ColumnElement[bool]]
    narrow = [] if numbers is None else [among(marks.c.number, numbers)]
    if with_pictures:
        narrow.append(sa.exists().where(embeddings.c.mark_id == marks.c.id))

    conditions = _conditions(connection, wanted)

    def passing(facet: str | None = None) -> sa.ColumnElement[bool]:
        return sa.and_(_passing(conditions, facet), *narrow)

    def words(name: str) -> dict[str, int]:
        column = marks.c[name]
        found = sa.select(column, sa.func.count()).where(passing(name), column.is_not(None))
        return dict(map(tuple, connection.execute(found.group_by(column))))

    nice = (
        sa.select(classes.c.nice_class, sa.func.count())
        .join(marks, marks.c.id == classes.c.mark_id)
        .where(passing("nice"))
        .group_by(classes.c.nice_class)
    )
    ids = sa.select(marks.c.id).where(passing("vienna_any"))
    return FacetCounts(
        matched=int(
            connection.scalar(sa.select(sa.func.count()).select_from(marks).where(passing())) or 0
        ),
        vienna=_count_codes(connection, wanted, schema.mark_codes.c.mark_id.in_(ids)),
        nice=dict(map(tuple, connection.execute(nice))),
        status=words("status"),
        office=words("office"),
    )


def _conditions(connection: Connection, wanted: Filter) -> dict[str, sa.ColumnElement[bool]]:
    """What each field of a filter asks of a mark; made once for all that asks for it."""
    return {
        one.name: _condition(connection, one, wanted)
        for one in FILTER_FIELDS
        if one.restricts and getattr(wanted, one.name)
    }


def _passing(
    conditions: Mapping[str, sa.ColumnElement[bool]], but: str | None = None
) -> sa.ColumnElement[bool]:
    """Whether a mark is live and meets all conditions but one."""
    return sa.and_(rows.LIVE, *(one for name, one in conditions.items() if name != but))


def _holding(connection: Connection, text: str, passes: sa.ColumnElement[bool] | None) -> set[int]:
    """Numbers of some marks that hold a text anywhere, and pass the rest of a filter."""
    if passes is None:
        return set(word_search.numbers_with(connection, "text", text, _HOLDING).tolist())
    numbers = sa.select(schema.marks.c.number).where(passes)
    return set(connection.scalars(numbers.limit(_HOLDING)))


def _condition(
    connection: Connection, asked: FilterField, wanted: Filter
) -> sa.ColumnElement[bool]:
    """What one field of a filter asks of a mark."""
    if asked.has_codes:
        return _code_condition(connection, asked, wanted)
    marks, classes = schema.marks, schema.mark_classes
    value = getattr(wanted, asked.name)
    match asked.kind:
        case "classes":
            borne = sa.and_(classes.c.mark_id == marks.c.id, classes.c.nice_class.in_(value))
            return sa.exists().where(borne)
        case "words":
            return marks.c[asked.of].in_(sorted(value))
        case "first_day" | "last_day":
            return marks.c[asked.of].between(
                *((value, date.max) if asked.kind == "first_day" else (date.min, value))
            )
        case "text":
            return word_search.contains(connection, asked.of, value)
    raise ValueError(f"{asked.name} restricts nothing by itself")


def _code_condition(
    connection: Connection, asked: FilterField, wanted: Filter
) -> sa.ColumnElement[bool]:
    codes = getattr(wanted, asked.name)
    if asked.kind == "all_codes":
        return sa.and_(*(_has(connection, (code,), wanted) for code in codes))
    has_any = _has(connection, codes, wanted)
    return has_any if asked.kind == "any_code" else sa.not_(has_any)


def _has(
    connection: Connection, among: Sequence[ViennaCode], wanted: Filter
) -> sa.ColumnElement[bool]:
    """Whether a mark has one of some codes or anything below it, by whom the filter asks for."""
    marks, codes = schema.marks.c, schema.mark_codes.c
    borne = sa.and_(sa.or_(*(_is_below(connection, code) for code in among)), _counts(wanted))
    some = sa.select(sa.literal(1)).where(borne).limit(_RARE + 1).subquery()
    if (connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0) <= _RARE:
        return marks.id.in_(sa.select(codes.mark_id).where(borne))
    return sa.exists().where(codes.mark_id == marks.id, borne)


def _is_below(connection: Connection, code: ViennaCode) -> sa.ColumnElement[bool]:
    """Whether a row's code is a code or below it; the index of codes finds them, sign by sign."""
    is_postgresql = connection.dialect.name == "postgresql"
    least, most = ("~>=~", "~<~") if is_postgresql else (">=", "<")
    held = schema.mark_codes.c.code
    # Codes are digits and dots, and the sign after the dot is the slash.
    return sa.and_(
        held.bool_op(least)(str(code)),
        held.bool_op(most)(f"{code}/"),
    )


def _counts(wanted: Filter) -> sa.ColumnElement[bool]:
    """Whether a mark's code counts, by whom the filter asks for and how sure the network is."""
    codes = schema.mark_codes
    sources = (
        ("assigned", "predicted") if wanted.vienna_source == "either" else (wanted.vienna_source,)
    )
    is_sure: sa.ColumnElement[bool] = codes.c.confident.is_(True)
    if wanted.min_probability is not None:
        is_sure = sa.or_(
            codes.c.source == "assigned", codes.c.probability >= wanted.min_probability
        )
    return sa.and_(codes.c.source.in_(sources), is_sure)
