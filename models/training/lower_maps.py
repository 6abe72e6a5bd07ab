"""What the lower layers (conv1 to conv4) see of many pictures, computed once and kept on disk.

On a CPU nine tenths of VGG19's work lies below conv5. With those layers frozen, their maps are
cached, and conv5 and the heads train from them at forty pictures a second on two cores. Where
every layer trains, the pixels are cached in the same way: each picture is drawn once.

A cache is a folder of shards; each holds pictures of one size. A run that is stopped goes on
behind its last shard. The maps are kept as bytes: the int8 network's own levels, so nothing is
lost against it.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino import opset13 as opset
from PIL import Image
from torch import Tensor

from models.errors import UnreadableImage
from models.network.backbone import CONV4_END, VGG19_CONVOLUTIONS
from models.network.checkpoint import SHIPPED, Checkpoint
from models.network.colour import ColourBlock
from models.network.marknet import Lower, MarkNet, pool
from models.network.parts import Parts
from models.network.preprocess import Prepared, Preprocess
from models.runtimes.openvino_runtime import pool4

log = logging.getLogger(__name__)

SHARD = 256
_BATCH = 8
_LEVELS = 255


@dataclass(frozen=True, slots=True)
class PictureJob:
    """One picture to look at.

    Attributes:
        key: its name, which never changes.
        draw: makes the picture, mode RGB.
        size: side in pixels at which the network sees it; a multiple of 16.
        parts: how its parts are cut out, to be looked at too; None for the picture alone.
    """

    key: str
    draw: Callable[[], Image.Image]
    size: int = Preprocess().size
    parts: Parts | None = None


@dataclass(frozen=True)
class LowerFeatures:
    """What the lower layers make of n pictures of one size.

    Attributes:
        maps: (n, channels, h, w) uint8, behind pool4; times ``scale`` they are activations. From
            `KeptPixels` the pictures themselves, (n, 3, s, s).
        pooled: (n, width) float16, conv4 pooled; of width 0 from `KeptPixels`.
        colour: (n, 48) float16.
        scale: activation of one level.
    """

    maps: NDArray[np.uint8]
    pooled: NDArray[np.float16]
    colour: NDArray[np.float16]
    scale: float


class LowerLayers(Protocol):
    """Whatever computes the lower layers."""

    def compute(self, pixels: NDArray[np.uint8]) -> LowerFeatures:
        """(n, s, s, 3) uint8 RGB of any size s → what the lower layers see."""


class TorchLowerLayers:
    """The lower layers of a torch network (a GPU, or a checkpoint without an OpenVINO model)."""

    def __init__(self, network: MarkNet, device: str = "cpu") -> None:
        self._network = network.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def compute(self, pixels: NDArray[np.uint8]) -> LowerFeatures:
        """See :class:`LowerLayers`."""
        lower = self._network.forward_lower(torch.from_numpy(pixels).to(self._device))
        maps = lower.maps.float().cpu().numpy()
        scale = max(float(maps.max()), 1e-6) / _LEVELS
        return LowerFeatures(
            np.rint(maps / scale).astype(np.uint8),
            lower.pooled.cpu().numpy().astype(np.float16),
            lower.colour.cpu().numpy().astype(np.float16),
            scale,
        )


class KeptPixels:
    """No layer at all: keeps the pictures, for a network of which every layer trains."""

    def __init__(self) -> None:
        self._colour = ColourBlock()

    @torch.inference_mode()
    def compute(self, pixels: NDArray[np.uint8]) -> LowerFeatures:
        """See :class:`LowerLayers`."""
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        colour = self._colour(torch.from_numpy(planes).float()).numpy()
        nothing = np.zeros((len(pixels), 0), np.float16)
        return LowerFeatures(planes, nothing, colour.astype(np.float16), 1.0)


class OpenVinoLowerLayers:
    """The lower layers of a checkpoint's int8 model: the graph, cut behind its fourth pooling."""

    def __init__(self, model: Path, threads: int = 0) -> None:
        """Open a model.

        Args:
            model: a checkpoint's OpenVINO file.
            threads: that compute; 0 takes all cores.
        """
        self._core = openvino.Core()
        self._path = model
        self._settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": threads}
        self._compiled: dict[int, openvino.CompiledModel] = {}
        self._scale = 0.0

    def compute(self, pixels: NDArray[np.uint8]) -> LowerFeatures:
        """See :class:`LowerLayers`; safe to call from one thread at a time."""
        size = pixels.shape[1]
        if size not in self._compiled:
            self._compiled[size] = self._compile(size)
        found: list[tuple[NDArray[np.uint8], NDArray[np.float16], NDArray[np.float16]]] = []
        queue = openvino.AsyncInferQueue(self._compiled[size], 2)
        parts = range(0, len(pixels), _BATCH)
        found = [None] * len(parts)  # type: ignore[list-item]

        def keep(request: openvino.InferRequest, at: int) -> None:
            maps, maxima, means, colour = (
                request.get_output_tensor(number).data for number in range(4)
            )
            pooled = pool(torch.from_numpy(maxima), torch.from_numpy(means)).numpy()
            found[at] = (
                np.rint(maps / self._scale).astype(np.uint8),
                pooled.astype(np.float16),
                colour.astype(np.float16),
            )

        queue.set_callback(keep)
        for at, start in enumerate(parts):
            queue.start_async({0: pixels[start : start + _BATCH]}, at)
        queue.wait_all()
        maps, pooled, colour = (np.concatenate(part) for part in zip(*found, strict=True))
        return LowerFeatures(maps, pooled, colour, self._scale)

    def _compile(self, size: int) -> openvino.CompiledModel:
        model = self._core.read_model(self._path)
        pooling = pool4(model).get_node()
        levels = pooling.input_value(0).get_node()  # FakeQuantize: its fifth input is the top level
        self._scale = float(levels.input_value(4).get_node().data.max()) / _LEVELS
        conv4 = levels.input_value(0)
        embedding = model.get_results()[0].input_value(0).get_node()  # visual, concept, colour
        outputs = [
            pooling.output(0),
            opset.reduce_max(conv4, [2, 3]).output(0),
            opset.reduce_mean(conv4, [2, 3]).output(0),
            embedding.input_value(2),
        ]
        cut = openvino.Model(outputs, model.get_parameters(), "lower")
        cut.reshape({cut.inputs[0]: openvino.PartialShape([-1, size, size, 3])})
        return self._core.compile_model(cut, "CPU", self._settings)


