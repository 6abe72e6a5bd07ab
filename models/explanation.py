"""Where in a picture a Vienna code was seen: class activation maps, drawn over the picture.

At each place of conv5 every channel's activation times the slope of the code's logit there, summed
over channels (HiResCAM: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful
explanations of convolutional neural networks", 2020): what the place adds to the logit, by its own
vote and by what pooling hands to the heads. What conv4 and the colours add has no place here.
The slopes are written out in NumPy, so that any runtime which gives conv5 and the trunk will do.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.encoder import Encoder, Prepared
from models.errors import BadViennaCode
from models.network.checkpoint import Checkpoint
from models.network.devices import Box
from models.network.parts import is_thing
from models.runtimes import Activations
from models.vienna import PredictedCode, ViennaCode, ViennaTree

_CELL, _CAPTION = 224, 36
_COLUMNS = 4
_PIXELS_A_PLACE = 4  # of the heat of a picture that has parts
_HEAT = np.array([214.0, 40.0, 40.0])
_OVERLAY = 256  # pixels of its longer side
_STRONGEST = 0.65  # of the heat's colour over the picture


@dataclass(frozen=True)
class Explanation:
    """Where each code was seen.

    Attributes:
        picture: as the network saw it: trimmed, padded to a square, mode RGB.
        codes: explained, with their probabilities.
        heat: (codes, h, w) float32 0..1, 1 where a code's strongest place is; all 0 for a code
            for which no place speaks.
        square: what `picture` shows, in shares of the picture that it was made of.
    """

    picture: Image.Image
    codes: tuple[PredictedCode, ...]
    heat: NDArray[np.float32]
    square: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def overlay(self, size: tuple[int, int]) -> Image.Image:
        """The places of the first code in red, transparent elsewhere, to be laid over the picture.

        Args:
            size: width and height of the picture that was explained; only their ratio counts.
        """
        scale = _OVERLAY / max(size)
        width, height = (max(1, round(side * scale)) for side in size)
        left, top, right, bottom = self.square
        x, y = round(left * width), round(top * height)
        side = (max(1, round(right * width) - x), max(1, round(bottom * height) - y))
        grid = Image.fromarray((self.heat[0] * 255 * _STRONGEST).astype(np.uint8))
        share = Image.new("L", (width, height))
        share.paste(grid.resize(side, Image.Resampling.BICUBIC), (x, y))
        red = Image.new("RGB", (width, height), tuple(int(value) for value in _HEAT))
        red.putalpha(share)
        return red

    def sheet(self) -> Image.Image:
        """The picture, and beside it one copy a code with the places in red."""
        cells = [(self.picture, "as the network sees it")]
        tree = ViennaTree.load()
        for seen, heat in zip(self.codes, self.heat, strict=True):
            title = tree.title(seen.code)[:30]
            cells.append((self._warmed(heat), f"{seen.code}  {seen.probability:.2f}\n{title}"))
        columns = min(_COLUMNS, len(cells))
        rows = -(-len(cells) // columns)
        sheet = Image.new("RGB", (columns * _CELL, rows * (_CELL + _CAPTION)), "white")
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
        for at, (picture, words) in enumerate(cells):
            x, y = at % columns * _CELL, at // columns * (_CELL + _CAPTION)
            sheet.paste(picture.resize((_CELL, _CELL)), (x, y))
            pen.text((x + 6, y + _CELL + 3), words, "black", font)
        return sheet

    def _warmed(self, heat: NDArray[np.float32]) -> Image.Image:
        grid = Image.fromarray((heat * 255).astype(np.uint8))
        share = np.asarray(grid.resize(self.picture.size, Image.Resampling.BICUBIC)) / 255.0
        share = share[..., None] * _STRONGEST
        grey = np.asarray(self.picture.convert("L").convert("RGB"))  # red marks would hide the heat
        mixed = grey * (1.0 - share) + _HEAT * share
        return Image.fromarray(mixed.astype(np.uint8))


class Explainer:
    """Explains an encoder's predicted codes by heat maps; safe to use from several threads."""

    def __init__(self, encoder: Encoder) -> None:
        """Read the weights of the heads.

        Raises:
            BadCheckpoint: they are damaged.
        """
        checkpoint = encoder.checkpoint
        self._runtime = encoder.runtime
        self._preprocess = checkpoint.preprocess
        self._parts = checkpoint.parts
        self._heads = _Heads.read(checkpoint)
        self._row = {code: row for row, code in enumerate(checkpoint.labels)}
        # Of the last picture: a page asks for its codes one after the other.
        self._last: tuple[bytes, list[Activations]] | None = None

    def explain(self, image: Image.Image, codes: Sequence[PredictedCode]) -> Explanation:
        """Say where codes were seen.

        Args:
            image: mode RGB, any size.
            codes: of this network, as ``Encoder.predicted`` names them.

        Raises:
            BadViennaCode: the network does not predict one of them.
        """
        picture = self._preprocess.prepare(image, self._parts)
        pixels = picture.pixels
        rows = [self._known(seen.code) for seen in codes]
        views, frames = self._views(picture)
        heat = []
        for row, seen in zip(rows, codes, strict=True):
            # In the part that shows it best, or the whole; votes of neighbours are left out.
            logits = [view.logits[0, row] for view in views]
            best = int(np.argmax(logits)) if is_thing(seen.code) else 0
            added = self._heads.added(row, views[best].conv5[0], views[best].hidden[0])
            grid = added / max(float(added.max()), 1e-6)
            if len(views) > 1:
                grid = _placed(grid, frames[best], len(pixels))
            heat.append(grid)
        # (0, h, w) where there are no codes, which `np.stack` would refuse.
        maps = np.stack(heat) if heat else np.zeros((0, *views[0].conv5.shape[2:]), np.float32)
        return Explanation(Image.fromarray(pixels), tuple(codes), maps, picture.square)

    def _views(self, picture: Prepared) -> tuple[list[Activations], list[Box]]:
        """What the network makes of a whole picture, then of its parts; and where each lies."""
        cut, side = picture.parts, len(picture.pixels)
        seen = (picture.pixels, *cut.pixels)
        digest = hashlib.sha256(b"".join(one.tobytes() for one in seen)).digest()
        last = self._last
        if last is not None and last[0] == digest:
            views = last[1]
        else:
            views = [self._runtime.activations(one[None]) for one in seen]
            self._last = digest, views
        frames = [Box(*map(round, frame)) for frame in cut.frames.tolist()]
        return views, [Box(0, 0, side, side), *frames]

    def _known(self, code: ViennaCode) -> int:
        if code not in self._row:
            raise BadViennaCode(f"{code} is not among the codes that the network predicts")
        return self._row[code]


