"""Which pictures the shipped network learns from and is tested on."""

import csv
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from PIL import Image

from models.evaluation.changes import vary
from models.images.pixels import flatten
from models.network.parts import Parts
from models.network.preprocess import Preprocess
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.composer import Composer
from models.synthesis.drawings import (
    BrandLogo,
    Pictogram,
    Split,
    read_brand_logos,
    read_pictograms,
    split_of,
    split_of_brand,
)
from models.synthesis.fonts import FontBook
from models.synthesis.render import render_svg
from models.training.lower_maps import Job, whole_key
from models.vienna import ViennaCode

SIDES: tuple[Split, ...] = ("train", "test")

_PER_DIVISION = {"train": 330, "test": 25}  # pictograms, beyond those of the concept groups
_PER_CONCEPT = {"train": 8, "test": 4}
_SINGLES = 2800  # further logos of the training side, each with two changed views
_DISTRACTORS = 2200  # further logos of the test side
_COMPOSED = {"train": 13000, "test": 2000}
_BALANCE = {"train": 0.5, "test": 0.0}  # rare divisions lifted in training; the register's in test
_SEEDS = {"train": 21, "test": 12}
# Training pictures are seen in several sizes, as devices stand large and small in marks; smaller
# ones also cost less. Test pictures are seen as the product sees them.
_FULL = Preprocess().size
_SIZES = {
    "icon": (128, 128, 160, 192),
    "composed": (160, 160, 192, 224),
    "logo": (160, 192, 192),
}


@dataclass(frozen=True)
class SharedPack:
    """The shared data, read once.

    Attributes:
        pictograms: (set, name) → drawing.
        logos: (set, name) → logo.
        brands: brand → its drawings, at least two.
        concepts: concept → drawings of it by different hands.
        statistics: which codes real marks bear together.
        logo_codes: (set, name) of a logo → the codes that a reader gave it.
    """

    pictograms: Mapping[tuple[str, str], Pictogram]
    logos: Mapping[tuple[str, str], BrandLogo]
    brands: Mapping[str, Sequence[tuple[str, str]]]
    concepts: Mapping[str, Sequence[tuple[str, str]]]
    statistics: CodeStatistics
    logo_codes: Mapping[tuple[str, str], Sequence[ViennaCode]]

    @classmethod
    def read(cls, folder: Path, logo_codes: Path) -> "SharedPack":
        """Read the folder that the shared data's README describes.

        Args:
            folder: the shared data.
            logo_codes: CSV of logos with ``set``, ``name`` and ``codes`` (``;`` between them).
        """
        icons = folder / "icons"
        groups = json.loads((icons / "brand_groups.json").read_text("utf-8"))
        concepts = json.loads((icons / "concept_groups.json").read_text("utf-8"))
        return cls(
            {(p.set, p.name): p for p in read_pictograms(icons / "pictograms.jsonl.gz")},
            {(b.set, b.name): b for b in read_brand_logos(icons / "brand_logos.jsonl.gz")},
            {brand: [(s, n) for s, n in rows] for brand, rows in sorted(groups.items())},
            {name: [(s, n) for s, n in g["members"]] for name, g in sorted(concepts.items())},
            CodeStatistics.read(folder / "vienna" / "euipo_marks_codes.json"),
            _read_logo_codes(logo_codes),
        )


def _read_logo_codes(path: Path) -> dict[tuple[str, str], tuple[ViennaCode, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["set"], row["name"]): tuple(map(ViennaCode.parse, row["codes"].split(";")))
            for row in csv.DictReader(file)
            if row["codes"]
        }


def on_paper(svg: str, name: str) -> Image.Image:
    """Draw an SVG on the paper on which a search would lay it, mode RGB."""
    return flatten(render_svg(svg, 256, name), name)


def all_jobs(pack: SharedPack, fonts: Mapping[Split, FontBook], notes: Path) -> list[Job]:
    """Everything: the test side first, then the training side in random order.

    So that a cache which is stopped early is a smaller training set, not a lopsided one.

    Args:
        pack: the drawings.
        fonts: for each side its own.
        notes: JSON lines to which composed marks append what they consist of.
    """
    composed = {side: composed_jobs(pack, fonts[side], side, notes) for side in SIDES}
    logos = logo_jobs(pack)
    jobs = {side: [*pictogram_jobs(pack, side), *logos[side], *composed[side]] for side in SIDES}
    order = np.random.default_rng(0).permutation(len(jobs["train"]))
    return [*jobs["test"], *(jobs["train"][at] for at in order)]


