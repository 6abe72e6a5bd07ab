"""hnswlib and usearch for `benchmarks.search`: graphs without attributes.

hnswlib takes a function that says of each label whether it may be returned, asked from Python while
it searches. usearch filters in C++ and Rust, but its Python package (2.26) has no such argument, so
there the search fetches more than it needs and drops what does not pass.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_data import Case, Dataset, K
from benchmarks.search_peers import CANDIDATES, EFFORTS, LINKS, Setting

_CHUNK = 1 << 14


class Hnswlib:
    """Float32, the only kind it has; ef is tuned."""

    def __init__(self) -> None:
        import hnswlib

        self._make = hnswlib.Index
        self._passes: Callable[[int], bool] | None = None
        self._wanted = K

    def build(self, dataset: Dataset, folder: Path) -> None:
        index = self._make("ip", dataset.dimension)
        index.init_index(len(dataset), M=LINKS, ef_construction=CANDIDATES, random_seed=1)
        for start in range(0, len(dataset), _CHUNK):
            part = dataset.vectors[start : start + _CHUNK].astype(np.float32)
            index.add_items(part, np.arange(start, start + len(part)))
        index.save_index(str(folder / "index.hnswlib"))

    def open(self, dataset: Dataset, folder: Path) -> None:
        self._dataset = dataset
        self._index = self._make("ip", dataset.dimension)
        self._index.load_index(str(folder / "index.hnswlib"))

    def settings(self, case: Case) -> Sequence[Setting]:
        return [{"ef": effort} for effort in EFFORTS]

    def prepare(self, setting: Setting, code: int | None) -> None:
        self._index.set_ef(setting["ef"])
        mask = self._dataset.allowed(code)
        self._wanted = min(K, int(np.count_nonzero(mask)))
        # A list's own method is the cheapest function that Python can offer.
        self._passes = None if code is None else mask.tolist().__getitem__

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        try:
            rows, _ = self._index.knn_query(
                query, k=self._wanted, num_threads=1, filter=self._passes
            )
        except RuntimeError:  # it met fewer than k that pass, and then returns none
            return np.zeros(0, np.int64)
        return rows[0].astype(np.int64)

    def memory_elsewhere_mb(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


class Usearch:
    """Float16; expansion, and how many are fetched for a filter, are tuned."""

    def __init__(self) -> None:
        import usearch.index

        self._library = usearch.index
        self._fetched = K

    def build(self, dataset: Dataset, folder: Path) -> None:
        index = self._library.Index(
            ndim=dataset.dimension,
            metric="ip",
            dtype="f16",
            connectivity=LINKS,
            expansion_add=CANDIDATES,
        )
        for start in range(0, len(dataset), _CHUNK):
            part = np.asarray(dataset.vectors[start : start + _CHUNK])
            index.add(np.arange(start, start + len(part)), part)
        index.save(str(folder / "index.usearch"))

    def open(self, dataset: Dataset, folder: Path) -> None:
        self._dataset = dataset
        self._index = self._library.Index.restore(str(folder / "index.usearch"))

    def settings(self, case: Case) -> Sequence[Setting]:
        if case.kind == "all":
            return [{"expansion": effort, "fetched": K} for effort in EFFORTS]
        times = (1, 2, 4, 8, 16, 32, 64, 128)
        return [{"expansion": 2 * K * one, "fetched": K * one} for one in times]

    def prepare(self, setting: Setting, code: int | None) -> None:
        self._index.expansion_search = setting["expansion"]
        self._fetched = setting["fetched"]
        self._mask = self._dataset.allowed(code)

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        rows = self._index.search(query, self._fetched, threads=1).keys.astype(np.int64)
        if code is not None:
            rows = rows[self._mask[rows]]
        return rows[:K]

    def memory_elsewhere_mb(self) -> float:
        return 0.0

    def close(self) -> None:
        pass
