"""Vectors with the statistics of real embeddings, as many as wanted, for `benchmarks.search`.

A mark is a point of a cluster, and so is each of its parts: a cluster has as many parts as the real
mark that its centre was drawn from, and all its marks have those. A cluster's centre lies between a
real embedding and a draw from a normal distribution with the real embeddings' mean and covariance;
so do its points around it. How far each lies from what is real was chosen, block by block, so that
cosines of different marks and of nearest neighbours come out as in the demo register; the report
prints both. Clusters' sizes fall as rank to the power -0.7: few designs have many near-copies, most
have few. The demo's 1,900 marks have 0.84 parts on average, composed marks more.

The planted codes of the filters are drawn here, since correlated ones follow the clusters.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_data import (
    CODES,
    GROUPS,
    OWNERS,
    PARTS,
    PLANTED,
    QUERIES,
    SHARES,
    VECTORS,
    BlockShape,
    Facts,
    scaled,
    spans,
    write_facts,
)
from indexer.search.ranking import PAIR_LOSS

_CLUSTER = 25  # mean number of marks
_FALL = 0.7  # of cluster sizes with their rank
# Part of the variance that is drawn, not taken over: of centres against real embeddings, and of
# marks against their centre. The colour block has few dimensions and real neighbours share it.
_CENTRES, _MARKS = {"colour": 0.03}, {"colour": 0.02}
_CENTRES_ELSE, _MARKS_ELSE = 0.5, 0.35
_CHUNK = 20_000
_AROUND = 1.25  # marks of the clusters a correlated code is drawn from, to marks that bear it
_HOMES = 3  # clusters nearest to a place that its queries come from
_COMPARED = 800  # vectors whose statistics are taken

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Real:
    """Real embeddings with unit-length blocks.

    Attributes:
        vectors: (m, d) float32, of whole signs.
        blocks: of a vector.
        parts: (p, d) float32, of their parts.
        owners: (p,) the sign of each part, ascending.
    """

    vectors: Vectors
    blocks: tuple[BlockShape, ...]
    parts: Vectors
    owners: NDArray[np.int64]

    def normal(self, count: int, rng: np.random.Generator) -> Vectors:
        """Draw unit-block vectors from the normal distribution with their mean and covariance."""
        mean = self.vectors.mean(axis=0)
        mixed = rng.standard_normal((count, len(self.vectors)), dtype=np.float32)
        drawn = mixed @ (self.vectors - mean) / np.float32(np.sqrt(len(self.vectors))) + mean
        return self.unit(drawn)

    def around(self, known: Vectors, rng: np.random.Generator) -> Vectors:
        """Draw the centre of a cluster near each of some real embeddings."""
        return self.between(known, self.normal(len(known), rng), _CENTRES, _CENTRES_ELSE)

    def near(self, centres: Vectors, rng: np.random.Generator) -> NDArray[np.float16]:
        """Draw a mark of each of some clusters."""
        drawn = self.normal(len(centres), rng)
        return self.between(centres, drawn, _MARKS, _MARKS_ELSE).astype(np.float16)

    def unit(self, vectors: Vectors) -> Vectors:
        """Give every block length 1, in place."""
        for block in self.blocks:
            part = vectors[:, block.start : block.stop]
            part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9)
        return vectors

    def between(
        self, known: Vectors, drawn: Vectors, shares: dict[str, float], other: float
    ) -> Vectors:
        """Mix block by block, taking the named share of the variance from `drawn`."""
        mixed = np.empty_like(known)
        for block in self.blocks:
            share = np.float32(shares.get(block.name, other))
            at = slice(block.start, block.stop)
            mixed[:, at] = known[:, at] * np.sqrt(1 - share) + drawn[:, at] * np.sqrt(share)
        return self.unit(mixed)


def synthesise(folder: Path, real: Real, marks: int, queries: int, seed: int) -> None:
    """Write vectors, queries, planted codes and facts of a register of `marks` marks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, marks])
    clusters = max(GROUPS * _HOMES, marks // _CLUSTER)
    anchors = rng.integers(0, len(real.vectors), clusters)
    centres = real.around(real.vectors[anchors], rng)
    of_cluster = _PartsOfClusters(real, anchors, rng)
    sizes = np.arange(1, clusters + 1) ** -_FALL
    of_mark = rng.choice(clusters, marks, p=sizes / sizes.sum())

    vectors = _written(real, folder / VECTORS, centres, of_mark, rng)
    which, owners = of_cluster.of(of_mark)
    _written(real, folder / PARTS, of_cluster.vectors, which, rng)
    np.save(folder / OWNERS, owners)
    places = _places(centres, real.blocks, rng)
    homes = np.stack([places[q % GROUPS][rng.integers(_HOMES)] for q in range(queries)])
    general = rng.choice(clusters, queries, p=sizes / sizes.sum())
    asked = np.concatenate([general, homes])
    which, owners = of_cluster.of(asked)
    np.savez(
        folder / QUERIES,
        allow_pickle=False,
        wholes=real.near(centres[asked], rng),
        parts=real.near(of_cluster.vectors[which], rng),
        owners=owners,
    )
    np.save(folder / PLANTED, _planted(of_mark, places, rng))
    some = vectors[np.sort(rng.permutation(marks)[:_COMPARED])].astype(np.float32)
    facts = Facts(
        marks,
        queries,
        seed,
        real.blocks,
        PAIR_LOSS,
        sample_digest(real),
        {"real": statistics(real.vectors, real.blocks), "drawn": statistics(some, real.blocks)},
    )
    write_facts(folder, facts)


class _PartsOfClusters:
    """The centres of the parts of each cluster's marks: (q, d) `vectors`, cluster by cluster."""

    def __init__(self, real: Real, anchors: NDArray[np.int64], rng: np.random.Generator) -> None:
        first = np.searchsorted(real.owners, np.arange(len(real.vectors) + 1))
        self._counts = np.diff(first)[anchors]
        self.vectors = real.around(real.parts[spans(first[anchors], self._counts)], rng)

    def of(self, clusters: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For marks of some clusters (n,): rows of `vectors` (m,), and whose part each is (m,)."""
        counts = self._counts[clusters]
        firsts = (np.cumsum(self._counts) - self._counts)[clusters]
        return spans(firsts, counts), np.repeat(np.arange(len(clusters)), counts)


def _written(
    real: Real,
    file: Path,
    centres: Vectors,
    which: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float16]:
    """Draw vectors near some centres into a file."""
    shape = (len(which), centres.shape[1])
    vectors = np.lib.format.open_memmap(file, "w+", np.float16, shape)
    for start in range(0, len(which), _CHUNK):
        vectors[start : start + _CHUNK] = real.near(centres[which[start : start + _CHUNK]], rng)
    vectors.flush()
    return vectors


def sample_digest(real: Real) -> str:
    """SHA-256 of the real embeddings: other ones make other data."""
    digest = hashlib.sha256(real.vectors.tobytes())
    for others in (real.parts, real.owners):
        digest.update(others.tobytes())
    return digest.hexdigest()


def statistics(vectors: Vectors, blocks: Sequence[BlockShape]) -> dict[str, dict[str, float]]:
    """By block: cosines of different vectors, and over how many directions they spread."""
    found = {}
    for block in blocks:
        part = vectors[:, block.start : block.stop]
        cosines = (part @ part.T)[np.triu_indices(len(part), 1)]
        variances = np.maximum(np.linalg.eigvalsh(np.cov(part.T)), 0)
        found[block.name] = {
            "cosine mean": round(float(cosines.mean()), 4),
            "cosine deviation": round(float(cosines.std()), 4),
            "cosine 99th percentile": round(float(np.quantile(cosines, 0.99)), 4),
            "directions": round(float(variances.sum() ** 2 / (variances**2).sum()), 1),
        }
    return found


def _places(
    centres: Vectors, blocks: Sequence[BlockShape], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """For each place, all clusters, the nearest to it first."""
    chosen = rng.choice(len(centres), GROUPS, replace=False)
    scores = scaled(centres[chosen].astype(np.float16), blocks) @ centres.T
    return [np.argsort(-row, kind="stable") for row in scores]


def _planted(
    of_mark: NDArray[np.int64], places: Sequence[NDArray[np.int64]], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Which rows bear each planted code: (codes, n / 8) packed bits, the lowest first."""
    marks = len(of_mark)
    counts = np.bincount(of_mark, minlength=len(places[0]))
    planted = np.zeros((CODES, (marks + 7) // 8), np.uint8)
    for code in range(CODES):
        group, place = divmod(code, len(SHARES))
        wanted = max(1, round(SHARES[place] * marks))
        near = np.arange(marks)
        if group:
            order = places[group - 1]
            stop = int(np.searchsorted(np.cumsum(counts[order]), _AROUND * wanted)) + 1
            inside = np.zeros(len(order), np.bool_)
            inside[order[:stop]] = True
            near = np.flatnonzero(inside[of_mark])
        mask = np.zeros(marks, np.bool_)
        mask[rng.choice(near, wanted, replace=False)] = True
        planted[code] = np.packbits(mask, bitorder="little")
    return planted
