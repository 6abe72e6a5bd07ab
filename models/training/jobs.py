"""Which pictures the frozen backbone looks at, and what is known of each."""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from models.training.augment import vary
from models.training.features import Job
from models.training.fonts import FontBook
from models.training.pack import (
    BrandLogo,
    Pictogram,
    read_brand_logos,
    read_pictograms,
    split_of,
    split_of_brand,
)
from models.training.recipes import CodeStatistics
from models.training.render import render_svg
from models.training.synthesis import Composer
from models.vienna import ViennaCode

_PER_DIVISION = 110  # pictograms a division, beyond those of the concept groups
_PER_CONCEPT = 6
_SINGLES = 3200  # further logos, each with two changed views
_COMPOSED = {"train": 9000, "test": 1200}
_BALANCE = {"train": 0.5, "test": 0.0}  # rare divisions lifted in training; the register's in test
_SEEDS = {"train": 11, "test": 12}


@dataclass(frozen=True)
class SharedPack:
    """The shared data, read once.

    Attributes:
        pictograms: (set, name) → drawing.
        logos: (set, name) → logo.
        brands: brand → its drawings, at least two.
        concepts: concept → drawings of it by different hands.
        statistics: which codes real marks bear together.
    """

    pictograms: Mapping[tuple[str, str], Pictogram]
    logos: Mapping[tuple[str, str], BrandLogo]
    brands: Mapping[str, Sequence[tuple[str, str]]]
    concepts: Mapping[str, Sequence[tuple[str, str]]]
    statistics: CodeStatistics

    @classmethod
    def read(cls, folder: Path) -> "SharedPack":
        """Read the folder that the shared data's README describes."""
        icons = folder / "icons"
        groups = json.loads((icons / "brand_groups.json").read_text("utf-8"))
        concepts = json.loads((icons / "concept_groups.json").read_text("utf-8"))
        return cls(
            {(p.set, p.name): p for p in read_pictograms(icons / "pictograms.jsonl.gz")},
            {(b.set, b.name): b for b in read_brand_logos(icons / "brand_logos.jsonl.gz")},
            {brand: [(s, n) for s, n in rows] for brand, rows in sorted(groups.items())},
            {name: [(s, n) for s, n in g["members"]] for name, g in sorted(concepts.items())},
            CodeStatistics.read(folder / "vienna" / "euipo_marks_codes.json"),
        )


@dataclass
class Composed:
    """Composed marks to look at; their codes are known once they are drawn."""

    jobs: list[Job]
    codes: dict[str, tuple[ViennaCode, ...]] = field(default_factory=dict)


def on_white(svg: str, name: str) -> Image.Image:
    """Draw an SVG on white paper, mode RGB."""
    drawing = render_svg(svg, 256, name)
    paper = Image.new("RGBA", drawing.size, "white")
    paper.alpha_composite(drawing)
    return paper.convert("RGB")


def brand_jobs(pack: SharedPack) -> list[Job]:
    """Every drawing of a brand that has several, then further logos with two changed views each."""
    grouped = [key for rows in pack.brands.values() for key in rows if key in pack.logos]
    jobs = [_logo_job(pack.logos[key]) for key in grouped]
    others = sorted(set(pack.logos) - set(grouped))
    chosen = np.random.default_rng(0).permutation(len(others))[:_SINGLES]
    for at in chosen:
        logo = pack.logos[others[at]]
        jobs += [_logo_job(logo), *(_view_job(logo, view) for view in range(2))]
    return jobs


def pictogram_jobs(pack: SharedPack) -> list[Job]:
    """Pictograms: up to six a concept, then others until each division has enough."""
    rng = np.random.default_rng(0)
    chosen: set[tuple[str, str]] = set()
    for members in pack.concepts.values():
        order = rng.permutation(len(members))[:_PER_CONCEPT]
        chosen.update(members[at] for at in order if members[at] in pack.pictograms)
    count: dict[ViennaCode, int] = defaultdict(int)
    for key in chosen:
        _count(count, pack.pictograms[key].codes)
    keys = sorted(pack.pictograms)
    for at in rng.permutation(len(keys)):
        codes = pack.pictograms[keys[at]].codes
        if keys[at] not in chosen and min(count[code] for code in codes) < _PER_DIVISION:
            chosen.add(keys[at])
            _count(count, codes)
    return [
        Job(f"icon:{set_}/{name}", _drawer(pack.pictograms[set_, name].svg, name))
        for set_, name in sorted(chosen)
    ]


def composed_jobs(pack: SharedPack, fonts: FontBook, split: str) -> Composed:
    """Composed marks of one side of the split."""
    drawings = [p for p in pack.pictograms.values() if split_of(p.set) == split]
    composer = Composer(drawings, pack.statistics, fonts, balance=_BALANCE[split])
    composed = Composed([])

    def draw(key: str, number: int) -> Image.Image:
        mark = composer.compose(np.random.default_rng([_SEEDS[split], number]))
        composed.codes[key] = tuple(sorted(mark.codes))
        return mark.image

    for number in range(_COMPOSED[split]):
        key = f"composed:{split}#{number}"
        composed.jobs.append(Job(key, partial(draw, key, number)))
    return composed


def split_of_key(key: str, pack: SharedPack) -> str:
    """On which side of the split a cached picture lies."""
    kind, _, rest = key.partition(":")
    if kind == "composed":
        return rest.partition("#")[0]
    set_, _, name = rest.partition("#")[0].partition("/")
    if kind == "icon":
        return split_of(set_)
    return split_of_brand(pack.logos[set_, name].brand)


def _count(count: dict[ViennaCode, int], codes: Iterable[ViennaCode]) -> None:
    for code in codes:
        count[code] += 1


def _drawer(svg: str, name: str) -> Callable[[], Image.Image]:
    return lambda: on_white(svg, name)


def _logo_job(logo: BrandLogo) -> Job:
    return Job(f"brand:{logo.set}/{logo.name}", _drawer(logo.svg, logo.name))


def _view_job(logo: BrandLogo, view: int) -> Job:
    key = f"{logo.set}/{logo.name}#{view}"
    seed = zlib.crc32(key.encode())
    return Job(
        f"view:{key}",
        lambda: vary(on_white(logo.svg, logo.name), np.random.default_rng(seed)),
    )
