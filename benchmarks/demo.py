"""The demo register end to end: index rate, query latency, and whether marks find themselves.

``python -m benchmarks.demo [--data DIR] [--queries N]`` indexes the shipped register into DIR (a
temporary folder by default; one that is already indexed is not indexed again) and searches it with
the pictures of evenly chosen marks through the Python API.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from search_api.demo import demo_register
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(data_dir=options.data or Path(temporary))
        with MarkLens.open(settings) as marklens:
            index(marklens)
            search(marklens, options.queries)


def index(marklens: MarkLens) -> None:
    """Index the register; print the rate of what was encoded."""
    _ = marklens.encoder  # loaded before the clock starts
    started = time.perf_counter()
    report = marklens.ingest(demo_register())
    spent = time.perf_counter() - started
    written = report.indexed + report.updated
    print(f"indexed {written}, unchanged {report.unchanged}, rejected {report.rejected}", end="")
    print(f" in {spent:.1f} s: {report.read / spent:.1f} marks/s ({marklens.encoder.runtime_name})")


def search(marklens: MarkLens, queries: int) -> None:
    """Search with marks' own pictures; print percentiles and misses."""
    pictures = sorted((demo_register() / "images").glob("*.png"))
    chosen = [pictures[at] for at in np.linspace(0, len(pictures) - 1, queries).astype(int)]
    marklens.search(SearchRequest(chosen[0]))  # loads index and network
    totals, stages, misses = [], [], []
    for path in chosen:
        started = time.perf_counter()
        answer = marklens.search(SearchRequest(path, k=20))
        totals.append(1000 * (time.perf_counter() - started))
        stages.append(answer.plan.milliseconds)
        hits = answer.hits
        best = [hit.id for hit in hits if hit.score >= hits[0].score - 1e-6]
        if path.stem not in best:
            misses.append(path.stem)
    p50, p95 = np.percentile(totals, [50, 95])
    print(f"{queries} searches, k = 20: p50 {p50:.0f} ms, p95 {p95:.0f} ms", end="; ")
    middle = {name: np.median([stage[name] for stage in stages]) for name in stages[0]}
    print("median " + ", ".join(f"{name} {value:.1f}" for name, value in middle.items()), "ms")
    print(f"own picture not first: {len(misses)} of {queries} {' '.join(misses)}")


if __name__ == "__main__":
    main()
