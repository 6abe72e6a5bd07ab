"""JSON Lines tables: one object a line, UTF-8; keys are the columns of the CSV table."""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO

from indexer.errors import BrokenSource, SourceError
from indexer.sources.containers import SourceFile
from indexer.sources.field_reader import OPERATION, column_name, repeated, unknown_columns
from indexer.sources.pictures import Pictures
from indexer.sources.source_rows import MAX_LINE, TOO_LONG, LineEnds, RejectedRow, Row
from indexer.sources.table import Table

_CHUNK = 2**20
# A text that holds these letters has them escaped: \"operation\":
_JOURNAL = re.compile(rb'(?<!\\)"\s*%b\s*"\s*:' % OPERATION.encode(), re.IGNORECASE)
_KEY = 64  # bytes; no program writes a longer one of these letters
_BLANK = codecs.BOM_UTF8 + b" \t\r\n"


class JsonlTable(Table):
    """A JSON Lines file; positions are line numbers. `nice` and `vienna` may be arrays."""

    def __init__(
        self, file: SourceFile, pictures: Pictures, *, strict: bool = False, labels: bool = False
    ) -> None:
        super().__init__(file, pictures, strict=strict, labels=labels)
        if file.head().startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise SourceError(f"{file.name} is UTF-16; JSON Lines are UTF-8: save it as that")
        self.last_position, self.amends = _scan(file)

    def __iter__(self) -> Iterator[Row]:
        """Read the rows from the beginning."""
        reader = self._reader()
        unknown: dict[str, None] = {}
        is_empty = True
        try:
            with self._file.open() as stream:
                for position, line in enumerate(_lines(stream), start=1):
                    if line is not None and not line.strip(_BLANK):
                        continue
                    is_empty = False
                    if line is None:
                        yield RejectedRow(position, None, None, TOO_LONG)
                        continue
                    fields = _parse(line)
                    if isinstance(fields, str):
                        if not line.endswith(b"\n"):
                            self.broken.append(f"{self.name} ends in the middle of line {position}")
                        yield RejectedRow(position, None, None, fields)
                        continue
                    unknown |= dict.fromkeys(unknown_columns(fields))
                    yield reader.row(position, fields)
        except BrokenSource as error:
            self.broken.append(str(error))
        if is_empty and not self.broken:
            self.warnings.append(f"{self.name} is empty: it holds no marks")
        if unknown:
            self.warnings.append(f"keys left out: {', '.join(unknown)}"[:500])
        self.warnings.extend(reader.warnings())


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Lines; None for one too long, of which no more than a piece is in memory at once."""
    while line := stream.readline(MAX_LINE):
        if len(line) < MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)
        yield None


def _parse(line: bytes) -> Mapping[str, object] | str:
    """The object on a line, or a sentence on why there is none."""
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "the line is not UTF-8"
    except json.JSONDecodeError as error:
        return f"broken JSON at column {error.colno}: {error.msg}"
    except (RecursionError, ValueError):
        return "broken JSON: nested too deeply or a number too long"
    if not isinstance(value, dict):
        return "the line is not a JSON object in braces"
    names = [*map(column_name, value)]
    for name in repeated(names):
        return f"the line has two keys {name!r}; leave one"
    return dict(zip(names, value.values(), strict=True))


def _scan(file: SourceFile) -> tuple[int, bool]:
    """Number of lines, and whether a line has the key that makes the table a journal."""
    ends, end, is_journal = LineEnds(file.name), b"\n", False
    with file.open() as stream, suppress(BrokenSource):
        while chunk := stream.read1(_CHUNK):  # type: ignore[attr-defined]
            ends.take(chunk)
            is_journal = is_journal or _JOURNAL.search(end + chunk) is not None
            end = chunk[-_KEY:]  # a key may be cut by the chunk's end
    return ends.newlines + (not end.endswith(b"\n")), is_journal
