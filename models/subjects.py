"""Vienna codes by subject: the things that titles name, and everyday words for them.

Whole words come before beginnings of words; plurals and British and American spellings are one.
Then come codes that have most of the words, the noun and rare words before others; a word that no
code has may be one letter away. English and French words stand side by side.
"""

import functools
import itertools
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree

_TABLE = Path(__file__).with_name("vienna_subjects.txt")
_WORDS = re.compile(r"[^\W_]+")
_ELIDED = re.compile(r"['’]s\b|\b[dl]['’](?=\w)")  # a lion's head, feuille d'érable
_THINGS = re.compile(r"[,;()]| and | or ")
_LINKS = re.compile(
    r"with(out)?|of|in|on|over|under|around|through|a|de|du|des|avec|sans|sur|dans|en"
)
_SMALL = re.compile(rf"{_LINKS.pattern}|an|the|and|or|for|to|by|at|le|la|les|une?|et|aux?")
_ONE_SPELLING = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
    "leaves": "leaf",
    "wolves": "wolf",
    "knives": "knife",
    "loaves": "loaf",
    "calves": "calf",
    "elves": "elf",
    "shelves": "shelf",
    "scarves": "scarf",
    "halves": "half",
    "hooves": "hoof",
    "oxen": "ox",
    "cacti": "cactus",
    "dominoes": "domino",
    "tyre": "tire",
    "grey": "gray",
    "plough": "plow",
    "jewellery": "jewelry",
    "mould": "mold",
    "moustache": "mustache",
    "doughnut": "donut",
    "pyjamas": "pajama",
    "yoghurt": "yogurt",
    "theatre": "theater",
    "centre": "center",
    "sceptre": "scepter",
    "mitre": "miter",
    "sabre": "saber",
    "fibre": "fiber",
    "axe": "ax",
    "stylised": "stylized",
    "disk": "disc",
    "omelet": "omelette",
    "chilli": "chili",
    "racquet": "racket",
    "cheque": "check",
    "yeux": "oeil",
}
_NOUN = 2.0  # what the noun counts more than other words
_LEAST_SHARE = 0.5  # of the words, by weight, without which a code has not most of them
_LEAST_MISSPELT = 4  # letters of a word that may be one letter away

THING, WORD, BEGINNING, MOST = range(4)  # how a text fits, the best first


@dataclass(frozen=True, slots=True)
class Subject:
    """A code that a text may mean.

    Attributes:
        code: the code.
        fit: 0 where a thing that it stands for is just what was asked for, 1 where it has all of
            the words, 2 where it has words that begin so, 3 where it has most of the words, or
            words one letter away.
        by: the everyday word by which it was found; None where its own title says it.
        lacks: of those that fit 3, less comes first: the share of the words that it has not, and
            1 where nothing that it stands for is among them.
    """

    code: ViennaCode
    fit: int
    by: str | None = None
    lacks: float = 0.0


def find_subjects(text: str) -> list[Subject]:
    """The codes that a text may mean, the best first, else in the classification's order.

    Args:
        text: a code, with all below it meant, or words: ``"3.1"``, ``"tiara"``, ``"sea lions"``.
    """
    tree = ViennaTree.load()
    try:
        asked = ViennaCode.parse(text)
    except BadViennaCode:
        return _by_words(text)
    return [Subject(code, THING) for code in tree.codes() if asked.covers(code)]


