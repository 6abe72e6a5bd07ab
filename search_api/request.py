"""A search as one value: what Python, the command line and HTTP ask of `MarkLens.search`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from indexer.errors import BadQuery
from indexer.pages import ORDERS, WORDS_ORDER
from indexer.query import MAX_K, RERANK, Filter, check_ranges
from models.vienna import ViennaTree

if TYPE_CHECKING:  # requests are checked without loading database and index
    from indexer.index.following import RegisterIndex
    from indexer.register import Register

MAX_PICTURES = 8


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture that was searched with before, which the server keeps.

    Attributes:
        handle: that the answer gave as `QueryPicture.handle`.
    """

    handle: str


OpenPicture = Image.Image | bytes | Path
Picture = OpenPicture | KeptPicture
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """What of a picture is looked at: a page, turned, and then a part of it.

    Attributes:
        crop: x, y, width, height in pixels of the upright original, after it is turned.
        page: of a TIFF or PDF, counted from 1.
        turn: degrees clockwise.
        ignore_words: whether the lines of text that are read in what is left are painted over.
    """

    crop: Box | None = None
    page: int = 1
    turn: int = 0
    ignore_words: bool = False


WHOLE = View()  # the first page as it is


def views_of(first: View, others: Sequence[View]) -> Iterator[View]:
    """What is looked at of one picture after the other, without end.

    Pictures that come after those of `others` are looked at as they are; all of them without words
    where the first is.
    """
    yield first
    for one in chain(others, repeat(WHOLE)):
        yield replace(one, ignore_words=first.ignore_words)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to look for: a picture, a mark of the register, or nothing but a filter.

    Attributes:
        picture: the query, as an open picture, the bytes of a file, or a path.
        others: further pictures of the same sign; a mark scores as by the picture that it is
            nearest to.
        other_views: what of the further pictures is looked at, in their order; as they are where
            it is left out.
        mark_id: instead of a picture, a mark of the register; it is left out of the hits itself.
            Its stored embedding is compared; only cropped or turned is its picture encoded.
        crop: x, y, width, height of the part to compare, in pixels of the upright original, after
            it is turned.
        page: of a TIFF or PDF, counted from 1.
        turn: degrees clockwise by which the picture is turned first.
        ignore_words: compare the picture without its lettering, which is read and painted over
            with the ground around it; further pictures, too. The marks' pictures stay as they are.
        filter: which marks may be found. Without picture and mark they are listed, also those
            that have no picture; where the filter has words, those whose words are like them.
        weights: block name to weight, 0 to 1000; a block left out keeps its default.
        k: how many marks, 1 to 1000.
        offset: how many of the first to leave out, for the next page; a ranking ends at 1000.
        order: how marks are listed: ``id``, ``filed``, ``registered``, with ``-`` before it the
            other way round, or ``words``: the likest first. By default ``words`` where the filter
            has words, else ``id``.
        after: the cursor that the answer to the same request gave as `Answer.next`: the next page.
        rerank: how many of the first are ranked again by their places and codes, 0 to 1000.
        keep: whether pictures that are given as bytes are kept for later searches, by a handle.
        among: ids of the only marks that may be found; None for all that pass the filter.
        alone: whether pictures are encoded each by itself, and again where they are kept. Scores
            are then the same to the last digit, whatever else is searched at the time.

    Raises:
        BadQuery: a value is out of range, or two queries are given.
    """

    picture: Picture | None = None
    others: tuple[Picture, ...] = ()
    other_views: tuple[View, ...] = ()
    mark_id: str | None = None
    crop: Box | None = None
    page: int = 1
    turn: int = 0
    ignore_words: bool = False
    filter: Filter = field(default_factory=Filter)
    weights: Mapping[str, float] | None = None
    k: int = 20
    offset: int = 0
    order: str | None = None
    after: str | None = None
    rerank: int = RERANK
    keep: bool = False
    among: tuple[str, ...] | None = None
    alone: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        check_ranges(self.k, self.weights, self.rerank)
        self._check_pictures()
        if self.offset < 0:
            raise BadQuery(f"offset is {self.offset}; it is 0 or more")
        if self.is_ranked and self.offset + self.k > MAX_K:
            raise BadQuery(
                f"offset {self.offset} and k {self.k} reach past the {MAX_K} marks that a search "
                "ranks; narrow it by a filter"
            )
        if self.view != WHOLE and not self.is_ranked:
            raise BadQuery(
                "a crop, page or turn, or words to ignore, need a picture, or the id of a mark"
            )
        if self.page != 1 and self.picture is None:
            raise BadQuery("a page can be chosen of a picture that is sent, not of a mark")
        if self.is_ranked and (self.order is not None or self.after is not None):
            raise BadQuery("order and after are for lists; what is ranked goes by likeness")
        if self.order is not None and self.order not in (*ORDERS, WORDS_ORDER):
            orders = ", ".join((*ORDERS, WORDS_ORDER))
            raise BadQuery(f"there is no order {self.order!r}; there are {orders}")
        if self.order == WORDS_ORDER and not self.filter.text:
            raise BadQuery("the order words needs words to go by: give text")

    def _check_pictures(self) -> None:
        """Refuse two queries, and too many pictures of one sign."""
        if self.picture is not None and self.mark_id is not None:
            raise BadQuery("give a picture or the id of a mark, not both")
        if self.others and self.picture is None:
            raise BadQuery("further pictures need a first one")
        if len(self.other_views) > len(self.others):
            raise BadQuery(
                f"{len(self.other_views)} views are given of {len(self.others)} further pictures"
            )
        if len(self.others) >= MAX_PICTURES:
            raise BadQuery(
                f"{len(self.others) + 1} pictures are given; give at most {MAX_PICTURES} of a sign"
            )

    @property
    def is_ranked(self) -> bool:
        """Whether there is a picture to compare with; else marks are listed."""
        return self.picture is not None or self.mark_id is not None

    @property
    def view(self) -> View:
        """What of the picture is compared."""
        return View(self.crop, self.page, self.turn, self.ignore_words)

    @property
    def list_order(self) -> str:
        """How marks are listed."""
        return self.order or (WORDS_ORDER if self.filter.text else "id")


def require_known_codes(wanted: Filter, marks: "Register | RegisterIndex") -> None:
    """Refuse codes that neither the classification nor a mark's owner ever used.

    Raises:
        BadViennaCode: there is one.
    """
    tree = ViennaTree.load()
    unknown = [code for code in wanted.codes if code not in tree]
    if not unknown:
        return
    held = marks.code_counts("assigned")
    for code in unknown:
        if code not in held:
            tree.require(code)
