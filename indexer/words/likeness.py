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

from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

from rapidfuzz.distance import OSA

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


class Likeness(NamedTuple):
    """How alike two words are; ordered by it."""

    score: float
    kind: MatchKind
    letters: int


SAME = Likeness(1.0, "exact", 0)


def spelling_likeness(asked: str, other: str) -> Likeness:
    """Compare two spellings: what is looked for and what a mark has."""
    if asked == other:
        return SAME
    longer = max(len(asked), len(other))
    letters = OSA.distance(asked, other)
    share = 1 - letters / longer
    heard = sound(asked)
    if len(asked) >= _LEAST_BEGINNING and other.startswith(asked):
        return Likeness(share + (1 - share) * 2 / 3, "begins", letters)
    if heard and heard == sound(other):
        return Likeness(share + (1 - share) / 2, "sounds", letters)
    if len(asked) >= _LEAST_PART and asked in other:
        return Likeness(share + (1 - share) / 2, "contains", letters)
    return Likeness(share, "letters", letters)


def word_likeness(asked: Word, other: Word) -> Likeness:
    """Compare two words by those of their spellings that are most alike."""
    if asked.folded == other.folded:
        return SAME
    best = max(
        spelling_likeness(one, another) for one in asked.spellings for another in other.spellings
    )
    # Equal with an umlaut spelt out is equal; equal across scripts, or homophones, nearly so.
    is_latin = asked.folded.isascii() and other.folded.isascii()
    return best if is_latin or best.score < 1 else Likeness(TRANSLITERATED, "latin", 0)


def match_words(asked: Words, mark: Words) -> WordMatch | None:
    """How a mark's words match those looked for; None where they are not alike."""
    return Matcher(asked).match(mark)


class Matcher:
    """Compares the words of many marks with those that were looked for, each word once."""

    def __init__(self, asked: Words) -> None:
        self._asked = asked
        self._known: dict[Word, list[Likeness]] = {}  # a mark's word: how like it is to each asked

    def match(self, mark: Words) -> WordMatch | None:
        """How a mark's words match; None where they are not alike."""
        asked = self._asked
        if not asked.words or not mark.words:
            return None
        found = self._word_by_word(mark)
        if len(asked.words) + len(mark.words) > 2:
            whole = spelling_likeness(asked.joined, mark.joined)
            if whole.score > found.score:
                words = len(asked.words)
                found = WordMatch(whole.kind, whole.score, whole.letters, words, words)
        return found if found.score >= LEAST_TEXT else None

    def _word_by_word(self, mark: Words) -> WordMatch:
        asked = self._asked
        likenesses = [self._of(word) for word in mark.words]
        pairs, matched = [], set()
        for word, column in zip(asked.words, zip(*likenesses, strict=True), strict=True):
            best = max(column, key=attrgetter("score"))  # the first of equals
            if best.score >= LEAST_WORD:
                pairs.append((word, best))
                matched.add(column.index(best))
        if not pairs:
            return WordMatch("some words", 0.0, found=0, of=len(asked.words))
        weighed = sum(_length(word) * best.score for word, best in pairs)
        mean = weighed / sum(map(_length, asked.words))
        share = sum(_length(mark.words[at]) for at in matched) / max(1, mark.letters)
        kind = min((best for _, best in pairs), key=attrgetter("score")).kind
        if len(pairs) < len(asked.words):
            kind = "some words"
        elif kind == "exact" and share < 1:
            kind = "holds"
        return WordMatch(
            kind,
            combined(mean, min(1.0, share)),
            sum(best.letters for _, best in pairs),
            len(pairs),
            len(asked.words),
        )

    def _of(self, other: Word) -> list[Likeness]:
        """How like a mark's word is to each word that was looked for."""
        known = self._known.get(other)
        if known is None:
            known = [word_likeness(word, other) for word in self._asked.words]
            self._known[other] = known
        return known


def combined(mean: float, share: float) -> float:
    """Likeness of a text: the mean of its words', and the share of the mark's letters they have."""
    return mean * (ALONE + (1 - ALONE) * share)


def _length(word: Word) -> int:
    return len(word.spellings[0])
