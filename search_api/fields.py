"""Texts that people type, in a form or as a command-line option, read as values."""

import json
import math
import re
from collections.abc import Iterable

from indexer.index.follower import Follower
from indexer.query import Filter
from indexer.register import Register
from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree
from search_api.problems import BadField

_LONGEST = 500


def require_known_codes(wanted: Filter, marks: Register | Follower) -> None:
    """Refuse codes that neither the classification nor a mark's owner ever used.

    Raises:
        BadViennaCode: there is one.
    """
    tree = ViennaTree.load()
    codes = (*wanted.vienna_any, *wanted.vienna_all, *wanted.vienna_none)
    unknown = [code for code in codes if code not in tree]
    if not unknown:
        return
    held = marks.code_counts("assigned")
    for code in unknown:
        if code not in held:
            tree.require(code)


def split_list(texts: Iterable[str]) -> list[str]:
    """Read a field that may be repeated, hold commas or semicolons, or both."""
    parts = (part.strip() for text in texts for part in re.split(r"[,;]", text))
    return [part for part in parts if part]


def parse_codes(field: str, texts: Iterable[str]) -> tuple[ViennaCode, ...]:
    """Read Vienna codes in any of the usual spellings.

    Raises:
        BadField: one is no code; its cause is the `BadViennaCode`.
    """
    try:
        return tuple(ViennaCode.parse(text) for text in texts)
    except BadViennaCode as error:
        raise BadField(field, str(error)) from error


def parse_weights(text: str) -> dict[str, float]:
    """Read ``visual=1,concept=.5`` or ``{"visual": 1, "concept": 0.5}``.

    Raises:
        BadField: it is neither, or a weight is not a number.
    """
    if len(text) > _LONGEST:
        raise BadField("weights", "The weights are too long to be any.")
    try:
        pairs = _json_pairs(text) if text.lstrip().startswith("{") else _plain_pairs(text)
        weights = {name: float(number) for name, number in pairs}
    except (ValueError, OverflowError, RecursionError) as error:
        raise BadField(
            "weights",
            f"The weights {text!r} cannot be read: write visual=1,concept=.5 or a JSON object.",
        ) from error
    if not weights or not all(math.isfinite(weight) for weight in weights.values()):
        raise BadField("weights", f"The weights {text!r} must be finite numbers, one at least.")
    if any(weight < 0 for weight in weights.values()):
        raise BadField("weights", f"The weights {text!r} must be 0 or more.")
    return weights


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """Read ``x,y,width,height`` in pixels.

    Raises:
        BadField: it is not four whole numbers, or not a box with an area.
    """
    parts = text.split(",") if len(text) <= _LONGEST else []
    try:
        x, y, width, height = (int(part) for part in parts)
    except ValueError as error:
        raise BadField(
            "crop", "A crop is x,y,width,height in whole pixels, such as 10,20,200,100."
        ) from error
    if x < 0 or y < 0 or width < 1 or height < 1:
        raise BadField("crop", "A crop has x and y of 0 or more, width and height of 1 or more.")
    return x, y, width, height


def _json_pairs(text: str) -> list[tuple[str, int | float]]:
    pairs = json.loads(text, object_pairs_hook=list)
    for _, number in pairs:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError("not a number")  # noqa: TRY004 - read as one kind of fault
    return [(name, number) for name, number in pairs]


def _plain_pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in split_list([text]):
        name, equals, number = part.partition("=")
        if not equals or not name.strip():
            raise ValueError("not a name and a number")
        pairs.append((name.strip(), number))
    return pairs
