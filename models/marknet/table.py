"""What is known of each cached picture: its side of the split, its codes, its group."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.marknet.sections import SectionLexicon
from models.marknet.training_pictures import Note, SharedPack, read_notes, split_of_key
from models.network.colour import GREYS
from models.network.label_set import LabelSet, with_ancestors
from models.network.parts import is_thing
from models.synthesis.drawings import Pictogram, Split
from models.training.lower_maps import LowerMaps, whole_key
from models.vienna import ViennaCode

UNKNOWN = -1.0  # a target that says neither yes nor no
_LEAST = 15  # training examples of a code that is learnt
_LEAST_SECTION = 30  # the same of a section
_COLOURED = 0.15  # share of chromatic reference colours from which a pictogram counts as coloured

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """All cached pictures with what is known of them.

    Attributes:
        keys: name of each row; what stands before the colon is its kind.
        split: (n,) "train" or "test".
        labels: the codes predicted.
        targets: (n, labels) 0, 1 or UNKNOWN.
    """

    keys: tuple[str, ...]
    split: NDArray[np.str_]
    labels: LabelSet
    targets: NDArray[np.float32]

    def rows(self, kind: str, side: Split) -> Rows:
        """Rows of a kind of key (``icon``, ``composed``, ``brand``, ``view``) on one side."""
        of_kind = np.array([key.startswith(f"{kind}:") for key in self.keys])
        return np.flatnonzero(of_kind & (self.split == side))

    def labelled(self, kind: str, side: Split) -> Rows:
        """Those of them that surely bear a code other than frames' and colours'."""
        rows = self.rows(kind, side)
        telling = np.array([code.category not in (26, 29) for code in self.labels.codes])
        known: Rows = rows[(self.targets[rows][:, telling] == 1.0).any(axis=1)]
        return known

    def parts(self, kind: str, side: Split) -> Rows:
        """Rows of the parts of those pictures of a kind that are cached themselves."""
        rows = self.rows(f"part:{kind}", side)
        return rows[[whole_key(self.keys[row]) in self.row_of for row in rows]]

    def parts_of(self, side: Split) -> dict[int, Rows]:
        """Rows of the parts of each picture of a side that has some, by its row."""
        found: dict[int, list[int]] = defaultdict(list)
        for kind in ("icon", "brand", "composed"):
            parts = self.parts(kind, side)
            for part, whole in zip(parts.tolist(), self.whole(parts).tolist(), strict=True):
                found[whole].append(part)
        return {whole: np.array(parts, np.int64) for whole, parts in found.items()}

    def whole(self, parts: Rows) -> Rows:
        """The row of the picture of each part."""
        return np.array([self.row_of[whole_key(self.keys[row])] for row in parts], np.int64)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each key."""
        return {key: row for row, key in enumerate(self.keys)}


def tabulate(pack: SharedPack, maps: LowerMaps, notes: Path) -> Table:
    """Lay what is known beside what is cached.

    Args:
        pack: the drawings with their codes.
        maps: the cache.
        notes: of composed marks.
    """
    composed = read_notes(notes)
    split = np.array([split_of_key(key, pack) for key in maps.keys])
    known: dict[int, _Known] = {}
    for row, key in enumerate(maps.keys):
        kind, _, rest = key.partition(":")
        set_, _, name = rest.partition("/")
        if kind == "composed":
            known[row] = _known_of_composed(composed[key], pack)
        elif kind == "icon":
            drawn = pack.pictograms[set_, name]
            known[row] = _known_of_drawings(drawn.codes, [drawn])
        elif kind == "brand" and (set_, name) in pack.logo_codes:
            known[row] = _known_of_read(pack.logo_codes[set_, name])
    labels = _label_set([known[row].codes for row in known if split[row] == "train"])
    targets = np.full((len(maps), len(labels.codes)), UNKNOWN, np.float32)
    for row, of_row in known.items():
        targets[row] = _target(labels, of_row)
    _doubt_pictograms(maps, labels, targets)
    return Table(maps.keys, split, labels, targets)


class _Known(NamedTuple):
    """What is known of a picture.

    Attributes:
        codes: that it bears, with all above them.
        told: divisions whose sections are all among the codes.
    """

    codes: frozenset[ViennaCode]
    told: frozenset[ViennaCode]


