"""The values of a search: filter and its table of fields, query, hits, plan, result."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from indexer.errors import BadFilter, BadQuery, ReversedDays
from indexer.marks import MARK_FIELDS, NICE_CLASSES, CodeSource, FieldKind, Mark
from indexer.matches import Pair, PlaceMatches
from indexer.texts import is_storable
from models.network.score_calibration import Band, band_of
from models.vienna import ViennaCode

if TYPE_CHECKING:  # the command line lists its options without loading NumPy and RapidFuzz
    from indexer.words.likeness import WordMatch
    from models.encoder import Embedding

MAX_K = 1000
PARTS = "parts"  # among the weights: whether parts are compared
WORDS = "words"  # among the weights: how much the filter's `text` counts; at 0 it only restricts
PLACES = "places"  # among the weights: how much agreeing places count
SAME_CODES = "same_codes"  # among the weights: how much a mark's codes count that the query shows
# What the weights are by default that are of no block of the embedding; places and codes as
# docs/decisions/0019 and 0029 found best.
OTHER_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {PARTS: 1.0, PLACES: 0.15, SAME_CODES: 0.3, WORDS: 1.0}
)
RERANK = 150  # candidates whose places and codes are compared, by default
LEAST_WEIGHT, MAX_WEIGHT = 1e-6, 1000.0  # beyond, float64 loses digits of the weighted mean
MAX_WORDS = 1000  # characters; SQLite refuses patterns above 50,000 bytes
PlanKind = Literal["none", "gather", "exact", "ivf", "milvus", "sql"]
FilterKind = Literal[
    "any_code",
    "all_codes",
    "no_code",
    "classes",
    "words",
    "choice",
    "share",
    "first_day",
    "last_day",
    "text",
]


@dataclass(frozen=True, slots=True)
class FilterField:
    """One field of a `Filter`, described once for every form, option, column and page.

    Attributes:
        kind: what it asks: ``any_code``, ``all_codes`` or ``no_code`` of some Vienna codes, any of
            some Nice ``classes`` or ``words``, a ``first_day`` or ``last_day``, ``text`` to be
            found; or how codes count: a ``choice`` of their source, a ``share`` of certainty.
        of: the mark's field that it asks about.
        description: what it asks, in one sentence.
        example: a value as people write it; a tuple where it takes several.
        option: of the command line, where it is not `name` with dashes.
        choices: what a ``choice`` may be.
        name: its name in Python, in forms and in the page's address.
    """

    kind: FilterKind
    of: str
    description: str
    example: str | float | tuple[str | int, ...]
    option: str = ""
    choices: tuple[str, ...] = ()
    name: str = ""

    @property
    def flag(self) -> str:
        """How the command line calls it."""
        return self.option or "--" + self.name.replace("_", "-")

    @property
    def has_codes(self) -> bool:
        """Whether its values are Vienna codes."""
        return self.kind in ("any_code", "all_codes", "no_code")

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return self.has_codes or self.kind in ("classes", "words")

    @property
    def restricts(self) -> bool:
        """Whether a value of it alone keeps marks from being found."""
        return self.kind not in ("choice", "share")


_Codes = tuple[ViennaCode, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which marks may be found; an empty field restricts nothing, and all others must hold.

    A code matches every mark that bears it or anything below it. A mark without a day lies
    outside every range of it. `FILTER_FIELDS` lists the fields; a new one is added here and to
    `indexer.marks.Change`, and where its kind is new to `indexer.index.filters` and
    `indexer.register.listing`.

    Raises:
        BadFilter: a value is out of range or a range of dates is upside down.
    """

    vienna_any: Annotated[
        _Codes,
        FilterField("any_code", "vienna", "Any of these Vienna codes.", ("03.01",), "--vienna"),
    ] = ()
    vienna_all: Annotated[
        _Codes,
        FilterField(
            "all_codes", "vienna", "All of these Vienna codes.", ("03", "27.05"), "--all-vienna"
        ),
    ] = ()
    vienna_none: Annotated[
        _Codes,
        FilterField("no_code", "vienna", "None of these Vienna codes.", ("26",), "--not-vienna"),
    ] = ()
    vienna_source: Annotated[
        CodeSource,
        FilterField(
            "choice",
            "vienna",
            "Whose codes of a mark count: assigned (the office's), predicted (the network's) or "
            "either.",
            "either",
            choices=typing.get_args(CodeSource),
        ),
    ] = "either"
    min_probability: Annotated[
        float | None,
        FilterField(
            "share",
            "vienna",
            "Probability from which a predicted code counts, 0 to 1; by default each code's own "
            "calibrated threshold.",
            0.5,
        ),
    ] = None
    nice: Annotated[
        frozenset[int], FilterField("classes", "nice", "Any of these Nice classes.", (25, 30))
    ] = frozenset()
    status: Annotated[
        frozenset[str],
        FilterField("words", "status", "Any of these statuses.", ("registered",)),
    ] = frozenset()
    office: Annotated[
        frozenset[str], FilterField("words", "office", "Any of these offices.", ("EM",))
    ] = frozenset()
    filed_from: Annotated[
        date | None, FilterField("first_day", "filed", "Filed on this day or later.", "2019-01-01")
    ] = None
    filed_to: Annotated[
        date | None, FilterField("last_day", "filed", "Filed on this day or before.", "2024-12-31")
    ] = None
    registered_from: Annotated[
        date | None,
        FilterField("first_day", "registered", "Registered on this day or later.", "2019-01-01"),
    ] = None
    registered_to: Annotated[
        date | None,
        FilterField("last_day", "registered", "Registered on this day or before.", "2024-12-31"),
    ] = None
    text: Annotated[
        str | None,
        FilterField(
            "text",
            "text",
            "Words of the mark: those spelt or sounding alike are found, the likest first. Beside "
            "a picture they are part of the score; with the weight words=0 others are left out.",
            "lion",
        ),
    ] = None
    number: Annotated[
        str | None, FilterField("text", "id", "The mark's number, or parts of it.", "018000001")
    ] = None
    owner: Annotated[
        str | None, FilterField("text", "owner", "Parts of the owner's name.", "Lion Cafe")
    ] = None

    def __post_init__(self) -> None:
        """Check ranges, field by field, and bring words to the case they are compared in."""
        for one in FILTER_FIELDS:
            value = getattr(self, one.name)
            if value is not None:
                _check(one, value)
            if one.of in _LOWER_CASE:
                object.__setattr__(self, one.name, frozenset(word.lower() for word in value))
        for first, last in _SPANS:
            begin, end = getattr(self, first.name), getattr(self, last.name)
            if begin and end and begin > end:
                raise ReversedDays(f"{first.name} {begin} is after {last.name} {end}")

    @property
    def codes(self) -> tuple[ViennaCode, ...]:
        """All Vienna codes that it names."""
        named = (getattr(self, one.name) for one in FILTER_FIELDS if one.has_codes)
        return tuple(code for codes in named for code in codes)

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Each field of a mark of which it asks a text, and that text."""
        given = ((one.of, getattr(self, one.name)) for one in FILTER_FIELDS if one.kind == "text")
        return tuple((of, text) for of, text in given if text)

    @property
    def is_empty(self) -> bool:
        """Whether every mark passes."""
        return not any(getattr(self, one.name) for one in FILTER_FIELDS if one.restricts)


FILTER_FIELDS = tuple(
    replace(typing.get_args(hint)[1], name=name)
    for name, hint in typing.get_type_hints(Filter, include_extras=True).items()
)
# The mark's fields that filters compare with some words, and with a day: a column each.
WORD_COLUMNS = tuple(dict.fromkeys(one.of for one in FILTER_FIELDS if one.kind == "words"))
DAY_COLUMNS = tuple(dict.fromkeys(one.of for one in FILTER_FIELDS if one.kind == "first_day"))
TEXT_COLUMNS = tuple(one.of for one in FILTER_FIELDS if one.kind == "text")
_LOWER_CASE = frozenset(one.name for one in MARK_FIELDS if one.kind is FieldKind.WORD)
_SPANS = tuple(
    (first, last)
    for first in FILTER_FIELDS
    for last in FILTER_FIELDS
    if (first.kind, last.kind, first.of) == ("first_day", "last_day", last.of)
)


def _check(asked: FilterField, value: Any) -> None:
    """Refuse a value that its kind of field cannot have.

    Raises:
        BadFilter: it is out of range.
    """
    match asked.kind:
        case "choice" if value not in asked.choices:
            raise BadFilter(f"{asked.name} is {value!r}; take {', '.join(asked.choices)}")
        case "share" if not 0.0 <= value <= 1.0:
            raise BadFilter(f"{asked.name} is {value}; it goes from 0 to 1")
        case "classes" if wrong := sorted(number for number in value if number not in NICE_CLASSES):
            raise BadFilter(f"Nice class {wrong[0]} does not exist; they go from 1 to 45")
        case "text" if len(value) > MAX_WORDS or not is_storable(value):
            raise BadFilter(
                f"{asked.name} has {len(value)} characters; give it at most {MAX_WORDS}, none of "
                "them NUL"
            )


@dataclass(frozen=True)
class SearchQuery:
    """What to look for.

    Attributes:
        embedding: of the whole sign and its parts.
        k: how many marks, 1 to 1000.
        filter: which may be found.
        weights: block name → weight, 0 to 1000, not all 0; a block left out keeps its default.
            ``parts`` is 1 (the default) to compare parts, too, or 0 for the whole signs alone.
            ``words`` (1 by default) is how much likeness to the filter's `text` counts, which
            leaves out marks with other words where the weight is 0.
            ``places`` is how much agreeing places count, ``same_codes`` how much codes of a mark do
            that the query shows: see `indexer.search.reranking`.
        exclude: ids never to return, such as the query mark's own.
        among: ids of the only marks to return; None for all.
        rerank: how many of the first are ranked again by their places and codes, 0 to 1000.
        shown: how surely the query shows each Vienna code, 0 to 1.

    Raises:
        BadQuery: ``k``, ``rerank`` or a weight is out of range.
    """

    embedding: "Embedding"
    k: int = 20
    filter: Filter = field(default_factory=Filter)
    weights: Mapping[str, float] | None = None
    exclude: frozenset[str] = frozenset()
    among: tuple[str, ...] | None = None
    rerank: int = RERANK
    shown: Mapping[ViennaCode, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check ranges."""
        check_ranges(self.k, self.weights, self.rerank)


