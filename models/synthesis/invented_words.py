"""Invents words in many scripts, so that a composed mark is nobody's."""

from typing import Final, Literal

import numpy as np

Script = Literal["latin", "cyrillic", "greek", "hebrew", "arabic", "cjk"]

_HAN: Final = (
    "山川天地日月星光金木水火土石花草林森竹松梅桜春夏秋冬東西南北中大小上下左右人心手口目王玉"
    "美安平和永福寿喜海江河湖雪雨雲風空白黒赤青黄千万百一二三四五六七八九十年新古高生茶米酒食"
    "馬牛羊犬鳥魚虎女男子家門宝文字書明元本道友力"
)
_KANA: Final = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"
)
_HIRAGANA: Final = (
    "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわん"
)

# Every character that words of a script may use: a font must draw them all to be used for it.
ALPHABETS: Final[dict[Script, str]] = {
    "latin": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "cyrillic": "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЭЮЯабвгдежзийклмнопрстуфхцчшщэюя",
    "greek": "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψω",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשתםןךףץ",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "cjk": _HAN + _KANA + _HIRAGANA,
}
# Letters no other script has: a word without them could be read as Latin (СОТА, ΑΒΕ).
_TELLING: Final = {
    "cyrillic": set("БГДЖЗИЙЛПФЦЧШЩЭЮЯбгджзийлпфцчшщэюя"),
    "greek": set("ΓΔΘΛΞΠΣΦΨΩγδζθλμξπσςφψω"),
}
_ONSETS: Final = {
    "latin": "b c d f g h j k l m n p r s t v w z br cr dr fl gr kl pr st tr ch sh th pl vi qu x y",
    "cyrillic": "б в г д ж з к л м н п р с т ф х ц ч ш бр др кр пр ст тр",
    "greek": "β γ δ ζ θ κ λ μ ν ξ π ρ σ τ φ χ ψ",
}
_NUCLEI: Final = {
    "latin": "a e i o u a e i o ai ea io ou oo ia y",
    "cyrillic": "а е и о у ю я э",
    "greek": "α ε η ι ο υ ω αι ει ου",
}
_CODAS: Final = {
    "latin": "n r s l x m t k nd rt st ss ck ng",
    "cyrillic": "н р с л м т к в й",
    "greek": "ς ν",
}
_ENDINGS: Final = (
    *("a", "o", "ia", "ex", "ix", "on", "um", "is", "us", "ium", "era", "ita", "ino", "ara"),
    *("ly", "ify", "well", "tec", "lab", "max", "pro", "care", "line", "land", "flow", "bio"),
)
_SECOND_WORDS: Final = (
    *("GROUP", "STUDIO", "Design", "Systems", "Foods", "Partners", "& CO", "Club", "Energy"),
    *("Travel", "Pharma", "Media", "Collection", "Wines", "Sport", "Consulting", "Organic"),
    *("Milano", "Berlin", "Since 1987", "est. 1924", "Quality", "International", "Cosmetics"),
)


def invent_word(rng: np.random.Generator, script: Script = "latin") -> str:
    """Make up a word of one to four syllables (or signs), in the script's usual letters."""
    if script == "latin":
        return _cased(rng, _syllables(rng, "latin") + _latin_ending(rng))
    if script == "cjk":
        pool = (_HAN, _HAN, _KANA, _HIRAGANA)[int(rng.integers(4))]
        return "".join(rng.choice(list(pool), int(rng.integers(1, 5)), replace=False))
    if script in ("hebrew", "arabic"):
        letters = ALPHABETS[script][:22] if script == "hebrew" else ALPHABETS[script]
        return "".join(rng.choice(list(letters), int(rng.integers(3, 7))))
    while True:
        word = _syllables(rng, script)
        if script == "greek" and word.endswith("σ"):
            word = word[:-1] + "ς"
        word = _cased(rng, word)
        if sum(letter in _TELLING[script] for letter in word) >= 2:
            return word


def invent_number(rng: np.random.Generator) -> str:
    """Make up a number of one to four digits, now and then with a sign beside it."""
    digits = "".join(str(int(digit)) for digit in rng.integers(0, 10, int(rng.integers(1, 5))))
    digits = digits.lstrip("0") or str(int(rng.integers(1, 10)))
    return digits + ("", "", "", "", "+", "%")[int(rng.integers(6))]


def invent_letters(rng: np.random.Generator) -> str:
    """Draw one to three capital letters (seldom small ones) for a monogram."""
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    letters = "".join(rng.choice(list(ALPHABETS["latin"][:26]), count))
    return letters.lower() if rng.random() < 0.2 else letters


def invent_second_line(rng: np.random.Generator) -> str:
    """Return a descriptive second line, as many marks carry below the name."""
    if rng.random() < 0.5:
        return str(rng.choice(_SECOND_WORDS))
    return invent_word(rng) + (" " + invent_word(rng) if rng.random() < 0.4 else "")


def _syllables(rng: np.random.Generator, script: Script) -> str:
    onsets, nuclei, codas = (table[script].split(" ") for table in (_ONSETS, _NUCLEI, _CODAS))
    word = ""
    for _ in range(int(rng.choice([1, 2, 3], p=[0.2, 0.55, 0.25]))):
        word += str(rng.choice(onsets)) if rng.random() < 0.9 or not word else ""
        word += str(rng.choice(nuclei))
        word += str(rng.choice(codas)) if rng.random() < 0.35 else ""
    return word if len(word) > 2 else word + str(rng.choice(onsets)) + str(rng.choice(nuclei))


def _latin_ending(rng: np.random.Generator) -> str:
    return str(rng.choice(_ENDINGS)) if rng.random() < 0.3 else ""


def _cased(rng: np.random.Generator, word: str) -> str:
    return (word.upper(), word.upper(), word.capitalize(), word)[int(rng.integers(4))]
