"""What a sign shows at each place, coded in a few bytes, and how the places of two signs match.

A vector of the whole sign forgets where things stand. Places are the cells of the grid that conv4
makes of a picture (12 by 12 of a picture of 192 pixels), those with ink: their channels' square
roots, whitened to a few numbers of one byte each. Each picture that has a vector has places: the
whole sign, and each of its parts.

Two pictures are compared by their places like this: each place of the query looks for the most
similar one of the mark, and votes, by the square of their cosine, for the displacement between the
two. Where one is a variant of the other many places agree on a displacement; between others they
scatter (a Hough transform of translations, as weak geometric consistency is one of scale and
rotation: Jégou, Douze and Schmid, "Hamming embedding and weak geometric consistency for large scale
image search", ECCV 2008).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from models.network.preprocess import Shares

VERSION = 1
NUMBERS = 32  # that a place has after whitening; 64 take twice the room for 0.001 of mAP

_HEADER = struct.Struct("<BBB")  # version, numbers a place, pictures
_PICTURE = struct.Struct("<BH4f")  # cells on a side, places, square
_CELL = np.dtype("<u2")
_LEVELS = 127
_INK = 24  # difference (0..255, any channel) from the paper that counts as printed
_INKED = 1 / 32  # share of a cell that is printed where it is a place
_LEAST_VARIANCE = 1e-3  # of the largest: what is weaker is not blown up
_STEPS = 12  # in which displacements are counted, along each side, whatever the grid
_WINDOW = 3  # steps along each axis within which displacements agree
_SIDE = 2 * _STEPS + 1  # displacements along an axis, both ways
_MARKS = 16  # compared at a time, of like size: their products stay near the processor


class Places(NamedTuple):
    """The places of one picture.

    Attributes:
        vectors: (n, numbers) int8, each of any length.
        cells: (n,) numbers of grid cells, row by row.
        grid: cells on each side.
        square: what the grid lies on, in shares of the original picture's width and height.
    """

    vectors: NDArray[np.int8]
    cells: NDArray[np.uint16]
    grid: int
    square: Shares

    def positions(self) -> NDArray[np.float32]:
        """The middles of the cells, (n, 2): y and x in shares of the square."""
        return _middles(self.cells, self.grid)

    def in_picture(self) -> NDArray[np.float32]:
        """The same as x and y in shares of the original picture."""
        left, top, right, bottom = self.square
        y, x = self.positions().T
        placed = np.stack([left + x * (right - left), top + y * (bottom - top)], axis=1)
        return placed.clip(0, 1).astype(np.float32)


def to_bytes(pictures: Sequence[Places]) -> bytes:
    """Code the places of a sign and its parts: a version, then picture by picture; none as b""."""
    if not pictures:
        return b""
    coded = [_HEADER.pack(VERSION, pictures[0].vectors.shape[1], len(pictures))]
    for one in pictures:
        coded.append(_PICTURE.pack(one.grid, len(one.cells), *one.square))
        coded += [one.cells.astype(_CELL).tobytes(), one.vectors.tobytes()]
    return b"".join(coded)


def from_bytes(coded: bytes) -> list[Places]:
    """Read what :func:`to_bytes` wrote; nothing of no bytes.

    Raises:
        ValueError: it is of another version, or cut short.
    """
    return list(_pictures(coded))


def one_from_bytes(coded: bytes, at: int) -> Places | None:
    """The same of one picture, 0 for the whole sign; None where there is no such picture."""
    return next(islice(_pictures(coded), at, None), None)


def _pictures(coded: bytes) -> Iterator[Places]:
    if not coded:
        return
    if coded[0] != VERSION:
        raise ValueError(f"places of version {coded[0]}; this MarkLens reads version {VERSION}")
    _, numbers, count = _unpacked(_HEADER, coded, 0)
    at = _HEADER.size
    for _ in range(count):
        grid, places, *square = _unpacked(_PICTURE, coded, at)
        at += _PICTURE.size
        cells = np.frombuffer(coded, _CELL, places, at)
        at += cells.nbytes
        vectors = np.frombuffer(coded, np.int8, places * numbers, at)
        at += vectors.nbytes
        yield Places(vectors.reshape(places, numbers), cells, grid, (*square,))


def _unpacked(form: struct.Struct, coded: bytes, at: int) -> tuple[Any, ...]:
    try:
        return form.unpack_from(coded, at)
    except struct.error as error:
        raise ValueError(f"places are cut short ({error})") from error


@dataclass(frozen=True, eq=False)
class PlaceCoder:
    """Codes the places of pictures; fitted once, and part of the checkpoint.

    Attributes:
        mean: (channels,) float32, of rooted places of unit length.
        axes: (channels, numbers) float32, the strongest, of unit variance.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @classmethod
    def fit(
        cls, maps: NDArray[np.float32], pixels: NDArray[np.uint8], numbers: int = NUMBERS
    ) -> "PlaceCoder":
        """Whiten the places of a few hundred pictures by their principal components.

        Args:
            maps: (n, channels, g, g), behind pool4, in any scale.
            pixels: (n, s, s, 3) uint8, the pictures.
            numbers: that a place keeps; as many as there are channels at most.
        """
        rooted = _rooted(maps.transpose(0, 2, 3, 1)[_inked(pixels, maps.shape[-1])])
        mean = rooted.mean(axis=0)
        centred = (rooted - mean).astype(np.float64)
        variances, axes = np.linalg.eigh(centred.T @ centred / max(1, len(centred)))
        variances, axes = variances[::-1][:numbers], axes[:, ::-1][:, :numbers]  # largest first
        least = max(_LEAST_VARIANCE * float(variances[0]), 1e-12)
        whitening = np.ascontiguousarray(axes / np.sqrt(variances.clip(least)), np.float32)
        return cls(mean.astype(np.float32), whitening)

    @classmethod
    def from_bytes(cls, content: bytes) -> "PlaceCoder":
        """Read what :meth:`to_bytes` wrote: a safetensors file."""
        tensors = load(content)
        return cls(tensors["mean"], tensors["axes"])

    def to_bytes(self) -> bytes:
        """The file of a checkpoint that holds it."""
        content: bytes = save({"axes": self.axes, "mean": self.mean})
        return content

    def code(
        self, maps: NDArray[np.float32], pixels: NDArray[np.uint8], squares: Sequence[Shares]
    ) -> list[Places]:
        """Code the places of n pictures.

        Args:
            maps: (n, channels, g, g), behind pool4, in any scale.
            pixels: (n, s, s, 3) uint8, what was looked at.
            squares: what they show, in shares of the original pictures' width and height.
        """
        grid = maps.shape[-1]
        inked = _inked(pixels, grid)
        # All at once: BLAS' threads cost more than the product of one picture's places.
        whitened = (_rooted(maps.transpose(0, 2, 3, 1)[inked]) - self.mean) @ self.axes
        largest = np.abs(whitened).max(axis=1, keepdims=True, initial=1e-9)
        levels = np.rint(whitened * (_LEVELS / largest)).astype(np.int8)
        cells = [np.flatnonzero(one).astype(np.uint16) for one in inked]
        own = np.split(levels, np.cumsum([len(one) for one in cells[:-1]]))
        return [
            Places(vectors, held, grid, square)
            for vectors, held, square in zip(own, cells, squares, strict=True)
        ]


