"""Marks with everything filled in."""

import dataclasses
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from indexer.marks import EncodedMark, MarkRecord
from models.vienna import PredictedCode, ViennaCode

SUN, TREE, TREE_1 = (ViennaCode.parse(text) for text in ("01.03", "05.01", "05.01.01"))
FACE, STAR = ViennaCode.parse("02.01"), ViennaCode.parse("01.01.02")
CODES = (SUN, TREE, TREE_1, FACE, STAR)


@pytest.fixture(scope="session")
def mark() -> Callable[..., EncodedMark]:
    """A function (id, seed=0, **fields) → a mark with everything filled in, the same for a seed.

    The network saw 02.01 and 01.01.02 in it, the first one confidently where the seed is odd.
    """

    def filled(mark_id: str, seed: int = 0, **fields: object) -> EncodedMark:
        rng = np.random.default_rng(seed)
        record = MarkRecord(
            mark_id,
            text=f"Word {seed}",
            owner="Ünïversal Ltd",
            office=("EM", "US")[seed % 2],
            status=("registered", "filed", "expired")[seed % 3],
            filed=date(2020, 1, 1) + timedelta(days=seed),
            registered=date(2021, 1, 1) + timedelta(days=seed),
            nice=tuple(int(n) for n in rng.choice(np.arange(1, 46), seed % 4, replace=False)),
            vienna=CODES[seed % 3 : 3],
            image_name=f"{mark_id}.png",
        )
        return EncodedMark(
            dataclasses.replace(record, **fields),
            digest=f"{seed:064x}",
            image_digest=f"{seed + 7:064x}",
            pixels_digest=f"{seed + 7:032x}",
            media_type="image/png",
            width=320,
            height=200 + seed,
            embedding=rng.normal(size=16).astype(np.float16),
            predicted=(PredictedCode(FACE, float(rng.random())), PredictedCode(STAR, 0.07)),
            confident=frozenset({FACE}) if seed % 2 else frozenset(),
        )

    return filled
