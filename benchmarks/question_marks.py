"""Composed marks of the question's experiments, and what a frozen backbone sees of them; kept."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from models.network.backbone import Vgg19Features, vgg19_state_from_vgg16
from models.network.checkpoint import CONFIG, WEIGHTS
from models.network.label_set import CATEGORIES
from models.network.preprocess import Preprocess
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.composed_folder import SAMPLE, SYSTEM_FONTS
from models.synthesis.composer import Composer
from models.synthesis.drawings import Pictogram, read_pictograms
from models.synthesis.fonts import FontBook

_CHUNK = 128  # marks kept in one file
_TRAINING_DRAWINGS = 7  # of ten; the others are for validation and test
_SHARES = {"test": 0.2, "validation": 0.1}
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # BGR

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Marks:
    """Composed marks.

    Attributes:
        targets: (n, 29) float32 of 0 and 1.
        split: (n,) "train", "validation" or "test".
        size: side of the pictures, pixels.
    """

    targets: NDArray[np.float32]
    split: NDArray[np.str_]
    size: int

    def rows(self, side: str) -> NDArray[np.int64]:
        """Rows of one side of the split."""
        return np.flatnonzero(self.split == side)


@dataclass(frozen=True)
class Experiment:
    """A run's folder and what it is made of."""

    out: Path
    number: int
    size: int
    pack: Path
    weights: Path
    epochs: int

    @property
    def chunks(self) -> Iterator[tuple[int, int]]:
        """First mark and number of marks of each file."""
        return ((at, min(_CHUNK, self.number - at)) for at in range(0, self.number, _CHUNK))

    def marks(self) -> Marks:
        """Compose what is not yet composed."""
        composers: dict[str, Composer] = {}
        parts = []
        for at, count in self.chunks:
            path = self._path("marks", at, count)
            if not path.exists():
                composers = composers or _composers(self.pack)
                _keep(path, _composed(composers, at, count, self.size))
                print(f"composed {at + count} of {self.number} marks", flush=True)
            parts.append(np.load(path))
        targets = np.concatenate([part["targets"] for part in parts])
        sides = np.array([_side(at) for at in range(self.number)])
        return Marks(targets, sides, self.size)

    def features(self, way: str) -> Iterator[Arrays]:
        """What the frozen backbone makes of the marks, prepared one way, chunk by chunk."""
        backbone: Vgg19Features | None = None
        for at, count in self.chunks:
            path = self._path(f"features-{way}", at, count)
            if not path.exists():
                backbone = backbone or load_backbone(self.weights)
                pixels = np.load(self._path("marks", at, count))["pixels"]
                _keep(path, _looked(backbone, pixels, way))
                print(f"looked at {at + count} of {self.number} marks ({way})", flush=True)
            yield np.load(path)

    def averages(self, way: str) -> NDArray[np.float32]:
        """(n, 512) conv5, averaged over the picture."""
        return np.concatenate([part["average"] for part in self.features(way)])

    def maps(self) -> NDArray[np.float16]:
        """(n, 512, size/16, size/16): what conv5 looks at."""
        return np.concatenate([part["maps"] for part in self.features("own")])

    def _path(self, kind: str, at: int, count: int) -> Path:
        return self.out / f"{kind}-{self.size}px-{at:06d}+{count}.npz"


def _keep(path: Path, arrays: Arrays) -> None:
    """A file is there when it is whole."""
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    unfinished.replace(path)


def _side(at: int) -> str:
    """By number, so that more marks move none to another side."""
    place = at % 10 / 10
    if place < _SHARES["test"]:
        return "test"
    return "validation" if place < _SHARES["test"] + _SHARES["validation"] else "train"


def _composers(pack: Path) -> dict[str, Composer]:
    """One for the training side and one for the others, of different drawings."""
    statistics, fonts = (
        CodeStatistics.load(SAMPLE / "code_combinations.json"),
        FontBook(list(SYSTEM_FONTS)),
    )
    drawings: dict[bool, list[Pictogram]] = {True: [], False: []}
    for one in read_pictograms(pack):
        drawings[zlib.crc32(f"{one.set}/{one.name}".encode()) % 10 < _TRAINING_DRAWINGS].append(one)
    return {
        "train": Composer(drawings[True], statistics, fonts, balance=0.0),
        "other": Composer(drawings[False], statistics, fonts, balance=0.0),
    }


def _composed(
    composers: Mapping[str, Composer], first: int, count: int, size: int
) -> dict[str, NDArray[np.generic]]:
    preprocess = Preprocess(size=size)
    pixels, targets = [], []
    for at in range(first, first + count):
        composer = composers["train" if _side(at) == "train" else "other"]
        mark = composer.compose(np.random.default_rng([7, at]))
        categories = {code.category for code in mark.codes}
        pixels.append(preprocess(mark.image))
        targets.append([code.category in categories for code in CATEGORIES])
    return {"pixels": np.stack(pixels), "targets": np.array(targets, np.float32)}


def load_backbone(weights: Path) -> Vgg19Features:
    """The features of a checkpoint, or of VGG16 weights deepened to VGG19 (the same function)."""
    if (weights / CONFIG).is_file():
        state = load_file(weights / WEIGHTS)
        wanted = "backbone."
        features = {k.removeprefix(wanted): v.float() for k, v in state.items() if wanted in k}
    else:
        (file,) = weights.glob("*.safetensors")
        features = vgg19_state_from_vgg16(load_file(file))
    backbone = Vgg19Features()
    backbone.load_state_dict(features)
    return backbone.eval().to(memory_format=torch.channels_last)


@torch.inference_mode()
def _looked(
    backbone: Vgg19Features, pixels: NDArray[np.uint8], way: str
) -> dict[str, NDArray[np.generic]]:
    """float32 throughout: what [0, 1] pixels leave of a picture is below bfloat16's steps."""
    averages, maps = [], []
    for start in range(0, len(pixels), 16):
        planes = torch.from_numpy(pixels[start : start + 16]).permute(0, 3, 1, 2).float()
        lower = backbone.pool4(backbone.low(prepared(planes, way)))
        averages.append(backbone.high(lower).mean(dim=(2, 3)).numpy())
        maps.append(lower.numpy().astype(np.float16))
    found: dict[str, NDArray[np.generic]] = {"average": np.concatenate(averages)}
    return found | ({"maps": np.concatenate(maps)} if way == "own" else {})


def prepared(planes: Tensor, way: str) -> Tensor:
    """Pixels as the weights were trained on, or otherwise.

    Args:
        planes: (n, 3, h, w) RGB 0..255.
        way: ``own`` (Caffe: BGR minus the mean), ``scaled`` (the question's: the same after
            division by 255) or ``unit`` (division by 255 alone).
    """
    if way == "unit":
        return planes / 255.0
    levels = planes if way == "own" else planes / 255.0
    return levels.flip(1) - torch.tensor(_CAFFE_MEAN).view(1, 3, 1, 1)
