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

from models.network.backbone import Vgg19Features
from models.network.colour import COLOURS, ColourBlock
from models.network.pooling import average, mac


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
    trunk: int = 640
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


class Lower(NamedTuple):
    """What the lower layers (conv1 to conv4) make of n pictures of one size."""

    maps: Tensor  # (n, c4, h/16, w/16) float32, behind pool4: what conv5 looks at
    pooled: Tensor  # (n, 2 · c4) float32, conv4's maximum and average, from `pool`
    colour: Tensor  # (n, 48) float32


class Upper(NamedTuple):
    """What conv5 and the heads make of them."""

    visual: Tensor  # (n, visual) of unit length
    concept: Tensor  # (n, concept) of unit length
    logits: Tensor  # (n, labels), not calibrated
    places: Tensor  # (n, labels, h/16, w/16): what each place says for each code
    hidden: Tensor  # (n, trunk): the layer that the concept block and the Vienna head share


def pool(maximum: Tensor, mean: Tensor) -> Tensor:
    """Bring a layer's pooled maps to two parts of unit length, side by side.

    So neither part, and no layer, drowns the others; the square root tames the few channels whose
    average is large (power normalisation: Perronnin, Sánchez and Mensink, ECCV 2010). Maxima
    ranked variants of one logo better without it.

    Args:
        maximum: (n, c) from ``mac``.
        mean: (n, c) from ``average``, of maps behind a ReLU.
    """
    # A root has no slope at zero: the small number keeps gradients finite.
    roots = (mean.clamp(min=0) + 1e-8).sqrt()
    parts = [functional.normalize(part, dim=1, eps=1e-6) for part in (maximum, roots)]
    return torch.cat(parts, dim=1)


class Heads(nn.Module):
    """Pooled features and conv5's maps → visual block, concept block and Vienna logits.

    A code's logit has two sources: the whole picture (the trunk), and its places, each of which
    votes; places that are sure count most (residual attention: Zhu and Wu, "Residual attention: a
    simple but effective method for multi-label recognition", ICCV 2021). So a small device beside
    a long word is not averaged away, and the votes show where a code was seen.
    """

    centre: Tensor
    level: Tensor

    def __init__(self, config: NetworkConfig, channels: int) -> None:
        super().__init__()
        width = 4 * channels
        self.register_buffer("centre", torch.zeros(width))  # the training set's mean
        self.register_buffer("level", torch.ones(1))  # conv5's mean activation there
        self.dropout = nn.Dropout()  # the share is a recipe's
        self.visual = nn.Linear(width, config.visual)
        self.trunk = nn.Linear(width + COLOURS, config.trunk)
        self.concept = nn.Linear(config.trunk, config.concept)
        self.vienna = nn.Linear(config.trunk, config.labels)
        self.places = nn.Conv2d(channels, config.labels, 1, bias=False)

    def forward(self, pooled: Tensor, colour: Tensor, maps: Tensor) -> Upper:
        """Compute both learnt blocks and the logits.

        Args:
            pooled: (n, 4 · channels): `pool` of conv4 and of conv5.
            colour: (n, 48) from :class:`ColourBlock`.
            maps: (n, channels, h, w), conv5 behind its ReLU.
        """
        # × √width: entries of unit-length parts are tiny; layers expect about 1.
        centred = self.dropout((pooled - self.centre) * pooled.shape[1] ** 0.5)
        visual = functional.normalize(self.visual(centred), dim=1)
        hidden = self.dropout(torch.relu(self.trunk(torch.cat([centred, colour], dim=1))))
        concept = functional.normalize(self.concept(hidden), dim=1)
        places = self.places(maps / self.level).float()
        votes = places.flatten(2)
        attended = (votes * votes.softmax(dim=2)).sum(dim=2)
        # The mean of the map: OpenVINO's of the flat votes mixed up the pictures of a batch.
        logits = self.vienna(hidden) + average(places) + attended
        return Upper(visual, concept, logits, places, hidden)


class MarkNet(nn.Module):
    """The whole network: RGB bytes in, embedding and Vienna logits out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise(config)
        self.backbone = Vgg19Features(config.narrow)
        self.colour = ColourBlock()
        self.heads = Heads(config, self.backbone.channels)

    def forward_lower(self, pixels: Tensor) -> Lower:
        """conv1 to conv4.

        Args:
            pixels: (n, h, w, 3) uint8 RGB, from ``Preprocess``.
        """
        planes = pixels.permute(0, 3, 1, 2).float()
        conv4 = self.backbone.low(self.normalise(planes))
        pooled = pool(mac(conv4), average(conv4))
        return Lower(self.backbone.pool4(conv4), pooled, self.colour(planes))

    def forward_upper(self, lower: Lower) -> Upper:
        """conv5 and the heads, on :meth:`forward_lower`'s output."""
        return self.forward_heads(self.backbone.high(lower.maps), lower)

    def forward_heads(self, maps: Tensor, lower: Lower) -> Upper:
        """The heads, on conv5's maps (n, channels, h/16, w/16) and what lies below."""
        conv5 = maps.float()
        pooled = torch.cat([lower.pooled, pool(mac(conv5), average(conv5))], dim=1)
        # float32 whatever autocast made of the maps: bfloat16 is too coarse for embeddings.
        with torch.autocast(conv5.device.type, enabled=False):
            seen: Upper = self.heads(pooled, lower.colour, conv5)
        return seen

    def forward(self, pixels: Tensor) -> MarkOutput:
        """Look at pictures.

        Args:
            pixels: (n, h, w, 3) uint8 RGB, from ``Preprocess``.

        Returns:
            Embedding and logits, float32.
        """
        return self.forward_embedding(self.forward_lower(pixels))

    def forward_embedding(self, lower: Lower) -> MarkOutput:
        """The same, on :meth:`forward_lower`'s output."""
        seen = self.forward_upper(lower)
        embedding = torch.cat([seen.visual, seen.concept, lower.colour], dim=1)
        return MarkOutput(embedding, seen.logits)