def _known_of_drawings(codes: Collection[ViennaCode], drawn: Sequence[Pictogram]) -> _Known:
    """A picture of pictograms, whose names tell sections."""
    lexicon = SectionLexicon.load()
    sections: set[ViennaCode] = set()
    bearers: Counter[ViennaCode] = Counter()
    for pictogram in drawn:
        told = lexicon.told(pictogram.name, pictogram.codes)
        sections.update(*told.values())
        bearers.update(told.keys())
        bearers.subtract(pictogram.codes)
    # Told by every drawing that bears it: nothing was subtracted in vain.
    whole = {code for code in bearers if bearers[code] == 0}
    return _Known(with_ancestors([*codes, *sections]), frozenset(whole))


def _known_of_composed(note: Note, pack: SharedPack) -> _Known:
    """A composed mark: its drawings', and what the composer itself put in."""
    drawn = [pack.pictograms[member] for member in note.members]
    shown = _known_of_drawings(note.divisions, drawn)
    return _Known(shown.codes | with_ancestors(note.sections), shown.told)


def _known_of_read(codes: Collection[ViennaCode]) -> _Known:
    """A logo that a reader gave codes: all sections of a division, if any."""
    divisions = {code.ancestors()[-1] for code in codes if code.level == "section"}
    return _Known(with_ancestors(codes), frozenset(divisions))


def _label_set(examples: Sequence[frozenset[ViennaCode]]) -> LabelSet:
    """Categories, divisions, and sections of things shown.

    No other section: one of figures or writing that is not noted may still hold where its division
    does, so that nothing would tell sections of one division apart; a network that learnt them
    said "one letter" of all words.
    """
    learnt = LabelSet.from_examples(examples, _LEAST)
    often = LabelSet.from_examples(examples, _LEAST_SECTION).codes
    sections = {code for code in often if is_thing(code) and code.level == "section"}
    return LabelSet(
        tuple(code for code in learnt.codes if code.level != "section" or code in sections)
    )


def _target(labels: LabelSet, known: _Known) -> NDArray[np.float32]:
    """0, 1 or, for a section that is not named where its division may hold others, UNKNOWN."""
    return np.array([_of_code(code, known) for code in labels.codes], np.float32)


def _of_code(code: ViennaCode, known: _Known) -> float:
    if code in known.codes:
        return 1.0
    division = code.ancestors()[-1] if code.level == "section" else None
    return UNKNOWN if division in known.codes and division not in known.told else 0.0


def _doubt_pictograms(maps: LowerMaps, labels: LabelSet, targets: NDArray[np.float32]) -> None:
    """A pictogram's name says nothing of its ring, frame or colours: colours come from the pixels.

    Category 26 and what lies below it is unknown unless the name says it.
    """
    icons = np.flatnonzero([key.startswith("icon:") for key in maps.keys])
    shares = maps.colour[icons].astype(np.float32)[:, GREYS:]
    coloured = np.square(shares).sum(axis=1) > _COLOURED
    for at, code in enumerate(labels.codes):
        if code.category == 29:
            targets[icons, at] = coloured
        elif code.category == 26:
            column = targets[icons, at]
            targets[icons, at] = np.where(column == 1.0, 1.0, UNKNOWN)


def _groups(table: Table, keys: Iterable[Sequence[str]], side: Split) -> list[Rows]:
    """Rows of groups of keys on one side of the split, where at least two are left."""
    row_of = table.row_of
    groups = [
        [row_of[key] for key in group if key in row_of and table.split[row_of[key]] == side]
        for group in keys
    ]
    return [np.array(group, np.int64) for group in groups if len(group) >= 2]


def brand_groups(pack: SharedPack, table: Table, side: Split) -> list[Rows]:
    """Rows that show one brand's sign."""
    keys = [[f"brand:{s}/{n}" for s, n in members] for members in pack.brands.values()]
    return _groups(table, keys, side)


def view_groups(table: Table) -> list[Rows]:
    """Training rows that show one logo: itself and its changed views."""
    views: dict[str, list[str]] = defaultdict(list)
    for key in table.keys:
        if key.startswith("view:"):
            views[key[5:].rpartition("#")[0]].append(key)
    return _groups(table, [[f"brand:{logo}", *keys] for logo, keys in views.items()], "train")


def concept_groups(pack: SharedPack, table: Table, side: Split) -> list[Rows]:
    """Rows that show one thing, drawn by different hands."""
    keys = [[f"icon:{s}/{n}" for s, n in members] for members in pack.concepts.values()]
    return _groups(table, keys, side)
