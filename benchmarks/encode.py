"""Encoder speed: images a second of every way to run the shipped network, in one run.

``python -m benchmarks.encode [--pictures 48]``. All ways see the same pictures of the demo
register; the ratio column is against torch eager float32 of the same run, since machines differ.
A second table says what a query costs, whole and parts, by how many are encoded in one call.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from models.encoder import Encoder, Prepared
from models.images import decode_image
from models.network.checkpoint import OPENVINO, SHIPPED, Checkpoint
from models.training.export import convert, read_pictures
from search_api.demo import demo_register

Pixels = NDArray[np.uint8]
Way = Callable[[Pixels], NDArray[np.float32]]
_BATCH = 8


def ways(checkpoint: Checkpoint) -> dict[str, Way]:
    """Name → how to compute embeddings."""
    network = checkpoint.load_network()
    model = convert(network, checkpoint.preprocess.size)

    def eager(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(torch.from_numpy(pixels)).embedding.numpy()

    last = checkpoint.load_network().to(memory_format=torch.channels_last)

    def channels_last(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            return last(torch.from_numpy(pixels)).embedding.numpy()

    def channels_last_bf16(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return last(torch.from_numpy(pixels)).embedding.float().numpy()

    core = openvino.Core()
    int8 = core.read_model(checkpoint.folder / OPENVINO)
    return {
        "torch eager fp32": eager,
        "torch channels_last fp32": channels_last,
        "torch channels_last bf16": channels_last_bf16,
        "OpenVINO fp32": _openvino(core, model, "f32"),
        "OpenVINO bf16": _openvino(core, model, "bf16"),
        "OpenVINO int8 (shipped)": _openvino(core, int8, "f32"),
    }


def _openvino(core: openvino.Core, model: openvino.Model, precision: str) -> Way:
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return lambda pixels: compiled({0: pixels})[0]


def measure(way: Way, pixels: Pixels) -> tuple[float, NDArray[np.float32]]:
    """Images a second (the better of two rounds) and the embeddings."""
    way(pixels[:_BATCH])
    rates, result = [], []
    for _ in range(2):
        started = time.perf_counter()
        result = [way(pixels[at : at + _BATCH]) for at in range(0, len(pixels), _BATCH)]
        rates.append(len(pixels) / (time.perf_counter() - started))
    return max(rates), np.concatenate(result)


def measure_together(
    encoder: Encoder, queries: list[Prepared], together: int
) -> tuple[float, float]:
    """Milliseconds of the processors and of the clock for each query, so many in a call."""
    encoder.encode_prepared(queries[:together])
    began, started = time.process_time(), time.perf_counter()
    for at in range(0, len(queries), together):
        encoder.encode_prepared(queries[at : at + together])
    spent, took = time.process_time() - began, time.perf_counter() - started
    return 1000 * spent / len(queries), 1000 * took / len(queries)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=48)
    options = parser.parse_args()
    checkpoint = Checkpoint.open(SHIPPED)
    pictures = read_pictures(demo_register() / "images", checkpoint.preprocess, options.pictures)
    reference: NDArray[np.float32] | None = None
    base = 0.0
    print(f"{'':26} images/s   ratio   mean cosine to fp32")
    for name, way in ways(checkpoint).items():
        rate, embeddings = measure(way, pictures)
        if reference is None:
            reference, base = embeddings, rate
        cosines = (embeddings * reference).sum(1) / (
            np.linalg.norm(embeddings, axis=1) * np.linalg.norm(reference, axis=1)
        )
        print(f"{name:26} {rate:8.1f} {rate / base:7.2f}   {cosines.mean():.5f}", flush=True)
    encoder = Encoder.load()
    files = sorted((demo_register() / "images").glob("*.png"))
    spread = files[:: max(1, len(files) // options.pictures)][: options.pictures]
    queries = [encoder.prepare(decode_image(one.read_bytes())) for one in spread]
    print("\nqueries in a call   CPU ms each   ms each")
    for together in (1, 2, 4, 8):
        spent, took = measure_together(encoder, queries, together)
        print(f"{together:17} {spent:13.0f} {took:9.0f}", flush=True)


if __name__ == "__main__":
    main()
