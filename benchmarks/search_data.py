"""What `benchmarks.search` searches: vectors, queries, filters and the exact answers, in a folder.

Needs NumPy only, so that peers installed in another environment read it, too. Rows are numbered
0 to n - 1. A filter is a planted code, a number: ``uncorrelated`` codes are drawn independently of
the vectors, ``correlated`` ones from the clusters nearest to a place that the queries come from;
there are several such places, and each has its own code for each share.

Who is right is measured by score: a returned row counts if it passes the filter and scores at least
what the exact search's last row does, less `_TOLERANCE`. The product ranks by cosine and peers by
inner product of the same float16 numbers, which differ by up to about that.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

K = 50
SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001)
GROUPS = 4  # places in the space that correlated queries and codes belong to
_TOLERANCE = 1e-4
_CHUNK = 1 << 14  # rows scored at once

FACTS, VECTORS, QUERIES, PLANTED, TRUTH = (
    "dataset.json",
    "vectors.npy",
    "queries.npy",
    "planted.npy",
    "truth.npz",
)


@dataclass(frozen=True)
class BlockShape:
    """One block of an embedding: columns ``start:stop`` and its weight in a score."""

    name: str
    start: int
    stop: int
    weight: float


@dataclass(frozen=True)
class Facts:
    """How a folder's data were made.

    Attributes:
        marks: number of rows.
        queries: number of queries of each kind.
        seed: of everything drawn.
        blocks: of an embedding.
        sample: SHA-256 of the real embeddings whose statistics were taken.
        statistics: of the real and the drawn vectors, by block.
    """

    marks: int
    queries: int
    seed: int
    blocks: tuple[BlockShape, ...]
    sample: str
    statistics: dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Case:
    """One kind of filter.

    Attributes:
        kind: ``all``, ``uncorrelated`` or ``correlated``.
        place: of `share` in `SHARES`.
    """

    kind: str
    place: int = 0

    @property
    def share(self) -> float:
        """Part of the marks that pass."""
        return 1.0 if self.kind == "all" else SHARES[self.place]

    @property
    def name(self) -> str:
        """Such as ``correlated 0.1 %``."""
        return "no filter" if self.kind == "all" else f"{self.kind} {100 * self.share:g} %"

    def code(self, query: int) -> int | None:
        """Number of the planted code that a query asks for; None without filter."""
        if self.kind == "all":
            return None
        if self.kind == "uncorrelated":
            return self.place
        return len(SHARES) * (1 + query % GROUPS) + self.place


CASES = (
    Case("all"),
    *(Case("uncorrelated", place) for place in range(len(SHARES))),
    *(Case("correlated", place) for place in range(len(SHARES))),
)
CODES = len(SHARES) * (1 + GROUPS)  # planted codes


class Dataset:
    """One folder of data, read through memory maps."""

    def __init__(self, folder: Path) -> None:
        raw = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        raw["blocks"] = tuple(BlockShape(**block) for block in raw["blocks"])
        self.facts = Facts(**raw)
        self.folder = folder
        self.vectors = np.load(folder / VECTORS, mmap_mode="r")
        self._queries = np.load(folder / QUERIES)
        self._planted = np.load(folder / PLANTED, mmap_mode="r")

    def __len__(self) -> int:
        return self.facts.marks

    @property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def bytes(self) -> int:
        """Of all vectors as float16."""
        return int(self.vectors.size * 2)

    def queries(self, case: Case) -> NDArray[np.float16]:
        """Embeddings that a case is asked with: (queries, d)."""
        found: NDArray[np.float16] = self._queries[int(case.kind == "correlated")]
        return found

    def scaled(self, case: Case) -> NDArray[np.float32]:
        """Queries under the default weights: their inner product with a row is its score."""
        return scaled(self.queries(case), self.facts.blocks)

    def allowed(self, code: int | None) -> NDArray[np.bool_]:
        """Rows that bear a planted code, all without one: (n,) bool."""
        if code is None:
            return np.ones(len(self), np.bool_)
        bits = np.unpackbits(self._planted[code], count=len(self), bitorder="little")
        return bits.view(np.bool_)

    def codes_of_rows(self, first: int, stop: int) -> list[list[int]]:
        """Planted codes of each row of a span that begins at a multiple of 8."""
        part = np.asarray(self._planted[:, first // 8 : (stop + 7) // 8])
        bits = np.unpackbits(part, axis=1, count=stop - first, bitorder="little")
        borne: list[list[int]] = [[] for _ in range(stop - first)]
        for code, row in zip(*np.nonzero(bits), strict=True):
            borne[row].append(int(code))
        return borne

    @cached_property
    def _truth(self) -> dict[str, NDArray[np.float32]]:
        with np.load(self.folder / TRUTH) as held:
            return dict(held)

    def recall(
        self, case: Case, found: Sequence[NDArray[np.int64]], asked: Sequence[int] | None = None
    ) -> float:
        """Mean recall of answers to a case.

        Args:
            case: what was asked.
            found: rows of each answer.
            asked: which query each answers; None: the first ones.
        """
        queries, last = self.scaled(case), self._truth[case.name]
        asked = range(len(found)) if asked is None else asked
        masks = {code: self.allowed(code) for code in {case.code(query) for query in asked}}
        recalls = []
        for query, given in zip(asked, found, strict=True):
            mask = masks[case.code(query)]
            rows = np.unique(given)
            rows = rows[(rows >= 0) & (rows < len(self))]
            rows = rows[mask[rows]]
            scores = self.vectors[rows].astype(np.float32) @ queries[query]
            right = int(np.count_nonzero(scores >= last[query] - _TOLERANCE))
            wanted = min(K, int(np.count_nonzero(mask)))
            recalls.append(min(right, wanted) / wanted)
        return float(np.mean(recalls))


def scaled(queries: NDArray[np.float16], blocks: Sequence[BlockShape]) -> NDArray[np.float32]:
    """Make each block as long as its share of the weight, as the product's scorer does."""
    made = np.zeros(queries.shape, np.float64)
    total = sum(block.weight for block in blocks)
    for block in blocks:
        part = queries[:, block.start : block.stop].astype(np.float64)
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        made[:, block.start : block.stop] = part * (block.weight / total) / lengths
    return made.astype(np.float32)


