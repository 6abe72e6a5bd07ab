"""Fit what a network's outputs mean, and measure it as it ships: run it after new weights or votes.

``python scripts/fit_outputs.py --shared ../shared/data --fonts DIR... --out RUN`` encodes the
held-out pictures once, as search does, and writes into the checkpoint, one after the other:
probabilities and thresholds of codes, the block "codes" (fitted to the demo register), what scores
mean (`models.network.score_calibration`), and the tables of the model card (then ``make docs``).
Nothing is fitted on what the tables of the test side are measured on.

For scores, each drawing of a brand queries for its other drawings, and a changed copy of a logo
(recoloured, cropped, turned, with a word added ...) for the logo, among that side's logos. Logos
with readings count as marks that were assigned these codes.
"""

import argparse
import json
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.search.gallery import SearchGallery
from indexer.search.reranking import certainty
from models.encoder import Embedding, Encoder
from models.errors import UnreadableImage
from models.evaluation.changes import vary
from models.evaluation.score_fitting import ScoredPairs, fit_scores, reliability
from models.marknet.scores import HeldOut, fit_calibration, measure
from models.marknet.table import tabulate
from models.marknet.training_pictures import SharedPack, held_out_jobs, on_paper
from models.network.checkpoint import CONFIG, SHIPPED, Checkpoint, record_scores, write_config
from models.network.code_block import CODES
from models.network.score_calibration import BANDS, ScoreCalibration
from models.synthesis.composed_folder import SYSTEM_FONTS
from models.synthesis.drawings import Split
from models.synthesis.fonts import FontBook
from models.training import code_block
from models.training.lower_maps import PictureJob
from models.vienna import ViennaCode

_BATCH = 32
_CHANGED = 300  # logos of which a changed copy is a query
_COPY = "copy:"  # of the logo whose key follows
_FREQUENCIES = Path("benchmarks/data/euipo_code_frequencies.json")
_DEMO = Path("search_api/demo/register/images")


class Pictures:
    """Pictures by key, encoded; their codes may be calibrated anew.

    Attributes:
        keys: in the order in which they were encoded.
        embeddings: of each.
        logits, whole: (n, labels), of pictures with their parts and of whole pictures alone.
    """

    def __init__(self, encoder: Encoder, jobs: Sequence[PictureJob]) -> None:
        self.keys: list[str] = []
        self.embeddings: list[Embedding] = []
        logits, whole = [], []
        for start in range(0, len(jobs), _BATCH):
            images: list[Image.Image] = []
            for job in jobs[start : start + _BATCH]:
                try:
                    images.append(job.draw())
                except UnreadableImage as error:
                    sys.stderr.write(f"left out: {error}\n")
                    continue
                self.keys.append(job.key)
            seen = encoder.encode(images)
            self.embeddings += seen.embeddings
            logits.append(seen.logits)
            whole.append(seen.whole_logits)
            sys.stderr.write(f"\r{start} of {len(jobs)}")
        sys.stderr.write("\n")
        self.logits, self.whole = np.concatenate(logits), np.concatenate(whole)

    def blocks(self, checkpoint: Checkpoint) -> dict[str, NDArray[np.float32]]:
        """(n, d) of each block of the whole pictures."""
        wholes = np.stack([one.whole for one in self.embeddings]).astype(np.float32)
        return {one.name: wholes[:, one.start : one.stop] for one in checkpoint.blocks}

    def calibrate(self, checkpoint: Checkpoint) -> None:
        """Put the block "codes" of a checkpoint, which was fitted since, into the embeddings."""
        block = checkpoint.code_block
        if block is None:
            return
        said = checkpoint.calibration.probabilities(self.logits, checkpoint.labels)
        start = next(one.start for one in checkpoint.blocks if one.name == CODES)
        for at, codes in enumerate(block.of(said)):
            vectors = self.embeddings[at].vectors[:, :start]
            every = np.broadcast_to(codes, (len(vectors), len(codes)))
            vectors = np.concatenate([vectors, every], axis=1)
            self.embeddings[at] = replace(self.embeddings[at], vectors=vectors)


