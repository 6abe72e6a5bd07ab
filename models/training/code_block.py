"""The block "codes" of a checkpoint: how probabilities of codes become part of its embeddings.

``python -m models.training.code_block CHECKPOINT --images DIR --frequencies FILE`` fits it for a
network that is there, whenever its weights or its calibration have changed; `marklens train` does
it by itself. FILE counts the codes of a register, such as
``benchmarks/data/euipo_code_frequencies.json``.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder
from models.evaluation.encoded_pictures import encode_files
from models.images.picture_folder import PictureFolder
from models.network.checkpoint import add_code_block
from models.network.code_block import CodeBlock
from models.network.parts import is_thing
from models.vienna import ViennaCode

log = logging.getLogger(__name__)

_SMOOTHING = 10.0  # marks that a code counts as borne by beyond its count: none is endlessly rare


def fit_code_block(
    probabilities: NDArray[np.float32],
    counts: NDArray[np.float64],
    marks: int,
    labels: Sequence[ViennaCode],
) -> CodeBlock:
    """Fit the block on predictions of whole pictures.

    Only things shown count, unless the network knows none: lettering, figures and colours are on
    most marks, and would make all those that have them alike.

    Args:
        probabilities: (n, labels), calibrated, of pictures not trained on.
        counts: (labels,) of marks that bear each code, among `marks`.
        marks: how many were counted.
        labels: the code of each column.
    """
    rarity = 1.0 - np.log((counts + _SMOOTHING) / (marks + _SMOOTHING))
    things = np.array([is_thing(code) for code in labels])
    return CodeBlock.fit(probabilities, np.where(things, rarity, 0.0) if things.any() else rarity)


def read_counts(path: Path, labels: Sequence[ViennaCode]) -> tuple[NDArray[np.float64], int]:
    """Read how many marks of a register bear each code.

    Args:
        path: JSON: ``n``, the number of marks, and under ``category``, ``division`` and ``section``
            the counts by code without dots.
        labels: the codes.

    Returns:
        (labels,), and the number of marks.
    """
    counted = json.loads(path.read_text("utf-8"))
    found = [counted[code.level].get(str(code).replace(".", ""), 0) for code in labels]
    return np.array(found, np.float64), int(counted["n"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--images", type=Path, required=True, help="typical pictures")
    parser.add_argument("--frequencies", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = Encoder.load(options.checkpoint)
    pictures = PictureFolder(options.images).pictures()
    encoded = encode_files(encoder, pictures, lambda done, of: log.info("%d of %d", done, of))
    counts, marks = read_counts(options.frequencies, encoder.labels)
    block = fit_code_block(encoded.probabilities, counts, marks, encoder.labels)
    checkpoint = add_code_block(options.checkpoint, block)
    log.info("%d numbers; fingerprint %s", block.width, checkpoint.fingerprint)


if __name__ == "__main__":
    main()
