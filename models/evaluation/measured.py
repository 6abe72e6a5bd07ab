"""What `marklens evaluate` measures: a network on a user's labelled or grouped pictures."""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.encoder import Encoder
from models.errors import BadLabels, UnreadableImage
from models.evaluation.changes import CHANGES
from models.evaluation.classification import (
    LabelScore,
    classify_metrics,
    constant_prior,
    label_scores,
    reliability,
)
from models.evaluation.intervals import Interval, bootstrap
from models.evaluation.retrieval import relevant_ranks, retrieval_intervals
from models.images import decode_image
from models.labels_csv import LabelTable

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg"))
_CHUNK = 64
# The changes of issue-sized strength that a search must survive.
TRANSFORMATIONS = ("recolour", "reverse", "rotate", "crop", "add_word")

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Looked:
    """Encoded pictures.

    Attributes:
        names: of those that could be read.
        embeddings: (n, d) float32, blocks scaled by the square roots of their default weights.
        probabilities: (n, labels) float32.
        left_out: for each other picture, why.
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Classification:
    """Metrics of a level (category, division, section), beside the constant prior's."""

    metrics: Mapping[str, Interval]
    prior: Mapping[str, Interval]
    labels: Mapping[str, LabelScore]
    reliability: tuple[list[float], list[float]]
    pictures: int
    left_out: Sequence[str]


@dataclass(frozen=True)
class Retrieval:
    """Metrics of queries; `counted` has the query counted as relevant, as METU's code does."""

    metrics: Mapping[str, Interval]
    counted: Mapping[str, Interval]
    transformations: Mapping[str, Mapping[str, Interval]]
    not_itself_first: Sequence[tuple[str, str]]
    queries: int
    gallery: int
    left_out: Sequence[str]


def look(
    encoder: Encoder,
    pictures: Sequence[tuple[str, Path]],
    told: Told,
    change: str | None = None,
) -> Looked:
    """Encode picture files; one that cannot be read is left out and named.

    Args:
        encoder: the network.
        pictures: name and file.
        told: how many are done, of how many.
        change: one of `TRANSFORMATIONS`, applied to each, by random numbers of its own name.
    """
    names: list[str] = []
    left_out: list[str] = []
    embeddings, probabilities = [], []
    for start in range(0, len(pictures), _CHUNK):
        images: list[Image.Image] = []
        for at, (name, path) in enumerate(pictures[start : start + _CHUNK], start):
            try:
                image = decode_image(path.read_bytes(), path.name)
            except (UnreadableImage, OSError) as error:
                left_out.append(f"{name}: {error}")
                continue
            if change is not None:
                image = CHANGES[change](image, np.random.default_rng([at, len(change)]))
            images.append(image)
            names.append(name)
        encoded = encoder.encode(images)
        embeddings.append(encoded.embeddings.astype(np.float32))
        probabilities.append(encoded.probabilities)
        told(min(start + _CHUNK, len(pictures)), len(pictures))
    whole = np.concatenate(embeddings)
    for block in encoder.blocks:
        whole[:, block.start : block.stop] *= block.weight**0.5
    return Looked(tuple(names), whole, np.concatenate(probabilities), tuple(left_out))


def measure_classification(
    encoder: Encoder, table: LabelTable, images: Path, told: Told
) -> Classification:
    """Predict the labels' codes and compare.

    Raises:
        BadLabels: no labelled picture is there, or the network knows none of the labels.
    """
    known = {code: at for at, code in enumerate(encoder.labels)}
    columns = [at for at, code in enumerate(table.codes) if code in known]
    if not columns:
        raise BadLabels(
            f"the network predicts none of the labels ({', '.join(map(str, table.codes[:5]))}, ...)"
        )
    row_of = {name: row for row, name in enumerate(table.filenames)}
    there = [(name, images / name) for name in table.filenames if (images / name).is_file()]
    missing = [
        f"{name}: no such picture" for name in table.filenames if not (images / name).is_file()
    ]
    if not there:
        raise BadLabels(f"{images}: none of the {len(table.filenames)} labelled pictures is there")
    looked = look(encoder, there, told)
    targets = table.targets[np.ix_([row_of[name] for name in looked.names], columns)]
    codes = [table.codes[at] for at in columns]
    probabilities = looked.probabilities[:, [known[code] for code in codes]]
    thresholds = np.array([encoder.thresholds[code] for code in codes], np.float32)
    nothing = constant_prior(targets, targets.mean(axis=0))

    def metrics(said: NDArray[np.float32]) -> dict[str, Interval]:
        return bootstrap(
            lambda rows: asdict(classify_metrics(targets[rows], said[rows], thresholds)),
            len(targets),
        )

    scores = label_scores(targets, probabilities, thresholds)
    return Classification(
        metrics=metrics(probabilities),
        prior=metrics(nothing),
        labels={str(code): one for code, one in zip(codes, scores, strict=True)},
        reliability=reliability(targets, probabilities),
        pictures=len(targets),
        left_out=(*missing, *looked.left_out),
    )


