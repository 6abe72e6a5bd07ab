"""What is known of each cached picture: its side of the split, its codes, its group."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.colour import GREYS
from models.parts import is_thing
from models.training.codes import LabelSet, with_ancestors
from models.training.jobs import SharedPack, read_notes, split_of_key
from models.training.lower_maps import LowerMaps, whole_key
from models.training.pack import Split
from models.vienna import ViennaCode

UNKNOWN = -1.0  # a target that says neither yes nor no
_LEAST = 15  # training examples of a code that is learnt
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
    codes: dict[int, frozenset[ViennaCode]] = {}
    for row, key in enumerate(maps.keys):
        kind, _, rest = key.partition(":")
        set_, _, name = rest.partition("/")
        if kind == "composed":
            divisions, sections = composed[key]
            codes[row] = with_ancestors([*divisions, *sections])
        elif kind == "icon":
            codes[row] = with_ancestors(pack.pictograms[set_, name].codes)
        elif kind == "brand" and (set_, name) in pack.logo_codes:
            codes[row] = with_ancestors(pack.logo_codes[set_, name])
    labels = _label_set([codes[row] for row in codes if split[row] == "train"])
    targets = np.full((len(maps), len(labels.codes)), UNKNOWN, np.float32)
    for row, marked in codes.items():
        targets[row] = _target(labels, marked)
    _doubt_pictograms(maps, labels, targets)
    _deny_parts(maps.keys, labels, targets)
    return Table(maps.keys, split, labels, targets)


def _label_set(examples: Sequence[frozenset[ViennaCode]]) -> LabelSet:
    """Categories and divisions.

    No section: one that is not noted may still hold where its division does, so that nothing would
    tell sections of one division apart; a network that learnt them said "one letter" of all words.
    """
    learnt = LabelSet.from_examples(examples, _LEAST)
    return LabelSet(tuple(code for code in learnt.codes if code.level != "section"))


def _target(labels: LabelSet, marked: frozenset[ViennaCode]) -> NDArray[np.float32]:
    return np.array([float(code in marked) for code in labels.codes], np.float32)


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


def _deny_parts(keys: Sequence[str], labels: LabelSet, targets: NDArray[np.float32]) -> None:
    """A part shows none of the things that its mark does not; which of the others is not known.

    So letters and lines that are cut out are learnt to be no things.
    """
    row_of = {key: row for row, key in enumerate(keys)}
    things = np.array([is_thing(code) for code in labels.codes])
    for row, key in enumerate(keys):
        if key.startswith("part:") and whole_key(key) in row_of:
            of_mark = targets[row_of[whole_key(key)]]
            targets[row] = np.where(things & (of_mark == 0.0), 0.0, UNKNOWN)


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