def _by_words(text: str) -> list[Subject]:
    asked = _Asked.of(text)
    found = []
    for code in sorted(asked.codes()):
        fits = [(*how, one.by) for one in _phrases()[code] if (how := one.fit(asked)) is not None]
        if fits:
            fit, lacks, by = min(fits, key=lambda one: (*one[:2], one[2] is not None))
            found.append(Subject(code, fit, by, lacks))
    return sorted(found, key=lambda one: (one.fit, one.lacks, one.by is not None))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for: its words, what each may mean, and how much each counts."""

    stems: frozenset[str]
    longer: tuple[frozenset[str], ...]
    meanings: tuple[frozenset[str], ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, text: str) -> "_Asked":
        stems, noun = _stems(text), _noun(text)
        longer = tuple(_starting(stem) for stem in stems)
        meanings = tuple(_meanings(stem, more) for stem, more in zip(stems, longer, strict=True))
        weights = []
        for stem, meant in zip(stems, meanings, strict=True):
            codes = sum(len(_codes_of()[one]) for one in meant)
            rarity = math.log(1 + len(_phrases()) / codes) if codes else 0.0
            weights.append(_NOUN * rarity if stem == noun else rarity)
        return cls(frozenset(stems), longer, meanings, tuple(weights))

    def codes(self) -> set[ViennaCode]:
        """Those that have any of the words."""
        meant = frozenset().union(*self.longer, *self.meanings)
        return set().union(*(_codes_of()[one] for one in meant))


def _noun(text: str) -> str | None:
    """The stem of the last word before "with", "of" and the like: red star on blue → star."""
    words = _plain_words(text)
    end = next((at for at, word in enumerate(words) if at and _LINKS.fullmatch(word)), len(words))
    return _stem(words[end - 1]) if words else None


def _starting(stem: str) -> frozenset[str]:
    """The stems that codes have which begin so."""
    return frozenset(one for one in _codes_of() if one.startswith(stem))


def _meanings(stem: str, longer: frozenset[str]) -> frozenset[str]:
    """The stems that codes have which a word may mean: itself, or else longer or misspelt ones."""
    if stem in longer:
        return frozenset((stem,))
    if longer or len(stem) < _LEAST_MISSPELT:
        return longer
    near = extract(stem, list(_codes_of()), scorer=OSA.distance, score_cutoff=1, limit=None)
    return frozenset(one for one, _, _ in near)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A title, or an everyday word: the stems of each thing that it names, and all of them."""

    things: tuple[frozenset[str], ...]
    stems: frozenset[str]
    by: str | None

    @classmethod
    def of(cls, names: list[str], by: str | None) -> "_Phrase":
        things = tuple(frozenset(_stems(name)) for name in names)
        return cls(tuple(filter(None, things)), frozenset().union(*things), by)

    def fit(self, asked: _Asked) -> tuple[int, float] | None:
        """How it fits, and what it lacks; None where it does not."""
        if asked.stems in self.things:
            return THING, 0.0
        if self.stems >= asked.stems:
            return WORD, 0.0
        if not any(map(self.stems.isdisjoint, asked.longer)):
            return BEGINNING, 0.0
        return self._most(asked)

    def _most(self, asked: _Asked) -> tuple[int, float] | None:
        lacking = [self.stems.isdisjoint(meanings) for meanings in asked.meanings]
        if all(lacking):
            return None
        share = 1 - sum(itertools.compress(asked.weights, lacking)) / sum(asked.weights)
        everything = frozenset().union(*asked.meanings)
        if any(thing <= everything for thing in self.things):
            return MOST, 1 - share
        return (MOST, 2 - share) if share >= _LEAST_SHARE else None


@functools.cache
def _codes_of() -> dict[str, set[ViennaCode]]:
    """The codes that have each stem."""
    found: dict[str, set[ViennaCode]] = defaultdict(set)
    for code, phrases in _phrases().items():
        for stem in frozenset().union(*(one.stems for one in phrases)):
            found[stem].add(code)
    return dict(found)


@functools.cache
def _phrases() -> dict[ViennaCode, tuple[_Phrase, ...]]:
    tree = ViennaTree.load()
    words = everyday_words()
    return {
        code: (
            _Phrase.of(_THINGS.split(tree.title(code)), None),
            *(_Phrase.of([word], word) for word in words.get(code, ())),
        )
        for code in tree.codes()
    }


@functools.cache
def everyday_words() -> dict[ViennaCode, tuple[str, ...]]:
    """The words of the table that ships with MarkLens, by code: English ones, then French ones."""
    return dict(_read(_TABLE.read_text(encoding="utf-8")))


def _read(table: str) -> Iterator[tuple[ViennaCode, tuple[str, ...]]]:
    for line in table.splitlines():
        if line.startswith("#"):
            continue
        code, _, words = line.partition(":")
        yield ViennaCode.parse(code), tuple(filter(None, map(str.strip, re.split("[,|]", words))))


def _plain_words(text: str) -> list[str]:
    """The words of a text in small letters without accents."""
    plain = unicodedata.normalize("NFKD", text).lower().replace("œ", "oe")
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return _WORDS.findall(_ELIDED.sub("", plain))


def _stems(text: str) -> tuple[str, ...]:
    """The words of a text in the form in which they are compared; of the small ones the last."""
    *before, last = _plain_words(text) or [""]
    return tuple(
        map(_stem, filter(None, [*(one for one in before if not _SMALL.fullmatch(one)), last]))
    )


def _stem(word: str) -> str:
    """Make plurals and spellings equal: foxes and fox, puppies and puppy, colour and color."""
    word = _ONE_SPELLING.get(word, word)
    if len(word) > 4 and word.endswith("aux"):  # oiseaux, chevaux
        word = word[:-1] if word.endswith("eaux") else f"{word[:-2]}l"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = _ONE_SPELLING.get(word[:-1], word[:-1])
    if len(word) > 4 and word.endswith("our"):
        word = f"{word[:-3]}or"
    if len(word) > 3:
        word = word.removesuffix("e")
    return f"{word[:-1]}i" if len(word) > 2 and word.endswith("y") else word