class Side:
    """One side's logos, and changed copies of some of them, as queries."""

    def __init__(
        self, checkpoint: Checkpoint, pack: SharedPack, side: Split, seen: Pictures
    ) -> None:
        logos = {f"brand:{set_}/{name}": logo for (set_, name), logo in pack.logos.items()}
        sides = {f"brand:{'/'.join(key)}": key for key in pack.logos}
        on_side = [pack.side_of_logo(sides[k]) == side if k in sides else False for k in seen.keys]
        rows = np.flatnonzero(on_side).tolist()
        self.embeddings = [seen.embeddings[row] for row in rows]
        self._shown = [shown_codes(checkpoint, logits) for logits in seen.logits[rows]]
        place = {seen.keys[row]: at for at, row in enumerate(rows)}
        groups = [
            [place[key] for member in members if (key := f"brand:{'/'.join(member)}") in place]
            for members in pack.brands.values()
        ]
        self.groups = [group for group in groups if len(group) >= 2]
        copies = [(at, key.removeprefix(_COPY)) for at, key in enumerate(seen.keys)]
        copied = [(at, place[key]) for at, key in copies if key != seen.keys[at] and key in place]
        self.copies = [
            (original, seen.embeddings[at], shown_codes(checkpoint, seen.logits[at]))
            for at, original in copied
        ]
        # The same drawing is in several sets, which groups of different drawings do not tell.
        self._brands = np.array([logos[seen.keys[row]].brand.strip().lower() for row in rows])
        read = [pack.readings.get(sides[seen.keys[row]]) for row in rows]
        # As marks of a register: by the codes that were assigned, or else by those that are shown.
        borne = [
            tuple(code for code, share in shown.items() if share == 1) if one is None else one.codes
            for one, shown in zip(read, self._shown, strict=True)
        ]
        self._gallery = SearchGallery(checkpoint.blocks, self.embeddings, borne)

    def pairs(self) -> ScoredPairs:
        """Score every query with every picture; all drawings of its brand are its variants."""
        scores, same = [], []
        for group in self.groups:
            for query in group:
                line = self._scores(query, (query,))
                scores.append(np.delete(line, query))
                same.append(np.delete(self._variants(query), query))
        for original, copy, shown in self.copies:
            scores.append(self._gallery.scores(copy, shown=shown))
            same.append(self._variants(original))
        return ScoredPairs(np.concatenate(scores), np.concatenate(same))

    def measured(self, pairs: ScoredPairs, calibration: ScoreCalibration) -> dict[str, object]:
        """How well probabilities of scores hold."""
        return {
            "marks": len(self.embeddings),
            "queries": sum(map(len, self.groups)) + len(self.copies),
            "pairs of one sign": int(pairs.same.sum()),
            "bands": [row._asdict() for row in reliability(calibration, pairs)],
            "best hit where nothing is like": self._best_of_nothing(calibration),
        }

    def _scores(self, row: int, left_out: Sequence[int]) -> NDArray[np.float64]:
        return self._gallery.scores(self.embeddings[row], left_out, shown=self._shown[row])

    def _variants(self, row: int) -> NDArray[np.bool_]:
        variants: NDArray[np.bool_] = self._brands == self._brands[row]
        return variants

    def _best_of_nothing(self, calibration: ScoreCalibration) -> dict[str, float]:
        """Bands of the best hit of queries whose variants are not there: share that reach each."""
        marks = len(self.embeddings)
        best = []
        for group in self.groups:
            of_brand = np.flatnonzero(self._variants(group[0])).tolist()
            line = self._scores(group[0], of_brand)
            best.append(calibration.probability(float(line.max()), marks))
        return {band: float(np.mean(np.array(best) >= least)) for band, least in BANDS[:-1]}


