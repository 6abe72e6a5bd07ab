"""Composed marks in the form in which people keep labelled pictures: a CSV and a folder.

::

    FOLDER/
    ├── compose.json     what was asked for; a run that goes on must ask for the same
    ├── labels.csv.tmp   one line a mark, written once its picture is whole; at the end labels.csv
    └── images/          mark-00000.png and so on, each from a seed of its own

So a run that is stopped anyhow goes on at the first mark without a line, to the same end.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from models.errors import BadLabels
from models.network.label_set import CATEGORIES
from models.run_folder import claim_folder, write_atomically
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.composer import Composer
from models.synthesis.drawings import read_pictograms
from models.synthesis.fonts import FontBook
from models.version import marklens_version

SAMPLE = Path(__file__).parent / "sample"
SYSTEM_FONTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_COMBINATIONS = SAMPLE / "code_combinations.json"
_AT_ONCE = 4  # marks handed to a process at once
_HEADING = ["filename", *map(str, CATEGORIES)]

_composer: Composer


def compose_marks(
    out: Path,
    number: int,
    pack: Path | None = None,
    fonts: Sequence[Path] | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Compose marks into ``out/images`` and ``out/labels.csv`` (filename, 01 to 29).

    Args:
        out: folder, created if missing; what an earlier run made there is gone on from.
        number: of marks.
        pack: pictograms; by default the sample beside this file.
        fonts: folders; by default the system's.
        seed: equal seeds give equal marks.

    Yields:
        How many marks there are: those of an earlier run at first, then again after each.

    Raises:
        BadLabels: the folder holds marks that are not ours, that were asked for otherwise, or that
            another version began.
        MissingPackage: no font draws Latin letters.
    """
    images, labels = out / "images", out / "labels.csv"
    drawings, folders = pack or SAMPLE / "pictograms.jsonl.gz", tuple(fonts or SYSTEM_FONTS)
    FontBook(list(folders))  # complains here, not in a worker
    asked = {"version": marklens_version(), "number": number, "seed": seed}
    request = out / "compose.json"
    if not request.exists():
        _refuse_other_labels(out)
    claim_folder(request, {**asked, **_digests(drawings, folders)})
    images.mkdir(exist_ok=True)
    for left in images.glob("*.tmp"):
        left.unlink(missing_ok=True)
    there = _marks_in(labels, images)
    if there < number:
        unfinished = out / "labels.csv.tmp"
        if labels.exists():  # and some of its pictures are gone
            labels.replace(unfinished)
        there = _marks_in(unfinished, images)
        _cut(unfinished, there)
        yield there
        for row in _composed(images, seed, range(there, number), (drawings, folders)):
            with unfinished.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file).writerow(row)
            there += 1
            yield there
        unfinished.replace(labels)
    else:
        yield there


def _refuse_other_labels(out: Path) -> None:
    """Leave alone the labels of a folder that no run of ours began."""
    for name in ("labels.csv", "labels.csv.tmp"):
        if (out / name).exists():
            raise BadLabels(f"{out} holds a {name} that is not ours; name another folder")


def _digests(pack: Path, fonts: Sequence[Path]) -> dict[str, str]:
    """What tells whether pictograms and fonts are still the same."""
    files = sorted(
        (str(path), path.stat().st_size)
        for folder in fonts
        for path in folder.resolve().rglob("*")
        if path.is_file()
    )
    pictograms = pack.read_bytes() + _COMBINATIONS.read_bytes()
    return {
        "pack": hashlib.sha256(pictograms).hexdigest()[:16],
        "fonts": hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16],
    }


def _marks_in(labels: Path, images: Path) -> int:
    """How many marks a labels file and its pictures hold, from the first on and without a gap."""
    if not labels.exists():
        return 0
    heading, *lines = _whole_lines(labels)
    if heading != ",".join(_HEADING):
        return 0
    found = takewhile(
        lambda at: (
            lines[at].count(",") == len(CATEGORIES)
            and lines[at].startswith(f"{_name(at)},")
            and (images / _name(at)).is_file()
        ),
        range(len(lines)),
    )
    return sum(1 for _ in found)


def _cut(labels: Path, marks: int) -> None:
    """Leave the heading and so many marks: what a killed process wrote last may be torn."""
    lines = [",".join(_HEADING), *(_whole_lines(labels)[1 : 1 + marks] if marks else ())]
    write_atomically(labels, "".join(f"{line}\r\n" for line in lines))


def _whole_lines(labels: Path) -> list[str]:
    """Lines that have their end, the heading first; at least one."""
    return labels.read_bytes().decode("utf-8", "replace").split("\r\n")[:-1] or [""]


def _composed(
    images: Path, seed: int, numbers: range, sources: tuple[Path, tuple[Path, ...]]
) -> Iterator[list[object]]:
    """The row of each mark, in order, once its picture is there."""
    spawn = get_context("spawn")  # threads of a parent do not survive a fork
    with spawn.Pool(os.cpu_count(), _prepare, sources) as workers:
        work = ((images, seed, at) for at in numbers)
        for name, categories in workers.imap(_compose, work, chunksize=_AT_ONCE):
            yield [name, *(int(code.category in categories) for code in CATEGORIES)]


def _prepare(pack: Path, fonts: tuple[Path, ...]) -> None:
    global _composer
    _composer = Composer(
        list(read_pictograms(pack)),
        CodeStatistics.load(_COMBINATIONS),
        FontBook(list(fonts)),
    )


def _compose(work: tuple[Path, int, int]) -> tuple[str, frozenset[int]]:
    images, seed, at = work
    mark = _composer.compose(np.random.default_rng([seed, at]))
    # A process of a run that was killed may still write the same picture.
    unfinished = images / f"{_name(at)}.{os.getpid()}.tmp"
    mark.image.save(unfinished, "PNG")
    unfinished.replace(images / _name(at))
    return _name(at), frozenset(code.category for code in mark.codes)


def _name(at: int) -> str:
    return f"mark-{at:05d}.png"
