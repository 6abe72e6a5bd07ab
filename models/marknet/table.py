"""A table of the cached pictures: side of the split, codes and group of each."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.marknet.real_logos import BENT, LETTERING, Reading
from models.marknet.sections import SectionLexicon
from models.marknet.training_pictures import Note, SharedPack, read_notes, split_of_key
from models.network.colour import GREYS
from models.network.label_set import LabelSet, with_ancestors
from models.network.parts import is_thing
from models.synthesis.drawings import Pictogram, Split
from models.training.lower_maps import whole_key
from models.vienna import ViennaCode

UNKNOWN = -1.0  # a target that says neither yes nor no
_LEAST = 15  # training examples of a code that is learnt
_LEAST_SECTION = 30  # the same of a section
_COLOURED = 0.15  # share of chromatic reference colours from which a pictogram counts as coloured

WITH_PARTS = ("icon", "brand", "lettered", "composed")  # kinds whose parts are cached, too
_READ = ("brand", "lettered")  # kinds whose codes a person read

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """All cached pictures with what is known of them.

    Attributes:
        keys: name of each row; what stands before the colon is its kind.
        split: (n,) "train", "validation" or "test".
        labels: the codes predicted.
        targets: (n, labels) 0, 1 or UNKNOWN.
    """

    keys: tuple[str, ...]
    split: NDArray[np.str_]
    labels: LabelSet
    targets: NDArray[np.float32]

    def on(self, *sides: Split) -> NDArray[np.bool_]:
        """(n,) whether each row lies on one of some sides."""
        return np.isin(self.split, sides)

    def rows(self, kind: str, *sides: Split) -> Rows:
        """Rows of a kind of key (``icon``, ``composed``, ``brand``, ``lettered``, ``view``)."""
        of_kind = np.array([key.startswith(f"{kind}:") for key in self.keys])
        return np.flatnonzero(of_kind & self.on(*sides))

    def labelled(self, kind: str, *sides: Split) -> Rows:
        """Those of them that surely bear a code.

        One other than frames' and colours', unless a person read them and would have seen more.
        """
        rows = self.rows(kind, *sides)
        vague = (29,) if kind in _READ else (26, 29)
        telling = np.array([code.category not in vague for code in self.labels.codes])
        known: Rows = rows[(self.targets[rows][:, telling] == 1.0).any(axis=1)]
        return known

    def parts(self, kind: str, *sides: Split) -> Rows:
        """Rows of the parts of those pictures of a kind that are cached themselves."""
        rows = self.rows(f"part:{kind}", *sides)
        return rows[[whole_key(self.keys[row]) in self.row_of for row in rows]]

    def parts_of(self, side: Split) -> dict[int, Rows]:
        """Rows of the parts of each picture of a side that has some, by its row."""
        found: dict[int, list[int]] = defaultdict(list)
        for kind in WITH_PARTS:
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


def tabulate(
    pack: SharedPack,
    keys: Sequence[str],
    colour: NDArray[np.float16],
    notes: Path,
    kept: Iterable[ViennaCode] = (),
) -> Table:
    """Lay what is known beside pictures that were looked at.

    Args:
        pack: the drawings with their codes.
        keys: name of each picture.
        colour: (n, 48) their colour blocks.
        notes: of composed marks.
        kept: codes that are predicted however few pictures bear them.
    """
    composed = read_notes(notes)
    split = np.array([split_of_key(key, pack) for key in keys])
    known: dict[int, _Known] = {}
    for row, key in enumerate(keys):
        kind, _, rest = key.partition(":")
        set_, _, name = rest.partition("/")
        if kind == "composed":
            known[row] = _known_of_composed(composed[key], pack)
        elif kind == "icon":
            drawn = pack.pictograms[set_, name]
            known[row] = _known_of_drawings(drawn.codes, [drawn])
        elif kind in _READ and (logo := (set_, name.partition("#")[0])) in pack.readings:
            known[row] = _known_of_read(pack.readings[logo], lettered=kind == "lettered")
    labels = _label_set([known[row].codes for row in known if split[row] == "train"], kept)
    targets = np.full((len(keys), len(labels.codes)), UNKNOWN, np.float32)
    for row, of_row in known.items():
        targets[row] = _target(labels, of_row)
    table = Table(tuple(keys), split, labels, targets)
    _see_colours(table, colour)
    return table


class _Known(NamedTuple):
    """What is known of a picture.

    Attributes:
        codes: that it bears, with all above them.
        complete: divisions whose sections are all among the codes.
        doubtful: codes that it may bear, where they are none of `codes`, nor anything below them.
    """

    codes: frozenset[ViennaCode]
    complete: frozenset[ViennaCode]
    doubtful: frozenset[ViennaCode] = frozenset()


def _known_of_drawings(codes: Collection[ViennaCode], drawn: Sequence[Pictogram]) -> _Known:
    """A picture of pictograms, whose names tell sections."""
    lexicon = SectionLexicon.load()
    sections: set[ViennaCode] = set()
    bearers: Counter[ViennaCode] = Counter()
    for pictogram in drawn:
        by_division = lexicon.sections_by_division(pictogram.name, pictogram.codes)
        sections.update(*by_division.values())
        bearers.update(by_division.keys())
        bearers.subtract(pictogram.codes)
    # Told by every drawing that bears it: nothing was subtracted in vain.
    whole = {code for code in bearers if bearers[code] == 0}
    return _Known(with_ancestors([*codes, *sections]), frozenset(whole))


def _known_of_composed(note: Note, pack: SharedPack) -> _Known:
    """A composed mark: its drawings', and what the composer itself put in."""
    drawn = [pack.pictograms[member] for member in note.members]
    shown = _known_of_drawings(note.divisions, drawn)
    return _Known(shown.codes | with_ancestors(note.sections), shown.complete)