def _rooted(activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of (m, channels), each row of unit length: strong channels drown no others."""
    roots: NDArray[np.float32] = np.sqrt(activations, dtype=np.float32)
    lengths = np.linalg.norm(roots, axis=1, keepdims=True)
    np.divide(roots, lengths, out=roots, where=lengths > 0)
    return roots


def _inked(pixels: NDArray[np.uint8], grid: int) -> NDArray[np.bool_]:
    """Which cells (n, g, g) hold ink: enough pixels that differ from the colour of a corner."""
    n, cell = len(pixels), pixels.shape[1] // grid
    differs = np.zeros(pixels.shape[:3], np.bool_)
    for channel in range(3):
        plane = pixels[..., channel]
        paper = plane[:, :1, :1].astype(np.int16)
        low, high = (paper - _INK).clip(0).astype(np.uint8), (paper + _INK).clip(max=255)
        differs |= (plane < low) | (plane > high.astype(np.uint8))
    differs = differs[:, : grid * cell, : grid * cell]
    shares = differs.reshape(n, grid, cell, grid, cell).mean(axis=(2, 4))
    inked: NDArray[np.bool_] = shares >= _INKED
    return inked


class Agreement(NamedTuple):
    """How well the places of a query match those of n marks.

    Attributes:
        shares: (n,) float64, 0 to 1: the votes for one displacement, of those that the query itself
            would get. 0 where one of them has no places.
        best: (n, q) row of the mark's place that is most similar to each of the query.
        strength: (n, q) float32, the square of their cosine; 0 where the place does not agree.
    """

    shares: NDArray[np.float64]
    best: NDArray[np.int64]
    strength: NDArray[np.float32]


def match(query: Places, marks: Sequence[Places]) -> Agreement:
    """Compare the places of a query with those of n marks.

    Sums of products of bytes are whole numbers that float32 holds exactly, so the shares depend on
    nothing but the places: they are the same on every machine, and 1 for a mark of equal places.
    """
    best, strength = _votes(query, [query, *marks])
    votes = strength.sum(axis=1, dtype=np.float64)
    shares = np.minimum(votes[1:] / votes[0], 1.0) if votes[0] > 0 else np.zeros(len(marks))
    return Agreement(shares, best[1:], strength[1:])


def _votes(query: Places, marks: Sequence[Places]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`Agreement.best` and `Agreement.strength`."""
    n, q = len(marks), len(query.cells)
    best, cosines = np.zeros((n, q), np.int64), np.zeros((n, q), np.float32)
    met = np.zeros((n, q), np.uint16)
    asked = query.vectors.astype(np.float32)
    by_size = sorted(range(n), key=lambda at: len(marks[at].cells))
    for start in range(0, n, _MARKS):
        rows = by_size[start : start + _MARKS]
        best[rows], cosines[rows], met[rows] = _nearest(asked, [marks[at] for at in rows])
    cosines /= np.maximum(np.linalg.norm(asked, axis=1), 1.0)
    strength = np.square(np.maximum(cosines, 0.0))
    strength *= _agreeing(_moved(query, met, np.array([mark.grid for mark in marks])), strength)
    return best, strength


def _nearest(
    asked: NDArray[np.float32], marks: Sequence[Places]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint16]]:
    """The place of each of n marks that is most similar to each place asked for.

    Args:
        asked: (q, numbers), whole numbers.
        marks: the last one has most places.

    Returns:
        (n, q): its row, its product with the place that is asked for by its own length, its cell.
    """
    n, numbers, most = len(marks), asked.shape[1], max(1, len(marks[-1].cells))
    vectors = np.zeros((n, most, numbers), np.float32)
    cells = np.zeros((n, most), np.uint16)
    for at, mark in enumerate(marks):
        vectors[at, : len(mark.cells)] = mark.vectors
        cells[at, : len(mark.cells)] = mark.cells
    lengths = np.sqrt(np.einsum("nmk,nmk->nm", vectors, vectors)).clip(1.0)[:, None]
    products = np.matmul(asked, vectors.transpose(0, 2, 1))  # (n, q, most): of whole numbers
    products /= lengths
    rows = products.argmax(axis=2)
    nearest = np.take_along_axis(products, rows[..., None], axis=2)[..., 0]
    return rows, nearest, np.take_along_axis(cells, rows, axis=1)


