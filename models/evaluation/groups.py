"""Reads which pictures belong together: a table of groups, METU's layout, or MPEG-7's."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadLabels
from models.images.picture_folder import PictureFolder

Named = tuple[str, Path]  # a picture's name and its file


@dataclass(frozen=True)
class Groups:
    """Pictures, and which of them are relevant to each other.

    Attributes:
        pictures: every one once.
        members: group → names.
        left_out: for each name without a picture, why.
    """

    pictures: Sequence[Named]
    members: Mapping[str, Sequence[str]]
    left_out: Sequence[str] = ()


def read_groups(path: Path, images: Path) -> Groups:
    """Read ``file,group`` (comma, semicolon or tab).

    Raises:
        BadLabels: the file cannot be read, lacks the columns, names a picture twice (be it
            differently), or no group has two members.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLabels(f"{path}: cannot be read ({error})") from error
    sign = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=sign))
    except csv.Error as error:  # a field of more than 131,072 characters
        raise BadLabels(f"{path}: cannot be read ({error})") from error
    if not rows or not {"file", "group"} <= set(rows[0]):
        raise BadLabels(f"{path}: needs the columns file and group, and a row a picture")
    names: dict[str, None] = {}
    groups: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        name, group = row["file"], row["group"]
        if not name or not group:
            raise BadLabels(f"{path}, row {number}: file and group are both needed")
        if name in names:
            raise BadLabels(f"{path}, row {number}: {name!r} stands there twice")
        names[name] = None
        groups[group].append(name)
    if all(len(members) < 2 for members in groups.values()):
        raise BadLabels(f"{path}: no group has two members, so there is nothing to be found")
    pictures = PictureFolder(images).find_all(list(names))
    return Groups(pictures.found, dict(groups), pictures.left_out)


def read_metu(folder: Path) -> Groups:
    """Read a query set laid out like METU's: a folder a group, or names like ``12-3.jpg``.

    The group of a picture that lies directly in the folder is what stands before the first ``-``
    or ``_`` of its name.

    Raises:
        BadLabels: no group of two pictures is there.
    """

    def group(path: Path) -> str:
        own = path.stem.replace("_", "-").partition("-")[0]
        return own if path.parent == folder else str(path.parent.relative_to(folder))

    return _grouped(folder, group, "a folder a group, or 12-3.jpg")


def read_mpeg7(folder: Path) -> Groups:
    """Read shapes laid out like MPEG-7's CE-Shape-1: one folder, names like ``sea_snake-12.gif``.

    Raises:
        BadLabels: no class of two pictures is there.
    """
    return _grouped(folder, lambda path: path.stem.rpartition("-")[0], "names like apple-1.gif")


def _grouped(folder: Path, group_of: Callable[[Path], str], layout: str) -> Groups:
    groups: dict[str, list[str]] = defaultdict(list)
    pictures = PictureFolder(folder).pictures()
    for name, path in pictures:
        groups[group_of(path)].append(name)
    if all(len(members) < 2 for members in groups.values()):
        raise BadLabels(f"{folder}: no group of two pictures is there ({layout})")
    return Groups(pictures, dict(groups))