def find_int8_of_lower_layers(start: Checkpoint) -> Path | None:
    """Find an int8 model that has a checkpoint's lower layers: several times as fast as torch.

    That is its own, or else the shipped one: networks fine-tuned on a CPU keep its lower layers.

    Raises:
        BadCheckpoint: the weights or the model are damaged.
    """
    if start.openvino_sha256:
        return start.openvino_model()
    shipped = Checkpoint.open(SHIPPED)
    if start.network | {"labels": 0} != shipped.network | {"labels": 0}:
        return None
    names = [
        f"backbone.features.{at}.{part}"
        for at in VGG19_CONVOLUTIONS
        if at < CONV4_END
        for part in ("weight", "bias")
    ]
    own, theirs = start.read_tensors(*names), shipped.read_tensors(*names)
    same = all(np.array_equal(own[name], theirs[name]) for name in names)
    return shipped.openvino_model() if same else None


def cache_lower_maps(
    jobs: Sequence[PictureJob],
    lower: LowerLayers,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    writer: int = 0,
    until: float = math.inf,
) -> list[str]:
    """Look at what is not yet cached.

    Args:
        jobs: pictures; keys already in the folder are skipped.
        lower: what looks.
        folder: where shards are kept, created if missing.
        progress: called with pictures done and wanted after each shard.
        writer: number of the process, where several fill one folder with jobs of their own.
        until: time (`time.time`) from which no further shard is begun.

    Returns:
        For each picture that cannot be read, and is left out, why.
    """
    left_out: list[str] = []
    folder.mkdir(parents=True, exist_ok=True)
    done = {key for shard in _shards(folder) for key in np.load(shard)["keys"].tolist()}
    wanted = [job for job in jobs if job.key not in done]
    started, seen = time.monotonic(), 0
    with ThreadPoolExecutor(2) as pool:
        parts = list(_parts(wanted))
        # The next shard's pictures are drawn while this one's are looked at.
        drawn = [pool.submit(_draw, part, left_out) for part in parts[:2]]
        for number, part in enumerate(parts):
            if time.time() >= until:
                log.info("time is up, %d of %d pictures cached", seen, len(wanted))
                break
            looked_at, pictures = drawn[number].result()
            drawn[number] = None  # type: ignore[call-overload]
            if number + 2 < len(parts):
                drawn.append(pool.submit(_draw, parts[number + 2], left_out))
            # Parts first: pictures whose parts are missing would not be looked at again.
            whole = [(job.key, one.pixels) for job, one in zip(looked_at, pictures, strict=True)]
            for some in filter(None, (_cut(looked_at, pictures, done), whole)):
                name = f"shard-{writer}-{len(_shards(folder, writer)):05d}"
                keys, pixels = zip(*some, strict=True)
                _save(folder, name, list(keys), lower.compute(np.stack(pixels)))
            seen += len(part)
            rate = seen / (time.monotonic() - started)
            log.info(
                "%d/%d pictures cached, %.1f/s, %.0f min left",
                *(seen, len(wanted), rate, (len(wanted) - seen) / rate / 60),
            )
            if progress:
                progress(seen + len(jobs) - len(wanted), len(jobs))
    return left_out