@dataclass(frozen=True)
class _Heads:
    """The weights between conv5 and a logit (``models.network.marknet.Heads``), float32.

    Attributes:
        level: conv5's mean activation, by which its maps are divided before places vote.
        places: (labels, c), the vote of a place.
        vienna: (labels, trunk), the logit of the trunk.
        trunk: (trunk, 2 · c), of the trunk's matrix the columns for conv5's maximum and average.
        scale: by which pooled features are multiplied before the trunk.
    """

    level: float
    places: NDArray[np.float32]
    vienna: NDArray[np.float32]
    trunk: NDArray[np.float32]
    scale: float

    @classmethod
    def read(cls, checkpoint: Checkpoint) -> "_Heads":
        names = ("level", "centre", "places.weight", "vienna.weight", "trunk.weight")
        tensors = checkpoint.read_tensors(*(f"heads.{name}" for name in names))
        level, centre, places, vienna, trunk = tensors.values()
        width = len(centre)  # conv4's maximum and average, then conv5's
        return cls(
            float(level[0]), places[:, :, 0, 0], vienna, trunk[:, width // 2 : width], width**0.5
        )

    def added(
        self, row: int, conv5: NDArray[np.float32], hidden: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What each place adds to a logit; what speaks against it counts 0.

        The slope is that of ``MarkNet.forward_heads``, written out: a sum over the place's own
        vote, the channels whose maximum it holds, and its share in the channels' averages.

        Args:
            row: of the logit.
            conv5: (c, h, w), one picture's.
            hidden: (trunk,)

        Returns:
            (h, w)
        """
        maps = conv5.reshape(len(conv5), -1)
        maximum, mean = maps.max(axis=1), maps.mean(axis=1)
        votes = self.places[row] @ maps / self.level
        attention = np.exp(votes - votes.max())
        attention /= attention.sum()
        attended = float(attention @ votes)
        by_vote = votes * (1.0 / votes.size + attention * (1.0 + votes - attended))

        slope = ((self.vienna[row] * (hidden > 0)) @ self.trunk) * self.scale
        of_maximum, of_root = np.split(slope, 2)
        roots = np.sqrt(mean + 1e-8)  # as in `models.network.marknet.pool`
        of_maximum = _through_length(of_maximum, maximum)
        of_mean = _through_length(of_root, roots) / (2.0 * roots)
        is_highest = maps == maximum[:, None]
        shares = is_highest / is_highest.sum(axis=1, keepdims=True)
        by_pooling = (of_maximum * maximum) @ shares + of_mean @ maps / votes.size
        added = (by_vote + by_pooling).clip(min=0.0)
        return np.asarray(added.reshape(conv5.shape[1:]), np.float32)


def _through_length(slope: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The slope by a vector, from the slope by the same vector brought to unit length."""
    length = np.float32(max(float(np.linalg.norm(vector)), 1e-6))
    unit = vector / length
    return np.asarray((slope - unit * (unit @ slope)) / length, np.float32)


def _placed(grid: NDArray[np.float32], frame: Box, size: int) -> NDArray[np.float32]:
    """Heat of what a frame shows, on a fine grid of the picture of ``size`` pixels."""
    fine = size // _PIXELS_A_PLACE
    heat = Image.new("F", (fine, fine))
    corner = (round(frame.left / _PIXELS_A_PLACE), round(frame.top / _PIXELS_A_PLACE))
    side = max(1, round(frame.width / _PIXELS_A_PLACE))
    scaled = Image.fromarray(grid).resize((side, side), Image.Resampling.BILINEAR)
    heat.paste(scaled, corner)
    return np.asarray(heat)
