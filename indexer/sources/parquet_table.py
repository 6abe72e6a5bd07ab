"""Parquet tables: the columns of the CSV table, `nice` and `vienna` perhaps as lists."""

import importlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any, cast

from indexer.errors import BrokenSource, SourceError
from indexer.sources.containers import SourceFile
from indexer.sources.field_reader import (
    column_name,
    is_journal,
    unknown_columns,
)
from indexer.sources.pictures import Pictures
from indexer.sources.source_rows import Row
from indexer.sources.table import Table
from models.errors import MissingPackage

_ROWS = 4096  # rows in memory at once
_BUFFER = 2**20  # bytes of a column read at once


class ParquetTable(Table):
    """A Parquet file; positions count its rows from 1."""

    def __init__(
        self, file: SourceFile, pictures: Pictures, *, strict: bool = False, labels: bool = False
    ) -> None:
        super().__init__(file, pictures, strict=strict, labels=labels)
        with self._open() as table:
            self.last_position = table.metadata.num_rows
            written = table.schema_arrow.names
        names = [*map(column_name, written)]
        self.warnings.extend(self._reader().check_columns(file.name, names))
        self.amends = is_journal(names)
        unknown = {"", *unknown_columns(names)}
        # As they are written in the file → as we call them.
        self._columns = {
            one: name for one, name in zip(written, names, strict=True) if name not in unknown
        }

    def __iter__(self) -> Iterator[Row]:
        """Read the rows from the beginning."""
        reader = self._reader()
        position = 0
        with self._open() as table:
            batches = table.iter_batches(_ROWS, columns=[*self._columns], use_threads=False)
            while (rows := self._next(batches, position)) is not None:
                for fields in rows:
                    position += 1
                    cells = {name: _plain(fields[one]) for one, name in self._columns.items()}
                    yield reader.row(position, cells)
        self.warnings.extend(reader.warnings())

    def _next(self, batches: Iterator[Any], position: int) -> list[Mapping[str, object]] | None:
        """The next rows; None at the end, or where the file is damaged."""
        try:
            batch = next(batches, None)
        except (OSError, ValueError, NotImplementedError) as error:
            self.broken.append(f"{self.name} is damaged after row {position}: {error}")
            return None
        return None if batch is None else _rows(batch)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """The table; Parquet is read from its end, so a zipped one is unpacked to the disk."""
        arrow_parquet = parquet_module()
        with tempfile.TemporaryFile() as unpacked, self._file.open() as stream:
            try:
                if self._file.is_plain:
                    source: Any = self._file.path
                else:
                    shutil.copyfileobj(stream, unpacked)
                    source = unpacked
                # Page by page: else a row group, which may be the whole file, is read at once.
                options = {"buffer_size": _BUFFER, "pre_buffer": False}
                with arrow_parquet.ParquetFile(source, **options) as table:
                    yield table
            except (OSError, ValueError, NotImplementedError, BrokenSource) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # the disk's; what pyarrow makes of damaged files has no number
                raise SourceError(
                    f"{self._file.name} is no Parquet file, or a cut-off one: {error}"
                ) from error


def parquet_module() -> Any:
    """`pyarrow.parquet`.

    Raises:
        MissingPackage: pyarrow is not installed.
    """
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingPackage(
            "Parquet needs the package pyarrow: in MarkLens' folder, pip install '.[parquet]', "
            "or use CSV or JSON Lines"
        ) from error


def _rows(batch: Any) -> list[Mapping[str, object]]:
    """The rows of a batch; a value that Python cannot hold, as a day after 9999, stays Arrow's.

    The field reader refuses it by its type, in its row alone.
    """
    try:
        return cast("list[Mapping[str, object]]", batch.to_pylist())
    except (ValueError, OverflowError):
        names = batch.schema.names
        columns = [[_value(one) for one in column] for column in batch.columns]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _value(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return scalar


def _plain(value: object) -> object:
    """A value as the field reader takes it: days as texts."""
    return value.isoformat() if isinstance(value, date) else value