def _parts(jobs: Sequence[PictureJob]) -> Iterator[Sequence[PictureJob]]:
    """Divide jobs into shards of pictures of one size each."""
    for start in range(0, len(jobs), 4 * SHARD):
        near = sorted(jobs[start : start + 4 * SHARD], key=lambda job: job.size)
        for _, same in groupby(near, key=lambda job: job.size):
            together = list(same)
            for at in range(0, len(together), SHARD):
                yield together[at : at + SHARD]


def _draw(
    jobs: Sequence[PictureJob], left_out: list[str]
) -> tuple[list[PictureJob], list[Prepared]]:
    preprocess = Preprocess(size=jobs[0].size)
    drawn, pictures = [], []
    for job in jobs:
        try:
            pictures.append(preprocess.prepare(job.draw(), job.parts))
        except UnreadableImage as error:
            log.warning("left out: %s", error)
            left_out.append(f"{job.key}: {error}")
            continue
        drawn.append(job)
    return drawn, pictures


def part_key(key: str, number: int) -> str:
    """Name of a part of a picture; `whole_key` gives the picture's back."""
    return f"part:{key}/{number}"


def whole_key(key: str) -> str:
    """Name of the picture whose part has this `part_key`."""
    return key.removeprefix("part:").rpartition("/")[0]


def _cut(
    jobs: Sequence[PictureJob], pictures: Sequence[Prepared], done: AbstractSet[str]
) -> list[tuple[str, NDArray[np.uint8]]]:
    """The parts of pictures whose jobs ask for them, with their names, but for cached ones."""
    return [
        (key, part)
        for job, picture in zip(jobs, pictures, strict=True)
        for number, part in enumerate(picture.parts.pixels)
        if (key := part_key(job.key, number)) not in done
    ]


def _shards(folder: Path, writer: int | None = None) -> list[Path]:
    return sorted(folder.glob("shard-*.npz" if writer is None else f"shard-{writer}-*.npz"))


def _save(folder: Path, name: str, keys: list[str], seen: LowerFeatures) -> None:
    """The maps first: a shard exists when its ``.npz`` does."""
    np.save(folder / f"{name}.npy", seen.maps)
    unfinished = folder / f"{name}.tmp"
    with unfinished.open("wb") as file:
        np.savez(
            file, keys=np.array(keys), pooled=seen.pooled, colour=seen.colour, scale=seen.scale
        )
    unfinished.rename(folder / f"{name}.npz")


class LowerMaps:
    """A cache, read: rows are pictures, in the order in which they were cached.

    Attributes:
        keys: name of each row.
        pooled: (n, width) float16, conv4 pooled.
        colour: (n, 48) float16.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder that :func:`cache_lower_maps` filled; maps stay on disk until needed."""
        shards = [(path, np.load(path)) for path in _shards(folder)]
        self.keys = tuple(key for _, shard in shards for key in shard["keys"].tolist())
        self.pooled = np.concatenate([shard["pooled"] for _, shard in shards])
        self.colour = np.concatenate([shard["colour"] for _, shard in shards])
        self._maps = [np.load(path.with_suffix(".npy"), mmap_mode="r") for path, _ in shards]
        self._scales = [float(shard["scale"]) for _, shard in shards]
        lengths = [len(maps) for maps in self._maps]
        self._shard = np.repeat(np.arange(len(lengths)), lengths)
        self._at = np.concatenate([np.arange(length) for length in lengths])

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.keys)

    def groups(self, rows: NDArray[np.int64]) -> Mapping[int, NDArray[np.int64]]:
        """Side of the maps → places in ``rows`` whose maps have it."""
        sides = np.array([self._maps[self._shard[row]].shape[2] for row in rows])
        return {int(side): np.flatnonzero(sides == side) for side in np.unique(sides)}

    def lower(self, rows: NDArray[np.int64]) -> Lower:
        """What the upper layers need of pictures whose maps have one size.

        Args:
            rows: (m,) as one value of :meth:`groups` gives them.
        """
        scales = np.array([self._scales[self._shard[row]] for row in rows], np.float32)
        levels = self.levels(rows).to(memory_format=torch.channels_last)
        scaled = levels.float() * torch.from_numpy(scales)[:, None, None, None]
        return self.pooled_lower(rows)._replace(maps=scaled)

    def levels(self, rows: NDArray[np.int64]) -> Tensor:
        """The bytes of pictures whose maps have one size: (m, channels, h, w) uint8."""
        return torch.from_numpy(
            np.stack([self._maps[self._shard[row]][self._at[row]] for row in rows])
        )

    def pooled_lower(self, rows: NDArray[np.int64]) -> Lower:
        """The same without the maps, where conv5 has seen them already."""
        return Lower(
            torch.zeros(0),
            torch.from_numpy(self.pooled[rows].astype(np.float32)),
            torch.from_numpy(self.colour[rows].astype(np.float32)),
        )
