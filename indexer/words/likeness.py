"""How alike the words of two texts are, from 0 to 1, and in what way.

The likeness of two words starts from how they are spelt: 1 less the letters that differ (changed,
missing, too many, two swapped: optimal string alignment, by RapidFuzz) as a share of the longer
word. What an examiner would stop at brings it nearer to 1: two thirds of the way if the mark's
word begins with the one that is looked for, half of the way if it holds it, or sounds like it.

Of a text: each word that is looked for finds the mark's word most like it; the mean of these
likenesses, by letters, counts four fifths in full, and one fifth by the share that the words found
have of the mark's letters, so that GOOGLE comes before GOOGLE CLOUD. The same texts without their
blanks are compared as one word each, and the better of the two counts.

docs/words.md says this at length, with examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from indexer.words.forms import Word, Words, sound

LEAST_WORD = 0.6  # likeness below which a word is another word
LEAST_TEXT = 0.5  # below which a text is not alike at all
ALONE = 0.8  # share of a text's likeness that is kept whatever else the mark says
TRANSLITERATED = 0.95  # the same in Latin letters, but not in the script it is written in
_LEAST_BEGINNING = 2  # letters of which a word is said to begin with them
_LEAST_PART = 3  # letters of which a word is said to hold them

MatchKind = Literal[
    "exact", "holds", "latin", "begins", "contains", "sounds", "letters", "some words"
]
_KINDS: tuple[MatchKind, ...] = get_args(MatchKind)
_EXACT, _HOLDS, _LATIN, _BEGINS, _CONTAINS, _SOUNDS, _LETTERS, _SOME = range(len(_KINDS))


@dataclass(frozen=True, slots=True)
class WordMatch:
    """How a mark's words match those that were looked for.

    Attributes:
        kind: ``exact`` (the same words), ``holds`` (the same words among others), ``latin`` (the
            same in Latin letters), ``begins`` (its word begins with the one looked for),
            ``contains``, ``sounds`` (sounds alike), ``letters`` (a few letters differ), or ``some
            words`` (not all words are there); of several words what the least like one does.
        score: likeness of the whole, 0 to 1.
        letters: that differ, in the words that match.
        found: words that match.
        of: words that were looked for.
    """

    kind: MatchKind
    score: float
    letters: int = 0
    found: int = 1
    of: int = 1

    @property
    def said(self) -> str:
        """The same in plain English, for people."""
        if self.kind == "some words":
            return f"{self.found} of {self.of} words"
        if self.kind == "letters":
            return f"{self.letters} letter{'s differ' if self.letters > 1 else ' differs'}"
        return {
            "exact": "same words",
            "holds": "same words among others",
            "latin": "same in Latin letters",
            "begins": "begins like it",
            "contains": "contains it",
            "sounds": "sounds alike",
        }[self.kind]


class Likenesses(NamedTuple):
    """How alike each of some words or spellings (a) is to each of others (n): arrays (a, n).

    Attributes:
        score: 0 to 1, float64.
        kind: place in `MatchKind`, int8.
        letters: that differ, uint8.
    """

    score: NDArray[np.float64]
    kind: NDArray[np.int8]
    letters: NDArray[np.uint8]

    def likeliest(self, of: Sequence[int], axis: int) -> "Likenesses":
        """The first of the likest among those along an axis that belong together.

        Args:
            of: along the axis, rising: where in the answer each belongs.
            axis: 0 or 1.
        """
        if len(of) == of[-1] + 1:
            return self  # each is alone, as nearly always
        starts = np.searchsorted(of, np.arange(of[-1] + 1))
        ends = [*starts[1:].tolist(), len(of)]
        best = np.stack(
            [
                start + self.score.take(range(start, end), axis).argmax(axis)
                for start, end in zip(starts.tolist(), ends, strict=True)
            ],
            axis,
        )
        return Likenesses(
            np.take_along_axis(self.score, best, axis),
            np.take_along_axis(self.kind, best, axis),
            np.take_along_axis(self.letters, best, axis),
        )


def spelling_likenesses(
    asked: Sequence[str], others: Sequence[str], least: float = 0.0
) -> Likenesses:
    """Compare spellings (a) that are looked for with spellings (n) that marks have.

    Args:
        asked: not empty, nor any of them; at most 255 letters each.
        others: likewise.
        least: score below which it does not matter whether both sound alike.
    """
    letters = cdist(asked, others, scorer=OSA.distance, dtype=np.uint8)
    lengths = [np.array(list(map(len, some))) for some in (asked, others)]
    share = 1 - letters / np.maximum(lengths[0][:, None], lengths[1])
    near = share + (1 - share) / 2
    score, kind = share.copy(), np.full(share.shape, _LETTERS, np.int8)
    for at, one in enumerate(asked):
        holding = np.array([place for place, other in enumerate(others) if one in other], int)
        if len(one) >= _LEAST_PART:
            score[at, holding], kind[at, holding] = near[at, holding], _CONTAINS
        if heard := sound(one):
            audible = np.flatnonzero(near[at] >= least)
            alike = audible[[sound(others[place]) == heard for place in audible.tolist()]]
            score[at, alike], kind[at, alike] = near[at, alike], _SOUNDS
        if len(one) >= _LEAST_BEGINNING:
            begins = [place for place in holding.tolist() if others[place].startswith(one)]
            score[at, begins] = share[at, begins] + (1 - share[at, begins]) * 2 / 3
            kind[at, begins] = _BEGINS
    kind[letters == 0] = _EXACT
    return Likenesses(score, kind, letters)


def _word_likenesses(asked: Sequence[Word], others: Sequence[Word]) -> Likenesses:
    """Compare words by those of their spellings that are most alike."""
    (row_of, rows), (column_of, columns) = map(_spellings, (asked, others))
    found = spelling_likenesses(rows, columns, LEAST_WORD)
    found = found.likeliest(column_of, 1).likeliest(row_of, 0)
    # Equal with an umlaut spelt out is equal; equal across scripts, or homophones, nearly so.
    for at, place in np.argwhere(found.letters == 0).tolist():
        one, other = asked[at].folded, others[place].folded
        if one != other and not (one.isascii() and other.isascii()):
            found.score[at, place], found.kind[at, place] = TRANSLITERATED, _LATIN
    return found


def _spellings(words: Sequence[Word]) -> tuple[list[int], list[str]]:
    """All spellings of some words: of which word each is, and each."""
    pairs = [(at, spelling) for at, word in enumerate(words) for spelling in word.spellings]
    return [at for at, _ in pairs], [spelling for _, spelling in pairs]


def match_words(asked: Words, mark: Words) -> WordMatch | None:
    """How a mark's words match those looked for; None where they are not alike."""
    return match_all(asked, [mark])[0]


