"""Labelled pictures whose codes count for pictures that look like them.

Of a rare code there are too few examples to learn it, yet one of them may be at hand that looks
alike. So all labelled pictures vote beside what the network has learnt, those that are alike most
(a kernel estimate: Nadaraya, "On estimating regression", 1964; beside a network: Khandelwal et al.,
"Generalization through memorization: nearest neighbor language models", ICLR 2020).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy import sparse

_WIDTH: Final = 256  # numbers of a vector at most
_RIDGE: Final = 0.05  # of the mean variance, added to each: weak axes are noise
_TEMPERATURE: Final = 0.05  # cosine by which a vote loses a factor of e
_DOUBT: Final = 0.5  # votes for what is usual
_LEAST, _AMONG = 1, 30  # added to a code's count, and to the pictures that it is counted among
# Pictures and questions compared at a time: small products, which OpenBLAS computes in one thread.
# Its threads wait for each other by spinning: on a busy machine ten times the work itself.
_TOGETHER: Final = 32
_ASKED: Final = 16

Vectors = NDArray[np.float32]


class Neighbours:
    """Labelled pictures, as whitened vectors of their embeddings.

    Attributes:
        centre: (b,) float16, what embeddings (their first b numbers) are on average.
        whitening: (b, d) float16.
        vectors: (n, d) int8, whitened; only their directions count. Those of alike codes lie side
            by side.
        first: (s,) uint32, where those of each row of `codes` begin.
        codes: (s, labels) int8: 1 borne, 0 not borne, -1 unknown.
    """

    def __init__(
        self,
        centre: NDArray[np.float16],
        whitening: NDArray[np.float16],
        vectors: NDArray[np.int8],
        first: NDArray[np.uint32],
        codes: NDArray[np.int8],
    ) -> None:
        self.centre, self.whitening = centre, whitening
        self.vectors, self.first, self.codes = vectors, first, codes
        self._blocks = _blocks(_unit(vectors.astype(np.float32)))
        self._projection = _blocks(whitening.T.astype(np.float32))
        # Few codes are borne or unknown: sparse, with a row for each code.
        self._borne = sparse.csr_array((codes.T > 0).astype(np.float32))
        self._unknown = sparse.csr_array((codes.T < 0).astype(np.float32))
        often = np.diff(first, append=len(vectors)).astype(np.float32)
        known = len(vectors) - self._unknown @ often
        self._usual = (self._borne @ often + _LEAST) / (known + _AMONG)

    @classmethod
    def fit(cls, embeddings: Vectors, targets: NDArray[np.float32]) -> "Neighbours":
        """Keep labelled pictures.

        Args:
            embeddings: (n, b), their vectors, or the first numbers of them.
            targets: (n, labels): 1 borne, 0 not borne, -1 unknown.
        """
        centre = embeddings.mean(axis=0)
        centred = (embeddings - centre).astype(np.float64)
        variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        variances, axes = variances[-_WIDTH:], axes[:, -_WIDTH:]
        whitening = axes / np.sqrt(variances + _RIDGE * variances.mean())
        directions = _unit(centred @ whitening)
        levels = np.rint(directions * (127 / np.abs(directions).max())).astype(np.int8)
        codes, rows = np.unique(targets.astype(np.int8), axis=0, return_inverse=True)
        order = np.argsort(rows.ravel(), kind="stable")
        first = np.searchsorted(rows.ravel()[order], np.arange(len(codes))).astype(np.uint32)
        halves = centre.astype(np.float16), whitening.astype(np.float16)
        return cls(*halves, levels[order], first, codes)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Neighbours":
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            saved = load(content)
            labels = len(saved["labels"])
            borne, known = (
                np.unpackbits(saved[name], axis=1, count=labels).astype(np.int8)
                for name in ("borne", "known")
            )
            halves, vectors = (saved["centre"], saved["whitening"]), saved["vectors"]
            return cls(*halves, vectors, saved["first"], borne + known - 1)
        except (KeyError, SafetensorError) as error:
            raise ValueError(f"no labelled pictures ({error!r})") from error

    def to_bytes(self) -> bytes:
        """The content of a ``.safetensors`` file; what is borne and known as bits."""
        return save(
            {
                "centre": self.centre,
                "whitening": self.whitening,
                "vectors": self.vectors,
                "first": self.first,
                "borne": np.packbits(self.codes > 0, axis=1),
                "known": np.packbits(self.codes >= 0, axis=1),
                "labels": np.zeros(self.codes.shape[1], np.uint8),
            }
        )

    def votes(self, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the labelled pictures add to the logits of some pictures.

        Args:
            embeddings: (m, b or more).

        Returns:
            (m, labels): the logarithm of how much more often those alike bear a code than is usual.
        """
        centred = embeddings[:, : len(self.centre)].astype(np.float32) - self.centre
        votes = [self._votes(centred[at : at + _ASKED]) for at in range(0, len(centred), _ASKED)]
        return np.concatenate([np.zeros((0, self.codes.shape[1]), np.float32), *votes])

    def _votes(self, centred: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same of a few embeddings (m, b)."""
        asked = _unit(_products(centred, self._projection, self.whitening.shape[1]))
        likeness = _products(asked, self._blocks, len(self.vectors))
        weights = np.exp((likeness - likeness.max(axis=1, keepdims=True)) / _TEMPERATURE)
        by_codes = np.ascontiguousarray(np.add.reduceat(weights, self.first, axis=1).T)
        known = weights.sum(axis=1) - self._unknown @ by_codes
        share = (self._borne @ by_codes + _DOUBT * self._usual[:, None]) / (known + _DOUBT)
        votes: NDArray[np.float32] = np.log(share / self._usual[:, None]).T
        return votes


def _blocks(directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) → (blocks, d, _TOGETHER), the last filled up with zeros."""
    missing = -len(directions) % _TOGETHER
    filled = np.pad(directions, ((0, missing), (0, 0)))
    blocks = filled.reshape(-1, _TOGETHER, directions.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks)


def _products(
    asked: NDArray[np.float32], blocks: NDArray[np.float32], number: int
) -> NDArray[np.float32]:
    """(m, d) times the rows that `_blocks` was given: (m, number)."""
    products: NDArray[np.float32] = np.matmul(asked, blocks).transpose(1, 0, 2)
    return products.reshape(len(asked), -1)[:, :number]


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-6), np.float32)
