"""Fit what scores mean and keep it with a network: run it after new weights.

``python scripts/calibrate_scores.py --shared ../shared/data`` ranks the validation side's logos as
search does, fits the likelihood ratio (`models.network.score_calibration`) and writes it into the
checkpoint's ``config.json``. With ``--measure`` it also writes how it holds on the test side, which
nothing is chosen on: the reliability table of the model card (then ``make docs``).

On either side each drawing of a brand queries for its other drawings, and a changed copy of a
logo (recoloured, cropped, turned, with a word added ...) for the logo, among that side's logos and
others.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.search.gallery import SearchGallery
from models.encoder import Embedding, Encoder
from models.errors import UnreadableImage
from models.evaluation.changes import vary
from models.evaluation.score_fitting import ScoredPairs, fit_scores, reliability
from models.marknet.training_pictures import SharedPack, on_paper
from models.network.checkpoint import SHIPPED, record_scores
from models.network.score_calibration import BANDS, ScoreCalibration
from models.synthesis.drawings import Split

_BATCH = 32
_CHANGED = 300  # logos of which a changed copy is a query
_OTHERS = {"validation": 700, "test": 900}  # further logos that are searched

Key = tuple[str, str]  # set and name of a logo


class Side:
    """One side's logos, embedded."""

    def __init__(self, encoder: Encoder, pack: SharedPack, side: Split) -> None:
        sides = {key: pack.side_of_logo(key) for key in sorted(pack.logos)}
        held = ([key for key in keys if sides.get(key) == side] for keys in pack.brands.values())
        groups = [keys for keys in held if len(keys) >= 2]
        grouped = [key for keys in groups for key in keys]
        branded = {key for keys in pack.brands.values() for key in keys}
        single = [key for key in sides if key not in branded]
        near = [key for key in single if sides[key] == side]
        # The validation side is small: logos of the training side, which are no variants, join it.
        far = near if side == "test" else [key for key in single if sides[key] == "train"]
        order = np.random.default_rng(0).permutation(len(far))[: _OTHERS[side]]
        drawn = _drawn(pack, dict.fromkeys([*grouped, *near[:_CHANGED], *(far[a] for a in order)]))
        pictures = list(drawn.values())
        self.embeddings = _encoded(encoder, pictures, f"{side} side")
        place = {key: at for at, key in enumerate(drawn)}
        rows = [[place[key] for key in keys if key in place] for keys in groups]
        self.groups = [group for group in rows if len(group) >= 2]
        self.changed = [place[key] for key in near[:_CHANGED] if key in place]
        # The same drawing is in several sets, which groups of different drawings do not tell.
        self._brands = np.array([pack.logos[key].brand.strip().lower() for key in drawn])
        rng = np.random.default_rng(1)
        copies = [vary(pictures[at], rng) for at in self.changed]
        self.copies = _encoded(encoder, copies, "changed copies")
        self._gallery = SearchGallery(encoder.blocks, self.embeddings)

    def pairs(self) -> ScoredPairs:
        """Score every query with every picture; all drawings of its brand are its variants."""
        scores, same = [], []
        for group in self.groups:
            for query in group:
                line = self._gallery.scores(self.embeddings[query], (query,))
                scores.append(np.delete(line, query))
                same.append(np.delete(self._variants(query), query))
        for original, copy in zip(self.changed, self.copies, strict=True):
            scores.append(self._gallery.scores(copy))
            same.append(self._variants(original))
        return ScoredPairs(np.concatenate(scores), np.concatenate(same))

    def _variants(self, row: int) -> NDArray[np.bool_]:
        variants: NDArray[np.bool_] = self._brands == self._brands[row]
        return variants

    def best_of_nothing(self, calibration: ScoreCalibration) -> dict[str, float]:
        """Bands of the best hit of queries whose variants are not there: share that reach each."""
        marks = len(self.embeddings)
        best = []
        for group in self.groups:
            of_brand = np.flatnonzero(self._variants(group[0])).tolist()
            line = self._gallery.scores(self.embeddings[group[0]], of_brand)
            best.append(calibration.probability(float(line.max()), marks))
        return {band: float(np.mean(np.array(best) >= least)) for band, least in BANDS[:-1]}


def _drawn(pack: SharedPack, keys: Iterable[Key]) -> dict[Key, Image.Image]:
    """Logos that show something on white paper."""
    found = {}
    for key in keys:
        try:
            found[key] = on_paper(pack.logos[key].svg, key[1])
        except UnreadableImage as error:
            sys.stderr.write(f"left out: {error}\n")
    return found


def _encoded(encoder: Encoder, pictures: Sequence[Image.Image], what: str) -> tuple[Embedding, ...]:
    found: list[Embedding] = []
    for start in range(0, len(pictures), _BATCH):
        found += encoder.encode(pictures[start : start + _BATCH]).embeddings
        sys.stderr.write(f"\r{what}: {len(found)} of {len(pictures)}")
    sys.stderr.write("\n")
    return tuple(found)


def main() -> None:
    """Fit, measure where asked to, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--measure", action="store_true", help="on the test side")
    options = parser.parse_args()
    pack = SharedPack.read(options.shared, options.logo_codes)
    encoder = Encoder.load(options.checkpoint)
    side = Side(encoder, pack, "validation")
    pairs = side.pairs()
    calibration = fit_scores(pairs)
    found = {"fitted on": _measured(side, pairs, calibration)}
    if options.measure:
        side = Side(encoder, pack, "test")
        found["test side"] = _measured(side, side.pairs(), calibration)
    record_scores(options.checkpoint, calibration, found)
    print(json.dumps({"calibration": calibration.to_dict(), **found}, indent=1))  # noqa: T201


def _measured(side: Side, pairs: ScoredPairs, calibration: ScoreCalibration) -> dict[str, object]:
    rows = reliability(calibration, pairs)
    return {
        "marks": len(side.embeddings),
        "queries": sum(map(len, side.groups)) + len(side.changed),
        "pairs of one sign": int(pairs.same.sum()),
        "bands": [row._asdict() for row in rows],
        "best hit where nothing is like": side.best_of_nothing(calibration),
    }


if __name__ == "__main__":
    main()
