"""The one place that decides where vectors live and which index is built of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.index.vectors.index import IndexBuilder, Kept, VectorIndex, kept_vectors
from models.errors import MarkLensError, MissingPackage

Device = Literal["auto", "cpu", "cuda"]
IndexKind = Literal["auto", "exact", "ivf"]

_NO_FAISS = "FAISS is not installed: in MarkLens' folder, pip install '.[cpu]' or '.[gpu]'"
_NO_CUDA = "no CUDA device is usable here: set MARKLENS_DEVICE=cpu, or pip install '.[gpu]'"
_NO_CUDA_IVF = "on a CUDA device every search is exact: set MARKLENS_INDEX=auto"
_MOST_PLAIN = 30_000  # rows up to which reading short forms first saves nothing
_FEWEST_LISTED = 20_000  # rows below which an exact scan costs less than choosing lists


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """How vectors are compared, chosen once at start.

    Attributes:
        device: ``auto`` takes CUDA where faiss-gpu is installed and sees a device.
        kind: ``exact`` misses no row; ``ivf`` reads some inverted lists and may miss one; ``auto``
            takes lists only for segments of more than `exact_rows` rows.
        exact_rows: see `kind`.
    """

    device: Device = "auto"
    kind: IndexKind = "auto"
    exact_rows: int = 1_000_000

    @property
    def most_exact(self) -> int | None:
        """Rows above which a segment gets lists; None for never."""
        if self.kind == "exact":
            return None
        return _FEWEST_LISTED if self.kind == "ivf" else self.exact_rows


def open_builder(choice: IndexChoice) -> IndexBuilder:
    """Choose what makes indexes, once at start.

    Raises:
        MissingPackage: FAISS is not installed, or ``cuda`` is asked for and not usable.
        MarkLensError: lists are asked for on a CUDA device.
    """
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingPackage(_NO_FAISS) from error
    # FAISS is asked, not torch: importing torch takes seconds and serving on a CPU needs none.
    if choice.device == "cuda" or (choice.device == "auto" and faiss.get_num_gpus() > 0):
        if choice.kind == "ivf":
            raise MarkLensError(_NO_CUDA_IVF)
        return _cuda_builder()
    return CpuBuilder(choice.most_exact)


@dataclass(frozen=True)
class CpuBuilder:
    """Makes indexes on the CPU, with short forms or inverted lists where there are many rows.

    Attributes:
        most_exact: rows above which an index has lists; None for never.
        most_plain: rows above which an exact index has short forms.
    """

    most_exact: int | None = None
    most_plain: int = _MOST_PLAIN

    def __call__(self, vectors: NDArray[np.float16]) -> VectorIndex:
        """See `IndexBuilder`."""
        from indexer.index.vectors.faiss_ivf import FaissIvfIndex

        if self._wants_lists(len(vectors)):
            return FaissIvfIndex.of(vectors)
        return self._exact(vectors, lambda: None)

    def quick(self, vectors: NDArray[np.float16]) -> VectorIndex:
        """See `IndexBuilder`; without short forms, which take seconds for a million rows."""
        from indexer.index.vectors.faiss_exact import FaissExactIndex

        return FaissExactIndex(vectors)

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        """See `IndexBuilder`; lists are kept while they hold most of the rows."""
        from indexer.index.vectors.faiss_ivf import FaissIvfIndex

        if self._wants_lists(sum(len(rows) for _, rows in parts)):
            return FaissIvfIndex.merged(parts, proceed)
        (index, rows), *others = parts
        if not others and index.is_exact and len(rows) == len(index):
            return self._exact(index.vectors(), proceed)  # the same memory, not a copy of it
        return self._exact(kept_vectors(parts, proceed), proceed)

    def beside(self, index: VectorIndex) -> "CpuBuilder":
        """See `IndexBuilder`."""
        if self.most_exact is None or index.is_exact:
            return replace(self, most_exact=None)
        return replace(self, most_exact=min(self.most_exact, _FEWEST_LISTED))

    def is_settled(self, index: VectorIndex) -> bool:
        """See `IndexBuilder`."""
        from indexer.index.vectors.faiss_exact import FaissShortIndex

        if not index.is_exact:
            return True
        wants_short = len(index) > self.most_plain
        return not self._wants_lists(len(index)) and wants_short <= isinstance(
            index, FaissShortIndex
        )

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VectorIndex:
        """See `IndexBuilder`; lists and short forms that were saved are not made again."""
        from indexer.index.vectors.faiss_exact import FaissShortIndex
        from indexer.index.vectors.faiss_ivf import FaissIvfIndex

        if "lists_index" in arrays and self._wants_lists(len(arrays["vectors"])):
            return FaissIvfIndex.restored(arrays)
        if "short_codes" in arrays:
            return FaissShortIndex.restored(arrays)
        return self.quick(arrays["vectors"])

    def _exact(self, vectors: NDArray[np.float16], proceed: Callable[[], None]) -> VectorIndex:
        from indexer.index.vectors.faiss_exact import FaissShortIndex

        if len(vectors) > self.most_plain:
            return FaissShortIndex.of(vectors, proceed)
        return self.quick(vectors)

    def _wants_lists(self, count: int) -> bool:
        return self.most_exact is not None and count > self.most_exact


@dataclass(frozen=True)
class TorchBuilder:
    """Makes exact indexes on a torch device."""

    device: str

    def __call__(self, vectors: NDArray[np.float16]) -> VectorIndex:
        """See `IndexBuilder`."""
        from indexer.index.vectors.torch_cuda import TorchIndex

        return TorchIndex(vectors, self.device)

    quick = __call__

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        """See `IndexBuilder`."""
        return self(kept_vectors(parts, proceed))

    def beside(self, index: VectorIndex) -> "TorchBuilder":
        """See `IndexBuilder`: there is one kind."""
        return self

    def is_settled(self, index: VectorIndex) -> bool:
        """See `IndexBuilder`: there is one kind."""
        return True

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VectorIndex:
        """See `IndexBuilder`."""
        return self(arrays["vectors"])


def _cuda_builder() -> IndexBuilder:
    import torch

    if not torch.cuda.is_available():
        raise MissingPackage(_NO_CUDA)
    return TorchBuilder("cuda")
