"""Where in a picture a Vienna code was seen: class activation maps, drawn over the picture.

At each place of conv5 every channel's activation times the slope of the code's logit there, summed
over channels (HiResCAM: Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful
explanations of convolutional neural networks", 2020): what the place adds to the logit, by its own
vote and by what pooling hands to the heads. What conv4 and the colours add has no place here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.errors import BadViennaCode
from models.network.checkpoint import Checkpoint
from models.network.marknet import MarkNet
from models.network.parts import Box, is_thing
from models.vienna import PredictedCode, ViennaCode, ViennaTree

_CELL, _CAPTION = 224, 36
_COLUMNS = 4
_PIXELS_A_PLACE = 4  # of the heat of a picture that has parts
_HEAT = np.array([214.0, 40.0, 40.0])
_STRONGEST = 0.65  # of the heat's colour over the picture


@dataclass(frozen=True)
class Explanation:
    """Where each code was seen.

    Attributes:
        picture: as the network saw it: trimmed, padded to a square, mode RGB.
        codes: explained, with their probabilities.
        heat: (codes, h, w) float32 0..1, 1 where a code's strongest place is; all 0 for a code
            for which no place speaks.
    """

    picture: Image.Image
    codes: tuple[PredictedCode, ...]
    heat: NDArray[np.float32]

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
    """A checkpoint's network, asked where; safe to use from several threads."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Load the network (torch; the int8 model gives no places).

        Raises:
            BadCheckpoint: it is damaged.
        """
        self._preprocess = checkpoint.preprocess
        self._parts = checkpoint.parts
        self._network: MarkNet = checkpoint.load_network()
        self._row = {code: row for row, code in enumerate(checkpoint.labels)}

    def explain(self, image: Image.Image, codes: Sequence[PredictedCode]) -> Explanation:
        """Say where codes were seen.

        Args:
            image: mode RGB, any size.
            codes: of this network, as ``Encoder.predicted`` names them.

        Raises:
            BadViennaCode: the network does not predict one of them.
        """
        pixels = self._preprocess(image)
        rows = [self._known(seen.code) for seen in codes]
        views = [self._look(pixels)]
        frames = [Box(0, 0, len(pixels), len(pixels))]
        if self._parts is not None:
            for part in self._parts.find(pixels):
                views.append(self._look(self._parts.enlarge(pixels, part)))
                frames.append(self._parts.frame(part.box))
        heat = []
        for row, seen in zip(rows, codes, strict=True):
            # Where the encoder counted it: in the part that shows it best, or the whole.
            said = [float(logits[row].detach()) for logits, _ in views]
            best = int(np.argmax(said)) if is_thing(seen.code) else 0
            logits, maps = views[best]
            added = _added(logits[row], maps)
            grid = added / max(float(added.max()), 1e-6)
            if len(views) > 1:
                grid = _placed(grid, frames[best], len(pixels))
            heat.append(grid)
        return Explanation(Image.fromarray(pixels), tuple(codes), np.stack(heat))

    def _look(self, pixels: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Logits (labels,) that can be followed back to conv5's maps (1, c, h, w)."""
        with torch.no_grad():
            lower = self._network.look_low(torch.from_numpy(pixels.copy())[None])
            maps = self._network.backbone.high(lower.maps)
        maps.requires_grad_()
        return self._network.judge(maps, lower).logits[0], maps

    def _known(self, code: ViennaCode) -> int:
        if code not in self._row:
            raise BadViennaCode(f"{code} is not among the codes that the network predicts")
        return self._row[code]


def _added(logit: Tensor, maps: Tensor) -> NDArray[np.float32]:
    """(h, w): what each place of (1, c, h, w) adds to a logit; what speaks against it counts 0."""
    (slope,) = torch.autograd.grad(logit, maps, retain_graph=True)
    added = (slope * maps).detach().sum(dim=1)[0].clamp(min=0.0)
    return added.numpy().astype(np.float32)


def _placed(grid: NDArray[np.float32], frame: Box, size: int) -> NDArray[np.float32]:
    """Heat of what a frame shows, on a fine grid of the picture of ``size`` pixels."""
    fine = size // _PIXELS_A_PLACE
    heat = Image.new("F", (fine, fine))
    corner = (round(frame.left / _PIXELS_A_PLACE), round(frame.top / _PIXELS_A_PLACE))
    side = max(1, round(frame.width / _PIXELS_A_PLACE))
    scaled = Image.fromarray(grid).resize((side, side), Image.Resampling.BILINEAR)
    heat.paste(scaled, corner)
    return np.asarray(heat)
