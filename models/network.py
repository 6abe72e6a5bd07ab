"""MarkNet: a VGG19 that sees a mark as embedding blocks and Vienna codes.

::

    pixels ─ Normalise ─ VGG19 features ─ pooling ─┬─ visual projection ── block "visual"
                                                   └─ trunk ─┬─ projection block "concept"
                                                             └─ Vienna head ── logits
           └ ColourBlock ──────────────────────────────────────────────────── block "colour"
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbone import Vgg19Features
from models.colour import COLOURS, ColourBlock
from models.pooling import average, mac


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What fixes a MarkNet's shape; saved in the checkpoint.

    Attributes:
        labels: number of Vienna codes predicted.
        visual: length of the visual block.
        concept: length of the concept block.
        trunk: width of the hidden layer that the concept block and the Vienna head share.
        narrow: divides the backbone's channels (1 is the real VGG19; 16 serves tests).
        channel_order: ``rgb`` or ``bgr``, as the backbone weights were trained.
        mean: per channel, subtracted from 0..255 pixels, in the order of ``channel_order``.
        std: per channel, divides afterwards.
    """

    labels: int
    visual: int = 256
    concept: int = 128
    trunk: int = 768
    narrow: int = 1
    channel_order: str = "bgr"
    mean: tuple[float, float, float] = (103.939, 116.779, 123.68)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def to_dict(self) -> dict[str, object]:
        """Plain values for the checkpoint's ``config.json``."""
        return asdict(self)


class MarkOutput(NamedTuple):
    """What a MarkNet says of n pictures."""

    embedding: Tensor  # (n, d) float32: unit-length blocks side by side
    logits: Tensor  # (n, labels) float32, not calibrated


class Normalise(nn.Module):
    """RGB bytes → what the backbone's weights were trained on (order, mean, scale)."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.reverse = config.channel_order == "bgr"
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, h, w) float32 RGB 0..255 → the same shape, normalised."""
        ordered = torch.cat([pixels[:, 2:], pixels[:, 1:2], pixels[:, :1]], 1)
        return ((ordered if self.reverse else pixels) - self.mean) / self.std


class PooledFeatures(nn.Module):
    """Pixels → pooled VGG19 features: conv4 and conv5, maximum and average of each.

    Each of the four parts is brought to unit length, so that none drowns the others; the square
    root tames the few channels whose average is large (power normalisation: Perronnin, Sánchez
    and Mensink, ECCV 2010). Maxima ranked variants of one logo better
    without it.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.normalise = Normalise(config)
        self.backbone = Vgg19Features(config.narrow)
        self.width = 2 * (self.backbone.channels4 + self.backbone.channels5)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, h, w) float32 RGB 0..255 → (n, width) float32, four parts of unit length."""
        conv4, conv5 = self.backbone(self.normalise(pixels))
        # float32 whatever autocast made of the maps: norms of bfloat16 are too coarse.
        maps = (conv4.float(), conv5.float())
        maxima = [functional.normalize(mac(each), dim=1, eps=1e-6) for each in maps]
        averages = [
            functional.normalize(average(each).clamp(min=0).sqrt(), dim=1, eps=1e-6)
            for each in maps
        ]
        return torch.cat(maxima + averages, dim=1)


class Heads(nn.Module):
    """Pooled features → visual block, concept block and Vienna logits.

    Kept apart from the backbone, so that they can be trained on cached features.
    """

    centre: Tensor

    def __init__(self, config: NetworkConfig, width: int, dropout: float = 0.4) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))  # the training set's mean
        self.dropout = nn.Dropout(dropout)
        self.visual = nn.Linear(width, config.visual)
        self.trunk = nn.Linear(width + COLOURS, config.trunk)
        self.concept = nn.Linear(config.trunk, config.concept)
        self.vienna = nn.Linear(config.trunk, config.labels)

    def forward(self, pooled: Tensor, colour: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute both learnt blocks and the logits.

        Args:
            pooled: (n, width) from :class:`PooledFeatures`.
            colour: (n, 48) from :class:`ColourBlock`.

        Returns:
            visual (n, visual) and concept (n, concept) of unit length, logits (n, labels).
        """
        # × √width: entries of unit-length parts are tiny; layers expect about 1.
        centred = self.dropout((pooled - self.centre) * pooled.shape[1] ** 0.5)
        visual = functional.normalize(self.visual(centred), dim=1)
        hidden = self.dropout(torch.relu(self.trunk(torch.cat([centred, colour], dim=1))))
        concept = functional.normalize(self.concept(hidden), dim=1)
        return visual, concept, self.vienna(hidden)


class MarkNet(nn.Module):
    """The whole network: RGB bytes in, embedding and Vienna logits out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.pooled = PooledFeatures(config)
        self.colour = ColourBlock()
        self.heads = Heads(config, self.pooled.width)

    def forward(self, pixels: Tensor) -> MarkOutput:
        """Look at pictures.

        Args:
            pixels: (n, h, w, 3) uint8 RGB, from ``Preprocess``.

        Returns:
            Embedding and logits, float32.
        """
        planes = pixels.permute(0, 3, 1, 2).float()
        colour = self.colour(planes)
        visual, concept, logits = self.heads(self.pooled(planes), colour)
        return MarkOutput(torch.cat([visual, concept, colour], dim=1), logits)
