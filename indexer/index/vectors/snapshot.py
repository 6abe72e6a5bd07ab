"""Index snapshots on disk: named arrays under a checksummed manifest, for several processes.

::

    <folder>/manifest.json             what the snapshot is, and the SHA-256 of each file
    <folder>/<sha256>.safetensors      arrays of one segment; written once, never changed

A file is complete and on the disk before the manifest names it, and the manifest is replaced in
one step, so a reader finds the old snapshot or the new one. Processes that save at the same time
write different files, or the same file with the same content; the last manifest stays. FAISS' own
files load with flipped bits without a word; here everything is checked before it is read.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from indexer.errors import SnapshotDamaged
from indexer.register.durable import sync_folder

FORMAT = 5  # 5 has days of registration, 4 the vectors of parts; 2 was in .npz files
MANIFEST = "manifest.json"
_SUFFIX = ".safetensors"
_RUBBISH_AGE_S = 900.0  # another process may be about to name a younger file in its manifest

Arrays = Mapping[str, NDArray[Any]]
_Seen = TypeVar("_Seen")


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot was made of.

    Attributes:
        register: identity of the database.
        fingerprint: of the network whose embeddings it holds.
        dimension: of an embedding.
        sequence: the register's state that it holds.
        stamp: of that state; see `indexer.register.counters.stamp`.
    """

    register: str
    fingerprint: str
    dimension: int
    sequence: int
    stamp: int | None = None


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

        def read(fixed: str, changing: str) -> Arrays:
            return self._read(fixed) | self._read(changing)

        found = self._each_part(read)
        if found is None:
            return None
        manifest, parts = found
        names = tuple(part["fixed"] for part in manifest["parts"])
        return Snapshot(_facts(manifest), tuple(parts), names)

    def checked(
        self, look: Callable[[Path, Path], _Seen]
    ) -> tuple[SnapshotFacts, list[_Seen]] | None:
        """Check every byte of the snapshot; None if there is none.

        Args:
            look: at the files of a segment, fixed and changing arrays, once they are checked.

        Returns:
            What it was made of, and what `look` says of each segment.

        Raises:
            SnapshotDamaged: as in `load`.
        """
        found = self._each_part(lambda *names: look(*map(self._checked, names)))
        return None if found is None else (_facts(found[0]), found[1])

    def _each_part(
        self, look: Callable[[str, str], _Seen]
    ) -> tuple[dict[str, Any], list[_Seen]] | None:
        """The manifest, and what a function says of the two files of each segment."""
        while (manifest := self._manifest()) is not None:
            try:
                return manifest, [
                    look(part["fixed"], part["changing"]) for part in manifest["parts"]
                ]
            except SnapshotDamaged:
                if self._manifest() == manifest:
                    raise
                continue  # another process has put a new snapshot in its place meanwhile
        return None

    def remember(self, owner: object, name: str) -> None:
        """Note which object a loaded part became, so that saving does not write it again."""
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
        self._place(lambda path: path.write_bytes(content), lambda _: MANIFEST)
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
            lambda path: _save(arrays, path),
            lambda path: f"{_digest_file(path)}{_SUFFIX}",
        )

    def _place(self, write: Callable[[Path], object], name: Callable[[Path], str]) -> str:
        """Write a temporary file, force it to the disk, then rename it."""
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        os.close(handle)
        path = Path(temporary)
        try:
            write(path)
            with path.open("rb") as file:
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
            if path.suffix not in {_SUFFIX, ".npz", ".tmp"} or path.name in named:
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

    def _checked(self, name: str) -> Path:
        path = self._folder / name
        try:
            if f"{_digest_file(path)}{_SUFFIX}" != name:
                raise SnapshotDamaged(f"{path} does not match its checksum")
        except OSError as error:
            raise SnapshotDamaged(f"{path} cannot be read: {error}") from error
        return path

    def _read(self, name: str) -> dict[str, NDArray[Any]]:
        path = self._checked(name)
        try:
            # Not mapped: searches would wait for pages, and reading all takes twice the memory.
            arrays: dict[str, NDArray[Any]] = load_file(path, backend="pread")
        except (OSError, SafetensorError) as error:
            raise SnapshotDamaged(f"{path} cannot be read: {error}") from error
        return arrays


def _save(arrays: Arrays, path: Path) -> None:
    """Write arrays to a file; `np.savez` would copy them, and searches wait for Python's lock."""
    try:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


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
