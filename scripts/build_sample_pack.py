"""Choose the small pack of pictograms that ships for `marklens compose`, from the shared data.

``python scripts/build_sample_pack.py ../shared/data`` writes ``models/synthesis/sample/``.
"""

import gzip
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.drawings import read_pictograms

# Sets of one permissive licence each, in different hands: solid, outline and coloured.
SETS = {"mdi": "Apache-2.0", "lucide": "ISC", "noto": "Apache-2.0", "ph": "MIT"}
PER_DIVISION = 14
LARGEST = 2500  # characters of SVG


def main(shared: Path) -> None:
    """Write the pack and its combinations."""
    out = Path("models/synthesis/sample")
    out.mkdir(exist_ok=True)
    drawings = [
        drawing
        for drawing in read_pictograms(shared / "icons" / "pictograms.jsonl.gz")
        if SETS.get(drawing.set) == drawing.license and len(drawing.svg) <= LARGEST
    ]
    count: Counter[str] = Counter()
    rows = []
    for at in np.random.default_rng(0).permutation(len(drawings)):
        drawing = drawings[at]
        codes = [str(code) for code in drawing.codes]
        if min(count[code] for code in codes) < PER_DIVISION:
            count.update(codes)
            rows.append(
                {
                    "set": drawing.set,
                    "name": drawing.name,
                    "codes": codes,
                    "license": drawing.license,
                    "colour": drawing.colour,
                    "svg": drawing.svg,
                }
            )
    rows.sort(key=lambda row: (str(row["set"]), str(row["name"])))
    text = "".join(json.dumps(row) + "\n" for row in rows)
    # No name and no time in the archive's head: equal drawings, equal bytes.
    (out / "pictograms.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    CodeStatistics.read(shared / "vienna" / "euipo_marks_codes.json").save(
        out / "code_combinations.json"
    )
    print(f"{len(rows)} pictograms of {len(count)} divisions")  # noqa: T201 - a script's result


if __name__ == "__main__":
    main(Path(sys.argv[1]))
