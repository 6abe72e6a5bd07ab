"""What the register answers in SQL, and what reading it into memory takes, by the number of marks.

``python -m benchmarks.register --marks N --work FOLDER`` writes N invented marks with words, codes
and vectors into FOLDER/register.db, unless one is there, and prints milliseconds (median and 95th
percentile) of

- the 50 hits of a search, read with all that results show, between sweeps through memory as a
  search makes them;
- marks whose words hold a text, of a few letters and of two, which no index of trigrams answers;
- marks whose words are like a text;
- the number of live marks;

and of a rebuild in a process of its own the seconds and the bytes a mark at its peak, beside those
of the vectors.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from benchmarks.search_process import memory_mb, percentiles
from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.pages import WORDS_ORDER, Page
from indexer.query import Filter
from indexer.register import Register
from models.encoder import Embedding
from models.vienna import PredictedCode, ViennaCode

DIMENSION, FINGERPRINT = 432, "synthetic"
_BATCH = 4_000  # marks a transaction
_SYLLABLES = [first + second for first in "bdgklmnrstvz" for second in "aeiou"]
_SWEPT = np.ones(60_000_000, np.uint8)  # more than any processor's cache


def invented(marks: int, seed: int = 7) -> Iterator[list[EncodedMark]]:
    """Batches of marks: up to three words, three codes and classes each."""
    rng = np.random.default_rng(seed)
    for first in range(0, marks, _BATCH):
        count = min(_BATCH, marks - first)
        vectors = rng.standard_normal((count, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield [
            _mark(first + at, vector, rng) for at, vector in enumerate(vectors.astype(np.float16))
        ]


def _mark(at: int, vector: np.ndarray, rng: np.random.Generator) -> EncodedMark:
    words = ["".join(rng.choice(_SYLLABLES, rng.integers(1, 5))) for _ in range(rng.integers(4))]
    codes = {ViennaCode(*map(int, rng.integers(1, 25, 3))) for _ in range(3)}
    seen = {above for code in codes for above in code.ancestors()}
    record = MarkRecord(
        f"EM-{at:09d}",
        text=" ".join(words) or None,
        owner=f"Owner {at % 9_999}",
        office="EM",
        status=("registered", "filed", "expired")[at % 3],
        filed=date(1996, 4, 1) + timedelta(days=int(rng.integers(11_000))),
        nice=tuple(map(int, rng.integers(1, 46, 2))),
        vienna=tuple(codes),
    )
    predicted = tuple(PredictedCode(code, float(rng.random())) for code in seen)
    return EncodedMark(
        record,
        f"{at:x}",
        embedding=Embedding.without_boxes(vector),
        predicted=predicted,
        confident=frozenset(seen),
    )


def _timed(ask: Callable[[], object], times: int) -> dict[str, float]:
    """Milliseconds of asking so often."""
    spent = []
    for _ in range(times):
        _SWEPT.sum()
        started = time.perf_counter()
        ask()
        spent.append(1e3 * (time.perf_counter() - started))
    return percentiles(spent)


def asked(register: Register, marks: int) -> dict[str, dict[str, float]]:
    """How long each question takes."""
    rng = np.random.default_rng(3)
    return {
        "50 hits": _timed(
            lambda: register.marks_numbered((1 + rng.integers(0, marks, 50)).tolist()), 60
        ),
        "words with 'tuve'": _timed(lambda: register.numbers_with_text("tuve"), 10),
        "20 marks with 'tuve', by id": _timed(
            lambda: register.find(Filter(text="tuve"), Page(20)), 10
        ),
        "20 marks with words like 'tuvego', by likeness": _timed(
            lambda: register.find_words(Filter(text="tuvego"), Page(20, order=WORDS_ORDER)), 10
        ),
        "words with 'tu'": _timed(lambda: register.numbers_with_text("tu"), 3),
        "number of marks": _timed(register.count, 10),
    }


def rebuilt(url: str) -> dict[str, float]:
    """Seconds of a rebuild, and bytes a mark at its peak; to be asked of a new process."""
    register = Register.open(url, create=False)
    follower = Follower(register, None, DIMENSION, FINGERPRINT, IndexChoice("cpu"))
    before, started = memory_mb()["now"], time.perf_counter()
    view = follower.rebuild()
    spent = time.perf_counter() - started
    return {
        "seconds": round(spent, 1),
        "bytes a mark": round(1e6 * (memory_mb()["peak"] - before) / view.total),
        "of them vectors": 2 * DIMENSION,
    }


def main() -> None:
    """Write the register, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marks", type=int, default=200_000)
    parser.add_argument("--work", type=Path, default=Path("bench-data"))
    options = parser.parse_args()
    path = options.work / "register.db"
    is_new = not path.exists()
    url = f"sqlite:///{path}"
    register = Register.open(url)
    if is_new:
        register.bind_fingerprint(FINGERPRINT, DIMENSION)
        for batch in invented(options.marks):
            register.add(batch)
    for name, figures in asked(register, register.count()).items():
        print(f"{name}: {figures}")
    register.close()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(f"rebuild: {pool.apply(rebuilt, (url,))}")


if __name__ == "__main__":
    main()