def read_groups(path: Path, images: Path) -> tuple[list[tuple[str, Path]], dict[str, list[str]]]:
    """Read ``file,group``: pictures, and the names in each group.

    Raises:
        BadLabels: the file cannot be read, lacks the columns, or no group has two members.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadLabels(f"{path}: cannot be read ({error})") from error
    if not rows or not {"file", "group"} <= set(rows[0]):
        raise BadLabels(f"{path}: needs the columns file and group, and a row a picture")
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row["file"])
    if all(len(members) < 2 for members in groups.values()):
        raise BadLabels(f"{path}: no group has two members, so there is nothing to be found")
    return [(row["file"], images / row["file"]) for row in rows], dict(groups)


def read_metu(folder: Path) -> tuple[list[tuple[str, Path]], dict[str, list[str]]]:
    """Read a query set laid out like METU's: a folder a group, or names like ``12-3.jpg``.

    The group of a picture that lies directly in the folder is what stands before the first ``-``
    or ``_`` of its name.

    Raises:
        BadLabels: no group of two pictures is there.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    pictures = _pictures(folder)
    for name, path in pictures:
        above = path.parent
        own = path.stem.replace("_", "-").partition("-")[0]
        groups[own if above == folder else str(above.relative_to(folder))].append(name)
    if all(len(members) < 2 for members in groups.values()):
        raise BadLabels(
            f"{folder}: no group of two pictures is there (a folder a group, or 12-3.jpg)"
        )
    return pictures, dict(groups)


def _pictures(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise BadLabels(f"{folder}: not a folder")
    return [
        (str(path.relative_to(folder)), path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]


def measure_retrieval(
    encoder: Encoder,
    pictures: Sequence[tuple[str, Path]],
    groups: Mapping[str, Sequence[str]],
    distractors: Path | None,
    told: Told,
    transformations: bool = False,
) -> Retrieval:
    """Query with every picture of a group for the others, among all pictures.

    Args:
        encoder: the network.
        pictures: those that the groups name.
        groups: names that belong together.
        distractors: folder of further pictures, relevant to no query.
        told: progress.
        transformations: also query with each picture changed, for its original.

    Raises:
        BadLabels: no group keeps two readable members.
    """
    further = (
        [(f"distractor:{n}", path) for n, path in _pictures(distractors)] if distractors else []
    )
    looked = look(encoder, [*pictures, *further], told)
    row_of = {name: row for row, name in enumerate(looked.names)}
    rows = [[row_of[name] for name in members if name in row_of] for members in groups.values()]
    rows = [group for group in rows if len(group) >= 2]
    if not rows:
        raise BadLabels("no group keeps two members that can be read; nothing can be found")
    gallery = range(len(looked.names))
    changed = {}
    for name in TRANSFORMATIONS if transformations else ():
        changed[name] = _changed(encoder, pictures, looked, name, told)
    return Retrieval(
        metrics=retrieval_intervals(
            relevant_ranks(looked.embeddings, rows, gallery), len(gallery) - 1
        ),
        counted=retrieval_intervals(
            relevant_ranks(looked.embeddings, rows, gallery, count_query=True), len(gallery)
        ),
        transformations=changed,
        not_itself_first=_not_itself_first(looked),
        queries=sum(map(len, rows)),
        gallery=len(gallery),
        left_out=looked.left_out,
    )


def _changed(
    encoder: Encoder,
    pictures: Sequence[tuple[str, Path]],
    looked: Looked,
    change: str,
    told: Told,
) -> dict[str, Interval]:
    """Each picture, changed, must find its original among all."""
    queries = look(encoder, [one for one in pictures if one[0] in looked.names], told, change)
    row_of = {name: row for row, name in enumerate(looked.names)}
    ranks = []
    for name, query in zip(queries.names, queries.embeddings, strict=True):
        scores = looked.embeddings @ query
        ranks.append(np.array([(scores >= scores[row_of[name]]).sum()]))
    return retrieval_intervals(ranks, len(looked.names))


def _not_itself_first(looked: Looked) -> list[tuple[str, str]]:
    """Pictures for which another comes first when they are their own query, and that other."""
    found = []
    for row, embedding in enumerate(looked.embeddings):
        scores = looked.embeddings @ embedding
        scores[row] += 1e-6  # float32 rounding of equal pictures
        first = int(scores.argmax())
        if first != row:
            found.append((looked.names[row], looked.names[first]))
    return found
