"""A section implies its division implies its category: in probabilities and in decisions."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.calibration import Calibration, gather_below
from models.vienna import ViennaCode

LABELS = tuple(
    ViennaCode.parse(text)
    for text in ("01", "01.01", "01.01.02", "02.01", "02.01.01", "03", "03.01.05")
)


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_what_is_implied_is_at_least_as_probable_and_seen_wherever_it_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = len(LABELS)
    raw = Calibration(
        rng.uniform(0.5, 2, n).astype(np.float32),
        rng.normal(size=n).astype(np.float32),
        rng.uniform(0.1, 0.9, n).astype(np.float32),
        rng.uniform(0.1, 0.9, n).astype(np.float32),
        rng.choice([0.0, 0.3, 1.0], n).astype(np.float32),
    )
    found = raw.coherent(LABELS)
    said = found.probabilities(rng.normal(size=(20, n), scale=3).astype(np.float32), LABELS)
    seen, perhaps = said >= found.threshold, said >= found.perhaps
    for at, code in enumerate(LABELS):
        for above in code.ancestors():
            if above in LABELS:
                parent = LABELS.index(above)
                assert (said[:, parent] >= said[:, at]).all()
                assert (seen[:, parent] >= seen[:, at]).all()
                assert (perhaps[:, parent] >= perhaps[:, at]).all()
    categories = [at for at, code in enumerate(LABELS) if code.level == "category"]
    assert (found.threshold[categories] == raw.threshold[categories]).all()


def test_a_category_is_what_its_divisions_and_sections_add_up_to() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(5, len(LABELS)), scale=4).astype(np.float32)
    share = np.array([0.3, 0, 0, 0, 0, 1, 0], np.float32)
    found = gather_below(logits, LABELS, share)
    for row, seen in zip(logits.tolist(), found.tolist(), strict=True):
        one = math.log(math.exp(row[1]) + math.exp(row[2]))  # 01.01 and 01.01.02
        assert seen == pytest.approx(
            [0.7 * row[0] + 0.3 * one, *row[1:5], row[6], row[6]], abs=1e-5
        )
    huge = gather_below(1000 * np.ones((1, len(LABELS)), np.float32), LABELS, share)
    assert np.isfinite(huge).all()


def test_a_calibration_saved_before_codes_spoke_for_categories_is_as_it_was() -> None:
    n = len(LABELS)
    new = Calibration.none(n)
    saved = new.to_dict()
    assert json.loads(json.dumps(saved)) == saved
    del saved["below"]
    old = Calibration.from_dict(saved)
    logits = np.random.default_rng(2).normal(size=(4, n)).astype(np.float32)
    np.testing.assert_array_equal(
        old.probabilities(logits, LABELS), new.probabilities(logits, LABELS)
    )
