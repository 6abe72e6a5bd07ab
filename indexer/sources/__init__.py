"""Where marks come from: tables with pictures beside them, offices' XML files, or pictures alone.

Every source streams its rows in a fixed order; `open_source` finds out by their content which
format files have. A new office's format is one file in `indexer/sources/offices/`. Ingest and the
export import this room; it imports `indexer.marks`, `models` and of
`indexer.register` which files are its database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

from indexer.errors import SourceError
from indexer.sources.containers import SourceFile, files_of, is_zip
from indexer.sources.csv_table import CsvTable
from indexer.sources.folder import FolderSource
from indexer.sources.jsonl_table import JsonlTable
from indexer.sources.labels import ZippedQueries
from indexer.sources.office_files import OfficeFiles, recognise
from indexer.sources.office_record import OfficeFormat
from indexer.sources.offices import OFFICES
from indexer.sources.parquet_table import ParquetTable
from indexer.sources.pictures import FolderPictures, Pictures, ZipPictures, open_pictures, open_zip
from indexer.sources.source_rows import (
    MarkSource,
    RejectedRow,
    Row,
    SourceRow,
    SourceState,
    Withdrawal,
)
from indexer.texts import showable

__all__ = [
    "FORMATS",
    "MarkSource",
    "RejectedRow",
    "Row",
    "SourceOptions",
    "SourceRow",
    "SourceState",
    "Withdrawal",
    "open_source",
]

_TABLES: dict[str, Callable[..., MarkSource]] = {
    "csv": CsvTable,
    "jsonl": JsonlTable,
    "parquet": ParquetTable,
}
FORMATS = ("auto", *_TABLES, *OFFICES, "folder")
_KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_TABLES_IN_A_FOLDER = {
    f"marks{suffix}{packed}": kind for suffix, kind in _KINDS.items() for packed in ("", ".gz")
}
_JSONL = (".jsonl", ".ndjson")
_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
_IN_WORKBOOKS = {"xl/workbook.xml", "xl/workbook.bin", "META-INF/manifest.xml"}
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = (_OLD_OFFICE, b"%PDF", b"\x7fELF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")


class SourceOptions(TypedDict, total=False):
    """How `open_source` reads a source, where it is not as it does by itself."""

    images: Path | None
    format: str
    encoding: str | None
    strict: bool


def open_source(
    path: Path,
    images: Path | None = None,
    format: str = "auto",
    *,
    encoding: str | None = None,
    strict: bool = False,
    labels: bool = False,
) -> MarkSource:
    """Open a table, offices' XML files or a folder of pictures.

    Args:
        path: a file, perhaps gzipped; a zip file; or a folder that holds `marks.csv`, `.tsv`,
            `.jsonl` or `.parquet`, perhaps gzipped, XML files, or nothing but pictures.
        images: the folder or zip file that pictures' names are relative to; the one that the
            table or the XML files lie in by default.
        format: one of `FORMATS`; ``auto`` looks at the content.
        encoding: what Python calls a CSV table's; None finds it out.
        strict: reject a mark of which anything cannot be read, instead of leaving that out.
        labels: what is read are pictures to search with: `id` is a free label, PDF files are
            pictures, and a zip file may hold nothing but pictures.

    Raises:
        SourceError: missing, unreadable, or not what `format` says.
        MissingPackage: a Parquet table, and pyarrow is not installed.
    """
    if format not in FORMATS:
        raise SourceError(f"unknown format {format!r}; one of {', '.join(FORMATS)}")
    refuse_no_source(path)
    given = None if images is None else open_pictures(images)
    opener = _Opener(path, given, format, encoding, strict, labels)
    return opener.open_folder() if path.is_dir() else opener.open_file()


def refuse_no_source(path: Path) -> None:
    """Refuse a path at which no source can be, without reading what is there.

    Raises:
        SourceError: there is neither a file nor a folder, or its name is not UTF-8.
    """
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    shown = showable(str(path.resolve()))
    if shown != str(path.resolve()):
        raise SourceError(f"{shown}: a name in this path is not UTF-8, rename it")
    if not (path.is_dir() or path.is_file()):
        raise SourceError(f"{path} is neither a file nor a folder")


@dataclass(frozen=True, slots=True)
class _Opener:
    """What `open_source` was asked for, with the pictures' place opened."""

    path: Path
    given: Pictures | None
    format: str
    encoding: str | None
    strict: bool
    labels: bool

    def open_folder(self) -> MarkSource:
        """A folder's one table, else its XML files, else its pictures."""
        path, format = self.path, self.format
        if format in OFFICES:
            return self._office(OFFICES[format])
        table = None if format == "folder" else _table_in(path, format)
        if table is not None:
            kind = _TABLES_IN_A_FOLDER[table.name]
            return self._table(kind, SourceFile(table.name, table))
        if format == "auto" and any(_office_of(file) for file in files_of(path)):
            return self._office()
        known = (*_KINDS, *_WORKBOOKS)
        others = sorted(one.name for one in path.iterdir() if _suffix(one.name) in known)
        if format == "auto" and others:
            raise SourceError(
                f"{path} holds {', '.join(others[:5])}, but no table that is called marks, such as "
                "marks.csv: name the one to read"
            )
        if self.given is not None:
            raise SourceError(f"{path} holds no table, so no other picture folder goes with it")
        self._refuse_encoding("pictures alone")
        return FolderSource(path, labels=self.labels)

    def open_file(self) -> MarkSource:
        """One file, or the files of a zip: one table, or any number of XML files."""
        path, format = self.path, self.format
        if format == "folder":
            raise SourceError(f"{path} is a file, not a folder of pictures")
        if format in OFFICES:
            return self._office(OFFICES[format])
        _refuse_workbook(path)
        tables: list[tuple[SourceFile, str]] = []
        for file in files_of(path):
            kind = _kind(file) if format == "auto" else format
            if kind in OFFICES:
                return self._office()
            if kind in _TABLES and (file.archive is None or format != "auto" or _is_table(file)):
                tables.append((file, kind))
        if len(tables) > 1 or (self.labels and is_zip(path)):
            # A .txt may be a table; beside one, or among pictures, it is what tells of them.
            plain = [one for one in tables if _suffix(one[0].name) != ".txt"]
            tables = plain if self.labels else plain or tables
        if len(tables) > 1:
            names = ", ".join(file.name for file, _ in tables[:5])
            raise SourceError(f"{path.name} holds several tables ({names}); unpack it and name one")
        if not tables:
            return self._pictures_alone()
        file, kind = tables[0]
        file.verify()
        return self._table(kind, file)

    def _pictures_alone(self) -> MarkSource:
        """A zip file of pictures to search with; no other file without a table is a source."""
        if self.labels and is_zip(self.path):
            return ZippedQueries(self.path)
        for file in files_of(self.path):
            file.verify()  # what is damaged may be just what was looked for
        raise SourceError(_unknown(self.path))

    def _office(self, format: OfficeFormat | None = None) -> MarkSource:
        self._refuse_encoding("XML, which says its own")
        pictures = self.given or self._pictures_beside()
        return OfficeFiles(self.path, pictures, format, strict=self.strict)

    def _table(self, kind: str, file: SourceFile) -> MarkSource:
        open_table = _TABLES[kind]
        if kind == "csv":
            open_table = partial(open_table, encoding=self.encoding)
        else:
            self._refuse_encoding("JSON Lines or Parquet, which have their own")
        reading = {"strict": self.strict, "labels": self.labels}
        return open_table(file, self.given or self._pictures_beside(file), **reading)

    def _refuse_encoding(self, what: str) -> None:
        if self.encoding is not None:
            raise SourceError(f"{self.path} is {what}: an encoding is for CSV tables only")

    def _pictures_beside(self, file: SourceFile | None = None) -> Pictures:
        """Those where the files lie: in their folder, or in the zip file's folder they are in."""
        if self.path.is_dir():
            return FolderPictures(self.path)
        if not is_zip(self.path):
            return FolderPictures(self.path.parent)
        member = file.member.filename if file is not None and file.member is not None else ""
        return ZipPictures(self.path, member.replace("\\", "/").rpartition("/")[0])


