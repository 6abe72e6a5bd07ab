"""Random marks, filters and searches, with near marks, ties and whatever else makes trouble."""

from datetime import date, timedelta

import numpy as np

from indexer.marks import EncodedMark, MarkRecord
from indexer.query import Filter, SearchQuery
from indexer.register import Register
from models.encoder import Block, Embedding
from models.vienna import PredictedCode, ViennaCode

BLOCKS = (Block("visual", 0, 24, 1.0), Block("concept", 24, 28, 0.5), Block("colour", 28, 32, 0.2))
DIMENSION = 32
CODES = [
    ViennaCode.parse(text)
    for text in ("03", "03.01", "03.01.08", "03.02.01", "04", "04.01.01", "26.01", "26")
]
PROBABILITIES = [0.05, 0.3, 0.5, 0.7, 0.95]
DATES = [None, *(date(2020, 1, 1) + timedelta(days=90 * i) for i in range(8))]
STATUSES = [None, "registered", 'a "quoted\\" word', "ünï % _"]
MARKS = 400


def some(rng: np.random.Generator, of: list, share: float = 0.3) -> list:
    return [one for one in of if rng.random() < share]


def one_of(rng: np.random.Generator, of: list) -> object:
    return of[rng.integers(len(of))]


def embedding(rng: np.random.Generator, like: int = 60) -> Embedding:
    """One to four vectors, each near one of some centres, so that there are near marks and ties."""
    centres = np.random.default_rng(5).standard_normal((like, DIMENSION))
    vectors = centres[rng.integers(like, size=rng.integers(1, 5))]
    vectors = vectors + rng.choice([0, 0.2, 0.5]) * rng.standard_normal(vectors.shape)
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    if rng.random() < 0.1:
        vectors[:, 28:] = 0  # a mark without colour
    boxes = rng.random((len(vectors), 4), dtype=np.float32)
    return Embedding(vectors.astype(np.float16), boxes)


def random_mark(rng: np.random.Generator, mark_id: str) -> EncodedMark:
    predicted = tuple(PredictedCode(code, one_of(rng, PROBABILITIES)) for code in some(rng, CODES))
    vectors = embedding(rng) if rng.random() < 0.9 else None
    if rng.random() < 0.02 and vectors is not None:
        vectors.vectors[0, 0] = np.nan  # no picture finds it
    record = MarkRecord(
        id=mark_id,
        text=one_of(rng, [None, "Red Bull", "bulldog", "100%"]),
        status=one_of(rng, STATUSES),
        office=one_of(rng, [None, "EM", "US"]),
        filed=one_of(rng, DATES),
        registered=one_of(rng, DATES),
        nice=tuple(some(rng, [1, 9, 25, 45])),
        vienna=tuple(some(rng, CODES)),
    )
    sure = frozenset(some(rng, [one.code for one in predicted], 0.5))
    return EncodedMark(record, "0" * 64, embedding=vectors, predicted=predicted, confident=sure)


def random_filter(rng: np.random.Generator) -> Filter:
    days = sorted(one for one in some(rng, DATES, 0.1) if one)
    return Filter(
        vienna_any=tuple(some(rng, CODES, 0.1)),
        vienna_all=tuple(some(rng, CODES, 0.05)),
        vienna_none=tuple(some(rng, CODES, 0.05)),
        vienna_source=one_of(rng, ["assigned", "predicted", "either"]),
        min_probability=one_of(rng, [None, None, *PROBABILITIES]),
        nice=frozenset(some(rng, [9, 25, 45], 0.15)),
        status=frozenset(some(rng, STATUSES[1:], 0.2)),
        office=frozenset(some(rng, ["EM"], 0.3)),
        filed_from=days[0] if days else None,
        filed_to=days[-1] if len(days) > 1 else None,
        registered_from=one_of(rng, [None, None, *DATES[:3]]),
        registered_to=one_of(rng, [None, None, *DATES[-2:]]),
        text=one_of(rng, [None, None, None, "bull", "%"]),
    )


def random_query(rng: np.random.Generator) -> SearchQuery:
    weights = one_of(rng, [None, {"visual": 0.1}, {"parts": 0}, {"visual": 0.0, "colour": 2.0}])
    return SearchQuery(
        embedding=embedding(rng),
        k=int(rng.choice([1, 5, 50, 300])),
        filter=random_filter(rng) if rng.random() < 0.7 else Filter(),
        weights=weights,
        exclude=frozenset(f"m{n}" for n in rng.integers(MARKS, size=2)),
    )


def write_randomly(register: Register, rng: np.random.Generator, marks: int = MARKS) -> None:
    """Some marks, then some of them again, then some of them withdrawn."""
    register.add([random_mark(rng, f"m{n}") for n in range(marks)])
    register.add([random_mark(rng, f"m{n}") for n in rng.integers(marks, size=marks // 8)])
    register.delete([f"m{n}" for n in rng.integers(marks, size=marks // 10)])
