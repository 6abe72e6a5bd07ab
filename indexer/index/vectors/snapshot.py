"""Index snapshots on disk: named arrays under a checksummed manifest, for several processes.

::

    <folder>/manifest.json     what the snapshot is, and the SHA-256 of each file
    <folder>/<sha256>.npz      arrays of one segment; written once, never changed

A file is complete and on the disk before the manifest names it, and the manifest is replaced in
one step, so a reader finds the old snapshot or the new one. Processes that save at the same time
write different files, or the same file with the same content; the last manifest stays. FAISS' own
files load with flipped bits without a word; here everything is checked before it is believed.
"""

import hashlib
import json
import math
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexer.errors import SnapshotDamaged
from indexer.register.durable import sync_folder

FORMAT = 2  # 2 holds marks without picture, too
MANIFEST = "manifest.json"
_PIECE = 1 << 22  # bytes written or read at once
_READERS = 2  # threads that read arrays, beside the one that checks them
_ZIP_HEADER = 30  # bytes of a member's own header, before its name
_RUBBISH_AGE_S = 900.0  # another process may be about to name a younger file in its manifest

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot was made of.

    Attributes:
        register: identity of the database.
        fingerprint: of the network whose embeddings it holds.
        dimension: of an embedding.
        sequence: the register's state that it holds.
    """

    register: str
    fingerprint: str
    dimension: int
    sequence: int


@dataclass(frozen=True, slots=True)
class SnapshotPart:
    """One segment to be saved.

    Attributes:
        owner: the immutable object that `arrays` come from; its file is written once.
        arrays: makes the arrays, asked for only if they have to be written.
        changing: arrays that may differ from one snapshot to the next.
    """

    owner: object
    arrays: Callable[[], Arrays]
    changing: Arrays


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot read from disk, every byte checked.

    Attributes:
        facts: what it was made of.
        parts: the arrays of each segment, fixed and changing ones together.
        names: file of each segment's fixed arrays.
    """

    facts: SnapshotFacts
    parts: tuple[Arrays, ...]
    names: tuple[str, ...]


class SnapshotStore:
    """The snapshot in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: WeakKeyDictionary[object, str] = WeakKeyDictionary()

    def facts(self) -> SnapshotFacts | None:
        """What the snapshot on disk says it is; None if there is none.

        Raises:
            SnapshotDamaged: the manifest cannot be believed.
        """
        manifest = self._manifest()
        return None if manifest is None else _facts(manifest)

    def load(self) -> Snapshot | None:
        """Read and check the snapshot; None if there is none.

        Raises:
            SnapshotDamaged: a file is missing, or is not what the manifest says.
        """
        while (manifest := self._manifest()) is not None:
            names = [part["fixed"] for part in manifest["parts"]]
            try:
                parts = [
                    self._read(part["fixed"]) | self._read(part["changing"])
                    for part in manifest["parts"]
                ]
            except SnapshotDamaged:
                if self._manifest() == manifest:
                    raise
                continue  # another process has put a new snapshot in its place meanwhile
            return Snapshot(_facts(manifest), tuple(parts), tuple(names))
        return None

    def remember(self, owner: object, name: str) -> None:
        """Say which object a loaded part became, so that it is not written again."""
        self._written[owner] = name

    def save(self, facts: SnapshotFacts, parts: Sequence[SnapshotPart]) -> None:
        """Write a snapshot and put it in the place of the last.

        Raises:
            OSError: the disk refuses; the last snapshot stays.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        names = [
            {"fixed": self._fixed(part), "changing": self._write(part.changing)} for part in parts
        ]
        body = {"format": FORMAT, "facts": asdict(facts), "parts": names}
        # The folder's own names must be on the disk before a manifest relies on them.
        sync_folder(self._folder)
        whole = {"sha256": _digest_of(body), "body": body}
        content = json.dumps(whole, indent=1).encode()
        self._place(lambda file: file.write(content), lambda _: MANIFEST)
        sync_folder(self._folder)
        self._clean({name for part in names for name in part.values()})

    def _fixed(self, part: SnapshotPart) -> str:
        known = self._written.get(part.owner)
        if known is not None:
            try:
                os.utime(self._folder / known)  # young again: no other process cleans it away
            except FileNotFoundError:
                known = None
        if known is None:
            known = self._written[part.owner] = self._write(part.arrays())
        return known

    def _write(self, arrays: Arrays) -> str:
        return self._place(
            lambda file: _write_arrays(file, arrays),
            lambda path: f"{_digest_file(path)}.npz",
        )

    def _place(self, write: Callable[[BinaryIO], object], name: Callable[[Path], str]) -> str:
        """Write under a name of our own, force it to the disk, then give it its name."""
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        path = Path(temporary)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            final = name(path)
            path.replace(self._folder / final)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return final

    def _clean(self, named: set[str]) -> None:
        """Delete files of snapshots before this one, and what killed processes left."""
        oldest = time.time() - _RUBBISH_AGE_S
        for path in self._folder.iterdir():
            if path.suffix not in {".npz", ".tmp"} or path.name in named:
                continue
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process cleaned it away

    def _manifest(self) -> dict[str, Any] | None:
        path = self._folder / MANIFEST
        try:
            whole = json.loads(path.read_bytes())
            body: dict[str, Any] = whole["body"]
            believed = whole["sha256"] == _digest_of(body)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SnapshotDamaged(f"{path} cannot be read: {error}") from error
        if not believed:
            raise SnapshotDamaged(f"{path} does not match its checksum")
        if body["format"] != FORMAT:
            raise SnapshotDamaged(
                f"{path} has format {body['format']}; this version reads {FORMAT}"
            )
        return body

    def _read(self, name: str) -> dict[str, NDArray[Any]]:
        path = self._folder / name
        # Checked and read side by side: each takes a second for a gigabyte.
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(_arrays_of, path)
            try:
                if f"{_digest_file(path)}.npz" != name:
                    raise SnapshotDamaged(f"{path} does not match its checksum")
                return reading.result()
            except (OSError, ValueError, zipfile.BadZipFile) as error:
                raise SnapshotDamaged(f"{path} cannot be read: {error}") from error


