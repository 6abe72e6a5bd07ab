"""The files of a snapshot: safetensors, which any reader of that format can open."""

from pathlib import Path

import numpy as np
from safetensors import safe_open

from indexer.index.vectors.snapshot import SnapshotFacts, SnapshotPart, SnapshotStore

FACTS = SnapshotFacts("register", "network", 4, 7)
ARRAYS = {
    "half": np.arange(12, dtype=np.float16).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "every other": np.arange(10)[::2],
    "none": np.zeros((0, 5), np.float32),
    "flags": np.array([True, False]),
    "large": np.arange(3 * 2**20, dtype=np.int32),
}


def saved(folder: Path) -> list[Path]:
    SnapshotStore(folder).save(FACTS, [SnapshotPart(saved, lambda: ARRAYS, {})])
    return sorted(folder.glob("*.safetensors"))


def test_a_reader_of_safetensors_gets_the_arrays_and_so_does_a_snapshot(tmp_path) -> None:
    files = saved(tmp_path)
    whole = max(files, key=lambda path: path.stat().st_size)
    snapshot = SnapshotStore(tmp_path).load()
    assert snapshot is not None
    with safe_open(whole, framework="np") as read:
        assert set(read.keys()) == set(ARRAYS)
        for name, expected in ARRAYS.items():
            for found in (read.get_tensor(name), snapshot.parts[0][name]):
                assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
                np.testing.assert_array_equal(found, expected)


def test_equal_arrays_make_the_same_file_whoever_writes_it_and_when(tmp_path, monkeypatch) -> None:
    first = saved(tmp_path / "one")
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert [path.name for path in saved(tmp_path / "two")] == [path.name for path in first]
