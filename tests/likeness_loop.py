"""Likeness of words as docs/words.md says it, mark by mark and letter by letter: a slow twin."""

from collections.abc import Iterator
from typing import NamedTuple

from rapidfuzz.distance import OSA

from indexer.words.forms import Word, Words, sound
from indexer.words.likeness import MatchKind, WordMatch


class Alike(NamedTuple):
    score: float
    kind: MatchKind
    letters: int


def of_spellings(asked: str, other: str) -> Alike:
    letters = OSA.distance(asked, other)
    share = 1 - letters / max(len(asked), len(other))
    if asked == other:
        return Alike(1.0, "exact", 0)
    if len(asked) >= 2 and other.startswith(asked):
        return Alike(share + (1 - share) * 2 / 3, "begins", letters)
    if sound(asked) and sound(asked) == sound(other):
        return Alike(share + (1 - share) / 2, "sounds", letters)
    if len(asked) >= 3 and asked in other:
        return Alike(share + (1 - share) / 2, "contains", letters)
    return Alike(share, "letters", letters)


def of_words(asked: Word, other: Word) -> Alike:
    if asked.folded == other.folded:
        return Alike(1.0, "exact", 0)
    best = max(by_spelling(asked, other), key=lambda one: one.score)
    is_latin = asked.folded.isascii() and other.folded.isascii()
    return best if is_latin or best.score < 1 else Alike(0.95, "latin", 0)


def by_spelling(asked: Word, other: Word) -> Iterator[Alike]:
    for one in asked.spellings:
        yield max((of_spellings(one, two) for two in other.spellings), key=lambda one: one.score)


def of_texts(asked: Words, mark: Words) -> WordMatch | None:
    if not asked.words or not mark.words:
        return None
    found = word_by_word(asked, mark)
    if len(asked.words) + len(mark.words) > 2:
        whole = of_spellings(asked.joined, mark.joined)
        if whole.score > found.score:
            many = len(asked.words)
            found = WordMatch(whole.kind, whole.score, whole.letters, many, many)
    return found if found.score >= 0.5 else None


def word_by_word(asked: Words, mark: Words) -> WordMatch:
    pairs, matched = [], set()
    for word in asked.words:
        row = [of_words(word, other) for other in mark.words]
        best = max(row, key=lambda one: one.score)
        if best.score >= 0.6:
            pairs.append((len(word.spellings[0]), best))
            matched.add(row.index(best))
    many = len(asked.words)
    if not pairs:
        return WordMatch("some words", 0.0, found=0, of=many)
    mean = sum(length * best.score for length, best in pairs) / asked.letters
    share = sum(len(mark.words[at].spellings[0]) for at in matched) / mark.letters
    kind = min((best for _, best in pairs), key=lambda one: one.score).kind
    if len(pairs) < many:
        kind = "some words"
    elif kind == "exact" and share < 1:
        kind = "holds"
    letters = sum(best.letters for _, best in pairs)
    return WordMatch(kind, mean * (0.8 + 0.2 * share), letters, len(pairs), many)
