"""CSV tables: comma, semicolon, tab or bar between cells; Unicode or an older encoding."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import TextIO

from indexer.errors import BrokenSource, SourceError
from indexer.marks import MAX_TEXT
from indexer.sources.containers import SourceFile
from indexer.sources.field_reader import (
    COLUMNS,
    FieldReader,
    column_name,
    is_journal,
)
from indexer.sources.old_encodings import EncodingSample, OldEncoding
from indexer.sources.pictures import Pictures
from indexer.sources.source_rows import MAX_LINE, TOO_LONG, LineEnds, RejectedRow, Row
from indexer.sources.table import Table

_DELIMITERS = (",", ";", "\t", "|")
_CHUNK = 2**20
# A row of more lines than its longest text can have is a quotation mark that was never closed.
_MAX_CELL_LINES = MAX_TEXT
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LONG_LINE = ""  # stands for one of more than MAX_LINE characters: no other line is empty
_UNCLOSED = "a quotation mark on this line is opened and never closed, or closed too early"
_STRAY = re.compile(r"[\udc80-\udcff]")  # what surrogateescape makes of bytes that are not UTF-8
_LETTER = re.compile(r"[^\x00-\x7f\udc80-\udcff]")
_UNDEFINED_IN_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


class CsvTable(Table):
    """A CSV file with a header row; positions are line numbers, the header's is usually 1."""

    def __init__(
        self,
        file: SourceFile,
        pictures: Pictures,
        *,
        strict: bool = False,
        labels: bool = False,
        encoding: str | None = None,
    ) -> None:
        """Look at the whole file once, and at its header.

        Args:
            file: the file.
            pictures: where pictures are.
            strict: reject a row of which anything cannot be read.
            labels: as `Table` takes it.
            encoding: what Python calls the file's; None finds it out.

        Raises:
            SourceError: it is no table, or lacks columns, or nobody knows the encoding.
        """
        super().__init__(file, pictures, strict=strict, labels=labels)
        known = None if encoding is None else _known(encoding)
        self._encoding, self.last_position, self._ends_well = _scan(file, known)
        self._header = self._read_header()
        if isinstance(self._encoding, OldEncoding):
            self.warnings.append(f"{file.name} is not UTF-8; read as {self._encoding.name}")
        self.warnings.extend(self._reader().check_columns(file.name, self._header.columns))
        self.amends = is_journal(self._header.columns)

    def __iter__(self) -> Iterator[Row]:
        """Read the rows from the beginning."""
        reader = self._reader()
        position = 0
        cells: list[str] | str = self._header.columns
        try:
            with closing(self._open()) as stream:
                for position, cells in _rows(_CsvLines(stream), self._header):
                    yield self._row(reader, position, cells)
        except BrokenSource as error:
            self.broken.append(str(error))
        if not (self._ends_well or self.broken):
            self._note_open_end(position, cells)
        self.warnings.extend(reader.warnings())

    def _note_open_end(self, position: int, cells: list[str] | str) -> None:
        """Note that the last line has no line end: the file may have been cut off there.

        Args:
            position: of the last row.
            cells: its cells, or what is broken there. Only a row that lacks some shows a cut; one
                that has them all may be bad by itself, which is no fault of the file.
        """
        is_open = isinstance(cells, str) and cells == _UNCLOSED
        is_short = isinstance(cells, list) and len(cells) < len(self._header.columns)
        if is_open or is_short:
            self.broken.append(f"{self.name} ends in the middle of line {position}")
        else:
            self.warnings.append(
                f"{self.name} has no line end behind its last line, {self.last_position}: "
                "if the file was cut off there, that line is incomplete"
            )

    def _row(self, reader: FieldReader, position: int, cells: list[str] | str) -> Row:
        if isinstance(cells, str):
            return RejectedRow(position, None, None, cells)
        if len(cells) != len(self._header.columns):
            return _miscounted(position, cells, self._header.columns)
        return reader.row(position, dict(zip(self._header.columns, cells, strict=True)))

    def _open(self) -> TextIO:
        encoding = self._encoding
        codec = encoding.codec if isinstance(encoding, OldEncoding) else encoding
        # A byte of no letter becomes a lone surrogate, and its row alone is rejected.
        errors = "replace" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
        return io.TextIOWrapper(self._file.open(), encoding=codec, errors=errors, newline="")

    def _read_header(self) -> "_Header":
        with closing(self._open()) as stream:
            try:
                lines = iter(lambda: stream.readline(MAX_LINE), "")
                for count, line in enumerate(lines, start=1):
                    if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
                        raise SourceError(f"{self.name}, line {count}: {TOO_LONG}")
                    if line.strip() and not line.startswith("sep="):
                        return _header(self.name, line, count)
            except BrokenSource as error:
                raise SourceError(str(error)) from error
        raise SourceError(f"{self.name} is empty; a header line with 'id' and 'image' is needed")


@dataclass(frozen=True, slots=True)
class _Header:
    columns: list[str]  # as `column_name` has them
    delimiter: str
    lines: int  # how many lines of the file come before the first row


def _header(name: str, line: str, count: int) -> _Header:
    """Find the delimiter that splits the header into most columns we know."""
    candidates = []
    for delimiter in _DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error as error:
            raise SourceError(f"{name}, line {count}: broken header: {error}") from error
        candidates.append(_Header([*map(column_name, cells)], delimiter, count))
    return max(candidates, key=lambda header: len({*header.columns} & {*COLUMNS}))


