"""The colour block: which colours a sign has, as shares of its surface.

Pixels are softly assigned to 48 reference colours in CIELAB (CIE 15:2004), where distances follow
the eye, and the shares are square-rooted, so that the inner product of two blocks is the
Bhattacharyya coefficient of the two colour distributions: 1 for equal ones, 0 for disjoint ones.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

GREYS = 6
HUES = 14
# (lightness, chroma) of the three rings of chromatic reference colours: dark, vivid, pale.
RINGS = ((35.0, 45.0), (60.0, 65.0), (82.0, 35.0))
COLOURS = GREYS + HUES * len(RINGS)

_POOL = 4  # 224 → 56: colour needs no fine detail
_SHARPNESS = 1.0 / (2.0 * 11.0**2)  # soft assignment: σ = 11 ΔE, about a third of the ring spacing
_VISIBLE = 14.0  # ΔE from the background at which a pixel counts half as part of the sign
_SOFTNESS = 3.0
_GROUND_SHARE = 0.35  # weight of a coloured ground (a reversed sign on a red tile is also red)


def reference_colours() -> Tensor:
    """Return the reference colours: (48, 3) float32 CIELAB (L* 0..100, a*, b*)."""
    rows = [(100.0 * step / (GREYS - 1), 0.0, 0.0) for step in range(GREYS)]
    for lightness, chroma in RINGS:
        for step in range(HUES):
            angle = 2.0 * math.pi * step / HUES
            rows.append((lightness, chroma * math.cos(angle), chroma * math.sin(angle)))
    return torch.tensor(rows, dtype=torch.float32)


def lab_from_rgb(rgb: Tensor) -> Tensor:
    """Convert sRGB (IEC 61966-2-1, D65) to CIELAB.

    Args:
        rgb: (n, 3, h, w) float32 in 0..1.

    Returns:
        (n, 3, h, w) float32: L* 0..100, a*, b*.
    """
    # Both branches are evaluated by `where`; the clamps keep the unused one finite.
    linear = torch.where(
        rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04) + 0.055) / 1.055).pow(2.4)
    )
    red, green, blue = linear[:, 0:1], linear[:, 1:2], linear[:, 2:3]
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    xyz = torch.cat([x, y, z], dim=1)
    curve = torch.where(
        xyz > 0.008856, xyz.clamp(min=0.008).pow(1.0 / 3.0), 7.787 * xyz + 16.0 / 116.0
    )
    fx, fy, fz = curve[:, 0:1], curve[:, 1:2], curve[:, 2:3]
    return torch.cat([116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)], dim=1)


class ColourBlock(nn.Module):
    """Shares of the 48 reference colours on a sign, square-rooted, hence of unit length."""

    references: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("references", reference_colours(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Describe the colours.

        Args:
            pixels: (n, 3, h, w) float32 RGB 0..255 as ``Preprocess`` makes it: the corner pixel
                has the background's colour.

        Returns:
            (n, 48) float32, rows of unit length.
        """
        lab = lab_from_rgb(functional.avg_pool2d(pixels, _POOL) / 255.0)
        ground = lab[:, :, :1, :1]
        # White paper is L* 100, a* 0, b* 0.
        from_white = (ground[:, 0] - 100.0).square() + ground[:, 1:].square().sum(1)
        on_paper = from_white.clamp(min=1e-6).sqrt()
        from_ground = (lab - ground).square().sum(1).clamp(min=1e-6).sqrt()
        ink = torch.sigmoid((from_ground - _VISIBLE) / _SOFTNESS)
        coloured_ground = _GROUND_SHARE * torch.sigmoid((on_paper - _VISIBLE) / _SOFTNESS)
        weight = torch.maximum(ink, coloured_ground.expand_as(ink)).flatten(1)  # (n, p)
        points = lab.flatten(2).transpose(1, 2)  # (n, p, 3)
        # |p - r|² = |p|² - 2 p·r + |r|²: a matrix product instead of an (n, p, 48, 3) tensor.
        squares = (
            points.square().sum(2, keepdim=True)
            - 2.0 * points @ self.references.T
            + self.references.square().sum(1)
        )
        shares = torch.softmax(-_SHARPNESS * squares, dim=2)
        histogram = torch.einsum("np,npc->nc", weight, shares) + 1e-6
        return (histogram / histogram.sum(1, keepdim=True)).sqrt()