def logo_jobs(pack: SharedPack) -> dict[Split, list[Job]]:
    """Drawings of brands that have several, and further logos: changed views or distractors.

    Logos that a reader gave codes are all there.
    """
    grouped = [key for rows in pack.brands.values() for key in rows if key in pack.logos]
    coded = [key for key in pack.logo_codes if key in pack.logos]
    jobs: dict[Split, list[Job]] = {side: [] for side in SIDES}
    for key in dict.fromkeys([*grouped, *coded]):
        side = split_of_brand(pack.logos[key].brand)
        jobs[side].append(_logo_job(pack.logos[key], side))
    others = sorted(set(pack.logos) - set(grouped))
    left = {"train": _SINGLES, "test": _DISTRACTORS}
    for at in np.random.default_rng(0).permutation(len(others)):
        logo = pack.logos[others[at]]
        side = split_of_brand(logo.brand)
        if left[side] > 0:
            left[side] -= 1
            if others[at] not in pack.logo_codes:
                jobs[side].append(_logo_job(logo, side))
            if side == "train":
                jobs[side] += [_view_job(logo, view) for view in range(2)]
    return jobs


def pictogram_jobs(pack: SharedPack, side: Split) -> list[Job]:
    """Pictograms: up to a few a concept, then others until each division has enough."""
    rng = np.random.default_rng(0)
    there = {key: p for key, p in pack.pictograms.items() if split_of(p.set) == side and p.codes}
    chosen: set[tuple[str, str]] = set()
    for members in pack.concepts.values():
        drawn = [member for member in members if member in there]
        order = rng.permutation(len(drawn))[: _PER_CONCEPT[side]]
        chosen.update(drawn[at] for at in order)
    count: dict[ViennaCode, int] = defaultdict(int)
    for key in chosen:
        _count(count, there[key].codes)
    keys = sorted(there)
    for at in rng.permutation(len(keys)):
        codes = there[keys[at]].codes
        if keys[at] not in chosen and min(count[code] for code in codes) < _PER_DIVISION[side]:
            chosen.add(keys[at])
            _count(count, codes)
    return [
        Job(
            f"icon:{set_}/{name}",
            _drawer(there[set_, name].svg, name),
            _size("icon", f"{set_}/{name}", side),
            Parts(),
        )
        for set_, name in sorted(chosen)
    ]


def composed_jobs(pack: SharedPack, fonts: FontBook, side: Split, notes: Path) -> list[Job]:
    """Composed marks of one side; what each consists of is noted when it is drawn."""
    drawings = [p for p in pack.pictograms.values() if split_of(p.set) == side]
    composer = Composer(drawings, pack.statistics, fonts, balance=_BALANCE[side])
    writing = Lock()

    def draw(key: str, number: int) -> Image.Image:
        mark = composer.compose(np.random.default_rng([_SEEDS[side], number]))
        note = {
            "key": key,
            "codes": sorted(map(str, mark.codes)),
            "sections": sorted(map(str, mark.sections)),
            "kind": mark.kind,
            "members": mark.members,
        }
        with writing, notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")
        return mark.image

    return [
        Job(key, partial(draw, key, number), _size("composed", key, side), Parts())
        for number in range(_COMPOSED[side])
        for key in [f"composed:{side}#{number}"]
    ]


class Note(NamedTuple):
    """What a composed mark consists of, see `models.synthesis.composer.ComposedMark`."""

    divisions: tuple[ViennaCode, ...]
    sections: tuple[ViennaCode, ...]
    members: tuple[tuple[str, str], ...]


def read_notes(path: Path) -> dict[str, Note]:
    """Read what composed marks consist of, by key."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        note = json.loads(line)
        found[note["key"]] = Note(
            tuple(map(ViennaCode.parse, note["codes"])),
            tuple(map(ViennaCode.parse, note["sections"])),
            tuple((set_, name) for set_, name in note["members"]),
        )
    return found


def split_of_key(key: str, pack: SharedPack) -> Split:
    """On which side of the split a cached picture, or part of one, lies."""
    kind, _, rest = key.partition(":")
    if kind == "part":
        return split_of_key(whole_key(key), pack)
    if kind == "composed":
        return "test" if rest.startswith("test") else "train"
    set_, _, name = rest.partition("#")[0].partition("/")
    if kind == "icon":
        return split_of(set_)
    return split_of_brand(pack.logos[set_, name].brand)


def _count(count: dict[ViennaCode, int], codes: Iterable[ViennaCode]) -> None:
    for code in codes:
        count[code] += 1


def _drawer(svg: str, name: str) -> Callable[[], Image.Image]:
    return lambda: on_paper(svg, name)


def _size(kind: str, key: str, side: Split) -> int:
    sizes = _SIZES[kind]
    return _FULL if side == "test" else sizes[zlib.crc32(key.encode()) % len(sizes)]


def _logo_job(logo: BrandLogo, side: Split) -> Job:
    key = f"{logo.set}/{logo.name}"
    return Job(f"brand:{key}", _drawer(logo.svg, logo.name), _size("logo", key, side), Parts())


def _view_job(logo: BrandLogo, view: int) -> Job:
    key = f"{logo.set}/{logo.name}#{view}"
    seed = zlib.crc32(key.encode())
    return Job(
        f"view:{key}",
        lambda: vary(on_paper(logo.svg, logo.name), np.random.default_rng(seed)),
        _size("logo", key, "train"),
    )
