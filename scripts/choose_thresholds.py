"""Choose from which probability things count as shown: run it after new weights.

``python scripts/choose_thresholds.py --shared ../shared/data`` encodes the validation side's real
logos that no network was chosen by before (not those of the demo register) as search does, and
writes the thresholds into the checkpoint's ``config.json``; no probability and no embedding
changes. With ``--measure`` it also writes what they give on the test side, which nothing is chosen
on (then ``make docs``).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder
from models.errors import UnreadableImage
from models.marknet.table import targets_of_reading
from models.marknet.training_pictures import SharedPack, on_paper
from models.network.calibration import Calibration
from models.network.checkpoint import CONFIG, SHIPPED, Checkpoint, write_config
from models.network.label_set import LabelSet
from models.network.parts import is_thing
from models.training.calibrate import choose_thresholds, precision_recall

_BATCH = 32

Seen = tuple[NDArray[np.float32], NDArray[np.float32]]  # probabilities and targets, (n, labels)


def seen(encoder: Encoder, pack: SharedPack, keys: Sequence[tuple[str, str]]) -> Seen:
    """Encode logos that a person read."""
    pictures, targets, labels = [], [], LabelSet(encoder.labels)
    for key in keys:
        try:
            pictures.append(on_paper(pack.logos[key].svg, key[1]))
        except UnreadableImage as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        targets.append(targets_of_reading(labels, pack.readings[key]))
    said = []
    for start in range(0, len(pictures), _BATCH):
        said.append(encoder.encode(pictures[start : start + _BATCH]).probabilities)
        sys.stderr.write(f"\r{start} of {len(pictures)}")
    sys.stderr.write("\n")
    return np.concatenate(said), np.stack(targets)


def measured(of: Seen, encoder: Encoder, calibration: Calibration) -> dict[str, object]:
    """Precision and recall of things shown, by level, over all pairs of a logo and a code."""
    found: dict[str, object] = {"logos": len(of[0])}
    for level in ("category", "division", "section"):
        at = np.array([code.level == level and is_thing(code) for code in encoder.labels])
        said, targets = of[0][:, at], of[1][:, at]
        for name, least in (("shown", calibration.threshold), ("perhaps", calibration.perhaps)):
            found[f"{name}, {level}"] = precision_recall(targets, said >= least[at])
    return found


def main() -> None:
    """Choose, measure where asked to, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--measure", action="store_true", help="on the test side")
    options = parser.parse_args()
    pack = SharedPack.read(options.shared, options.logo_codes)
    encoder = Encoder.load(options.checkpoint)
    sides = {key: pack.side_of_logo(key) for key in sorted(pack.readings) if key in pack.logos}
    deciding = [k for k, side in sides.items() if side == "validation" and k not in pack.demo]
    chosen = seen(encoder, pack, deciding)
    before = Checkpoint.open(options.checkpoint).calibration
    things = np.array([is_thing(code) for code in encoder.labels])
    # "Perhaps" stays as it was fitted: what falls below the threshold is still offered.
    shown, _ = choose_thresholds(*chosen, encoder.labels)
    threshold = np.where(things, shown, before.threshold)
    calibration = replace(before, threshold=threshold).coherent(encoder.labels)
    found = {"chosen by": measured(chosen, encoder, calibration)}
    if options.measure:
        test = seen(encoder, pack, [key for key, side in sides.items() if side == "test"])
        found["test side"] = measured(test, encoder, calibration)
    config = json.loads((options.checkpoint / CONFIG).read_text("utf-8"))
    changed = {"calibration": calibration.to_dict(), "shown codes": found}
    write_config(options.checkpoint, config | changed)
    print(json.dumps(found, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