def shown_codes(checkpoint: Checkpoint, logits: NDArray[np.float32]) -> dict[ViennaCode, float]:
    """How surely a picture shows each code, as a search takes it.

    Args:
        checkpoint: calibrated.
        logits: (labels,) of the picture with its parts.
    """
    calibration, labels = checkpoint.calibration, np.array(checkpoint.labels, object)
    said = calibration.probabilities(logits[None], checkpoint.labels)[0]
    return certainty(labels[said >= calibration.threshold], labels[said >= calibration.perhaps])


def copy_jobs(pack: SharedPack, side: Split) -> list[PictureJob]:
    """Changed copies of logos with readings."""
    keys = [key for key in sorted(pack.readings) if key in pack.logos]
    keys = [key for key in keys if pack.side_of_logo(key) == side]
    order = np.random.default_rng(0).permutation(len(keys))[:_CHANGED]
    return [_copy_job(pack.logos[keys[at]].svg, keys[at]) for at in order]


def _copy_job(svg: str, key: tuple[str, str]) -> PictureJob:
    name = f"{_COPY}brand:{key[0]}/{key[1]}"
    return PictureJob(name, partial(_copy, svg, key[1], zlib.crc32(name.encode())))


def _copy(svg: str, name: str, seed: int) -> Image.Image:
    return vary(on_paper(svg, name), np.random.default_rng(seed))


def fit_codes(folder: Path, pack: SharedPack, seen: Pictures, notes: Path) -> None:
    """Fit probabilities, thresholds and the block "codes"; measure codes and embeddings."""
    checkpoint = Checkpoint.open(folder)
    kept = [at for at, key in enumerate(seen.keys) if not key.startswith(_COPY)]
    colour = seen.blocks(checkpoint)["colour"][kept].astype(np.float16)
    table = tabulate(pack, [seen.keys[at] for at in kept], colour, notes, checkpoint.labels)
    if table.labels.codes != checkpoint.labels:
        raise ValueError("the network's labels are not those of the table")
    rows = np.arange(len(kept))
    held_out = HeldOut(rows, seen.logits[kept], seen.whole[kept], {})
    calibration = fit_calibration(held_out, pack, table)
    _write(folder, calibration=calibration.to_dict())
    code_block.main([str(folder), "--images", str(_DEMO), "--frequencies", str(_FREQUENCIES)])
    checkpoint = Checkpoint.open(folder)
    seen.calibrate(checkpoint)
    blocks = {name: block[kept] for name, block in seen.blocks(checkpoint).items()}
    held_out = replace(held_out, blocks=blocks)
    weights = {block.name: block.weight for block in checkpoint.blocks}
    measured = measure(held_out, pack, table, checkpoint.calibration, weights)
    _write(folder, metrics=checkpoint.metrics | measured)


def fit_meaning(folder: Path, pack: SharedPack, seen: Pictures) -> dict[str, Any]:
    """Fit what scores mean on the validation side, and measure it on the test side."""
    checkpoint = Checkpoint.open(folder)
    side = Side(checkpoint, pack, "validation", seen)
    pairs = side.pairs()
    calibration = fit_scores(pairs)
    found = {"fitted on": side.measured(pairs, calibration)}
    side = Side(checkpoint, pack, "test", seen)
    found["test side"] = side.measured(side.pairs(), calibration)
    record_scores(folder, calibration, found)
    return found


def _write(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    write_config(folder, config | changes)


def main() -> None:
    """Encode, fit, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--fonts", type=Path, nargs="+", default=list(SYSTEM_FONTS))
    parser.add_argument("--out", type=Path, required=True, help="folder of what is drawn")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    notes = options.out / "composed.jsonl"
    pack = SharedPack.read(options.shared, options.logo_codes)
    jobs = held_out_jobs(pack, FontBook(options.fonts, side="test"), notes)
    copies = [*copy_jobs(pack, "validation"), *copy_jobs(pack, "test")]
    seen = Pictures(Encoder.load(options.checkpoint), [*jobs, *copies])
    fit_codes(options.checkpoint, pack, seen, notes)
    print(json.dumps(fit_meaning(options.checkpoint, pack, seen), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
