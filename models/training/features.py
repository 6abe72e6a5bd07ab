"""Pooled backbone features of many pictures, computed once and kept on disk.

With a frozen backbone the heads train on these in minutes. The cache is a folder of shards
(``.npz``); a run that is stopped goes on behind its last shard.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from PIL import Image

from models.errors import UnreadableImage
from models.preprocess import Preprocess

log = logging.getLogger(__name__)

SHARD = 500
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to look at: a key that never changes, and how to make the picture."""

    key: str
    draw: Callable[[], Image.Image]


@dataclass(frozen=True)
class Features:
    """Cached features.

    Attributes:
        keys: name of each row.
        pooled: (n, width) float16, from ``PooledFeatures``.
        colour: (n, 48) float16, from ``ColourBlock``.
    """

    keys: tuple[str, ...]
    pooled: NDArray[np.float16]
    colour: NDArray[np.float16]


def cache_features(jobs: Sequence[Job], model: Path, folder: Path) -> None:
    """Compute what is not yet cached.

    Args:
        jobs: pictures; keys already in the folder are skipped.
        model: OpenVINO model of (n, s, s, 3) uint8 → pooled, colour.
        folder: where shards are kept, created if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = {key for shard in _shards(folder) for key in np.load(shard)["keys"].tolist()}
    wanted = [job for job in jobs if job.key not in done]
    network = openvino.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    started, preprocess = time.monotonic(), Preprocess()
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(wanted), SHARD):
            part = wanted[start : start + SHARD]
            drawn = _drawn(part, preprocess, pool)
            _save_shard(folder, len(_shards(folder)), list(_seen(drawn, network)))
            rate = (start + len(part)) / (time.monotonic() - started)
            left = (len(wanted) - start - len(part)) / rate / 60
            log.info("%d/%d, %.1f/s, %.0f min left", start + len(part), len(wanted), rate, left)


def load_features(folder: Path) -> Features:
    """Read all shards of a cache."""
    shards = [np.load(shard) for shard in _shards(folder)]
    return Features(
        keys=tuple(key for shard in shards for key in shard["keys"].tolist()),
        pooled=np.concatenate([shard["pooled"] for shard in shards]),
        colour=np.concatenate([shard["colour"] for shard in shards]),
    )


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.npz"))


def _drawn(
    jobs: Sequence[Job], preprocess: Preprocess, pool: ThreadPoolExecutor
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    def draw(job: Job) -> tuple[str, NDArray[np.uint8]] | None:
        try:
            return job.key, preprocess(job.draw())
        except UnreadableImage as error:
            log.warning("left out: %s", error)
            return None

    return (made for made in pool.map(draw, jobs) if made is not None)


_Row = tuple[str, NDArray[np.float16], NDArray[np.float16]]


def _seen(
    drawn: Iterator[tuple[str, NDArray[np.uint8]]], network: openvino.CompiledModel
) -> Iterator[_Row]:
    rows: list[_Row] = []

    def keep(request: openvino.InferRequest, keys: list[str]) -> None:
        pooled = request.get_output_tensor(0).data.astype(np.float16)
        colour = request.get_output_tensor(1).data.astype(np.float16)
        rows.extend(zip(keys, pooled, colour, strict=True))

    queue = openvino.AsyncInferQueue(network, 2)
    queue.set_callback(keep)
    batch: list[tuple[str, NDArray[np.uint8]]] = []
    for made in drawn:
        batch.append(made)
        if len(batch) == _BATCH:
            queue.start_async({0: np.stack([p for _, p in batch])}, [key for key, _ in batch])
            batch = []
    if batch:
        queue.start_async({0: np.stack([p for _, p in batch])}, [key for key, _ in batch])
    queue.wait_all()
    yield from rows


def _save_shard(folder: Path, number: int, rows: list[_Row]) -> None:
    if not rows:
        return
    path = folder / f"shard-{number:05d}.npz"
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            keys=np.array([key for key, _, _ in rows]),
            pooled=np.stack([pooled for _, pooled, _ in rows]),
            colour=np.stack([colour for _, _, colour in rows]),
        )
    unfinished.rename(path)
