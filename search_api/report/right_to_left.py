"""Puts Arabic and Hebrew letters in the order and the forms in which a page shows them.

PDF places glyphs from left to right as they come. The order is that of the Unicode Bidirectional
Algorithm (UAX #9) for a text without explicit marks of direction; Arabic letters get the forms
that they have beside their neighbours from Unicode's own table of presentation forms.
"""

import functools
import unicodedata
from collections.abc import Sequence

_RIGHT = frozenset(("R", "AL"))
_NUMBERS = frozenset(("EN", "AN"))
_FORMS = (*range(0xFB50, 0xFDD0), *range(0xFE80, 0xFEFD))
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_LAM = "\u0644"
_DASH = "\u0640"  # tatweel, which lengthens a join


def is_right_to_left(text: str) -> bool:
    """Whether any letter of a text runs from right to left."""
    return any(unicodedata.bidirectional(sign) in _RIGHT for sign in text)


def visual_order(line: str) -> str:
    """One line's letters from left to right as they are seen, Arabic ones joined."""
    if not is_right_to_left(line):
        return line
    clusters = _clusters(_joined(line))
    levels = _levels([unicodedata.bidirectional(one[0]) for one in clusters])
    shown = [
        one.translate(_MIRRORED) if level % 2 else one
        for one, level in zip(clusters, levels, strict=True)
    ]
    for least in range(max(levels), 0, -1):  # rule L2: from the deepest level to the first
        shown, levels = _reversed_from(least, shown, levels)
    return "".join(shown)


def _clusters(text: str) -> list[str]:
    """Letters with the marks above and below them, which stay behind their letter."""
    clusters: list[str] = []
    for sign in text:
        if clusters and unicodedata.bidirectional(sign) == "NSM":
            clusters[-1] += sign
        else:
            clusters.append(sign)
    return clusters


def _levels(kinds: Sequence[str]) -> list[int]:
    """Embedding levels: even ones run to the right, odd ones to the left."""
    first = next((kind for kind in kinds if kind == "L" or kind in _RIGHT), "L")
    base = 1 if first in _RIGHT else 0
    directions: list[str | None] = []  # L, R, N for numbers in what runs to the left; None: neutral
    last = "R" if base else "L"
    for at, kind in enumerate(kinds):
        if kind == "L" or kind in _RIGHT:
            last = "L" if kind == "L" else "R"
            directions.append(last)
        elif kind in _NUMBERS or (kind in ("CS", "ES") and _is_in_number(kinds, at)):
            directions.append("N" if last == "R" else "L")
        else:
            directions.append(None)
    resolved = [one or _of_neutral(directions, at, base) for at, one in enumerate(directions)]
    return [_LEVELS[base][one] for one in resolved]


_LEVELS = ({"L": 0, "R": 1, "N": 2}, {"L": 2, "R": 1, "N": 2})  # rules I1 and I2


def _is_in_number(kinds: Sequence[str], at: int) -> bool:
    """Whether a separator stands between two digits (rule W4)."""
    return 0 < at < len(kinds) - 1 and kinds[at - 1] in _NUMBERS and kinds[at + 1] in _NUMBERS


def _of_neutral(directions: Sequence[str | None], at: int, base: int) -> str:
    """Blanks and signs go with what is on both their sides, or else with the line (N1, N2)."""
    line = "R" if base else "L"
    before = next((one for one in reversed(directions[:at]) if one), line)
    after = next((one for one in directions[at + 1 :] if one), line)
    sides = {"R" if one == "N" else one for one in (before, after)}
    return sides.pop() if len(sides) == 1 else line


def _reversed_from(
    least: int, shown: Sequence[str], levels: Sequence[int]
) -> tuple[list[str], list[int]]:
    """Turn around each run of letters at a level or deeper."""
    turned: list[tuple[str, int]] = []
    run: list[tuple[str, int]] = []
    for one in zip(shown, levels, strict=True):
        if one[1] >= least:
            run.append(one)
        else:
            turned += [*reversed(run), one]
            run = []
    turned += reversed(run)
    return [text for text, _ in turned], [level for _, level in turned]


@functools.cache
def _presentation_forms() -> dict[tuple[str, str], str]:
    """(form, letters) → the one sign that shows them; forms are isolated, initial and so on."""
    forms: dict[tuple[str, str], str] = {}
    for number in _FORMS:
        kind, *letters = unicodedata.decomposition(chr(number)).split() or [""]
        text = "".join(chr(int(letter, 16)) for letter in letters)
        if kind and (len(text) == 1 or text[0] == _LAM):
            forms.setdefault((kind.strip("<>"), text), chr(number))
    return forms


def _joined(text: str) -> str:
    """Arabic letters in the forms that they have beside each other, lam and alef as one."""
    forms = _presentation_forms()
    letters: list[str] = []  # one letter, or lam with alef; marks stay where they are
    for sign in text:
        pair = _LAM + sign
        if letters and letters[-1] == _LAM and ("final", pair) in forms:
            letters[-1] = pair
        else:
            letters.append(sign)
    whole = [at for at, one in enumerate(letters) if unicodedata.bidirectional(one[0]) != "NSM"]
    shown = list(letters)
    for place, at in enumerate(whole):
        letter = letters[at]
        before = letters[whole[place - 1]] if place else ""
        after = letters[whole[place + 1]] if place + 1 < len(whole) else ""
        reached = ("final", letter) in forms and (("initial", before) in forms or before == _DASH)
        reaches = ("initial", letter) in forms and (("final", after) in forms or after == _DASH)
        form = ("isolated", "initial", "final", "medial")[reaches + 2 * reached]
        shown[at] = forms.get((form, letter), letter)
    return "".join(shown)
