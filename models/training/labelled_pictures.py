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
        missing: names in the labels file for which there is no picture that can be read.
        digest: of the names and contents of all, in their order.
    """

    jobs: tuple[PictureJob, ...]
    split: NDArray[np.str_]
    labels: LabelSet
    targets: NDArray[np.float32]
    missing: tuple[str, ...]
    digest: str

    @classmethod
    def gather(cls, table: LabelTable, images: Path, size: int) -> "LabelledPictures":
        """Find the pictures of a labels file.

        Args:
            table: the labels.
            images: folder that holds the pictures; see :class:`PictureFolder` for how names match.
            size: at which the network is to see them.

        Raises:
            BadLabels: too few pictures are there, or no label has both yes and no among them.
        """
        folder = PictureFolder(images)
        found, rows, missing, digests = [], [], [], []
        for row, name in enumerate(table.filenames):
            path = folder.find(name)
            digest = None if path is None else _digest(path)
            if path is None or digest is None:
                missing.append(name)
            else:
                found.append((name, path))
                rows.append(row)
                digests.append(digest)
        if len(found) < _LEAST:
            example = f"; missing, for example: {missing[0]}" if missing else ""
            raise BadLabels(
                f"{images}: {len(found)} of {len(table.filenames)} labelled pictures are there, "
                f"at least {_LEAST} are needed{example}"
            )
        labels = LabelSet(tuple(sorted(with_ancestors(table.codes))))
        targets = labels.encode_all([table.of(row) for row in rows])
        if not ((targets > 0).any(axis=0) & (targets == 0).any(axis=0)).any():
            raise BadLabels("every label says the same of all pictures; nothing can be learnt")
        return cls(
            tuple(PictureJob(name, _Drawer(path), size) for name, path in found),
            np.array([_side(digest) for digest in digests]),
            labels,
            targets,
            tuple(missing),
            _digest_of_all([name for name, _ in found], digests),
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
            self.missing,
            self.digest,
        )

    def rows(self, side: str) -> NDArray[np.int64]:
        """Rows of one side of the split."""
        return np.flatnonzero(self.split == side)


@dataclass(frozen=True, slots=True)
class _Drawer:
    path: Path

    def __call__(self) -> Image.Image:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"{self.path.name}: cannot be read ({error.strerror})") from error
        return decode_image(content, self.path.name)


def _digest(path: Path) -> bytes | None:
    """SHA-256 of a file; None where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None


def _digest_of_all(names: Sequence[str], digests: Sequence[bytes]) -> str:
    lines = (f"{name}\0{one.hex()}\n" for name, one in zip(names, digests, strict=True))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _side(digest: bytes) -> str:
    """By content, for ever: a picture added later moves no other, equal files stay together."""
    at = int.from_bytes(digest[:8], "big") / 2**64
    if at < _SHARE["test"]:
        return "test"
    return "validation" if at < _SHARE["test"] + _SHARE["validation"] else "train"