def _refuse_workbook(path: Path) -> None:
    """Say of a workbook what to do with it; as a zip of XML it would be anything.

    Raises:
        SourceError: it is one.
    """
    head = SourceFile(path.name, path).head().lstrip().lower()
    is_workbook = head.startswith(_OLD_OFFICE)
    if is_zip(path):
        with open_zip(path) as archive:
            is_workbook = not _IN_WORKBOOKS.isdisjoint(archive.namelist())
    if is_workbook or head.startswith((b"<html", b"<!doctype html", b"<table")):
        kind = "an Excel workbook" if is_workbook else "a web page"
        raise SourceError(f"{path.name} is {kind}: open it in Excel and save it as CSV (UTF-8)")


def _unknown(path: Path) -> str:
    """What to say of a file that nothing was recognised in."""
    known = (
        f"CSV, JSON Lines, Parquet and XML of {', '.join(one.title for one in OFFICES.values())}"
    )
    if _first_letters(SourceFile(path.name, path).head()).startswith(b"["):
        return f"{path.name} is a JSON array: write it as JSON Lines, one object a line"
    if not is_zip(path):
        return (
            f"cannot tell what {path.name} is; known are {known}: add --format to say which it is"
        )
    with open_zip(path) as archive:
        names = archive.namelist()
    held = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"cannot tell what is in {path.name}: it holds {held or 'no file'}; known are {known}: "
        "unpack it and name the file or the folder of pictures, or add --format"
    )


