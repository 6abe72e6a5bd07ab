"""The index of marks' words: which marks have a word that is spelt or sounds like another.

Three tables, the same in SQLite and PostgreSQL. `terms` has each word once, in Latin letters, and
the words of a mark without blanks as one term that begins with ``=``. `term_keys` has the terms
by their keys (`indexer.words.forms.keys`): similar terms share one. `mark_terms` has the marks of
a term, those with few letters first. Nothing but equal values and spans of keys are looked up, so
that a question costs milliseconds whatever the size of the register.

What is found are candidates: `likeness` compares them. A term stays when its last mark goes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register import schema
from indexer.register.among import among, among_named
from indexer.register.bulk import insert
from indexer.words.forms import MAX_LETTERS, MAX_WORDS, Words, keys, sound, sound_keys
from indexer.words.likeness import LEAST_WORD, combined, spelling_likenesses

CANDIDATES = 300  # marks whose words are compared letter by letter
_JOINED = "="  # begins the term of a whole text without blanks
_LONGEST_JOINED = 40  # letters of a text that has such a term
_BEFORE, _BEYOND = "\x01", "\U0010ffff"  # sort before and after all letters
_LOOKED_FOR = 12  # words of a question that find candidates, the longest
_TERMS = 300  # similar terms that are looked at, by beginning, by key
_BEST_TERMS = 60  # of them whose marks are looked for
_PAIRED_TERMS = 8  # of them that are looked for together with those of another word
_MARKS = 150  # of a word's marks, by how near its terms are
_FEW = 400  # marks that are read whole; of more, those of about as many letters as the text
_BESIDE = 0, 4, MAX_WORDS * MAX_LETTERS  # letters more or less


# Writing.


def update(connection: Connection, texts: Sequence[tuple[int, str | None, str | None]]) -> None:
    """Index words that changed: a mark's number, the words it had, and those it has now."""
    changed = [(number, old, new) for number, old, new in texts if old != new]
    _remove(connection, [(number, old) for number, old, _ in changed if old])
    _add(connection, [(number, new) for number, _, new in changed if new])


def _add(connection: Connection, texts: Sequence[tuple[int, str]]) -> None:
    marks: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, text in texts:
        words = Words.of(text)
        for term in terms_of(words):
            marks[term].append((words.letters, number))
    ids = ids_of(connection, list(marks))
    new = [term for term in marks if term not in ids]
    first = 1 + (connection.scalar(sa.select(sa.func.max(schema.terms.c.id))) or 0)
    ids |= {term: first + at for at, term in enumerate(new)}
    insert(connection, schema.terms, [(ids[term], term) for term in new])
    keyed = [(key, ids[term], term) for term in new for key in keys_of(term)]
    insert(connection, schema.term_keys, keyed)
    placed = [(ids[term], *place) for term, places in marks.items() for place in places]
    insert(connection, schema.mark_terms, placed)


def _remove(connection: Connection, texts: Sequence[tuple[int, str]]) -> None:
    words = [(number, Words.of(text)) for number, text in texts]
    gone = [(term, one.letters, number) for number, one in words for term in terms_of(one)]
    ids = ids_of(connection, list({term for term, _, _ in gone}))
    table = schema.mark_terms.c
    deleted = sa.delete(schema.mark_terms).where(
        table.term == sa.bindparam("of"),
        table.letters == sa.bindparam("long"),
        table.number == sa.bindparam("mark"),
    )
    rows = [
        {"of": ids[term], "long": letters, "mark": number}
        for term, letters, number in gone
        if term in ids
    ]
    if rows:
        connection.execute(deleted, rows)


def terms_of(words: Words) -> set[str]:
    """The terms that a mark with some words is found by."""
    terms = {spelling for word in words.words for spelling in word.spellings}
    if len(words.words) > 1 and words.letters <= _LONGEST_JOINED:
        terms.add(_JOINED + words.joined)
    return terms


def keys_of(term: str) -> set[int]:
    """The keys of a term."""
    return sound_keys(sound(term[1:])) if term.startswith(_JOINED) else keys(term)


