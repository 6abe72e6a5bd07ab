"""OpenVINO int8 against the torch reference on every mark of the demo register.

``python -m benchmarks.agreement [--marks N]`` (all by default: minutes on two cores) prints the
least and mean cosine of the embeddings, and in how many of the top-10 places both agree.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder, Prepared
from models.network.checkpoint import SHIPPED, Checkpoint
from models.training.export import read_pictures
from search_api.demo import demo_register


def weighted(encoder: Encoder, embeddings: NDArray[np.float16]) -> NDArray[np.float32]:
    """Embeddings whose inner products are the default scores."""
    rows = embeddings.astype(np.float32)
    total = sum(block.weight for block in encoder.blocks)
    for block in encoder.blocks:
        rows[:, block.start : block.stop] *= (block.weight / total) ** 0.5
    return rows


def top(rows: NDArray[np.float32], k: int = 10) -> NDArray[np.int64]:
    """The k nearest others of each row."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1)[:, :k]


def agreement(number: int | None) -> tuple[NDArray[np.float32], float, int]:
    """Cosine of each mark's two embeddings, share of equal top-10 places, marks compared."""
    images = demo_register() / "images"
    count = number or sum(1 for _ in images.glob("*.png"))
    preprocess = Checkpoint.open(SHIPPED).preprocess
    pictures = list(map(Prepared, read_pictures(images, preprocess, count)))
    rows = [
        weighted(encoder, encoder.encode_prepared(pictures).wholes)
        for encoder in (
            Encoder.load(device="cpu", runtime="torch"),
            Encoder.load(device="cpu", runtime="openvino"),
        )
    ]
    first, second = rows
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines = (first * second).sum(axis=1) / norms
    tops = [top(each) for each in rows]
    shared = [len(set(a) & set(b)) for a, b in zip(*tops, strict=True)]
    return cosines, float(np.mean(shared)) / 10, count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marks", type=int)
    cosines, shared, count = agreement(parser.parse_args().marks)
    print(f"{count} marks: cosine of int8 to torch fp32 min {cosines.min():.4f}", end=" ")
    print(f"mean {cosines.mean():.5f}; same top-10 in {100 * shared:.1f} % of places")


if __name__ == "__main__":
    main()
