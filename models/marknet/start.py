"""Makes the network that training starts from: ImageNet's VGG16 as a VGG19, heads whitened."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from models.network.backbone import vgg19_state_from_vgg16
from models.network.marknet import MarkNet, pool
from models.network.pooling import average, mac
from models.training.feature_sources import Rows, mixed_precision
from models.training.lower_maps import LowerMaps

_LOOKED_AT = 6000  # pictures on which features are measured
_AT_ONCE = 256
_SMALL = 0.3  # of a whitened projection: its outputs are brought to unit length anyway


def load_backbone(network: MarkNet, vgg16: Path) -> None:
    """Load VGG16 weights (safetensors, torchvision's names) as a VGG19 of the same function."""
    network.backbone.load_state_dict(vgg19_state_from_vgg16(load_file(vgg16)))


@dataclass(frozen=True)
class Pooled:
    """Pooled features of n pictures.

    Attributes:
        features: (n, 4 · channels) float32, `pool` of conv4 and of conv5.
        level: conv5's mean activation.
    """

    features: NDArray[np.float32]
    level: float


@torch.inference_mode()
def pool_some(network: MarkNet, maps: LowerMaps, rows: Rows) -> Pooled:
    """Run conv5 over some thousands of cached pictures: 200 a second on two cores.

    Args:
        network: its backbone is loaded.
        maps: the cache.
        rows: training pictures of signs.
    """
    chosen = np.random.default_rng(0).permutation(rows)[:_LOOKED_AT]
    features, levels = [], []
    for start in range(0, len(chosen), _AT_ONCE):
        part = chosen[start : start + _AT_ONCE]
        for places in maps.groups(part).values():
            lower = maps.lower(part[places])
            with mixed_precision("cpu"):
                conv5 = network.backbone.high(lower.maps).float()
            pooled = torch.cat([lower.pooled, pool(mac(conv5), average(conv5))], dim=1)
            features.append(pooled.numpy())
            levels.append(conv5.mean(dim=(1, 2, 3)).numpy())
    return Pooled(np.concatenate(features), float(np.concatenate(levels).mean()))


@torch.no_grad()
def whiten(network: MarkNet, pooled: Pooled) -> None:
    """Set what the heads subtract and divide by; the visual projection becomes PCA whitening.

    Jégou and Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA
    and whitening", ECCV 2012.

    Args:
        network: its backbone is loaded.
        pooled: what it makes of training pictures of signs.
    """
    features = torch.from_numpy(pooled.features)
    heads = network.heads
    heads.centre.copy_(features.mean(dim=0))
    heads.level.fill_(pooled.level)
    weight = _whitening((features - heads.centre) * features.shape[1] ** 0.5, heads.visual)
    heads.visual.weight.copy_(weight * _SMALL)
    heads.visual.bias.zero_()
    # A code is rare until learnt otherwise, and no place votes yet.
    heads.vienna.bias.fill_(-3.0)
    nn.init.normal_(heads.places.weight, std=1e-3)


def _whitening(centred: Tensor, projection: nn.Linear) -> Tensor:
    """(outputs, inputs): the strongest axes, each of unit variance."""
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    wanted = projection.out_features
    # The largest variances stand last.
    variances, axes = variances[-wanted:].flip(0), axes[:, -wanted:].flip(1)
    whitening: Tensor = (axes / variances.clamp(min=1e-6).sqrt()).T
    return whitening