def ids_of(connection: Connection, terms: Sequence[str]) -> dict[str, int]:
    """Ids of those of some terms that are there."""
    table = schema.terms.c
    wanted = sa.select(table.term, table.id).where(among(table.term, terms))
    return dict(map(tuple, connection.execute(wanted)))


# Looking up. The statements are made once: making one takes longer than its answer.

_PLACES, _OTHER = schema.mark_terms.c, schema.mark_terms.alias("other")
_BEGINNING = (
    sa.select(schema.terms.c.id, schema.terms.c.term)
    .where(
        schema.terms.c.term >= sa.bindparam("start"), schema.terms.c.term < sa.bindparam("beyond")
    )
    .order_by(sa.func.length(schema.terms.c.term), schema.terms.c.term)
    .limit(_TERMS)
)
# The word of a key. Code before step 0015 of the schema leaves it out.
WORD = sa.func.coalesce(
    schema.term_keys.c.word,
    sa.select(schema.terms.c.term)
    .where(schema.terms.c.id == schema.term_keys.c.term)
    .scalar_subquery(),
)
_SHARED = (
    sa.select(schema.term_keys.c.term, WORD.label("word"))
    .where(among_named(schema.term_keys.c.key, "keys"))
    .distinct()
    .subquery()
)
_SHARING = (
    sa.select(_SHARED)
    .order_by(sa.func.abs(sa.func.length(_SHARED.c.word) - sa.bindparam("long")), _SHARED.c.word)
    .limit(_TERMS)
)
_HAVING = sa.select(_PLACES.term, _PLACES.letters, _PLACES.number).where(
    among_named(_PLACES.term, "terms")
)
_COUNTED = (
    sa.select(_PLACES.term, sa.func.count())
    .where(among_named(_PLACES.term, "terms"))
    .group_by(_PLACES.term)
)
_HAVING_BOTH = (
    sa.select(_PLACES.term, _OTHER.c.term, _PLACES.letters, _PLACES.number)
    .join(
        _OTHER,
        sa.and_(_OTHER.c.number == _PLACES.number, _OTHER.c.letters == _PLACES.letters),
    )
    .where(
        among_named(_PLACES.term, "terms"),
        among_named(_OTHER.c.term, "others"),
    )
)
_BY_LETTERS = sa.func.abs(_PLACES.letters - sa.bindparam("long", type_=sa.Integer)), _PLACES.number
_IS_NEAR = _PLACES.letters.between(sa.bindparam("least"), sa.bindparam("most"))
_HAVING_FEW = _HAVING.limit(_FEW + 1)
_HAVING_NEAREST = _HAVING.where(_IS_NEAR).order_by(*_BY_LETTERS).limit(_MARKS)
_HAVING_BOTH_NEAREST = _HAVING_BOTH.order_by(*_BY_LETTERS).limit(_MARKS)


class _Similar(NamedTuple):
    """The terms that are like one of the texts looked for.

    Attributes:
        at: which of the words, or None for all of them without blanks.
        letters: of the text.
        likeness: term's id → how alike it is, most alike first.
        lengths: term's id → its letters.
    """

    at: int | None
    letters: int
    likeness: Mapping[int, float]
    lengths: Mapping[int, int]

    @property
    def paired(self) -> list[int]:
        """Those whose marks are looked for together with those of another word."""
        return list(self.likeness)[:_PAIRED_TERMS]


def candidates(
    connection: Connection, asked: Words, passing: sa.ColumnElement[bool] | None = None
) -> list[int]:
    """Numbers of the marks whose words are most probably like some words, the likest first.

    Args:
        connection: to the register.
        asked: what is looked for.
        passing: a condition on `marks`.

    Returns:
        At most `CANDIDATES`.
    """
    similar = list(_similar(connection, asked))
    held = _Held(similar)
    cut = set[int | None]()  # words of which there are more marks
    for one in similar:
        for tier in _tiers(one.likeness):
            places = _marks_of(connection, tier, asked, passing)
            if len(places) == _MARKS:
                cut.add(one.at)
            if places:
                terms, letters, numbers = zip(*places, strict=True)
                held.note(one, terms, letters, numbers)
    for one, other in _pairs(connection, similar, cut):
        both = _marks_of_both(connection, (one, other), asked, passing)
        if both:
            terms, others, letters, numbers = zip(*both, strict=True)
            held.note(one, terms, letters, numbers)
            held.note(other, others, letters, numbers)
    return held.likest(sum(len(word.spellings[0]) for word in asked.words))