def _known_of_read(reading: Reading, lettered: bool) -> _Known:
    """A logo from which a person read codes: all sections of a division, if any."""
    codes, doubtful = {*reading.codes}, {*reading.doubtful}
    if lettered:
        codes |= LETTERING
        doubtful.add(BENT)
    divisions = {code.ancestors()[-1] for code in codes if code.level == "section"}
    return _Known(with_ancestors(codes), frozenset(divisions), frozenset(doubtful))


def targets_of_reading(labels: LabelSet, reading: Reading) -> NDArray[np.float32]:
    """What a person read from a logo: (labels,) of 0, 1 and `UNKNOWN`; of colours nothing is known.

    Args:
        labels: the codes.
        reading: of a logo as it is.
    """
    target = _target(labels, _known_of_read(reading, lettered=False))
    colours = np.array([code.category == 29 for code in labels.codes])
    return np.where(colours, np.float32(UNKNOWN), target)


def _label_set(examples: Sequence[frozenset[ViennaCode]], kept: Iterable[ViennaCode]) -> LabelSet:
    """Categories, divisions, and sections of things shown.

    No other section: one of figures or writing that is not noted may still hold where its division
    does, so that nothing would tell sections of one division apart; a network that learnt them
    said "one letter" of all words.
    """
    learnt = LabelSet.from_examples(examples, _LEAST)
    often = LabelSet.from_examples(examples, _LEAST_SECTION).codes
    sections = {code for code in often if is_thing(code) and code.level == "section"}
    chosen = {code for code in learnt.codes if code.level != "section" or code in sections}
    return LabelSet(tuple(sorted(chosen.union(kept))))


def _target(labels: LabelSet, known: _Known) -> NDArray[np.float32]:
    """0, 1 or UNKNOWN: what is doubtful, and sections not named where their division is borne."""
    doubtful_or_above = with_ancestors(known.doubtful)

    def of_code(code: ViennaCode) -> float:
        if code in known.codes:
            return 1.0
        if code in doubtful_or_above or not known.doubtful.isdisjoint(code.ancestors()):
            return UNKNOWN
        division = code.ancestors()[-1] if code.level == "section" else None
        return UNKNOWN if division in known.codes and division not in known.complete else 0.0

    return np.array([of_code(code) for code in labels.codes], np.float32)


def _see_colours(table: Table, colour: NDArray[np.float16]) -> None:
    """What neither a name nor a person tells: colours come from the pixels.

    Nor does a pictogram's name tell its ring or frame: category 26 and what lies below it is
    unknown unless the name says it.
    """
    targets = table.targets
    kinds = np.array([key.partition(":")[0] for key in table.keys])
    known = (targets != UNKNOWN).any(axis=1)
    seen, icons = np.flatnonzero(known & np.isin(kinds, ("icon", *_READ))), kinds == "icon"
    shares = colour[seen].astype(np.float32)[:, GREYS:]
    coloured = np.square(shares).sum(axis=1) > _COLOURED
    for at, code in enumerate(table.labels.codes):
        if code.category == 29:
            targets[seen, at] = coloured
        elif code.category == 26:
            column = targets[icons, at]
            targets[icons, at] = np.where(column == 1.0, 1.0, UNKNOWN)


def _groups(table: Table, keys: Iterable[Sequence[str]], *sides: Split) -> list[Rows]:
    """Rows of groups of keys on some sides of the split, where at least two are left."""
    row_of, on = table.row_of, table.on(*sides)
    groups = [[row_of[key] for key in group if key in row_of and on[row_of[key]]] for group in keys]
    return [np.array(group, np.int64) for group in groups if len(group) >= 2]


def brand_groups(pack: SharedPack, table: Table, *sides: Split) -> list[Rows]:
    """Rows that show one brand's sign."""
    keys = [[f"brand:{s}/{n}" for s, n in members] for members in pack.brands.values()]
    return _groups(table, keys, *sides)


def view_groups(table: Table) -> list[Rows]:
    """Training rows that show one logo: itself and its changed views."""
    views: dict[str, list[str]] = defaultdict(list)
    for key in table.keys:
        if key.startswith("view:"):
            views[key[5:].rpartition("#")[0]].append(key)
    return _groups(table, [[f"brand:{logo}", *keys] for logo, keys in views.items()], "train")


def concept_groups(pack: SharedPack, table: Table, *sides: Split) -> list[Rows]:
    """Rows of pictograms that show one thing, drawn by different hands."""
    return _groups(table, _pictograms_of(pack).values(), *sides)


def thing_groups(pack: SharedPack, table: Table, *sides: Split) -> list[Rows]:
    """Rows of real logos whose main thing is one, by different brands."""
    return _groups(table, _logos_of(pack, "brand:{}").values(), *sides)


def training_thing_groups(pack: SharedPack, table: Table) -> list[Rows]:
    """Training rows that show one thing: pictograms, real logos, and these beside lettering."""
    keys = _pictograms_of(pack)
    for form in ("brand:{}", "lettered:{}#0"):
        for thing, logos in _logos_of(pack, form).items():
            keys[thing] = [*keys.get(thing, ()), *logos]
    return _groups(table, keys.values(), "train")


def _pictograms_of(pack: SharedPack) -> dict[str, list[str]]:
    return {
        thing: [f"icon:{s}/{n}" for s, n in members] for thing, members in pack.concepts.items()
    }


def _logos_of(pack: SharedPack, form: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for (set_, name), reading in pack.readings.items():
        if reading.things:
            found[reading.things[0]].append(form.format(f"{set_}/{name}"))
    return found
