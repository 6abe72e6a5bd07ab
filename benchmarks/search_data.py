"""What `benchmarks.search` searches: vectors, queries, filters and the exact answers, in a folder.

Peers search whole signs alone, and the product both these and pairs of whole signs and parts.
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

FACTS, VECTORS, PARTS, OWNERS, QUERIES, PLANTED, TRUTH = (
    "dataset.json",
    "vectors.npy",
    "parts.npy",
    "owners.npy",
    "queries.npz",
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
        losses: what a pair scores less, by how many of the two are parts.
        sample: SHA-256 of the real embeddings whose statistics were taken.
        statistics: of the real and the drawn vectors, by block.
    """

    marks: int
    queries: int
    seed: int
    blocks: tuple[BlockShape, ...]
    losses: tuple[float, float, float]
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
        raw["losses"] = tuple(raw["losses"])
        self.facts = Facts(**raw)
        self.folder = folder
        self.vectors = np.load(folder / VECTORS, mmap_mode="r")
        self.parts = np.load(folder / PARTS, mmap_mode="r")
        self.owners = np.load(folder / OWNERS)
        with np.load(folder / QUERIES) as asked:
            self._wholes, self._query_parts = asked["wholes"], asked["parts"]
            self._query_owners = asked["owners"]
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
        """Vectors of the whole signs that a case is asked with: (queries, d)."""
        first = self.facts.queries * (case.kind == "correlated")
        found: NDArray[np.float16] = self._wholes[first : first + self.facts.queries]
        return found

    def query_vectors(self, case: Case, query: int) -> NDArray[np.float16]:
        """All vectors of a query, of the whole sign and of its parts: (v, d)."""
        row = self.facts.queries * (case.kind == "correlated") + query
        parts = self._query_parts[self._query_owners == row]
        return np.concatenate([self._wholes[row : row + 1], parts])

    def vectors_of_row(self, row: int) -> NDArray[np.float16]:
        """All vectors of a mark: (v, d)."""
        first, stop = np.searchsorted(self.owners, [row, row + 1])
        return np.concatenate([self.vectors[row : row + 1], self.parts[first:stop]])

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

    def pair_scores(
        self, case: Case, query: int, rows: NDArray[np.int64] | slice
    ) -> NDArray[np.float32]:
        """What marks score by their best pairs with a query: (n,)."""
        vectors = scaled(self.query_vectors(case, query), self.facts.blocks)
        _, one, both = self.facts.losses
        of_wholes = vectors @ self.vectors[rows].astype(np.float32).T
        of_wholes[1:] -= one
        best: NDArray[np.float32] = of_wholes.max(axis=0)
        numbers = np.arange(len(self))[rows]
        firsts = np.searchsorted(self.owners, numbers)
        counts = np.searchsorted(self.owners, numbers, "right") - firsts
        parts = spans(firsts, counts)
        of_parts = vectors @ self.parts[parts].astype(np.float32).T
        of_parts[:1] -= one
        of_parts[1:] -= both
        np.maximum.at(best, np.repeat(np.arange(len(numbers)), counts), of_parts.max(axis=0))
        return best

    def recall(
        self,
        case: Case,
        found: Sequence[NDArray[np.int64]],
        asked: Sequence[int] | None = None,
        by_pairs: bool = False,
    ) -> float:
        """Mean recall of answers to a case.

        Args:
            case: what was asked.
            found: rows of each answer.
            asked: which query each answers; None: the first ones.
            by_pairs: whether parts were compared, too.
        """
        queries, last = self.scaled(case), self._truth[_truth_of(case, by_pairs)]
        asked = range(len(found)) if asked is None else asked
        masks = {code: self.allowed(code) for code in {case.code(query) for query in asked}}
        recalls = []
        for query, given in zip(asked, found, strict=True):
            mask = masks[case.code(query)]
            rows = np.unique(given)
            rows = rows[(rows >= 0) & (rows < len(self))]
            rows = rows[mask[rows]]
            if by_pairs:
                scores = self.pair_scores(case, query, rows)
            else:
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
        made[:, block.start : block.stop] = (
            part * (block.weight / total) / np.maximum(lengths, 1e-9)
        )
    return made.astype(np.float32)


def spans(firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from each first one on, as many as its count, one span after the other."""
    ends = np.cumsum(counts)
    return np.repeat(firsts - ends + counts, counts) + np.arange(counts.sum())


def _truth_of(case: Case, by_pairs: bool) -> str:
    return f"{case.name}, pairs" if by_pairs else case.name


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
    last |= {
        _truth_of(case, by_pairs=True): np.min(scores, axis=1)
        for case, scores in _best_by_pairs(dataset, masks).items()
    }
    np.savez(dataset.folder / TRUTH, allow_pickle=False, **last)


def _best_by_pairs(
    dataset: Dataset, masks: dict[int, NDArray[np.bool_]]
) -> dict[Case, NDArray[np.float32]]:
    """The best scores of each query of each case, parts compared too: (queries, K)."""
    best = {case: np.full((dataset.facts.queries, K), -np.inf, np.float32) for case in CASES}
    for start in range(0, len(dataset), _CHUNK):
        rows = slice(start, min(start + _CHUNK, len(dataset)))
        for query in range(dataset.facts.queries):
            scores = {
                kind: dataset.pair_scores(Case(kind), query, rows) for kind in ("all", "correlated")
            }
            for case in CASES:
                of_case = scores["correlated" if case.kind == "correlated" else "all"]
                code = case.code(query)
                part = of_case if code is None else of_case[masks[code][rows]]
                both = np.concatenate([best[case][query], part])
                best[case][query] = -np.partition(-both, K - 1)[:K]
    return best