class _Held:
    """The similar terms that marks have: all at once, since Python takes 4 us for each."""

    def __init__(self, similar: Sequence[_Similar]) -> None:
        self._similar = similar
        self._rows = {one.at: row for row, one in enumerate(similar)}
        # Of each mark and term: row of the text looked for, likeness, letters of the term and of
        # the mark's words, the mark's number.
        self._notes: tuple[list[int], list[float], list[int], list[int], list[int]]
        self._notes = [], [], [], [], []

    def note(
        self,
        similar: _Similar,
        terms: Sequence[int],
        letters: Sequence[int],
        numbers: Sequence[int],
    ) -> None:
        """Take up marks by their terms that are like one of the texts looked for."""
        rows, likeness, lengths, of, marks = self._notes
        rows.extend([self._rows[similar.at]] * len(terms))
        likeness.extend([similar.likeness[term] for term in terms])
        lengths.extend([similar.lengths[term] for term in terms])
        of.extend(letters)
        marks.extend(numbers)

    def likest(self, total: int) -> list[int]:
        """Numbers of the marks that `likeness` will find likest, or about so; the likest first.

        Args:
            total: letters of all words looked for.
        """
        rows, likeness, lengths, letters = map(np.array, self._notes[:4])
        numbers, mark = np.unique(np.array(self._notes[4], np.int64), return_inverse=True)
        if not len(numbers):
            return []
        best = np.zeros((len(self._similar), len(numbers)))
        length = np.zeros(best.shape, np.int64)
        rising = np.lexsort((lengths, likeness))  # of a mark's terms for a text the last one stays
        best[rows[rising], mark[rising]] = likeness[rising]
        length[rows[rising], mark[rising]] = lengths[rising]
        of = np.ones(len(numbers), np.int64)
        of[mark] = letters
        words = [row for at, row in self._rows.items() if at is not None]
        weighed = sum((best[row] * self._similar[row].letters for row in words), np.zeros(len(of)))
        share = np.minimum(1.0, length[words].sum(axis=0) / np.maximum(1, of))
        score = np.maximum(best[self._rows[None]], combined(weighed / max(1, total), share))
        order = np.lexsort((numbers, -score))[:CANDIDATES]
        return [int(number) for number in numbers[order]]


def _similar(connection: Connection, asked: Words) -> Iterator[_Similar]:
    """Terms like each of the words, and like all of them without blanks."""
    longest = sorted(enumerate(asked.words), key=lambda pair: -len(pair[1].spellings[0]))
    sharing: dict[str, dict[int, str]] = {}  # of each spelling once
    whole = asked.joined
    for spelling in {whole, *(one for _, word in longest[:_LOOKED_FOR] for one in word.spellings)}:
        sharing[spelling] = _sharing(connection, spelling)
    for at, word in longest[:_LOOKED_FOR]:
        found: dict[int, str] = {}
        for spelling in word.spellings:
            found |= _beginning(connection, spelling) | sharing[spelling]
        yield _best(at, word.spellings, found)
    found = _beginning(connection, whole) if len(asked.words) > 1 else {}
    yield _best(None, (whole,), found | _beginning(connection, whole, _JOINED) | sharing[whole])


def _beginning(connection: Connection, spelling: str, sign: str = "") -> dict[int, str]:
    """Terms that begin like a spelling, behind a sign: id → term."""
    start = sign + spelling
    beyond = start + (_BEYOND if len(spelling) > 1 else _BEFORE)
    found = connection.execute(_BEGINNING, {"start": start, "beyond": beyond})
    return dict(map(tuple, found.all()))