def _write_arrays(file: BinaryIO, arrays: Arrays) -> None:
    """Write an .npz file, as `np.savez` does.

    That would copy 16 MB at a time, twice and with Python's lock held, while searches wait.
    """
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            numbers = np.ascontiguousarray(array)
            header = np.lib.format.header_data_from_array_1_0(numbers)
            content = numbers.reshape(-1).view(np.uint8)
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, header)
                for start in range(0, len(content), _PIECE):
                    member.write(content[start : start + _PIECE].data)


def _arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file that holds them as they are, without looking at its checksums.

    The file's SHA-256 is checked anyway; `np.load` would take three times as long to add CRC-32 up.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return {
            member.filename.removesuffix(".npy"): _array_in(file, member)
            for member in archive.infolist()
        }


def _array_in(file: BinaryIO, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array; raises ValueError where the bytes are not such as `np.savez` writes."""
    file.seek(member.header_offset)
    header = file.read(_ZIP_HEADER)
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    if member.compress_type != zipfile.ZIP_STORED or len(header) != _ZIP_HEADER:
        raise ValueError(f"{member.filename} is not stored as it is")
    start = member.header_offset + _ZIP_HEADER + names
    file.seek(start)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(np.lib.format.read_magic(file))
    if read_header is None:
        raise ValueError(f"{member.filename} has a header of an unknown version")
    shape, in_columns, dtype = read_header(file)
    count = math.prod(shape)
    if dtype.hasobject or file.tell() + count * dtype.itemsize != start + member.file_size:
        raise ValueError(f"{member.filename} is not as long as its header says")
    numbers = np.empty(count, dtype)
    _fill(numbers.view(np.uint8), file.fileno(), file.tell())
    return numbers.reshape(shape, order="F" if in_columns else "C")


def _fill(content: NDArray[np.uint8], handle: int, start: int) -> None:
    """Read a file's bytes from `start` on, in several threads.

    Memory that nobody has touched yet is slow to come by: up to four seconds for a gigabyte in a
    virtual machine whose host must find it first, half of that in two threads.
    """

    def read(at: int) -> None:
        piece = content[at : at + _PIECE]
        if os.preadv(handle, [piece.data], start + at) != len(piece):
            raise ValueError("the file ends in the middle of an array")

    with ThreadPoolExecutor(_READERS) as readers:
        for _ in readers.map(read, range(0, len(content), _PIECE)):
            pass


def _facts(manifest: Mapping[str, Any]) -> SnapshotFacts:
    try:
        return SnapshotFacts(**manifest["facts"])
    except (KeyError, TypeError) as error:
        raise SnapshotDamaged(f"the snapshot's manifest lacks its facts: {error}") from error


def _digest_of(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