def match_all(asked: Words, marks: Sequence[Words]) -> list[WordMatch | None]:
    """How the words of marks match those looked for; None where they are not alike."""
    found: list[WordMatch | None] = [None] * len(marks)
    worded = [at for at, mark in enumerate(marks) if mark.words]
    if asked.words and worded:
        some = [marks[at] for at in worded]
        for at, match in zip(worded, _matches(asked, some), strict=True):
            found[at] = match
    return found


def _matches(asked: Words, marks: Sequence[Words]) -> list[WordMatch | None]:
    """The same for marks that have words: all at once, since Python takes 30 us for each."""
    score, kind, letters, matched = _word_by_word(asked, marks)
    many = len(asked.words)
    whole = spelling_likenesses([asked.joined], [mark.joined for mark in marks])
    has_blanks = np.array([many + len(mark.words) > 2 for mark in marks])
    is_whole = has_blanks & (whole.score[0] > score)
    score = np.where(is_whole, whole.score[0], score)
    kind = np.where(is_whole, whole.kind[0], kind)
    letters = np.where(is_whole, whole.letters[0], letters)
    matched = np.where(is_whole, many, matched)
    rows = zip(kind.tolist(), score.tolist(), letters.tolist(), matched.tolist(), strict=True)
    return [
        WordMatch(_KINDS[one], value, differing, words, many) if value >= LEAST_TEXT else None
        for one, value, differing, words in rows
    ]


def _word_by_word(
    asked: Words, marks: Sequence[Words]
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]:
    """Of each mark: score, kind, letters that differ, and how many of the words looked for it has.

    Each of these takes the mark's word most like it, the first of equals.
    """
    words = [word for mark in marks for word in mark.words]
    known = {id(word): word for word in words}  # `Words.of` gives one object for one word
    column = {one: at for at, one in enumerate(known)}
    columns = np.array([column[id(word)] for word in words])
    lengths = np.array([_length(word) for word in words])
    counts = np.array([len(mark.words) for mark in marks])
    starts = np.cumsum(counts) - counts
    alike = _word_likenesses(asked.words, list(known.values()))
    places, is_taken = np.arange(len(words)), np.zeros(len(words), bool)
    weighed, lowest = np.zeros(len(marks)), np.full(len(marks), np.inf)
    kind, letters = np.full(len(marks), _SOME, np.int8), np.zeros(len(marks), np.int64)
    matched = np.zeros(len(marks), np.int64)
    for at, word in enumerate(asked.words):
        scores = alike.score[at, columns]
        best = np.maximum.reduceat(scores, starts)
        is_best = scores == np.repeat(best, counts)
        taken = np.minimum.reduceat(np.where(is_best, places, len(words)), starts)
        is_word = best >= LEAST_WORD
        is_taken[taken[is_word]] = True
        of = columns[taken]
        weighed += np.where(is_word, best * _length(word), 0)
        letters += np.where(is_word, alike.letters[at, of], 0)
        kind = np.where(is_word & (best < lowest), alike.kind[at, of], kind)
        lowest = np.where(is_word, np.minimum(best, lowest), lowest)
        matched += is_word
    share = np.add.reduceat(lengths * is_taken, starts) / np.add.reduceat(lengths, starts)
    kind[(kind == _EXACT) & (share < 1)] = _HOLDS
    kind[matched < len(asked.words)] = _SOME
    mean = weighed / sum(map(_length, asked.words))
    return combined(mean, share), kind, letters, matched


Share = TypeVar("Share", float, NDArray[np.float64])


def combined(mean: Share, share: Share) -> Share:
    """Likeness of a text: the mean of its words', and the share of the mark's letters they have."""
    return mean * (ALONE + (1 - ALONE) * share)


def _length(word: Word) -> int:
    return len(word.spellings[0])
