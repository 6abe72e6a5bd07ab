"""Vienna codes by subject: the things that titles name, and everyday words for them.

Whole words come before beginnings of words; plurals and British and American spellings are one.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree

_TABLE = Path(__file__).with_name("vienna_subjects.txt")
_WORDS = re.compile(r"[^\W_]+")
_THINGS = re.compile(r"[,;()]| and | or ")
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
}

THING, WORD, BEGINNING = range(3)  # how a text fits, the best first


@dataclass(frozen=True, slots=True)
class Subject:
    """A code that a text may mean.

    Attributes:
        code: the code.
        fit: 0 where a thing that it stands for is just what was asked for, 1 where it has all of
            the words, 2 where it has words that begin so.
        by: the everyday word by which it was found; None where its own title says it.
    """

    code: ViennaCode
    fit: int
    by: str | None = None


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
    asked = _stems(text)
    if not asked:
        return []
    found = []
    for code, phrases in _phrases().items():
        fits = [(fit, one) for one in phrases if (fit := one.fit(asked)) is not None]
        if fits:
            fit, best = min(fits, key=lambda pair: (pair[0], pair[1].by is not None))
            found.append(Subject(code, fit, best.by))
    return sorted(found, key=lambda one: (one.fit, one.by is not None))


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A title, or an everyday word: the stems of each thing that it names, and all of them."""

    things: tuple[tuple[str, ...], ...]
    stems: frozenset[str]
    by: str | None

    @classmethod
    def of(cls, names: list[str], by: str | None) -> "_Phrase":
        things = tuple(map(_stems, names))
        return cls(things, frozenset(stem for thing in things for stem in thing), by)

    def fit(self, asked: tuple[str, ...]) -> int | None:
        if asked in self.things:
            return THING
        if self.stems.issuperset(asked):
            return WORD
        if all(any(stem.startswith(one) for stem in self.stems) for one in asked):
            return BEGINNING
        return None


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
    """The words of the table that ships with MarkLens, by code."""
    return dict(_read(_TABLE.read_text(encoding="utf-8")))


def _read(table: str) -> Iterator[tuple[ViennaCode, tuple[str, ...]]]:
    for line in table.splitlines():
        if line.startswith("#"):
            continue
        code, _, words = line.partition(":")
        yield ViennaCode.parse(code), tuple(word.strip() for word in words.split(","))


def _stems(text: str) -> tuple[str, ...]:
    """The words of a text in the form in which they are compared."""
    plain = unicodedata.normalize("NFKD", text.replace("'s", "")).lower()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return tuple(map(_stem, _WORDS.findall(plain)))


def _stem(word: str) -> str:
    """Make plurals and spellings equal: foxes and fox, puppies and puppy, colour and color."""
    word = _ONE_SPELLING.get(word, word)
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = _ONE_SPELLING.get(word[:-1], word[:-1])
    if len(word) > 4 and word.endswith("our"):
        word = f"{word[:-3]}or"
    if len(word) > 2:
        word = word.removesuffix("e")
        word = f"{word[:-1]}i" if word.endswith("y") else word
    return word
