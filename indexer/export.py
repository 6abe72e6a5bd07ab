"""The register as a table that `open_source` reads back: CSV, JSON Lines or Parquet.

Marks are streamed, by id, into a temporary file that gets its name once it is complete. `image` is
the name the office gave the picture, `image_file` where the picture is: below the image store, or
below the folder that pictures are copied to.
"""

import csv
import importlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from indexer.errors import BadQuery
from indexer.formulas import neutralised
from indexer.marks import MARK_FIELDS, FieldKind, Mark
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources.field_reader import COLUMNS, FILE
from indexer.sources.parquet_table import parquet_module
from models.errors import MarkLensError

_ROWS = 5_000  # a row group of a Parquet file, and how often progress is told
_LISTS = {one.column: one.kind for one in MARK_FIELDS if one.kind.is_list}
_SUFFIXES = {
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tif",
    "application/pdf": ".pdf",
    "image/webp": ".webp",
}

_Row = dict[str, Any]
_Write = Callable[[Path, Iterable[_Row]], None]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        marks: rows of the table.
        pictures: different pictures they refer to.
        images: the folder that `image_file` is relative to.
    """

    marks: int
    pictures: int
    images: Path


def export(
    register: Register,
    store: ImageStore,
    file: Path,
    images: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    for_spreadsheets: bool = False,
) -> ExportReport:
    """Write all live marks into a table, and their pictures into a folder if one is named.

    Args:
        register: to be read; writing may go on meanwhile.
        store: its pictures.
        file: the table; its suffix says the format: .csv, .jsonl or .parquet.
        images: folder for copies of the pictures, named by their SHA-256.
        on_progress: called with (marks written, marks in all) now and then.
        for_spreadsheets: a CSV with a byte order mark and neutralised formulas, which reads back
            with other words where those begin as a formula.

    Raises:
        BadQuery: the suffix is none of these, or not .csv for spreadsheets.
        MarkLensError: a picture is missing, or the disk refuses.
        MissingPackage: Parquet is asked for and pyarrow is not installed.
    """
    write = _writer(file, for_spreadsheets=for_spreadsheets)
    seen: set[str] = set()
    count = 0
    total = register.count()

    def rows() -> Iterator[_Row]:
        nonlocal count
        for mark in register.every_mark():
            row = _row(mark, with_suffix=images is not None)
            digest = mark.image_digest
            if digest is not None and digest not in seen:
                seen.add(digest)
                if images is not None:
                    _copy(store, digest, images / row[FILE])
            count += 1
            if on_progress is not None and count % _ROWS == 0:
                on_progress(count, total)
            yield row

    try:
        with _complete_or_not(file) as incoming:
            write(incoming, rows())
        # `marklens index --images` wants the folder, also where no mark had a picture.
        (images or store.folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MarkLensError(f"cannot write {file}: {error.strerror or error}") from error
    if on_progress is not None:
        on_progress(count, total)
    return ExportReport(count, len(seen), images or store.folder)


def _writer(file: Path, *, for_spreadsheets: bool) -> _Write:
    write = _FORMATS.get(file.suffix.lower())
    if write is None:
        raise BadQuery(f"{file.name}: name the table .csv, .jsonl or .parquet")
    if not for_spreadsheets:
        return write
    if write is not _write_csv:
        raise BadQuery(f"{file.name}: a table for spreadsheets is a .csv")
    return partial(_write_csv, for_spreadsheets=True)


def _row(mark: Mark, *, with_suffix: bool) -> _Row:
    """A mark as a row of the table, lists as lists and days as texts."""
    digest = mark.image_digest
    suffix = _SUFFIXES.get(mark.media_type or "", "") if with_suffix else ""
    file = None if digest is None else f"{digest[:2]}/{digest}{suffix}"
    return {one.column: one.as_json(mark.record) for one in MARK_FIELDS} | {FILE: file}


def _copy(store: ImageStore, digest: str, target: Path) -> None:
    content = store.get(digest)
    if target.is_file() and target.stat().st_size == len(content):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with _complete_or_not(target) as incoming:
        incoming.write_bytes(content)


@contextmanager
def _complete_or_not(file: Path) -> Iterator[Path]:
    """Write beside `file`, and give that its name once the block has ended without an error."""
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=file.parent) as folder:
        incoming = Path(folder) / file.name
        yield incoming
        incoming.replace(file)


def _write_csv(file: Path, rows: Iterable[_Row], *, for_spreadsheets: bool = False) -> None:
    encoding = "utf-8-sig" if for_spreadsheets else "utf-8"
    with file.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for row in rows:
            lists = {name: ";".join(map(str, row[name])) for name in _LISTS}
            row |= lists
            if for_spreadsheets:
                row = {name: neutralised(text or "") for name, text in row.items()}
            writer.writerow(row)


def _write_jsonl(file: Path, rows: Iterable[_Row]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_parquet(file: Path, rows: Iterable[_Row]) -> None:
    parquet = parquet_module()
    pyarrow = importlib.import_module("pyarrow")
    kinds = {
        name: pyarrow.list_(pyarrow.int32() if kind is FieldKind.NICE else pyarrow.string())
        for name, kind in _LISTS.items()
    }
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    stream = iter(rows)
    with parquet.ParquetWriter(file, schema) as writer:
        for group in iter(partial(_taken, stream), []):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))


def _taken(stream: Iterator[_Row]) -> list[_Row]:
    return list(islice(stream, _ROWS))


_FORMATS: dict[str, _Write] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
