"""FAISS alone, as its documentation has it: flat, lists, a graph; with a selector or without.

All hold float16 (`ScalarQuantizer` ``QT_fp16``) and compare by inner product. A selector
(`IDSelectorBitmap`) is passed to the search, except by the post-filtering peer, which searches
without one for more than it needs and drops what does not pass.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.search_data import Case, Dataset, K
from benchmarks.search_peers import CANDIDATES, EFFORTS, LINKS, Setting

_CHUNK = 1 << 14
_TRAINED = 40  # vectors for each list that k-means looks at
_PROBES = (8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072)
_NUMBERS = 3  # of a subspace
_ENCODED = 1 << 16  # vectors that the subspaces' points are sought among
_FP16 = faiss.ScalarQuantizer.QT_fp16
_INNER = faiss.METRIC_INNER_PRODUCT
_FILE = "index.faiss"


class _Faiss:
    """An index in one file."""

    def __init__(self) -> None:
        self.index: faiss.Index
        self._dataset: Dataset
        self._parameters: faiss.SearchParameters | None = None
        self._bits: NDArray[np.uint8]

    def build(self, dataset: Dataset, folder: Path) -> None:
        index = self.empty(dataset)
        for start in range(0, len(dataset), _CHUNK):
            index.add(dataset.vectors[start : start + _CHUNK].astype(np.float32))
        faiss.write_index(index, str(folder / _FILE))

    def empty(self, dataset: Dataset) -> faiss.Index:
        """A trained index without vectors."""
        raise NotImplementedError

    def open(self, dataset: Dataset, folder: Path) -> None:
        self.index = faiss.read_index(str(folder / _FILE))
        self._dataset = dataset

    def parameters(self, setting: Setting, **selector: object) -> faiss.SearchParameters:
        """Parameters of one search."""
        raise NotImplementedError

    def prepare(self, setting: Setting, code: int | None) -> None:
        if code is None:
            self._parameters = self.parameters(setting)
            return
        self._bits = np.packbits(self._dataset.allowed(code), bitorder="little")
        self._parameters = self.parameters(setting, sel=faiss.IDSelectorBitmap(self._bits))

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.index.search(query[None], K, params=self._parameters)[1][0]
        return found

    def memory_elsewhere_mb(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


class Flat(_Faiss):
    """Every vector is compared."""

    def empty(self, dataset: Dataset) -> faiss.Index:
        return faiss.IndexScalarQuantizer(dataset.dimension, _FP16, faiss.METRIC_INNER_PRODUCT)

    def settings(self, case: Case) -> Sequence[Setting]:
        return ({},)

    def parameters(self, setting: Setting, **selector: object) -> faiss.SearchParameters:
        return faiss.SearchParameters(**selector)


class Lists(_Faiss):
    """Inverted lists, four times the square root of the number of vectors; nprobe is tuned."""

    def empty(self, dataset: Dataset) -> faiss.Index:
        lists = 1 << round(math.log2(4 * math.sqrt(len(dataset))))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dataset.dimension),
            dataset.dimension,
            lists,
            _FP16,
            faiss.METRIC_INNER_PRODUCT,
            False,  # numbers as they are, not residuals
        )
        rows = np.random.default_rng(1).permutation(len(dataset))[: lists * _TRAINED]
        index.cp.niter = 8
        index.train(dataset.vectors[np.sort(rows)].astype(np.float32))
        return index

    def settings(self, case: Case) -> Sequence[Setting]:
        lists = self.index.nlist
        return [{"nprobe": probe} for probe in _PROBES if probe < lists] + [{"nprobe": lists}]

    def parameters(self, setting: Setting, **selector: object) -> faiss.SearchParameters:
        return faiss.SearchParametersIVF(nprobe=setting["nprobe"], **selector)


class FastScanned(Lists):
    """FAISS' own fast scan in the same lists, refined by float16; both efforts are tuned."""

    def empty(self, dataset: Dataset) -> faiss.Index:
        plain = super().empty(dataset)  # for its lists
        subspaces = dataset.dimension // _NUMBERS
        lists = faiss.IndexIVFPQFastScan(
            plain.quantizer, dataset.dimension, plain.nlist, subspaces, 4, _INNER
        )
        lists.by_residual = True
        rows = np.random.default_rng(2).permutation(len(dataset))[:_ENCODED]
        lists.train(dataset.vectors[np.sort(rows)].astype(np.float32))
        refining = faiss.IndexScalarQuantizer(dataset.dimension, _FP16, _INNER)
        self._kept = (plain, lists, refining)  # FAISS holds no reference
        return faiss.IndexRefine(lists, refining)

    def settings(self, case: Case) -> Sequence[Setting]:
        lists = faiss.downcast_index(self.index.base_index).nlist
        probes = [probe for probe in _PROBES if probe < lists] + [lists]
        return [{"nprobe": probe, "kept": kept} for probe in probes for kept in (4, 16)]

    def parameters(self, setting: Setting, **selector: object) -> faiss.SearchParameters:
        self._inner = faiss.SearchParametersIVF(nprobe=setting["nprobe"], **selector)
        return faiss.IndexRefineSearchParameters(
            k_factor=setting["kept"], base_index_params=self._inner
        )


class Graph(_Faiss):
    """HNSW; efSearch is tuned."""

    def empty(self, dataset: Dataset) -> faiss.Index:
        metric = faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexHNSWSQ(dataset.dimension, _FP16, LINKS, metric)
        index.hnsw.efConstruction = CANDIDATES
        # FAISS asks for training; the numbers of float16 need none, so any vectors do.
        index.train(dataset.vectors[:256].astype(np.float32))
        return index

    def settings(self, case: Case) -> Sequence[Setting]:
        return [{"efSearch": effort} for effort in EFFORTS]

    def parameters(self, setting: Setting, **selector: object) -> faiss.SearchParameters:
        return faiss.SearchParametersHNSW(efSearch=setting["efSearch"], **selector)


class PostFiltered(Graph):
    """The same graph without selector: how many are fetched, and dropped again, is tuned."""

    def __init__(self) -> None:
        super().__init__()
        self._fetched = K
        self._mask: NDArray[np.bool_]

    def settings(self, case: Case) -> Sequence[Setting]:
        times = (1, 2, 4, 8, 16, 32, 64, 128)
        return [{"fetched": K * one, "efSearch": 2 * K * one} for one in times]

    def prepare(self, setting: Setting, code: int | None) -> None:
        self._parameters = self.parameters(setting)
        self._fetched = setting["fetched"]
        self._mask = self._dataset.allowed(code)

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        rows = self.index.search(query[None], self._fetched, params=self._parameters)[1][0]
        rows = rows[rows >= 0]
        found: NDArray[np.int64] = rows[self._mask[rows]][:K]
        return found
