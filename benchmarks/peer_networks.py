"""What others search pictures with, to be measured beside MarkNet in the same run.

All get the same picture, trimmed, padded to a square, 224 pixels. Networks are the ImageNet ones,
each with the preprocessing that its weights were trained with.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.efficientnet_lite0 import efficientnet_lite0
from models.errors import MissingPackage
from models.network.backbone import imagenet_vgg19_state

Pixels = NDArray[np.uint8]  # (n, 224, 224, 3) RGB
Vectors = NDArray[np.float32]  # (n, d), unit length

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR
_BATCH = 32


@dataclass(frozen=True)
class Peer:
    """One way to embed pictures.

    Attributes:
        name: as tables show it.
        embed: pixels → unit vectors; their inner product ranks.
    """

    name: str
    embed: Callable[[Pixels], Vectors]


@dataclass(frozen=True)
class Backbone:
    """An ImageNet network whose last maps are pooled twice.

    Attributes:
        name: of the network.
        maps: (n, 3, 224, 224) normalised → (n, c, h, w).
        normalise: (n, 3, 224, 224) RGB 0..255 → what the network was trained on.
    """

    name: str
    maps: Callable[[Tensor], Tensor]
    normalise: Callable[[Tensor], Tensor]

    def embed(self, pixels: Pixels) -> dict[str, Vectors]:
        """Average-pooled and max-pooled vectors, by the name of the peer they make."""
        averages, maxima = [], []
        with torch.inference_mode():
            for start in range(0, len(pixels), _BATCH):
                planes = torch.from_numpy(pixels[start : start + _BATCH]).permute(0, 3, 1, 2)
                maps = self.maps(self.normalise(planes.float())).float()
                averages.append(maps.mean(dim=(2, 3)))
                maxima.append(maps.amax(dim=(2, 3)))
        return {
            f"{self.name}, average": _unit(torch.cat(averages).numpy()),
            f"{self.name}, max": _unit(torch.cat(maxima).numpy()),
        }


def backbones(weights: Path) -> Iterator[Backbone]:
    """The networks whose weights a folder holds.

    Args:
        weights: folder of folders, as the shared data has them.

    Raises:
        MissingPackage: the folder holds none of them.
    """
    built: Mapping[str, Callable[[Mapping[str, Tensor]], Backbone]] = {
        "vgg16_oxford": _vgg16_oxford,
        "vgg16_tv": _vgg16_tv,
        "alexnet_tv": _alexnet,
        "mobilenetv2": _mobilenet,
        "efficientnet_lite0": _efficientnet,
    }
    found = [(name, list((weights / name).glob("*.safetensors"))) for name in built]
    if not any(files for _, files in found):
        raise MissingPackage(f"{weights}: holds no weights of {', '.join(built)}")
    for name, files in found:
        if files:
            state = {key: value.float() for key, value in load_file(files[0]).items()}
            yield built[name](state)


def imagenet_vgg19() -> Backbone:
    """Torchvision's VGG19, downloaded.

    Raises:
        OSError: it cannot be downloaded.
    """
    features = torchvision.models.vgg19(weights=None).features[:36]
    state = {key.removeprefix("features."): value for key, value in imagenet_vgg19_state().items()}
    features.load_state_dict(state)
    return Backbone("VGG19 (torchvision) conv5", features.eval(), _torch_style)


def pixel_peers() -> tuple[Peer, ...]:
    """Perceptual hashes and the colour histogram."""
    import imagehash

    def hashed(make: Callable[[Image.Image], imagehash.ImageHash]) -> Callable[[Pixels], Vectors]:
        def embed(pixels: Pixels) -> Vectors:
            # Bits as ±1: the inner product of unit rows falls with the Hamming distance.
            bits = [make(Image.fromarray(one)).hash.ravel() * 2.0 - 1.0 for one in pixels]
            return _unit(np.asarray(bits, np.float32))

        return embed

    return (
        Peer("pHash", hashed(imagehash.phash)),
        Peer("dHash", hashed(imagehash.dhash)),
        Peer("wHash", hashed(imagehash.whash)),
        Peer("colour histogram", _histogram),
    )


def _histogram(pixels: Pixels) -> Vectors:
    """8 x 8 x 8 RGB bins, square-rooted (Hellinger kernel)."""
    bins = (pixels // 32).astype(np.int64)
    index = bins[..., 0] * 64 + bins[..., 1] * 8 + bins[..., 2]
    counts = [np.bincount(one.ravel(), minlength=512) for one in index]
    return _unit(np.sqrt(np.asarray(counts, np.float32)))


def _unit(vectors: NDArray[np.float32]) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def _torch_style(planes: Tensor) -> Tensor:
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (_MEAN, _STD))
    return (planes / 255.0 - mean) / std


def _caffe_style(planes: Tensor) -> Tensor:
    return planes.flip(1) - torch.tensor(_CAFFE_MEAN).view(1, 3, 1, 1)


def _features(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("features."): value for key, value in state.items()}


def _vgg16(state: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    layers = torchvision.models.vgg16(weights=None).features[:30]
    layers.load_state_dict(_features(state))
    module: torch.nn.Module = layers.eval().to(memory_format=torch.channels_last)
    return module


def _vgg16_oxford(state: Mapping[str, Tensor]) -> Backbone:
    return Backbone("VGG16 (Oxford) conv5", _vgg16(state), _caffe_style)


def _vgg16_tv(state: Mapping[str, Tensor]) -> Backbone:
    return Backbone("VGG16 (torchvision) conv5", _vgg16(state), _torch_style)


def _alexnet(state: Mapping[str, Tensor]) -> Backbone:
    layers = torchvision.models.alexnet(weights=None).features[:12]
    layers.load_state_dict(_features(state))
    return Backbone("AlexNet conv5", layers.eval(), _torch_style)


def _mobilenet(state: Mapping[str, Tensor]) -> Backbone:
    """The file counts layers within blocks otherwise than torchvision; their order is the same."""
    network = torchvision.models.mobilenet_v2(weights=None).features
    wanted = network.state_dict()
    ordered = sorted(state, key=_natural)
    kinds = {key: key.rsplit(".", 1)[-1] for key in (*wanted, *ordered)}
    taken: dict[str, Tensor] = {}
    for kind in set(kinds.values()):
        ours = sorted((key for key in wanted if kinds[key] == kind), key=_natural)
        theirs = [key for key in ordered if kinds[key] == kind]
        taken |= {a: state[b] for a, b in zip(ours, theirs, strict=True)}
    network.load_state_dict(taken)
    return Backbone("MobileNetV2", network.eval(), _torch_style)


def _efficientnet(state: Mapping[str, Tensor]) -> Backbone:
    return Backbone(
        "EfficientNet-lite0", efficientnet_lite0(state), lambda planes: (planes - 127.0) / 128.0
    )


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"\.", key)]
