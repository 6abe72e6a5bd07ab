"""Marks found and counted by words, codes, classes and dates alone, in SQL.

A search by picture resolves its filter in memory (`indexer.index.filters`); there is no order by
likeness here, so the database answers, and knows also the marks that have no embedding.
"""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.marks import CodeSource, Facets
from indexer.query import FILTER_FIELDS, Filter, FilterField
from indexer.register import rows, schema, word_search
from models.vienna import ViennaCode


def passing(
    connection: Connection, wanted: Filter, limit: int, offset: int = 0
) -> tuple[list[str], int]:
    """Ids, in order, of the live marks that pass a filter, and how many there are in all."""
    marks = schema.marks
    asked = [one for one in FILTER_FIELDS if one.restricts and getattr(wanted, one.name)]
    condition = sa.and_(rows.LIVE, *(_condition(connection, one, wanted) for one in asked))
    found = sa.select(marks.c.id).where(condition).order_by(marks.c.id)
    ids = found.limit(limit).offset(offset)
    total = sa.select(sa.func.count()).select_from(marks).where(condition)
    return list(connection.scalars(ids)), int(connection.scalar(total) or 0)


def ids_after(connection: Connection, last: str, limit: int) -> list[str]:
    """The next ids of live marks, in the database's order of texts."""
    marks = schema.marks
    wanted = sa.select(marks.c.id).where(rows.LIVE, marks.c.id > last).order_by(marks.c.id)
    return list(connection.scalars(wanted.limit(limit)))


def facets(connection: Connection) -> Facets:
    """The statuses, offices, classes and filing dates of live marks, with their counts."""
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
    span = connection.execute(
        sa.select(sa.func.min(marks.c.filed), sa.func.max(marks.c.filed)).where(rows.LIVE)
    ).one()
    first, last = span
    filed = None if first is None else (first, last)
    return Facets(status, office, {row[0]: row[1] for row in nice}, filed)


def count_codes(connection: Connection, source: CodeSource) -> dict[ViennaCode, int]:
    """Marks that have each code or anything below it; only live marks have codes."""
    codes = schema.mark_codes.c
    sources = ("assigned", "predicted") if source == "either" else (source,)
    counted = sa.and_(codes.confident.is_(True), codes.source.in_(sources))
    counts: dict[ViennaCode, int] = {}
    # The first 2, 5 and 8 characters of a code name its category, division and section.
    for length in (2, 5, 8):
        above = sa.func.substr(codes.code, 1, length).label("above")
        found = (
            sa.select(above, sa.func.count(codes.mark_id.distinct()))
            .where(counted, sa.func.length(codes.code) >= length)
            .group_by(above)
        )
        counts |= {ViennaCode.parse(code): n for code, n in connection.execute(found)}
    return counts


def _condition(
    connection: Connection, asked: FilterField, wanted: Filter
) -> sa.ColumnElement[bool]:
    """What one field of a filter asks of a mark."""
    if asked.has_codes:
        return _code_condition(asked, wanted)
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
            return word_search.contains(connection, value)
    raise ValueError(f"{asked.name} restricts nothing by itself")


def _code_condition(asked: FilterField, wanted: Filter) -> sa.ColumnElement[bool]:
    having = [_has(code, wanted) for code in getattr(wanted, asked.name)]
    if asked.kind == "all_codes":
        return sa.and_(*having)
    return sa.or_(*having) if asked.kind == "any_code" else sa.not_(sa.or_(*having))


def _has(code: ViennaCode, wanted: Filter) -> sa.ColumnElement[bool]:
    """Whether a mark has a code or anything below it, by whom the filter asks for."""
    codes = schema.mark_codes
    sources = (
        {"assigned", "predicted"} if wanted.vienna_source == "either" else {wanted.vienna_source}
    )
    is_below = sa.or_(codes.c.code == str(code), codes.c.code.startswith(f"{code}."))
    is_sure: sa.ColumnElement[bool] = codes.c.confident.is_(True)
    if wanted.min_probability is not None:
        is_sure = sa.or_(
            codes.c.source == "assigned", codes.c.probability >= wanted.min_probability
        )
    borne = (codes.c.mark_id == schema.marks.c.id, codes.c.source.in_(sources), is_below, is_sure)
    return sa.exists().where(sa.and_(*borne))
