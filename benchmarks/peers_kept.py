"""The competitors of `benchmarks.peers`, each with the vectors it made, kept on disk."""

import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.peer_networks import Backbone, Peer, backbones, imagenet_vgg19, pixel_peers
from models.encoder import Encoder, Prepared
from models.network.preprocess import Preprocess
from models.training.feature_sources import mixed_precision

OURS = "MarkNet, default weights"
_CHUNK = 128  # pictures in one file
_LARGE = ("VGG", "AlexNet")

Vectors = Mapping[str, NDArray[np.float32]]  # by the name that tables show


@dataclass
class Competitor:
    """One network or hash, that may embed in several ways at once.

    Attributes:
        name: in messages and of its files.
        embed: (n, size, size, 3) uint8 → vectors whose inner products rank, for each of its ways.
        preprocess: makes these pixels, of the size that the network was made for.
        folder: where vectors are kept.
    """

    name: str
    embed: Callable[[NDArray[np.uint8]], Vectors]
    preprocess: Preprocess
    folder: Path

    def vectors(self, of: str, pictures: Sequence[Image.Image]) -> Vectors:
        """Embed pictures, or read what an earlier run made of the very same pixels.

        Args:
            of: name of the set of pictures.
            pictures: mode RGB.
        """
        parts, started, seen = [], time.monotonic(), 0
        for at in range(0, len(pictures), _CHUNK):
            part = self.preprocess.batch(pictures[at : at + _CHUNK])
            digest = f"{zlib.crc32(part.tobytes()):08x}"
            kept = self.folder / f"{_plain(self.name)} {_plain(of)} {at} {digest}.npz"
            if not kept.exists():
                unfinished = kept.with_suffix(".tmp")
                with unfinished.open("wb") as file:
                    np.savez(file, allow_pickle=False, **self.embed(part))
                unfinished.replace(kept)
                seen += len(part)
            parts.append(np.load(kept))
        if seen:
            spent = time.monotonic() - started
            print(f"{self.name}, {of}: {seen} pictures, {spent:.0f} s", flush=True)
        return {way: np.concatenate([part[way] for part in parts]) for way in parts[0].files}


def competitors(checkpoint: Path | None, weights: Path, out: Path) -> list[Competitor]:
    """MarkNet first, then hashes and histogram, then the networks whose weights are at hand.

    Args:
        checkpoint: of MarkNet; None is the shipped one.
        weights: folder of folders of ImageNet weights.
        out: vectors are kept in a folder of it.
    """
    folder = out / "vectors"
    folder.mkdir(parents=True, exist_ok=True)
    encoder = Encoder.load(checkpoint)
    own = encoder.checkpoint.preprocess
    theirs = replace(own, size=224)  # what ImageNet's networks were trained on
    found = [Competitor(f"MarkNet {encoder.fingerprint}", _ours(encoder), own, folder)]
    found += [Competitor(peer.name, _one_way(peer), theirs, folder) for peer in pixel_peers()]
    networks = list(backbones(weights))
    try:
        networks.append(imagenet_vgg19())
    except OSError as error:
        print(f"left out: torchvision's VGG19 cannot be downloaded ({error})")
    return found + [Competitor(one.name, _mixed(one), theirs, folder) for one in networks]


def _ours(encoder: Encoder) -> Callable[[NDArray[np.uint8]], Vectors]:
    def embed(pixels: NDArray[np.uint8]) -> Vectors:
        embedding = encoder.encode_prepared(list(map(Prepared, pixels))).wholes.astype(np.float32)
        blocks = {
            block.name: embedding[:, block.start : block.stop] * block.weight**0.5
            for block in encoder.blocks
        }
        whole = {OURS: np.concatenate(list(blocks.values()), axis=1)}
        return whole | {f"MarkNet, {name} alone": block for name, block in blocks.items()}

    return embed


def _one_way(peer: Peer) -> Callable[[NDArray[np.uint8]], Vectors]:
    return lambda pixels: {peer.name: peer.embed(pixels)}


def _mixed(backbone: Backbone) -> Callable[[NDArray[np.uint8]], Vectors]:
    """The large networks in bfloat16: their cosines to float32 stay above 0.9999.

    The light ones do not (0.98 for MobileNetV2), and are quick in float32.
    """

    def embed(pixels: NDArray[np.uint8]) -> Vectors:
        with mixed_precision("cpu"):
            return backbone.embed(pixels)

    return embed if backbone.name.startswith(_LARGE) else backbone.embed


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