def _miscounted(position: int, cells: list[str], columns: list[str]) -> RejectedRow:
    """A row that does not fit its header: which cell is whose would be a guess."""
    fields = dict(zip_longest(columns, cells[: len(columns)]))
    reason = f"the row has {len(cells)} cells, the header {len(columns)}"
    return RejectedRow(position, fields["id"] or None, fields.get("image") or None, reason)


class _CsvLines:
    """Lines of a text file with their numbers; those of a broken row can be handed back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._returned: deque[str] = deque()
        self._taken: list[str] = []
        self._length = 0  # of the lines taken, characters
        self.number = 0

    def __iter__(self) -> "_CsvLines":
        return self

    def __next__(self) -> str:
        if len(self._taken) > _MAX_CELL_LINES or self._length > MAX_LINE:
            raise StopIteration
        line = self._returned.popleft() if self._returned else self._read()
        self.number += 1
        self._taken.append(line)
        self._length += len(line)
        if line is _LONG_LINE:
            raise csv.Error(TOO_LONG)
        return line

    def _read(self) -> str:
        """The next line; of one that does not seem to end, no more than a piece is in memory."""
        line = self._stream.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) < MAX_LINE or line.endswith(("\n", "\r")):
            return line
        while not line.endswith(("\n", "\r")) and line:
            line = self._stream.readline(MAX_LINE)
        return _LONG_LINE

    def begin_row(self) -> int:
        """Forget the lines of the row before; the number of the next line."""
        self._taken.clear()
        self._length = 0
        return self.number + 1

    def hand_back_all_but_first(self) -> bool:
        """Whether the row had more than one line: the others are to be read again."""
        several = len(self._taken) > 1
        self._returned.extendleft(reversed(self._taken[1:]))
        self.number -= len(self._taken[1:])
        return several


def _rows(lines: _CsvLines, header: _Header) -> Iterator[tuple[int, list[str] | str]]:
    """Each row's first line number and its cells, or a sentence on what is broken there.

    A row whose quotation never closes must not swallow the rows below it, as `csv` alone would
    let it: its first line is rejected, and reading goes on with the line after.
    """
    width = len(header.columns)
    for _ in range(header.lines):
        lines.begin_row()
        next(lines, None)  # no header was found behind a line that is too long
    while True:
        position = lines.begin_row()
        try:
            cells = next(csv.reader(lines, delimiter=header.delimiter, strict=True), None)
        except csv.Error as error:
            several = lines.hand_back_all_but_first()
            unclosed = several or "unexpected end" in str(error)
            yield position, _UNCLOSED if unclosed else f"broken row: {error}"
            continue
        if cells is None:
            return
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if len(cells) != width and any(cells) and lines.hand_back_all_but_first():
            yield position, _UNCLOSED
        elif any(cell.strip() for cell in cells):
            yield position, cells


def _known(encoding: str) -> str:
    """An encoding's name as Python has it.

    Raises:
        SourceError: there is no such encoding of texts.
    """
    try:
        "".encode(encoding)  # some codecs are not of texts
        name = codecs.lookup(encoding).name
    except (LookupError, UnicodeError) as error:
        raise SourceError(
            f"there is no encoding {encoding!r}; well-known ones are utf-8, cp1250, cp1251, "
            "cp1252, cp1253, cp1254, mac_roman, shift_jis, gb18030, big5 and euc_kr"
        ) from error
    return "utf-8-sig" if name == "utf-8" else name  # with or without byte order mark


def _scan(file: SourceFile, given: str | None) -> tuple[str | OldEncoding, int, bool]:
    """Encoding, number of lines and whether the last one is complete: one cheap pass.

    A file that is not all UTF-8 still counts as UTF-8 while more of its letters are than are not:
    one damaged byte must not turn every ü of a register into Ã¼.

    Args:
        file: the table.
        given: its encoding, where that is known.

    Raises:
        SourceError: unreadable, or no text at all.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    letters = strays = 0
    ends = LineEnds(file.name)
    western, sample = "cp1252", EncodingSample()
    encoding = given
    end = b""
    for at, chunk in enumerate(_chunks(file)):
        if at == 0 and given is None:
            encoding = next((name for bom, name in _BOMS.items() if chunk.startswith(bom)), None)
        ends.take(chunk)
        if encoding is None and b"\0" in chunk:
            raise SourceError(f"{file.name} is not a text file; a CSV table is expected")
        if _UNDEFINED_IN_1252.search(chunk):
            western = "latin-1"
        sample.take(chunk)
        text = decoder.decode(chunk)
        end = (end + chunk)[-2:]
        strays += len(_STRAY.findall(text))
        letters += len(_LETTER.findall(text))
    ends_well = end.rstrip(b"\0").endswith((b"\n", b"\r"))
    lines = (ends.newlines or ends.returns) + (not ends_well)
    if encoding is not None or letters >= strays:
        return encoding or "utf-8", lines, ends_well
    return sample.encoding() or OldEncoding("Windows-1252", western), lines, ends_well


def _chunks(file: SourceFile) -> Iterator[bytes]:
    """The bytes of a file as far as they can be read: reading the rows says where it breaks."""
    with file.open() as stream, suppress(BrokenSource):
        while chunk := stream.read1(_CHUNK):  # type: ignore[attr-defined]
            yield chunk