def _middles(cells: NDArray[np.uint16], grid: int) -> NDArray[np.float32]:
    """The middles of cells, (..., 2): y and x in shares of the square."""
    at = np.stack(np.divmod(cells, grid), axis=-1)
    return ((at + 0.5) / grid).astype(np.float32)


def _moved(
    query: Places, met: NDArray[np.uint16], grids: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """How far the query's places are from those that they met, along y and x, counted from 0.

    Args:
        query: q places.
        met: (n, q) cells of the marks.
        grids: (n,) of the marks.

    Returns:
        (n, q) each, 0 to 2 · _STEPS; _STEPS is no displacement.
    """
    y, x = np.empty(met.shape, np.uint8), np.empty(met.shape, np.uint8)
    asked = np.arange(met.shape[1])
    for grid in set(grids.tolist()):
        middles = _middles(np.arange(grid * grid, dtype=np.uint16), grid)
        steps = np.floor((middles - query.positions()[:, None]) * _STEPS + 0.5) + _STEPS
        rows = np.flatnonzero(grids == grid)
        y[rows], x[rows] = (
            one[asked, met[rows]] for one in steps.astype(np.uint8).transpose(2, 0, 1)
        )
    return y, x


def _agreeing(
    moved: tuple[NDArray[np.uint8], NDArray[np.uint8]], strength: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which places (n, q) are moved within the window of displacements that gets most votes.

    Args:
        moved: (n, q) along y and x, as `_moved` says.
        strength: (n, q).
    """
    n, (y, x) = len(strength), moved
    flat = (np.arange(n)[:, None] * _SIDE + y) * _SIDE + x
    counts = np.bincount(flat.ravel(), strength.ravel(), n * _SIDE**2).reshape(n, _SIDE, _SIDE)
    windows = _SIDE - _WINDOW + 1  # along an axis
    counts = reduce(np.add, (counts[:, at : at + windows] for at in range(_WINDOW)))
    counts = reduce(np.add, (counts[..., at : at + windows] for at in range(_WINDOW)))
    fullest = counts.reshape(n, -1).argmax(axis=1)[:, None]
    top, left = (one.astype(np.uint8) for one in np.divmod(fullest, windows))
    agrees: NDArray[np.bool_] = (y - top < _WINDOW) & (x - left < _WINDOW)  # below 0 is above 200
    return agrees
