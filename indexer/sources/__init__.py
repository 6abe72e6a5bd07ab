"""Where marks come from: tables with pictures beside them, or pictures alone.

Every source streams `SourceRow` and `RejectedRow` in a fixed order; `open_source` finds out which
format a path holds. A new format is one file here and one line in `open_source`.
"""

from pathlib import Path
from typing import Literal, get_args

from indexer.errors import SourceError
from indexer.sources.csv_table import CsvTable
from indexer.sources.folder import PictureFolder
from indexer.sources.jsonl_table import JsonlTable
from indexer.sources.rows import RejectedRow, Source, SourceRow, SourceState

__all__ = ["Format", "RejectedRow", "Source", "SourceRow", "SourceState", "open_source"]

Format = Literal["auto", "csv", "jsonl", "folder"]

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_TABLES_IN_A_FOLDER = ("marks.csv", "marks.jsonl")


def open_source(path: Path, images: Path | None = None, format: Format = "auto") -> Source:
    """Open a table or a folder of pictures.

    Args:
        path: a CSV or JSON Lines table; or a folder that holds `marks.csv`, `marks.jsonl` or
            nothing but pictures.
        images: the folder a table's `image` column is relative to; the table's own by default.
        format: what `path` is, where its name does not say.

    Raises:
        SourceError: missing, unreadable, or not what `format` says.
    """
    if format not in get_args(Format):
        raise SourceError(f"unknown format {format!r}; one of {', '.join(get_args(Format))}")
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if images is not None and not images.is_dir():
        raise SourceError(f"the picture folder {images} does not exist")
    table = _table_in(path, format) if path.is_dir() else path
    if table is None:
        if images is not None:
            raise SourceError(f"{path} holds no table, so no other picture folder goes with it")
        return PictureFolder(path)
    if not table.is_file():
        raise SourceError(f"{table} is neither a file nor a folder")
    pictures = images if images is not None else table.parent
    kind = _SUFFIXES.get(table.suffix.lower()) if format == "auto" else format
    if kind == "csv":
        return CsvTable(table, pictures)
    if kind == "jsonl":
        return JsonlTable(table, pictures)
    if kind == "folder":
        raise SourceError(f"{path} is a file, not a folder of pictures")
    raise SourceError(f"cannot tell what {path.name} is; add --format csv or --format jsonl")


def _table_in(folder: Path, format: Format) -> Path | None:
    """The table a folder holds, if it holds one and `format` does not ask for the pictures."""
    if format == "folder":
        return None
    wanted = [name for name in _TABLES_IN_A_FOLDER if format in ("auto", Path(name).suffix[1:])]
    found = [folder / name for name in wanted if (folder / name).is_file()]
    if len(found) > 1:
        raise SourceError(f"{folder} holds marks.csv and marks.jsonl; name the one to read")
    if not found and format != "auto":
        raise SourceError(f"no {wanted[0]} in {folder}")
    return found[0] if found else None
