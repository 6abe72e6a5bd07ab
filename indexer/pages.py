"""Lists of marks by pages: orders, and places in them."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from indexer.marks import MARK_FIELDS, FieldKind, Mark

if TYPE_CHECKING:  # the command line lists its options without loading RapidFuzz
    from indexer.words.likeness import WordMatch

DAYS = tuple(one.name for one in MARK_FIELDS if one.kind is FieldKind.DAY)
WORDS_ORDER = "words"  # by how alike the words are
ORDERS = ("id", "-id", *(sign + day for day in DAYS for sign in ("", "-")))  # "-": falling
Place = tuple[str | float | None, str]  # of a mark in an order: what it goes by, and its id


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the marks that pass a filter to list.

    Attributes:
        limit: how many.
        offset: how many to leave out, counted from the first or from `after`.
        order: one of `ORDERS`, or `WORDS_ORDER` where the filter has words. Equals go by id;
            marks without the day come last.
        after: the place of the last mark before the page: see `Listed.place`.
    """

    limit: int
    offset: int = 0
    order: str = "id"
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A mark of a list.

    Attributes:
        mark: what the register holds of it.
        words: how its words match, where words were looked for.
    """

    mark: Mark
    words: "WordMatch | None" = None

    def place(self, order: str) -> Place:
        """Where it stands in an order."""
        day = getattr(self.mark.record, order.removeprefix("-"), None)
        return place_of(order, self.mark.record.id, day, self.words)


def place_of(order: str, mark_id: str, day: Any, words: "WordMatch | None") -> Place:
    """Where a mark stands in an order; `day` is its date where the order goes by one."""
    if order == WORDS_ORDER:
        return 0.0 if words is None else -words.score, mark_id
    return day.isoformat() if isinstance(day, date) else None, mark_id


def compare_places(one: Place, other: Place, order: str) -> int:
    """Whether a place comes before another (-1), after it (1), or is the same (0)."""
    if (one[0] is None) != (other[0] is None):
        return 1 if one[0] is None else -1
    first, second = (one[1:], other[1:]) if one[0] is None else (one, other)
    rises = (first > second) - (first < second)
    return -rises if order.startswith("-") else rises
