"""A section implies its division implies its category: in probabilities and in decisions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.calibration import Calibration
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
