"""Which pictures the shipped network learns from and is tested on."""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from PIL import Image

from models.evaluation.changes import vary
from models.images.pixels import flatten
from models.marknet.real_logos import Letterer, Reading, read_readings
from models.network.parts import Parts, is_thing
from models.network.preprocess import Preprocess
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.composer import Composer
from models.synthesis.drawings import (
    BrandLogo,
    Pictogram,
    Split,
    place_of_brand,
    read_brand_logos,
    read_pictograms,
    split_of,
    split_of_brand,
)
from models.synthesis.fonts import FontBook
from models.synthesis.render import render_svg
from models.training.lower_maps import PictureJob, whole_key
from models.vienna import ViennaCode

_PER_DIVISION = {"train": 330, "test": 25}  # pictograms, beyond those of the concept groups
_PER_CONCEPT = {"train": 8, "test": 4}
_SINGLES = 2800  # further logos of the training side, each with two changed views
_DISTRACTORS = 2200  # further logos of the test side
_COMPOSED = {"train": 13000, "test": 2000}
_MEASURED = 400  # pictograms, and composed marks, of the test side
_BALANCE = {"train": 0.5, "test": 0.0}  # rare divisions lifted in training; the register's in test
_SEEDS = {"train": 21, "test": 12}
# Logos with readings whose brands no network has met are held out beyond `split_of_brand`, so that
# there are enough: by the brand's place in a hundred.
_TEST_PLACES = range(20, 22)
_VALIDATION_PLACES = range(22, 30)
# Training pictures are seen in several sizes, as devices stand large and small in marks; smaller
# ones also cost less. Test pictures are seen as the product sees them.
_FULL = Preprocess().size
_SIZES = {
    "icon": (128, 128, 160, 192),
    "composed": (160, 160, 192, 224),
    "logo": (128, 160, 192),
    "lettered": (160, 160, 192),
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
        readings: (set, name) of a logo → what a person read from it.
        demo: those of them that the demo register holds; their held-out ones have chosen networks
            before.
    """

    pictograms: Mapping[tuple[str, str], Pictogram]
    logos: Mapping[tuple[str, str], BrandLogo]
    brands: Mapping[str, Sequence[tuple[str, str]]]
    concepts: Mapping[str, Sequence[tuple[str, str]]]
    statistics: CodeStatistics
    readings: Mapping[tuple[str, str], Reading]
    demo: AbstractSet[tuple[str, str]] = frozenset()

    @classmethod
    def read(cls, folder: Path, logo_codes: Path) -> "SharedPack":
        """Read the folder that the shared data's README describes.

        Args:
            folder: the shared data.
            logo_codes: CSV of the demo register's logos, see `read_readings`; those of the other
                logos are in the shared data.
        """
        icons = folder / "icons"
        groups = json.loads((icons / "brand_groups.json").read_text("utf-8"))
        concepts = json.loads((icons / "concept_groups.json").read_text("utf-8"))
        demo = read_readings(logo_codes)
        return cls(
            {(p.set, p.name): p for p in read_pictograms(icons / "pictograms.jsonl.gz")},
            {(b.set, b.name): b for b in read_brand_logos(icons / "brand_logos.jsonl.gz")},
            {brand: [(s, n) for s, n in rows] for brand, rows in sorted(groups.items())},
            {name: [(s, n) for s, n in g["members"]] for name, g in sorted(concepts.items())},
            CodeStatistics.read(folder / "vienna" / "euipo_marks_codes.json"),
            read_readings(folder / "logo_codes" / "labels.csv") | demo,
            demo.keys(),
        )

    def side_of_logo(self, key: tuple[str, str]) -> Split:
        """On which side of the split a logo lies; all logos of a brand are trained on, or none."""
        brand = self.logos[key].brand
        side = split_of_brand(brand)
        if side == "test":
            return "validation" if key in self.demo else "test"
        if _normal(brand) in self._fresh_brands:
            if place_of_brand(brand) in _TEST_PLACES:
                return "test"
            if place_of_brand(brand) in _VALIDATION_PLACES:
                return "validation"
        return side

    @cached_property
    def further_logos(self) -> Mapping[Split, Sequence[tuple[str, str]]]:
        """Logos of one drawing: to train on in changed views, or to search held-out ones among."""
        grouped = {key for rows in self.brands.values() for key in rows}
        others = sorted(set(self.logos) - grouped)
        left: dict[Split, int] = {"train": _SINGLES, "test": _DISTRACTORS}
        chosen: dict[Split, list[tuple[str, str]]] = {"train": [], "test": []}
        for at in np.random.default_rng(0).permutation(len(others)):
            side = split_of_brand(self.logos[others[at]].brand)
            if len(chosen[side]) < left[side]:
                chosen[side].append(others[at])
        return chosen

    @cached_property
    def _fresh_brands(self) -> AbstractSet[str]:
        """Brands with a reading none of whose logos networks were trained on without readings."""
        grouped = [key for rows in self.brands.values() for key in rows if key in self.logos]
        met = [*grouped, *self.further_logos["train"], *self.demo]
        read = {_normal(self.logos[key].brand) for key in self.readings if key in self.logos}
        return read - {_normal(self.logos[key].brand) for key in met if key in self.logos}


def _normal(brand: str) -> str:
    return brand.strip().lower()


def on_paper(svg: str, name: str) -> Image.Image:
    """Draw an SVG on the paper on which a search would lay it, mode RGB."""
    return flatten(render_svg(svg, 256, name), name)


def all_jobs(pack: SharedPack, fonts: Mapping[Split, FontBook], notes: Path) -> list[PictureJob]:
    """Everything: real logos with readings, then the rest.

    Each in random order, so that a cache which is stopped early is a smaller training set, not a
    lopsided one.

    Args:
        pack: the drawings.
        fonts: for each side its own.
        notes: JSON lines to which composed marks append what they consist of.
    """
    logos = logo_jobs(pack)
    read = [*read_logo_jobs(pack), *lettered_jobs(pack, fonts)]
    train = [
        *pictogram_jobs(pack, "train"),
        *logos["train"],
        *composed_jobs(pack, fonts["train"], "train", notes),
    ]
    test = [
        *pictogram_jobs(pack, "test"),
        *logos["test"],
        *composed_jobs(pack, fonts["test"], "test", notes),
    ]
    return [*_shuffled(read), *_shuffled([*test, *train])]


def held_out_jobs(pack: SharedPack, fonts: FontBook, notes: Path) -> list[PictureJob]:
    """What a network is calibrated and measured on.

    All logos with readings and drawings of brands that have several; half of the test side's logos
    beside lettering, some pictograms and composed marks, so that two cores need half an hour.

    Args:
        pack: the drawings.
        fonts: of the test side.
        notes: JSON lines to which composed marks append what they consist of.
    """
    books: dict[Split, FontBook] = {"train": fonts, "validation": fonts, "test": fonts}
    branded = {f"brand:{set_}/{name}" for rows in pack.brands.values() for set_, name in rows}
    drawings = [job for job in logo_jobs(pack)["test"] if job.key in branded]
    logos = [job for job in read_logo_jobs(pack) if split_of_key(job.key, pack) != "train"]
    validation, test = (
        [job for job in lettered_jobs(pack, books) if split_of_key(job.key, pack) == side]
        for side in ("validation", "test")
    )
    icons = _shuffled(pictogram_jobs(pack, "test"))[:_MEASURED]
    composed = composed_jobs(pack, fonts, "test", notes)[:_MEASURED]
    return [*logos, *drawings, *validation, *test[::2], *icons, *composed]


def _shuffled(jobs: Sequence[PictureJob]) -> list[PictureJob]:
    return [jobs[at] for at in np.random.default_rng(0).permutation(len(jobs))]


def read_logo_jobs(pack: SharedPack) -> list[PictureJob]:
    """Logos with readings, as they are."""
    return [
        _logo_job(pack.logos[key], pack.side_of_logo(key))
        for key in sorted(pack.readings)
        if key in pack.logos
    ]


def lettered_jobs(pack: SharedPack, fonts: Mapping[Split, FontBook]) -> list[PictureJob]:
    """The same beside lettering: all held-out ones, of the training side those that show things."""
    letterers = {side: Letterer(book) for side, book in fonts.items()}
    jobs = []
    for set_, name in sorted(pack.readings):
        if (set_, name) not in pack.logos:
            continue
        side = pack.side_of_logo((set_, name))
        if side == "train" and not any(map(is_thing, pack.readings[set_, name].codes)):
            continue
        logo, key = pack.logos[set_, name], f"{set_}/{name}"
        draw = partial(_lettered, letterers[side], logo, zlib.crc32(f"{key}#0".encode()))
        jobs.append(PictureJob(f"lettered:{key}#0", draw, _size("lettered", key, side), Parts()))
    return jobs


def _lettered(letterer: Letterer, logo: BrandLogo, seed: int) -> Image.Image:
    return letterer.compose(np.random.default_rng(seed), on_paper(logo.svg, logo.name))


def logo_jobs(pack: SharedPack) -> dict[Split, list[PictureJob]]:
    """Drawings of brands that have several, and further logos: changed views or distractors.

    Logos with readings are left to `read_logo_jobs`.
    """
    grouped = [key for rows in pack.brands.values() for key in rows if key in pack.logos]
    jobs: dict[Split, list[PictureJob]] = {"train": [], "test": []}
    for key in dict.fromkeys([*grouped, *pack.further_logos["train"], *pack.further_logos["test"]]):
        if key not in pack.readings:
            side = split_of_brand(pack.logos[key].brand)
            jobs[side].append(_logo_job(pack.logos[key], side))
    for key in pack.further_logos["train"]:
        jobs["train"] += [_view_job(pack.logos[key], view) for view in range(2)]
    return jobs


def pictogram_jobs(pack: SharedPack, side: Split) -> list[PictureJob]:
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
        PictureJob(
            f"icon:{set_}/{name}",
            _drawer(there[set_, name].svg, name),
            _size("icon", f"{set_}/{name}", side),
            Parts(),
        )
        for set_, name in sorted(chosen)
    ]


def composed_jobs(pack: SharedPack, fonts: FontBook, side: Split, notes: Path) -> list[PictureJob]:
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
        PictureJob(key, partial(draw, key, number), _size("composed", key, side), Parts())
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
    return pack.side_of_logo((set_, name))


def _count(count: dict[ViennaCode, int], codes: Iterable[ViennaCode]) -> None:
    for code in codes:
        count[code] += 1


def _drawer(svg: str, name: str) -> Callable[[], Image.Image]:
    return lambda: on_paper(svg, name)


def _size(kind: str, key: str, side: Split) -> int:
    sizes = _SIZES[kind]
    return _FULL if side != "train" else sizes[zlib.crc32(key.encode()) % len(sizes)]


def _logo_job(logo: BrandLogo, side: Split) -> PictureJob:
    key = f"{logo.set}/{logo.name}"
    return PictureJob(
        f"brand:{key}", _drawer(logo.svg, logo.name), _size("logo", key, side), Parts()
    )


def _view_job(logo: BrandLogo, view: int) -> PictureJob:
    key = f"{logo.set}/{logo.name}#{view}"
    seed = zlib.crc32(key.encode())
    return PictureJob(
        f"view:{key}",
        lambda: vary(on_paper(logo.svg, logo.name), np.random.default_rng(seed)),
        _size("logo", key, "train"),
    )
