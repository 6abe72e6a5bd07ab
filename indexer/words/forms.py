"""Texts → words → spellings in Latin letters → keys under which similar words are found.

Two words share a key if one letter more, less, changed or swapped makes them equal, or if they
sound alike. Letters: each word is stored under itself and under what is left without one of its
letters, and looked for in the same way ("symmetric delete", after Bocek, Hunt and Stiller, "Fast
similarity search in large dictionaries", 2007). Sounds: Metaphone (Philips 1990), by jellyfish.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from anyascii import anyascii
from jellyfish import metaphone

MAX_WORDS = 64  # of a text that are compared: the longest marks have some twenty
MAX_LETTERS = 64  # of a word: what is longer is cut
_LEAST_SOUND = 2  # consonants that say anything
_LEAST_SPOKEN = 3  # letters of a word that is compared by its sound
_LONG_SOUND = 5  # consonants from which one may differ
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; other scripts keep theirs
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc\u2032`\u00b4]")
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NO_LETTER = re.compile("[^a-z0-9]")
_ASCII_WORDS = re.compile("[a-z0-9]+")
# As German, Danish and Swedish are written without their letters, beside plain a, o, u.
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})

# Not at the end of a word, where an e is its own (blue), nor after a vowel or q (bauer, queen).
_IS_SPELT_OUT = re.compile("(?<![aeiouq])([aou])e(?=[a-z])")


def fold(text: str) -> str:
    """How texts are looked for: without case, accents, width and other compatibility forms.

    Latin letters become ASCII ones (``ß`` ss, ``ø`` o, ``æ`` ae); other scripts stay.
    """
    plain = _lower(text)
    if plain.isascii():
        return plain
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", plain))
    return unicodedata.normalize("NFC", "".join(map(_latin, bare)))


def runs(text: str) -> list[str]:
    """Runs of letters and digits with their accents, in lower case, each once; the first 64."""
    kept = (sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in _lower(text))
    found = dict.fromkeys("".join(kept).split())
    return [run for run in found if fold(run)][:MAX_WORDS]  # none that is an accent alone


def spellings(run: str) -> tuple[str, ...]:
    """How a folded name may hold a run of letters that was asked for.

    Umlauts may be spelt out in either of the two, and an apostrophe may stand after the first
    letter or before a last ``s``: *mueller* is also muller, *loreal* also l'oreal.
    """
    folded = fold(run)
    found = [folded, fold(_spelt_out(run))]
    if len(bare := _IS_SPELT_OUT.sub(r"\1", folded)) > 2:  # "ol", for oel, is in too many
        found.append(bare)
    if len(folded) > 2 and folded.isascii() and folded.isalpha():
        for sign in "'\u2019":
            found.append(f"{folded[:1]}{sign}{folded[1:]}")
            if folded.endswith("s"):
                found.append(f"{folded[:-1]}{sign}s")
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Word:
    """One word of a text.

    Attributes:
        folded: as `fold` leaves it, in its own script.
        spellings: in Latin letters; two where umlauts may be spelt out. A word of a script that
            cannot be transliterated has itself.
    """

    folded: str
    spellings: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """The words of a text, in order."""

    words: tuple[Word, ...]

    @classmethod
    def of(cls, text: str) -> "Words":
        """Divide a text at everything that is no letter, digit or accent; each ideograph is a word.

        Words beyond the 64th, and letters of a word beyond its 64th, are left out.
        """
        found = [_word(one[:MAX_LETTERS]) for one in _divided(_lower(text))[:MAX_WORDS]]
        return cls(tuple(word for word in found if word.folded))

    @property
    def joined(self) -> str:
        """All words without blanks, in Latin letters, the first 64: RED BULL is REDBULL, too."""
        return "".join(word.spellings[0] for word in self.words)[:MAX_LETTERS]

    @property
    def letters(self) -> int:
        """Letters of all words."""
        return sum(len(word.spellings[0]) for word in self.words)


@lru_cache(maxsize=8192)
def sound(spelling: str) -> str:
    """The consonants that are heard, as Metaphone writes them, and ``A`` for a first vowel.

    Empty where a word has too few letters, or digits, to say.
    """
    if len(spelling) < _LEAST_SPOKEN or not (spelling.isascii() and spelling.isalpha()):
        return ""
    heard = metaphone(spelling)
    if heard and heard[0] in "AEIOU":
        heard = "A" + heard[1:]
    return heard if len(heard) >= _LEAST_SOUND else ""


def keys(spelling: str) -> set[int]:
    """Keys of a word, each a signed 32-bit hash: similar words share one.

    Words of one or two letters have themselves only.
    """
    texts = {spelling}
    if len(spelling) > 2:
        texts |= _without_one(spelling)
    heard = sound(spelling)
    sounds = _without_one(heard) if len(heard) >= _LONG_SOUND else set()
    return {_hashed(text) for text in texts} | sound_keys(heard, *sounds)


def sound_keys(*sounds: str) -> set[int]:
    """Keys of some sounds, those that are not empty."""
    return {_hashed("~" + text) for text in sounds if text}


def _without_one(text: str) -> set[str]:
    return {text[:at] + text[at + 1 :] for at in range(len(text))}


def _hashed(text: str) -> int:
    """A number that databases store in four bytes; what two texts share by chance is compared."""
    return crc32(text.encode()) - (1 << 31)


def _lower(text: str) -> str:
    """Without case and compatibility forms.

    Folding case can leave the compatible form (``İ``) and the other way round, hence twice.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=4096)
def _latin(sign: str) -> str:
    """A Latin letter as ASCII; any other sign as it is."""
    if sign.isascii() or not unicodedata.name(sign, "").startswith("LATIN "):
        return sign
    return anyascii(sign).lower() or sign


def _divided(text: str) -> list[str]:
    text = _APOSTROPHES.sub("", text)
    if text.isascii():
        return _ASCII_WORDS.findall(text)
    return list(_runs(text))


def _runs(text: str) -> Iterator[str]:
    """Ideographs one by one; letters, digits and their marks together."""
    run = ""
    for sign in text:
        is_alone = _IDEOGRAPH.match(sign) is not None
        if not is_alone and unicodedata.category(sign)[0] in "LNM":
            run += sign
            continue
        if run:
            yield run
            run = ""
        if is_alone:
            yield sign
    if run:
        yield run


@lru_cache(maxsize=65_536)
def _word(lower: str) -> Word:
    folded = fold(lower)
    if folded.isascii() and lower.isascii():
        return Word(folded, (folded,))
    spelt = dict.fromkeys(_in_latin(one) for one in (lower, _spelt_out(lower)))
    return Word(folded, tuple(one[:MAX_LETTERS] for one in spelt if one) or (folded,))


def _spelt_out(lower: str) -> str:
    return unicodedata.normalize("NFC", lower).translate(_SPELT_OUT)


def _in_latin(text: str) -> str:
    return _NO_LETTER.sub("", anyascii(fold(text)).lower())
