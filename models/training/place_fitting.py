"""Fits how a network codes places, on pictures that it may learn from.

``python -m models.training.place_fitting CHECKPOINT --images DIR`` gives one to a checkpoint that
has none.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.network.checkpoint import Checkpoint, add_places
from models.network.places import PlaceCoder
from models.training.export import read_pictures
from models.training.lower_maps import LowerLayers, OpenVinoLowerLayers, TorchLowerLayers

PICTURES = 300  # that are looked at: some 20,000 places
_AT_ONCE = 16


def fit_places(lower: LowerLayers, pixels: NDArray[np.uint8]) -> PlaceCoder:
    """Whiten the places of some pictures: seconds.

    Args:
        lower: the network's lower layers.
        pixels: (n, s, s, 3) uint8, prepared pictures of the training side.
    """
    seen = [lower.compute(pixels[at : at + _AT_ONCE]) for at in range(0, len(pixels), _AT_ONCE)]
    maps = np.concatenate([one.maps.astype(np.float32) * one.scale for one in seen])
    return PlaceCoder.fit(maps, pixels)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    checkpoint = Checkpoint.open(options.checkpoint)
    lower: LowerLayers
    if checkpoint.openvino_sha256:
        lower = OpenVinoLowerLayers(checkpoint.openvino_model())
    else:
        lower = TorchLowerLayers(checkpoint.load_network())
    pixels = read_pictures(options.images, checkpoint.preprocess, PICTURES)
    add_places(options.checkpoint, fit_places(lower, pixels))


if __name__ == "__main__":
    main()
