"""Recognises the East Asian encoding of a table that is not UTF-8.

An encoding is believed only where all speaks for it: hardly a byte is wrong in it, its letters
stand beside each other, nearly all of them are in everyday use, and read as Windows-1252 the bytes
would be symbols as often as letters. Western words have their accents one at a time, and Cyrillic
or Greek ones are made of nothing but letters.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product

_MOST = 1 << 18  # bytes that are looked at: enough letters to be sure
_FEWEST = 4  # letters that say anything
_COMMON = 0.85  # share of the letters that are in everyday use
_TOGETHER = 0.7  # share of the letters that stand beside another
_WRONG = 0.01  # bytes that are none of the encoding's, to its letters: a file may be damaged
_SYMBOLS = 0.15  # share of the bytes that are no letters in Windows-1252
_FEWEST_FREQUENT = 0.2  # share of an encoding's frequent letters, without which it is another
_HIGH = re.compile(rb"[\x80-\xff]")
_NO_LETTER = re.compile(rb"[\x80-\xbf]")
_RUN = re.compile(r"[^\x00-\x7f\ufffd]{2,}")
_HALF_WIDTH = re.compile(r"[\uff61-\uff9f]+")  # katakana of one byte, which umlauts become
_FULL_WIDTH = range(0xFF00, 0xFFF0)  # Latin letters, which Western bytes become
_KANA = frozenset(map(chr, range(0x3041, 0x3100)))
_ABOVE = range(0xA1, 0xFF)  # trail bytes in all of these encodings

# Of a page of prose, most letters are among these: what is Hangul in EUC-KR is everyday Chinese in
# GB18030, and katakana tell Japanese from both.
_CHINESE = (
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小多天而能好都"
    "然没日于起还发成事只作当想看文无开手用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法"
    "此实回二理美点月明其种声全工己者向情部正名定女问力机给等业最间新打便位因重被走电四第门相次东政海口使教西再平真世"
    "气信北少关并内加化由代产入先山五太水万市体别处总场师书比住员性通目华报立马命活神数件安表原车白应路期常金何更反合"
    "放做系计或司利受光王果界及今京务制解各任至清物台记边共风接特服林建南度统色字交爱让论百义科元社术结六功指思非流青"
    "管连远资队带花快条院变联权往展该领传近留红治周保达办运武城强步完深区求品士转量空众技程江语英基派满式识极德收设始"
    "限股份集团商标有药食酒茶"
)
_KOREAN = (
    "이다는에의가을고하지로기도한사자대리아어시일인스나해수정전부보서그제성주여원장상구미트비라드조공유신국경영오관동산"
    "무소안세들년으게있과만은를것니선치방문화물식회학교실생업계현개발용연중간제과차위네토모마바우진품약백천명초금양김박최"
    "강북남롯삼농심면맥카페코커피프크테타파포레르러메베노더디데"
)


@dataclass(frozen=True, slots=True)
class OldEncoding:
    """An encoding from before Unicode.

    Attributes:
        name: as people call it.
        codec: what Python reads it with, its vendors' additions included.
    """

    name: str
    codec: str


_JAPANESE = OldEncoding("Shift_JIS", "cp932")
_MAINLAND = OldEncoding("GB18030", "gb18030")
_TAIWANESE = OldEncoding("Big5", "cp950")
_UNIX_JAPANESE = OldEncoding("EUC-JP", "euc_jp")
_HANGUL = OldEncoding("EUC-KR", "cp949")
_KNOWN = (_JAPANESE, _MAINLAND, _TAIWANESE, _HANGUL, _UNIX_JAPANESE)


class EncodingSample:
    """The first lines of a file that are not plain ASCII, by which its encoding is recognised."""

    def __init__(self) -> None:
        self._taken = bytearray()
        self._rest = b""  # behind the last line end: no letter is cut in two there

    def take(self, chunk: bytes) -> None:
        """Look at the next bytes of the file."""
        if len(self._taken) < _MOST:
            whole, end, rest = (self._rest + chunk).rpartition(b"\n")
            self._rest = rest[-_MOST:]
            self._keep(whole + end)

    def encoding(self) -> OldEncoding | None:
        """The encoding that the file surely has, once all of it was taken; None if none is sure."""
        self._keep(self._rest)
        self._rest = b""
        return old_encoding_of(bytes(self._taken))

    def _keep(self, lines: bytes) -> None:
        if not lines.isascii():
            for line in lines.splitlines(keepends=True):
                if not line.isascii() and len(self._taken) < _MOST:
                    self._taken += line


def old_encoding_of(content: bytes) -> OldEncoding | None:
    """The encoding that some lines, which are not UTF-8, surely have; None if none is sure."""
    high = len(_HIGH.findall(content))
    if len(_NO_LETTER.findall(content)) < _SYMBOLS * high:
        return None
    scores = {encoding: _score(content, encoding) for encoding in _KNOWN}
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] > 0 else None


def _score(content: bytes, encoding: OldEncoding) -> float:
    """How well content reads in an encoding; 0 where that is not sure."""
    text = _HALF_WIDTH.sub(" ", content.decode(encoding.codec, "replace"))
    others = [one for one in text if one > "\x7f"]
    letters = [one for one in others if one.isalpha() and ord(one) not in _FULL_WIDTH]
    if len(letters) < _FEWEST or text.count("\ufffd") > _WRONG * len(letters):
        return 0.0
    together = sum(map(len, _RUN.findall(text))) / len(others)
    common = _share(letters, _everyday(encoding))
    if together < _TOGETHER or common < _COMMON:
        return 0.0
    frequent = _share(letters, _FREQUENT.get(encoding, frozenset()))
    return common + frequent if frequent >= _NEEDED.get(encoding, 0.0) else 0.0


def _share(letters: list[str], some: frozenset[str]) -> float:
    return sum(one in some for one in letters) / len(letters)


@cache
def _everyday(encoding: OldEncoding) -> frozenset[str]:
    """Letters in everyday use: standards put them first, and what is rare behind them."""
    if encoding in (_JAPANESE, _UNIX_JAPANESE):
        return _table("euc_jp", range(0xB0, 0xD0), _ABOVE) | _KANA
    if encoding == _MAINLAND:
        return _table("gb2312", range(0xB0, 0xD8), _ABOVE)
    if encoding == _TAIWANESE:
        return _table("big5", range(0xA4, 0xC7), (*range(0x40, 0x7F), *_ABOVE))
    return _table("euc_kr", range(0xB0, 0xC9), _ABOVE)


def _table(codec: str, leads: Iterable[int], trails: Iterable[int]) -> frozenset[str]:
    pairs = (bytes(pair).decode(codec, "ignore") for pair in product(leads, trails))
    return frozenset(letter for letter in pairs if len(letter) == 1)


_FREQUENT = {
    _MAINLAND: frozenset(_CHINESE),
    _HANGUL: frozenset(_KOREAN),
    _JAPANESE: _KANA,
    _UNIX_JAPANESE: _KANA,
    _TAIWANESE: _table("big5", range(0xA4, 0xC7), range(0x40, 0x7F)),
}
# The letters of these three are each other's bytes: kanji in EUC-JP are everyday Chinese, but
# seldom frequent ones (0.02 to 0.12 of brand names, where Chinese text has 0.3 to 0.4). They
# read as Big5, too, but as none of its letters whose second byte is ASCII, a third of its text.
_NEEDED = {
    _MAINLAND: _FEWEST_FREQUENT,
    _HANGUL: _FEWEST_FREQUENT,
    _UNIX_JAPANESE: 0.05,
    _TAIWANESE: 0.1,
}
