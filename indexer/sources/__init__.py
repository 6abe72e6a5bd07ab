"""Where marks come from: tables with pictures beside them, offices' XML files, or pictures alone.

Every source streams its rows in a fixed order; `open_source` finds out by their content which
format files have. A new office's format is one file in `indexer/sources/offices/`.
"""

from collections.abc import Callable
from pathlib import Path

from indexer.errors import SourceError
from indexer.sources.containers import Part, is_zip, parts_of
from indexer.sources.csv_table import CsvTable
from indexer.sources.folder import PictureFolder
from indexer.sources.jsonl_table import JsonlTable
from indexer.sources.office_files import OfficeFiles, recognise
from indexer.sources.offices import OFFICES
from indexer.sources.parquet_table import ParquetTable
from indexer.sources.pictures import FolderPictures, Pictures, ZipPictures, open_pictures, open_zip
from indexer.sources.source_rows import RejectedRow, Row, Source, SourceRow, SourceState, Withdrawal

__all__ = [
    "FORMATS",
    "RejectedRow",
    "Row",
    "Source",
    "SourceRow",
    "SourceState",
    "Withdrawal",
    "open_source",
]

_TABLES: dict[str, Callable[[Part, Pictures], Source]] = {
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
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = (b"\xd0\xcf\x11\xe0", b"%PDF", b"\x7fELF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")


def open_source(path: Path, images: Path | None = None, format: str = "auto") -> Source:
    """Open a table, offices' XML files or a folder of pictures.

    Args:
        path: a file, perhaps gzipped; a zip file; or a folder that holds `marks.csv`, `.tsv`,
            `.jsonl` or `.parquet`, perhaps gzipped, XML files, or nothing but pictures.
        images: the folder or zip file that pictures' names are relative to; the one that the
            table or the XML files lie in by default.
        format: one of `FORMATS`; ``auto`` looks at the content.

    Raises:
        SourceError: missing, unreadable, or not what `format` says.
        MissingPackage: a Parquet table, and pyarrow is not installed.
    """
    if format not in FORMATS:
        raise SourceError(f"unknown format {format!r}; one of {', '.join(FORMATS)}")
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if not (path.is_dir() or path.is_file()):
        raise SourceError(f"{path} is neither a file nor a folder")
    given = None if images is None else open_pictures(images)
    if path.is_dir():
        return _open_folder(path, given, format)
    if format == "folder":
        raise SourceError(f"{path} is a file, not a folder of pictures")
    if format in OFFICES:
        return OfficeFiles(path, given or _pictures_beside(path), OFFICES[format])
    return _open_file(path, given, format)


def _pictures_beside(path: Path, part: Part | None = None) -> Pictures:
    """Those where a file lies: in its folder, or in its zip file's folder that it is in."""
    if not is_zip(path):
        return FolderPictures(path.parent)
    member = part.member.filename if part is not None and part.member is not None else ""
    return ZipPictures(path, member.replace("\\", "/").rpartition("/")[0])


def _open_folder(path: Path, given: Pictures | None, format: str) -> Source:
    """A folder's one table, else its XML files, else its pictures."""
    pictures = given or FolderPictures(path)
    if format in OFFICES:
        return OfficeFiles(path, pictures, OFFICES[format])
    table = None if format == "folder" else _table_in(path, format)
    if table is not None:
        return _TABLES[_TABLES_IN_A_FOLDER[table.name]](Part(table.name, table), pictures)
    if format == "auto" and any(_office_of(part) for part in parts_of(path)):
        return OfficeFiles(path, pictures)
    others = sorted(one.name for one in path.iterdir() if _suffix(one.name) in _KINDS)
    if format == "auto" and others:
        raise SourceError(
            f"{path} holds {', '.join(others[:5])}, but no table that is called marks, such as "
            "marks.csv: name the one to read"
        )
    if given is not None:
        raise SourceError(f"{path} holds no table, so no other picture folder goes with it")
    return PictureFolder(path)


def _open_file(path: Path, given: Pictures | None, format: str) -> Source:
    """One file, or the files of a zip: one table, or any number of XML files."""
    tables: list[tuple[Part, str]] = []
    for part in parts_of(path):
        kind = _kind(part) if format == "auto" else format
        if kind in OFFICES:
            return OfficeFiles(path, given or _pictures_beside(path))
        if kind in _TABLES and (part.archive is None or format != "auto" or _is_table(part)):
            tables.append((part, kind))
    if len(tables) > 1:  # a .txt may be a table, and beside one it is what tells of it
        tables = [one for one in tables if _suffix(one[0].name) != ".txt"] or tables
    if len(tables) > 1:
        names = ", ".join(part.name for part, _ in tables[:5])
        raise SourceError(f"{path.name} holds several tables ({names}); unpack it and name one")
    if not tables:
        for part in parts_of(path):
            part.verify()  # what is damaged may be just what was looked for
        raise SourceError(_unknown(path))
    part, kind = tables[0]
    part.verify()
    return _TABLES[kind](part, given or _pictures_beside(path, part))


def _unknown(path: Path) -> str:
    """What to say of a file that nothing was recognised in."""
    known = (
        f"CSV, JSON Lines, Parquet and XML of {', '.join(one.title for one in OFFICES.values())}"
    )
    if _first_letters(Part(path.name, path).head()).startswith(b"["):
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


def _kind(part: Part) -> str | None:
    """What a file is by its content; None if it cannot be any of ours."""
    office = _office_of(part)
    if office is not None:
        return office
    head = part.head()
    text = _first_letters(head)
    if head.startswith(b"PAR1"):
        return "parquet"
    # An empty file is a whole one of no marks where the format has no header: an export of a
    # register whose marks are all withdrawn. What else is empty lacks its header.
    if text.startswith(b"{") or (not text and _suffix(part.name) in _JSONL):
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


def _office_of(part: Part) -> str | None:
    found = recognise(part.head(), part.name)
    return None if found is None else found.name


def _is_table(part: Part) -> bool:
    """Whether a zip's member is meant as a table: a README beside it is not."""
    return _suffix(part.name) in (".csv", ".tsv", ".txt", *_JSONL, ".parquet")


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
