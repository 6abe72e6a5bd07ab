"""A user's own labelled pictures: found, checked, and split into training, validation and test."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import BadLabels, UnreadableImage
from models.evaluation.labels_csv import LabelTable
from models.evaluation.seen_pictures import SeenPictures, content_of
from models.images import decode_image
from models.images.picture_folder import PictureFolder
from models.network.label_set import LabelSet, with_ancestors
from models.training.lower_maps import PictureJob

_SHARE = {"validation": 0.1, "test": 0.1}
_LEAST = 20  # pictures, below which nothing can be learnt and measured


@dataclass(frozen=True)
class LabelledPictures:
    """Labelled pictures that are there.

    Attributes:
        jobs: how each is drawn; its key is its name in the labels file.
        split: (n,) "train", "validation" or "test". Equal files lie on one side.
        labels: the codes of the labels file and those above them; a code that the file does not
            speak of is not predicted, since nothing says whether these pictures bear it.
        targets: (n, labels) float32 of 0 and 1.
        left_out: for each other name in the labels file, why.
        contents: of each, the SHA-256 of its file.
    """

    jobs: tuple[PictureJob, ...]
    split: NDArray[np.str_]
    labels: LabelSet
    targets: NDArray[np.float32]
    left_out: tuple[str, ...]
    contents: tuple[str, ...]

    @classmethod
    def gather(cls, table: LabelTable, images: Path, size: int) -> "LabelledPictures":
        """Find the pictures of a labels file.

        Args:
            table: the labels.
            images: folder that holds the pictures; see :class:`PictureFolder` for how names match.
            size: at which the network is to see them.

        Raises:
            BadLabels: too few pictures are there, two names mean one file, or no label has both yes
                and no among the pictures.
        """
        named = PictureFolder(images).find_all(table.filenames)
        found, contents, left_out = [], [], [*named.left_out]
        for name, path in named.found:
            try:
                contents.append(content_of(path))
            except OSError as error:
                left_out.append(f"{name}: cannot be read ({error.strerror})")
            else:
                found.append((name, path))
        if len(found) < _LEAST:
            example = f"; left out, for example: {left_out[0]}" if left_out else ""
            raise BadLabels(
                f"{images}: {len(found)} of {len(table.filenames)} labelled pictures are there, "
                f"at least {_LEAST} are needed{example}"
            )
        labels = LabelSet(tuple(sorted(with_ancestors(table.codes))))
        row_of = {name: row for row, name in enumerate(table.filenames)}
        targets = labels.encode_all([table.of(row_of[name]) for name, _ in found])
        if not ((targets > 0).any(axis=0) & (targets == 0).any(axis=0)).any():
            raise BadLabels("every label says the same of all pictures; nothing can be learnt")
        return cls(
            tuple(PictureJob(name, _Drawer(path), size) for name, path in found),
            np.array([_side(content) for content in contents]),
            labels,
            targets,
            tuple(left_out),
            tuple(contents),
        )

    def kept(self, keys: Sequence[str]) -> "LabelledPictures":
        """Only the pictures of these names, in their order."""
        row_of = {job.key: row for row, job in enumerate(self.jobs)}
        rows = [row_of[key] for key in keys if key in row_of]
        return LabelledPictures(
            tuple(self.jobs[row] for row in rows),
            self.split[rows],
            self.labels,
            self.targets[rows],
            self.left_out,
            tuple(self.contents[row] for row in rows),
        )

    def rows(self, side: str) -> NDArray[np.int64]:
        """Rows of one side of the split."""
        return np.flatnonzero(self.split == side)

    def digest(self) -> str:
        """Of the names and contents of all, in their order."""
        both = zip(self.jobs, self.contents, strict=True)
        lines = "".join(f"{job.key}\0{content}\n" for job, content in both)
        return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()

    def seen(self) -> SeenPictures:
        """What a network has seen that is trained on these: all but those of the test."""
        sides = zip(self.split, self.contents, strict=True)
        return SeenPictures(content for side, content in sides if side != "test")


@dataclass(frozen=True, slots=True)
class _Drawer:
    path: Path

    def __call__(self) -> Image.Image:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"{self.path.name}: cannot be read ({error.strerror})") from error
        return decode_image(content, self.path.name)


def _side(content: str) -> str:
    """By content, for ever: a picture added later moves no other, equal files stay together."""
    at = int(content[:16], 16) / 2**64
    if at < _SHARE["test"]:
        return "test"
    return "validation" if at < _SHARE["test"] + _SHARE["validation"] else "train"