def _kind(file: SourceFile) -> str | None:
    """What a file is by its content; None if it cannot be any of ours."""
    office = _office_of(file)
    if office is not None:
        return office
    head = file.head()
    text = _first_letters(head)
    if head.startswith(b"PAR1"):
        return "parquet"
    # An empty file is a whole one of no marks where the format has no header: an export of a
    # register whose marks are all withdrawn. What else is empty lacks its header.
    if text.startswith(b"{") or (not text and _suffix(file.name) in _JSONL):
        return "jsonl"
    is_text = head.startswith(_UTF16) or not (
        head.startswith(_BINARY) or text.startswith((b"<", b"["))
    )
    return "csv" if is_text else None


def _first_letters(head: bytes) -> bytes:
    """How a file begins, as UTF-8, without byte order mark and white space."""
    is_utf16 = head.startswith(_UTF16)
    text = head.decode("utf-16", "ignore").encode("utf-8", "ignore") if is_utf16 else head
    return text.lstrip(b"\xef\xbb\xbf \t\r\n")


def _office_of(file: SourceFile) -> str | None:
    found = recognise(file.head(), file.name)
    return None if found is None else found.name


def _is_table(file: SourceFile) -> bool:
    """Whether a zip's member is meant as a table: a README beside it is not."""
    return _suffix(file.name) in (".csv", ".tsv", ".txt", *_JSONL, ".parquet")


def _suffix(name: str) -> str:
    """A file's suffix, in small letters; of a gzipped one that of its content."""
    return Path(name.lower().removesuffix(".gz")).suffix


def _table_in(folder: Path, format: str) -> Path | None:
    """The table a folder holds, if it holds one of this format."""
    wanted = [name for name, kind in _TABLES_IN_A_FOLDER.items() if format in ("auto", kind)]
    found = [folder / name for name in wanted if (folder / name).is_file()]
    if len(found) > 1:
        names = " and ".join(table.name for table in found)
        raise SourceError(f"{folder} holds {names}; name the one to read")
    if not found and format != "auto":
        raise SourceError(f"no {wanted[0]} in {folder}")
    return found[0] if found else None
