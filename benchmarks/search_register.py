"""A register of synthetic marks in SQL, for `benchmarks.search`: written through `Register.add`.

Codes are drawn with the frequencies of real ones: `data/euipo_code_frequencies.json` counts the
codes of 20,000 EU figurative marks by section. Each section is borne by as many marks as that says,
independently of the others; the network's predictions are taken to be the category and division of
what is assigned, seven times in ten. Nice classes, statuses and days of filing are invented. The
filters' planted codes stand in category 99, which is the EUIPO's own and all but unused.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from benchmarks.search_data import SHARES, Dataset
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from models.encoder import Embedding
from models.vienna import PredictedCode, ViennaCode

FINGERPRINT = "synthetic"
_FREQUENCIES = Path(__file__).with_name("data") / "euipo_code_frequencies.json"
_BATCH = 4_000  # marks a transaction, a multiple of 8
_SEEN = 0.7  # of what is assigned is predicted
_STATUSES = ("registered", "registered", "registered", "expired", "filed")
_FIRST_DAY, _DAYS = date(1996, 4, 1), 11_000


def planted_code(code: int) -> ViennaCode:
    """How the register writes a planted code."""
    group, place = divmod(code, len(SHARES))
    return ViennaCode(99, 1 + group, 1 + place)


def mark_id(row: int) -> str:
    """Application number of a row's mark."""
    return f"EM-{row:09d}"


def row_of(mark: str) -> int:
    """The row that `mark_id` named."""
    return int(mark.removeprefix("EM-"))


def write_register(dataset: Dataset, url: str) -> None:
    """Write all marks of a dataset into a new register."""
    register = Register.open(url)
    register.bind_fingerprint(FINGERPRINT, dataset.dimension)
    try:
        for batch in _batches(dataset):
            register.add(batch)
    finally:
        register.close()


def new_marks(dataset: Dataset, first: int, count: int, seed: int) -> list[EncodedMark]:
    """Marks that the register does not hold yet: copies of its vectors under new numbers."""
    rng = np.random.default_rng([seed, first])
    rows = np.sort(rng.integers(0, len(dataset), count)).tolist()
    return [
        EncodedMark(
            MarkRecord(mark_id(first + at), office="EM", status="registered", nice=(25,)),
            digest=f"{first + at:x}",
            embedding=Embedding.without_boxes(dataset.vectors_of_row(rows[at])),
        )
        for at in range(count)
    ]


def _batches(dataset: Dataset) -> Iterator[list[EncodedMark]]:
    rng = np.random.default_rng([dataset.facts.seed, len(dataset), 2])
    sections = _drawn_sections(len(dataset), rng)
    for first in range(0, len(dataset), _BATCH):
        stop = min(first + _BATCH, len(dataset))
        planted = dataset.codes_of_rows(first, stop)
        yield [
            _mark(
                first + at,
                dataset.vectors_of_row(first + at),
                sections[first + at],
                [planted_code(code) for code in planted[at]],
                rng,
            )
            for at in range(stop - first)
        ]


def _mark(
    row: int,
    vectors: np.ndarray,
    sections: list[ViennaCode],
    planted: list[ViennaCode],
    rng: np.random.Generator,
) -> EncodedMark:
    above = sorted({code for section in sections for code in section.ancestors()})
    chances = rng.random(len(above) + 5)
    seen = [code for code, chance in zip(above, chances[5:], strict=True) if chance < _SEEN]
    record = MarkRecord(
        mark_id(row),
        office="EM",
        status=_STATUSES[int(chances[0] * len(_STATUSES))],
        filed=_FIRST_DAY + timedelta(days=int(chances[1] * _DAYS)),
        nice=tuple({1 + int(chance * 45) for chance in chances[2 : 3 + int(chances[4] * 3)]}),
        vienna=tuple(sections + planted),
    )
    return EncodedMark(
        record,
        digest=f"{row:x}",
        embedding=Embedding.without_boxes(vectors),
        predicted=tuple(PredictedCode(code, 0.9) for code in seen),
        confident=frozenset(seen),
    )


def _drawn_sections(marks: int, rng: np.random.Generator) -> list[list[ViennaCode]]:
    """Sections of each mark, as often as in the real register."""
    known = json.loads(_FREQUENCIES.read_text(encoding="utf-8"))
    borne: list[list[ViennaCode]] = [[] for _ in range(marks)]
    for text, count in sorted(known["section"].items()):
        code = ViennaCode.parse(text)
        wanted = rng.binomial(marks, count / known["n"])
        for row in np.unique(rng.integers(0, marks, wanted)):
            borne[row].append(code)
    return borne
