"""The floor of an exact search: how long reading as many bytes from memory once takes.

``python -m benchmarks.search_floor --bytes N --threads T --out FILE``. An exact search reads every
vector once, so it cannot take less than reading them. A NumPy sum over the bytes as 64-bit
integers is such a reading: one addition for eight bytes, vectorised, which on the machines tried
was as fast as the fastest of ten other reductions (27.7 GB/s on one core; or, maximum and dot
product between 21 and 27.6). It runs in as many threads as the searches it is compared with, each
over its own part. The best of several readings counts, the hardest to come near. The array is far
larger than the caches; where it is not (few marks), the floor is a reading from the cache.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.search_process import percentiles, use_cores, write_json

_READINGS = 15


def floor_ms(size: int, threads: int) -> dict[str, float]:
    """Read `size` bytes of memory in `threads` threads: best, p50 and p95, milliseconds."""
    # Filled with changing numbers, for pages of zeros may all be one page.
    words = np.arange(max(size // 8, threads), dtype=np.uint64)
    parts = np.array_split(words, threads)
    spent = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_READINGS):
            started = time.perf_counter()
            list(pool.map(np.sum, parts))
            spent.append(1e3 * (time.perf_counter() - started))
    return {"best": round(min(spent), 3), **percentiles(spent)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    use_cores(options.threads)
    write_json(options.out, floor_ms(options.bytes, options.threads))


if __name__ == "__main__":
    main()
