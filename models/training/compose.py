"""Composed marks in the form in which people keep labelled pictures: a CSV and a folder."""

import csv
import os
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from models.training.codes import CATEGORIES
from models.training.fonts import FontBook
from models.training.pack import read_pictograms
from models.training.recipes import CodeStatistics
from models.training.synthesis import Composer

SAMPLE = Path(__file__).parent / "sample"
SYSTEM_FONTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))

_composer: Composer


def compose_marks(
    out: Path,
    number: int,
    pack: Path | None = None,
    fonts: Sequence[Path] | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Compose marks into ``out/images`` and ``out/labels.csv`` (filename, 01 to 29).

    Args:
        out: folder, created if missing.
        number: of marks.
        pack: pictograms; by default the sample beside this file.
        fonts: folders; by default the system's.
        seed: equal seeds give equal marks.

    Yields:
        The name of each mark once it is written.

    Raises:
        MissingPackage: no font draws Latin letters.
    """
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawings, folders = pack or SAMPLE / "pictograms.jsonl.gz", tuple(fonts or SYSTEM_FONTS)
    FontBook(list(folders))  # complains here, not in a worker
    unfinished = out / "labels.csv.tmp"
    spawn = get_context("spawn")  # threads of a parent do not survive a fork
    with (
        unfinished.open("w", encoding="utf-8", newline="") as file,
        spawn.Pool(os.cpu_count(), _prepare, (drawings, folders)) as workers,
    ):
        writer = csv.writer(file)
        writer.writerow(["filename", *map(str, CATEGORIES)])
        work = ((images, seed, at) for at in range(number))
        for name, categories in workers.imap(_compose, work, chunksize=16):
            writer.writerow([name, *(int(code.category in categories) for code in CATEGORIES)])
            yield name
    unfinished.replace(out / "labels.csv")


def _prepare(pack: Path, fonts: tuple[Path, ...]) -> None:
    global _composer
    _composer = Composer(
        list(read_pictograms(pack)),
        CodeStatistics.load(SAMPLE / "recipes.json"),
        FontBook(list(fonts)),
    )


def _compose(work: tuple[Path, int, int]) -> tuple[str, frozenset[int]]:
    images, seed, at = work
    mark = _composer.compose(np.random.default_rng([seed, at]))
    name = f"mark-{at:05d}.png"
    mark.image.save(images / name)
    return name, frozenset(code.category for code in mark.codes)