def _sharing(connection: Connection, spelling: str) -> dict[int, str]:
    """Terms that share a key with a spelling: id → term."""
    asked = {"keys": sorted(keys(spelling)), "long": len(spelling)}
    return dict(map(tuple, connection.execute(_SHARING, asked).all()))


def _best(at: int | None, spellings: Sequence[str], found: Mapping[int, str]) -> _Similar:
    kept, lengths = dict[int, float](), dict[int, int]()
    if found:
        texts = [text.removeprefix(_JOINED) for text in found.values()]
        scores = spelling_likenesses(spellings, texts, LEAST_WORD).score.max(axis=0)
        alike = zip(found, texts, scores.tolist(), strict=True)
        likest = sorted((one for one in alike if one[2] >= LEAST_WORD), key=lambda one: -one[2])
        kept = {term: score for term, _, score in likest[:_BEST_TERMS]}
        lengths = {term: len(text) for term, text, _ in likest[:_BEST_TERMS]}
    return _Similar(at, len(spellings[0]), kept, lengths)


def _tiers(likeness: Mapping[int, float]) -> Iterator[list[int]]:
    """Terms that are equal, near and less near: common ones must not hide the marks of others."""
    for least, most in ((1.0, 2.0), (0.8, 1.0), (0.0, 0.8)):
        tier = [term for term, score in likeness.items() if least <= score < most]
        if tier:
            yield tier


def _pairs(
    connection: Connection, similar: Sequence[_Similar], cut: Set[int | None]
) -> Iterator[tuple[_Similar, _Similar]]:
    """Each two of the three longest words, not all of whose marks are known; the rarer first.

    SQLite looks for the marks of the first one by one among those of the second.
    """
    words = [one for one in similar if one.at is not None and one.likeness][:3]
    if len(words) < 2 or cut.isdisjoint(one.at for one in words):
        return
    paired = [term for one in words for term in one.paired]
    marks = dict(map(tuple, connection.execute(_COUNTED, {"terms": paired}).all()))

    def many(one: _Similar) -> int:
        return sum(marks.get(term, 0) for term in one.paired)

    for one, other in combinations(sorted(words, key=many), 2):
        if not cut.isdisjoint((one.at, other.at)):
            yield one, other


def _marks_of(
    connection: Connection,
    terms: Sequence[int],
    asked: Words,
    passing: sa.ColumnElement[bool] | None,
) -> Sequence[sa.Row[Any]]:
    """Term, letters and number of marks that have one of some terms, as long as the text first.

    Sorting all marks of a common word takes longer than all the rest: of many, first those of
    about as many letters are read.
    """
    letters = asked.letters
    values = {"terms": terms, "long": letters}
    few = _passing(_HAVING_FEW, _PLACES.number, passing)
    found: Sequence[sa.Row[Any]] = connection.execute(few, values).all()
    if len(found) <= _MARKS:
        return found
    if len(found) <= _FEW:
        return sorted(found, key=lambda row: (abs(row.letters - letters), row.number))[:_MARKS]
    nearest = _passing(_HAVING_NEAREST, _PLACES.number, passing)
    for beside in _BESIDE:
        span = {"least": letters - beside, "most": letters + beside}
        found = connection.execute(nearest, values | span).all()
        if len(found) == _MARKS:
            break
    return found


def _marks_of_both(
    connection: Connection,
    both: tuple[_Similar, _Similar],
    asked: Words,
    passing: sa.ColumnElement[bool] | None,
) -> Sequence[sa.Row[Any]]:
    """The same for marks that have a term of one word and a term of another."""
    terms, others = (one.paired for one in both)
    nearest = _passing(_HAVING_BOTH_NEAREST, _PLACES.number, passing)
    values = {"terms": terms, "others": others, "long": asked.letters}
    return connection.execute(nearest, values).all()


def _passing(
    wanted: sa.Select[Any], number: sa.ColumnElement[int], passing: sa.ColumnElement[bool] | None
) -> sa.Select[Any]:
    if passing is None:
        return wanted
    return wanted.join(schema.marks, schema.marks.c.number == number).where(passing)
