"""Lists marks without a picture, a page at a time.

Where a page ended is a cursor, a short text for links and forms. It names the place of the last
mark, not how many came before it: marks that are added or withdrawn meanwhile make nobody miss or
see twice another one, and the last page is as quick as the first. (By words only the likest are
listed: a new one among them can push the last out.)
"""

import base64
import binascii
import json
from datetime import date
from time import perf_counter

from indexer.pages import DAYS, WORDS_ORDER, Listed, Page, Place
from indexer.query import Hit, PlanReport
from indexer.register import Register
from indexer.texts import is_mark_id
from search_api.answers import Answer
from search_api.errors import BadField
from search_api.request import SearchRequest

_LONGEST = 500


def list_marks(register: Register, request: SearchRequest) -> Answer:
    """The marks that pass a filter, in order, those without picture, too.

    Raises:
        BadField: `after` is no cursor of this list.
    """
    began = perf_counter()
    order = request.list_order
    sequence = register.sequence()  # before the marks, which may be newer, never older
    after = None if request.after is None else _place_at(order, request.after)
    page = Page(request.k + 1, request.offset, order, after)  # one more: is there a next page?
    if request.filter.text:
        listed, matched = register.find_words(request.filter, page, request.among)
    else:
        marks, matched = register.find(request.filter, page, request.among)
        listed = [Listed(mark) for mark in marks]
    shown = listed[: request.k]
    plan = PlanReport(
        kind="sql",
        index="the register's database",
        matched=matched,
        total=register.count(),
        sequence=sequence,
        milliseconds={"filter": 1000 * (perf_counter() - began), "search": 0.0, "rerank": 0.0},
    )
    hits = tuple(Hit(one.mark.record.id, None, {}, one.mark, words=one.words) for one in shown)
    is_last = len(listed) == len(shown)
    return Answer(hits, plan, next=None if is_last else _cursor_at(order, shown[-1].place(order)))


def _cursor_at(order: str, place: Place) -> str:
    """The cursor of a place in an order."""
    held = json.dumps([order, *place], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(held.encode()).decode().rstrip("=")


def _place_at(order: str, cursor: str) -> Place:
    """The place that a cursor of the same order names.

    Raises:
        BadField: it is no cursor, or one of another order.
    """
    try:
        padded = cursor[:_LONGEST] + "=" * (-len(cursor) % 4)
        held = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        of, value, mark_id = held
        if isinstance(value, str):
            date.fromisoformat(value)
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise _bad_cursor() from error
    if of != order or not _fits(order, value) or not _is_id(mark_id):
        raise _bad_cursor()
    return value, mark_id


def _fits(order: str, value: object) -> bool:
    if order == WORDS_ORDER:
        return isinstance(value, float)
    return value is None or (isinstance(value, str) and order.removeprefix("-") in DAYS)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_mark_id(value)


def _bad_cursor() -> BadField:
    return BadField(
        "after", "This is no cursor of the list: give the next of the answer before, or leave it."
    )