def write_facts(folder: Path, facts: Facts) -> None:
    """Write them last: a folder with facts is complete but for the answers."""
    (folder / FACTS).write_text(json.dumps(asdict(facts), indent=1), encoding="utf-8")


def write_truth(dataset: Dataset) -> None:
    """Search every case exactly, with float32 arithmetic, and keep each query's last score."""
    best = {case: np.full((dataset.facts.queries, K), -np.inf, np.float32) for case in CASES}
    scaled_queries = {kind: dataset.scaled(Case(kind)) for kind in ("all", "correlated")}
    masks = {code: dataset.allowed(code) for code in range(CODES)}
    for start in range(0, len(dataset), _CHUNK):
        rows = dataset.vectors[start : start + _CHUNK].astype(np.float32)
        scores = {kind: queries @ rows.T for kind, queries in scaled_queries.items()}
        for case in CASES:
            of_case = scores["correlated" if case.kind == "correlated" else "all"]
            for first in range(GROUPS if case.kind == "correlated" else 1):
                step = GROUPS if case.kind == "correlated" else 1
                code = case.code(first)
                part = of_case[first::step]
                if code is not None:
                    part = part[:, masks[code][start : start + _CHUNK]]
                both = np.concatenate([best[case][first::step], part], axis=1)
                best[case][first::step] = -np.partition(-both, K - 1, axis=1)[:, :K]
    last = {case.name: np.min(scores, axis=1) for case, scores in best.items()}
    np.savez(dataset.folder / TRUTH, allow_pickle=False, **last)
