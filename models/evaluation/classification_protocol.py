"""`marklens evaluate classify`: a network's predicted codes against a user's labels, by level."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder
from models.errors import BadLabels
from models.evaluation.classification_metrics import (
    ABOVE_ONE,
    LabelScore,
    classify_metrics,
    constant_prior,
    label_scores,
    prior_thresholds,
    reliability,
)
from models.evaluation.encoded_pictures import EncodedPictures, OnProgress, encode_files
from models.evaluation.intervals import Interval, bootstrap
from models.evaluation.labels_csv import LabelTable
from models.evaluation.seen_pictures import SeenPictures, content_of
from models.images.picture_folder import PictureFolder
from models.vienna import Level, ViennaCode


@dataclass(frozen=True)
class LevelResult:
    """What one level of the classification (category, division, section) scores.

    Attributes:
        metrics: with intervals over pictures.
        prior: of the constant prediction of these pictures' own label frequencies.
        labels: each code on its own.
        prior_labels: average precision of the constant prediction for each.
        reliability: mean probability said, and share that was true, by bin.
    """

    metrics: Mapping[str, Interval]
    prior: Mapping[str, float]
    labels: Mapping[str, LabelScore]
    prior_labels: Mapping[str, float]
    reliability: tuple[list[float], list[float]]


@dataclass(frozen=True)
class ClassificationResult:
    """What the pictures say of the network.

    Attributes:
        levels: those at which network and labels meet, the broadest first.
        pictures: measured.
        seen: how many of the labelled pictures the network has learnt from or was chosen by.
        with_seen: whether these are among the measured.
        left_out: for each other picture, why.
        unknown: codes of the labels that the network does not predict.
    """

    levels: Mapping[Level, LevelResult]
    pictures: int
    seen: int
    with_seen: bool
    left_out: Sequence[str]
    unknown: Sequence[ViennaCode]


def measure_classification(
    encoder: Encoder,
    table: LabelTable,
    images: Path,
    on_progress: OnProgress,
    with_seen: bool = False,
) -> ClassificationResult:
    """Predict the labels' codes and those above them, and compare.

    Args:
        encoder: the network.
        table: the labels.
        images: folder of the pictures.
        on_progress: called with how many pictures are encoded, of how many.
        with_seen: also measure on pictures that the network has learnt from or was chosen by.

    Raises:
        BadLabels: no labelled picture is there that is to be measured, two names mean one file, or
            the network knows none of the labels.
    """
    wanted = {above for code in table.codes for above in (code, *code.ancestors())}
    codes = sorted(wanted.intersection(encoder.labels))
    if not codes:
        raise BadLabels(
            f"the network predicts none of the labels ({', '.join(map(str, table.codes[:5]))}, ...)"
        )
    named = PictureFolder(images).find_all(table.filenames)
    if not named.found:
        raise BadLabels(f"{images}: none of the {len(table.filenames)} labelled pictures is there")
    unseen = _unseen(encoder, named.found)
    seen = len(named.found) - len(unseen)
    if not unseen and not with_seen:
        raise BadLabels(
            f"the network has learnt from or was chosen by each of the {seen} labelled pictures "
            "that are there; give others, or --with-seen to measure on these all the same"
        )
    encoded = encode_files(encoder, named.found if with_seen else unseen, on_progress)
    targets = _targets(table, encoded, codes)
    levels: dict[Level, LevelResult] = {}
    for level in get_args(Level):
        columns = [at for at, code in enumerate(codes) if code.level == level]
        if columns and targets[:, columns].any():
            of_level = [codes[at] for at in columns]
            levels[level] = _at_level(encoder, encoded, targets[:, columns], of_level)
    if not levels:
        raise BadLabels("no picture bears any label that the network predicts")
    unknown = sorted(set(table.codes) - set(codes))
    left_out = (*named.left_out, *encoded.left_out)
    return ClassificationResult(levels, len(targets), seen, with_seen, left_out, unknown)


def _unseen(encoder: Encoder, pictures: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Those that the network has not seen, and those that cannot be read."""
    seen = SeenPictures.of(encoder.checkpoint.folder)
    unseen = []
    for name, path in pictures:
        with suppress(OSError):  # encoding will say so
            if content_of(path) in seen:
                continue
        unseen.append((name, path))
    return unseen


def _targets(
    table: LabelTable, encoded: EncodedPictures, codes: Sequence[ViennaCode]
) -> NDArray[np.float32]:
    """(n, codes) of 0 and 1: a picture bears what it is labelled with and everything above."""
    row_of = {name: row for row, name in enumerate(table.filenames)}
    given = table.targets[[row_of[name] for name in encoded.names]]
    below = [[code.covers(own) for own in table.codes] for code in codes]
    targets: NDArray[np.float32] = (given @ np.array(below, np.float32).T > 0).astype(np.float32)
    return targets


def _at_level(
    encoder: Encoder,
    encoded: EncodedPictures,
    targets: NDArray[np.float32],
    codes: Sequence[ViennaCode],
) -> LevelResult:
    columns = {code: at for at, code in enumerate(encoder.labels)}
    said = encoded.probabilities[:, [columns[code] for code in codes]]
    thresholds = np.array([encoder.thresholds[code] for code in codes], np.float32)
    frequencies = targets.mean(axis=0)
    nothing = constant_prior(targets, frequencies)

    def metrics(rows: NDArray[np.int64]) -> dict[str, float]:
        return asdict(classify_metrics(targets[rows], said[rows], thresholds))

    names = list(map(str, codes))
    scores, priors = (label_scores(targets, each, thresholds) for each in (said, nothing))
    return LevelResult(
        metrics=bootstrap(metrics, len(targets), ABOVE_ONE),
        prior=asdict(classify_metrics(targets, nothing, prior_thresholds(targets, frequencies))),
        labels=dict(zip(names, scores, strict=True)),
        prior_labels={
            name: one.AP for name, one in zip(names, priors, strict=True) if one.AP is not None
        },
        reliability=reliability(targets, said),
    )
