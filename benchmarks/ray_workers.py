"""Bulk indexing by workers on Ray: marks a second against workers, and what Ray costs.

``python -m benchmarks.ray_workers [--workers 1 2] [--marks 300]``

Pictures of the demo register, all different, are indexed into registers on the disk: by this
process alone, then by each number of workers on this machine, or those of a cluster
(``ray://HOST:10001``), then by this process again, whose two rates are averaged. Ray's
start is told apart. ``lost`` is the share of this process's rate that is lost; several workers on
one machine share its processors. ``driver`` is the processor time of the process that reads and
writes, a mark.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bulk import Plan, write_round
from search_api.demo import demo_register
from search_api.marklens import MarkLens
from search_api.settings import Settings


def measure(table: Path, folder: Path, workers: str | int | None) -> tuple[float, float, float]:
    """Marks a second, seconds until the run began, processor time a mark in seconds."""
    with MarkLens.open(Settings(data_dir=folder)) as marklens:
        _ = marklens.encoder
        begun, cpu = time.monotonic(), time.process_time()
        report = marklens.ingest(table, workers=workers)
        spent, cpu = time.monotonic() - begun, time.process_time() - cpu
    if report.rejected or report.indexed != report.encoded:
        raise SystemExit(f"not every mark is indexed: {report}")
    return report.indexed / report.seconds, spent - report.seconds, cpu / report.indexed


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", nargs="+", default=["1", "2"], metavar="N or ray://HOST:PORT")
    parser.add_argument("--marks", type=int, default=300)
    options = parser.parse_args(arguments)
    pictures = sorted(path for path in (demo_register() / "images").iterdir() if path.is_file())
    runs: list[str | int | None] = [None]
    runs += [int(one) if one.isdecimal() else one for one in options.workers]
    runs.append(None)
    with tempfile.TemporaryDirectory(prefix="marklens-ray-") as temporary:
        plan = Plan(pictures, options.marks, duplicates=0, rounds=1, batch=16)
        table = write_round(Path(temporary) / "source", plan, 0)
        found = [
            measure(table, Path(temporary) / f"data-{number}", workers)
            for number, workers in enumerate(runs)
        ]
    here = (found[0][0] + found[-1][0]) / 2
    print("workers              marks/s    lost  start, s  driver, ms")
    for workers, (rate, start_s, driver_s) in zip(runs, found, strict=True):
        name = "this process" if workers is None else str(workers)
        lost = f"{1 - rate / here:7.1%}"
        print(f"{name:<20} {rate:7.2f} {lost} {start_s:9.1f} {driver_s * 1e3:11.1f}")


if __name__ == "__main__":
    main()