def ranks_words(wanted: Filter, weights: Mapping[str, float] | None) -> bool:
    """Whether beside a picture the filter's words are part of the score, and leave no mark out."""
    return bool(wanted.text and {**OTHER_WEIGHTS, **(weights or {})}[WORDS])


def check_ranges(k: int, weights: Mapping[str, float] | None, rerank: int = RERANK) -> None:
    """Refuse a number of marks, or a weight, that no search takes.

    Raises:
        BadQuery: it is out of range.
    """
    if not 1 <= k <= MAX_K:
        raise BadQuery(f"k is {k}; ask for 1 to {MAX_K} marks")
    if not 0 <= rerank <= MAX_K:
        raise BadQuery(f"rerank is {rerank}; rank 0 to {MAX_K} marks again")
    for name, weight in (weights or {}).items():
        if name == PARTS and weight not in (0, 1):
            raise BadQuery(f"the weight of {name} is {weight}; it is 0, or 1 to compare parts, too")
        if weight != 0 and not LEAST_WEIGHT <= weight <= MAX_WEIGHT:
            raise BadQuery(
                f"the weight of {name} is {weight}; it is 0, or {LEAST_WEIGHT:f} to {MAX_WEIGHT:g}"
            )


@dataclass(frozen=True)
class Hit:
    """One mark found.

    Attributes:
        id: of the mark.
        score: of the pair: Σ weight · cosine / Σ weight over the blocks, -1 to 1, less 0.025 where
            one of the two is a part, 0.15 where both are; nearer to 1 where places agree, or the
            query shows a code of the mark. None in a listing, where nothing is compared.
        scores: cosine of each block for the pair; empty in a listing.
        mark: what the register holds of it.
        pair: the pair that scores highest; None in a listing.
        words: how its words match, where words were looked for.
        probability: that the mark is the same sign as the query or a variant of it, if the register
            holds one; None in a listing, with other weights than the default ones, and where the
            network was not calibrated, or words are part of the score.
        picture: the score by picture alone, where words are part of the score.
        places: where it matches; None of a mark that was not ranked again, or has no places.
        same_codes: how surely the query shows a code of the mark, 0 to 1; None of a mark that was
            not ranked again, or where codes have no weight.
        group: id of the first hit that shows the same sign; its own where it is that; or unknown.
    """

    id: str
    score: float | None
    scores: Mapping[str, float]
    mark: Mark
    pair: Pair | None = None
    words: "WordMatch | None" = None
    probability: float | None = None
    picture: float | None = None
    places: PlaceMatches | None = None
    same_codes: float | None = None
    group: str | None = None

    @property
    def place(self) -> tuple[float, float, str]:
        """Where it stands among others: by falling score, then by its picture, then by id."""
        return -(self.score or 0.0), -(self.picture or 0.0), self.id

    @property
    def band(self) -> Band | None:
        """The probability in a word; ``weak`` is no better than chance."""
        return None if self.probability is None else band_of(self.probability)


@dataclass(frozen=True)
class PlanReport:
    """How a search was done.

    Attributes:
        kind: ``none`` (no mark passes), ``gather`` (the few that pass, one by one), ``exact``
            (a scan of all rows, those that do not pass masked) or ``ivf`` (the same in the lists
            that most probably hold the best, so that a mark may be missed), or ``milvus`` (a
            server names candidates; those are scored exactly), or ``sql`` (nothing to compare
            with: the database lists the marks that pass, by id).
        index: what computed.
        matched: marks that pass the filter.
        total: marks searchable.
        sequence: the register's state that was searched.
        milliseconds: time of the stages ``filter``, ``search`` and ``rerank``, and before them
            ``decode`` and ``encode`` of the query picture, waiting for a free place included.
        reranked: marks that were ranked again by their places and codes.
    """

    kind: PlanKind
    index: str
    matched: int
    total: int
    sequence: int
    milliseconds: Mapping[str, float]
    reranked: int = 0


@dataclass(frozen=True)
class SearchResult:
    """Hits, nearest first, and how they were found."""

    hits: tuple[Hit, ...]
    plan: PlanReport
