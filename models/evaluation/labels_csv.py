"""Labelled pictures as people keep them: a CSV of file names and one-hot columns, or code lists.

One-hot::

    filename,01,02,...,29          filename,codes
    a.png,0,1,...,0                a.png,05.03.13;27.05.01

A heading names a Vienna code anywhere at its beginning (``01``, ``5.3``, ``cat_03``, ``Vienna_01``,
``03 Animals``) or is a category's title. The number of each row that pandas writes before the first
column is passed over; file names may stand there, too.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import BadLabels, BadViennaCode
from models.vienna import ViennaCode, ViennaTree, split_codes

_FILE_HEADINGS = (
    *("filename", "file_name", "file", "image", "image_name", "image_file", "img", "picture"),
    *("path", "file_path", "filepath", "image_path", "image_id", "id", "name"),
)
_CODE_HEADINGS = (
    *("codes", "vienna", "vienna_codes", "code", "labels", "label", "categories", "category"),
    *("classes", "class"),
)
_ROW_NUMBER = re.compile(r"(?:unnamed: [\d.]+|index|level_\d)?", re.IGNORECASE)
_NOTHING = {"", "nan", "none", "null"}  # as pandas and others write it
_YES, _NO = {"1", "1.0", "true", "yes", "x"}, {"0", "0.0", "false", "no", *_NOTHING}
_PREFIX = re.compile(
    r"^(?:(?:vienna|category|cat|class|label|code|vc)?[\s_\-.:#]*)*", re.IGNORECASE
)


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
    lines, separator = _lines(text)
    if len(lines) < 2:
        raise BadLabels(f"{path}: no rows; a heading line and one line a picture are needed")
    heading = lines[0].cells
    names = [re.sub(r"[\s\-]+", "_", cell.lower()) for cell in heading]
    at = next((names.index(name) for name in _FILE_HEADINGS if name in names), None)
    if at is None and _is_index_of_names(lines):
        at = 0
    if at is None:
        raise BadLabels(
            f"{path}: no column with the file names among {', '.join(heading[:6])}; "
            "call it 'filename'"
        )
    listed = next((names.index(name) for name in _CODE_HEADINGS if name in names), None)
    filenames = _filenames(path, lines, at)
    if listed is not None:
        codes, targets = _from_lists(path, lines, listed, separator)
    else:
        codes, targets = _from_columns(path, lines, at)
    return LabelTable(filenames, codes, targets)


def _is_index_of_names(lines: "Sequence[_Line]") -> bool:
    """Whether the first column is a table's index that is no row number."""
    is_index = _ROW_NUMBER.fullmatch(lines[0].cells[0]) is not None
    return is_index and not all(line.cells[0].isdecimal() for line in lines[1:])


class _Line(NamedTuple):
    number: int  # where it ends in the file, from 1
    cells: list[str]


def _lines(text: str) -> tuple[list[_Line], str]:
    """Lines that hold anything, split by the sign that makes the most cells of heading and row.

    The heading alone would not do: titles of categories have commas in them.
    """
    best: list[_Line] = []
    separator, most = "", 0
    for sign in ",;\t":
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
        try:
            lines = [
                _Line(reader.line_num, [cell.strip() for cell in cells])
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
        except csv.Error:  # a quote that never ends: not split by this sign, or damaged
            continue
        cells = min((len(line.cells) for line in lines[:2]), default=0)
        if cells > most:
            best, separator, most = lines, sign, cells
    return best, separator


def _filenames(path: Path, lines: Sequence[_Line], at: int) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for number, cells in lines[1:]:
        name = cells[at] if at < len(cells) else ""
        if not name:
            raise BadLabels(f"{path}, row {number}: no file name in column '{lines[0].cells[at]}'")
        if name in seen:
            raise BadLabels(f"{path}, row {number}: {name!r} already stands in row {seen[name]}")
        seen[name] = number
    return tuple(seen)


def _from_lists(
    path: Path, lines: Sequence[_Line], at: int, separator: str
) -> tuple[tuple[ViennaCode, ...], NDArray[np.float32]]:
    marked: list[set[ViennaCode]] = []
    width = len(lines[0].cells)
    for number, cells in lines[1:]:
        if len(cells) > width and at < width - 1:
            raise BadLabels(
                f"{path}, row {number}: {len(cells)} cells, the heading has {width}; put codes "
                "between quotes"
            )
        # Codes of the last column that are not between quotes take the rest of the line, as if they
        # were: 5,3,13 is refused either way, and 5.3.13;27 are two.
        held = cells[at:] if at == width - 1 else cells[at : at + 1]
        listed = ("," if separator == "," else ";").join(filter(None, held))
        texts = [] if listed.lower() in _NOTHING else split_codes(listed)
        try:
            marked.append(set(map(ViennaCode.parse, texts)))
        except BadViennaCode as error:
            column = lines[0].cells[at]
            raise BadLabels(f"{path}, row {number}, column '{column}': {error}") from error
    codes = tuple(sorted(set().union(*marked)))
    if not codes:
        raise BadLabels(f"{path}: column '{lines[0].cells[at]}' holds no code at all")
    targets = np.array([[code in codes_ for code in codes] for codes_ in marked], np.float32)
    return codes, targets


def _from_columns(
    path: Path, lines: Sequence[_Line], at: int
) -> tuple[tuple[ViennaCode, ...], NDArray[np.float32]]:
    heading = lines[0].cells
    columns = [
        column
        for column, name in enumerate(heading)
        if column != at and not (column < at and _ROW_NUMBER.fullmatch(name))
    ]
    advice = "write it as 01 to 29, CC.DD or CC.DD.SS, or drop the column"
    if len(columns) == 1:
        advice = "call it 'codes' if it lists them"
    codes = tuple(_code_of(path, heading[column], advice) for column in columns)
    if not codes:
        raise BadLabels(f"{path}: no label columns beside '{heading[at]}'")
    if len(set(codes)) < len(codes):
        twice = next(code for code in codes if codes.count(code) > 1)
        raise BadLabels(f"{path}: two columns are headed {twice}; keep one")
    targets = np.zeros((len(lines) - 1, len(columns)), np.float32)
    for row, (number, cells) in enumerate(lines[1:]):
        if len(cells) != len(heading):
            raise BadLabels(
                f"{path}, row {number}: {len(cells)} cells, the heading has {len(heading)}"
            )
        for place, column in enumerate(columns):
            entry = cells[column].lower()
            if entry not in _YES and entry not in _NO:
                raise BadLabels(
                    f"{path}, row {number}, column '{heading[column]}': {cells[column]!r} is "
                    "neither 0 nor 1"
                )
            targets[row, place] = entry in _YES
    return codes, targets


def _code_of(path: Path, heading: str, advice: str) -> ViennaCode:
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
            f"{path}: heading {heading!r} names no Vienna code ({error}); {advice}"
        ) from error
