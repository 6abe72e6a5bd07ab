"""Labelled pictures as people keep them: a CSV of file names and one-hot columns, or code lists.

One-hot::

    filename,01,02,...,29          filename,codes
    a.png,0,1,...,0                a.png,05.03.13;27.05.01

A heading names a Vienna code anywhere at its beginning (``01``, ``5.3``, ``cat_03``,
``03 Animals``) or is a category's title.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BadLabels, BadViennaCode
from models.vienna import ViennaCode, ViennaTree

_FILE_HEADINGS = ("filename", "file", "image", "file_name", "image_name", "path", "id", "name")
_CODE_HEADINGS = ("codes", "vienna", "vienna_codes", "code", "labels")
_YES, _NO = {"1", "1.0", "true", "yes", "x"}, {"0", "0.0", "false", "no", ""}
_PREFIX = re.compile(r"^(?:vienna|category|cat|class|label|code|vc)?[\s_\-]*", re.IGNORECASE)


@dataclass(frozen=True)
class LabelTable:
    """A labels CSV, read.

    Attributes:
        filenames: of each picture.
        codes: of each column, sorted as the file has them.
        targets: (n, columns) float32 of 0 and 1.
    """

    filenames: tuple[str, ...]
    codes: tuple[ViennaCode, ...]
    targets: NDArray[np.float32]

    def of(self, row: int) -> tuple[ViennaCode, ...]:
        """Codes of one picture."""
        return tuple(self.codes[at] for at in np.flatnonzero(self.targets[row]))


def read_labels(path: Path) -> LabelTable:
    """Read a labels CSV (UTF-8, with or without BOM; comma, semicolon or tab).

    Raises:
        BadLabels: the file is missing or empty, a heading is no Vienna code, an entry neither yes
            nor no, a name stands twice; the message names line and column.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise BadLabels(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadLabels(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if any(line)]
    if len(lines) < 2:
        raise BadLabels(f"{path}: no rows; a heading line and one line a picture are needed")
    heading = [cell.strip() for cell in lines[0]]
    names = [cell.lower() for cell in heading]
    at = next((names.index(name) for name in _FILE_HEADINGS if name in names), None)
    if at is None:
        raise BadLabels(
            f"{path}: no column with the file names among {', '.join(heading[:6])}; "
            "call it 'filename'"
        )
    listed = next((names.index(name) for name in _CODE_HEADINGS if name in names), None)
    filenames = _filenames(path, lines, at)
    if listed is not None:
        codes, targets = _from_lists(path, lines, listed)
    else:
        codes, targets = _from_columns(path, lines, at)
    return LabelTable(filenames, codes, targets)


def _filenames(path: Path, lines: Sequence[Sequence[str]], at: int) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        name = line[at].strip() if at < len(line) else ""
        if not name:
            raise BadLabels(f"{path}, row {number}: no file name in column '{lines[0][at]}'")
        if name in seen:
            raise BadLabels(f"{path}, row {number}: {name!r} already stands in row {seen[name]}")
        seen[name] = number
    return tuple(seen)


def _from_lists(
    path: Path, lines: Sequence[Sequence[str]], at: int
) -> tuple[tuple[ViennaCode, ...], NDArray[np.float32]]:
    marked: list[set[ViennaCode]] = []
    for number, line in enumerate(lines[1:], 2):
        cell = line[at] if at < len(line) else ""
        try:
            marked.append(
                {ViennaCode.parse(part) for part in re.split(r"[;|,]", cell) if part.strip()}
            )
        except BadViennaCode as error:
            raise BadLabels(f"{path}, row {number}, column '{lines[0][at]}': {error}") from error
    codes = tuple(sorted(set().union(*marked)))
    if not codes:
        raise BadLabels(f"{path}: column '{lines[0][at]}' holds no code at all")
    targets = np.array([[code in codes_ for code in codes] for codes_ in marked], np.float32)
    return codes, targets


def _from_columns(
    path: Path, lines: Sequence[Sequence[str]], at: int
) -> tuple[tuple[ViennaCode, ...], NDArray[np.float32]]:
    columns = [number for number in range(len(lines[0])) if number != at]
    codes = tuple(_code_of(path, lines[0][number]) for number in columns)
    if not codes:
        raise BadLabels(f"{path}: no label columns beside '{lines[0][at]}'")
    if len(set(codes)) < len(codes):
        twice = next(code for code in codes if codes.count(code) > 1)
        raise BadLabels(f"{path}: two columns are headed {twice}; keep one")
    targets = np.zeros((len(lines) - 1, len(columns)), np.float32)
    for row, line in enumerate(lines[1:]):
        if len(line) != len(lines[0]):
            raise BadLabels(
                f"{path}, row {row + 2}: {len(line)} cells, the heading has {len(lines[0])}"
            )
        for column, number in enumerate(columns):
            entry = line[number].strip().lower()
            if entry not in _YES and entry not in _NO:
                raise BadLabels(
                    f"{path}, row {row + 2}, column '{lines[0][number]}': {line[number]!r} is "
                    "neither 0 nor 1"
                )
            targets[row, column] = entry in _YES
    return codes, targets


def _code_of(path: Path, heading: str) -> ViennaCode:
    text = _PREFIX.sub("", heading.strip(), count=1)
    title = text.casefold()
    tree = ViennaTree.load()
    for code in tree.codes("category"):
        if title == tree.title(code).casefold():
            return code
    number = re.match(r"\d{1,2}(?:\.\d{1,2}){0,2}(?!\d)", text)
    try:
        return ViennaCode.parse(number.group() if number else heading)
    except BadViennaCode as error:
        raise BadLabels(
            f"{path}: heading {heading!r} names no Vienna code ({error}); write it as 01 to 29, "
            "CC.DD or CC.DD.SS, or drop the column"
        ) from error
