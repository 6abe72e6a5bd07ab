"""The pictures of a batch as they are sent: loose, in a zip file, or named by a table.

No name that was sent becomes a path on the server: loose pictures are put into one zip file under
their names, and zip files are read where they lie.
"""

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from indexer.errors import SourceError
from indexer.sources import MarkSource, open_source
from indexer.sources.labels import is_query_picture
from indexer.sources.pictures import open_zip
from search_api.errors import BadField

MAX_PICTURES = 10_000
_MOST_BYTES = 2 * 2**30  # that the files of a zip say they unpack to
_MOST_TABLE_BYTES = 64 * 2**20
_TABLES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xls", ".ods")
_LOOSE = "pictures.zip"
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_LONGEST_NAME = 1000
_FIELD = "images"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is sent.

    Attributes:
        name: that it gave itself.
        content: of which nothing is read yet.
    """

    name: str
    content: IO[bytes]

    @property
    def suffix(self) -> str:
        """Of its name, in small letters."""
        return PurePosixPath(self.name.lower()).suffix

    def head(self) -> bytes:
        """Its first bytes."""
        self.content.seek(0)
        head = self.content.read(4)
        self.content.seek(0)
        return head


def keep_uploads(folder: Path, uploads: Sequence[Upload]) -> tuple[str, str | None, int]:
    """Write what was sent into a folder, as a source of a batch.

    Args:
        folder: which is there and empty.
        uploads: pictures; one zip file of them; or a table, and pictures or a zip file.

    Returns:
        The names of the source and of its pictures' place in the folder, None where the source has
        them, and about how many pictures there are.

    Raises:
        BadField: they do not go together, hold no picture, too many, or unpack to too much.
        OSError: the disk refuses.
    """
    tables = [one for one in uploads if one.suffix in _TABLES]
    zips = [one for one in uploads if one not in tables and one.head() == _ZIP]
    loose = [one for one in uploads if one not in tables and one not in zips]
    if len(tables) > 1 or len(zips) > 1 or (zips and loose):
        raise BadField(
            _FIELD, "Send pictures, or one zip file of them, and at most one table that names them."
        )
    pictures = None
    if zips:
        pictures = "upload.zip"
        _write(folder / pictures, zips[0])
        _refuse_bomb(folder / pictures)
    elif loose:
        pictures = _LOOSE
        _pack(folder / pictures, loose)
    if not tables:
        return _checked(folder, pictures or "", None)
    if tables[0].head().startswith(_GZIP):
        raise BadField(_FIELD, f"{tables[0].name} is packed: send the table itself.")
    table = f"table{tables[0].suffix}"
    _write(folder / table, tables[0])
    return _checked(folder, table, pictures)


def opened(folder: Path, source: str, pictures: str | None) -> MarkSource:
    """The source that `keep_uploads` has written.

    Raises:
        SourceError: it cannot be read.
    """
    images = None if pictures is None else folder / pictures
    return open_source(folder / source, images, labels=True)


def _checked(folder: Path, source: str, pictures: str | None) -> tuple[str, str | None, int]:
    """Refuse a source that cannot be read, or of too many pictures."""
    try:
        count = opened(folder, source, pictures).last_position
    except SourceError as error:
        raise BadField(_FIELD, str(error).replace(f"{folder}/", "")) from error
    if count > MAX_PICTURES:
        raise BadField(_FIELD, f"These are {count:,} pictures; send at most {MAX_PICTURES:,}.")
    return source, pictures, count


def _write(file: Path, upload: Upload) -> None:
    with file.open("wb") as stream:
        shutil.copyfileobj(upload.content, stream)


def _pack(file: Path, uploads: Sequence[Upload]) -> None:
    """Put loose pictures into one zip file, each under a name of its own."""
    names = _names(uploads)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, upload in zip(names, uploads, strict=True):
            with archive.open(name, "w") as stream:
                shutil.copyfileobj(upload.content, stream)


def _names(uploads: Sequence[Upload]) -> Iterator[str]:
    """What the pictures are called: as they say, each once, and none hidden."""
    met: set[str] = set()
    for place, upload in enumerate(uploads, start=1):
        said = "".join(one if one.isprintable() else "_" for one in upload.name[-_LONGEST_NAME:])
        parts = PurePosixPath(said.replace("\\", "/").strip("/ ")).parts
        name = "/".join(one.lstrip(".") or one for one in parts) or f"picture {place}"
        if not is_query_picture(name):
            name += ".png"  # whether it is a picture shows when it is read
        path = PurePosixPath(name)
        while name in met:
            name = f"{name.removesuffix(path.suffix)} ({place}){path.suffix}"
        met.add(name)
        yield name


def _refuse_bomb(file: Path) -> None:
    """Refuse a zip file that says it unpacks to very much; none of it gives more than it says.

    Raises:
        BadField: it does, or is damaged, or holds what is packed once more.
    """
    try:
        with open_zip(file) as archive:
            members = archive.infolist()
            others = [one for one in members if not is_query_picture(one.filename)]
            is_large = sum(one.file_size for one in members) > _MOST_BYTES or any(
                one.file_size > _MOST_TABLE_BYTES or archive.open(one).read(2) == _GZIP
                for one in others
            )
    except (SourceError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadField(_FIELD, f"The zip file cannot be read: {error}.") from error
    if is_large:
        raise BadField(_FIELD, "The zip file unpacks to more than pictures of marks can need.")
