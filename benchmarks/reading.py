"""How well words in pictures are read: the demo register's, and lettered marks that are composed.

``python -m benchmarks.reading [--every N] [--composed N]`` reads every N-th mark of the demo
register, whose words are known, and composed marks, and prints the share whose words are read
exactly (case, accents and blanks aside), or are found by what was read as a search for words finds
them, the share of marks without words in which some are read, and the CPU time of a picture.
"""

import argparse
import csv
import time
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from indexer.words.forms import Words
from indexer.words.likeness import match_words
from models.images import decode_image
from models.reading import READER, joined
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.composed_folder import SAMPLE, SYSTEM_FONTS
from models.synthesis.composer import Composer
from models.synthesis.drawings import read_pictograms
from models.synthesis.fonts import FontBook
from search_api.demo import demo_register

_LATIN = 0x250  # signs below are Latin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--composed", type=int, default=300)
    options = parser.parse_args()
    READER.read(Image.new("RGB", (64, 64), "white"))  # loads the networks
    measure("demo marks", demo_marks(options.every))
    measure("composed marks", composed_marks(options.composed))


def demo_marks(every: int) -> Iterator[tuple[Image.Image, str]]:
    """Pictures and their words, empty where there are none."""
    folder = demo_register()
    with (folder / "marks.csv").open(encoding="utf-8") as table:
        for row in list(csv.DictReader(table))[::every]:
            yield decode_image((folder / row["image"]).read_bytes(), row["id"]), row["text"]


def composed_marks(count: int) -> Iterator[tuple[Image.Image, str]]:
    """Composed marks with Latin words of two letters or more."""
    source = Composer(
        list(read_pictograms(SAMPLE / "pictograms.jsonl.gz")),
        CodeStatistics.load(SAMPLE / "code_combinations.json"),
        FontBook(list(SYSTEM_FONTS)),
    )
    made = (source.compose(np.random.default_rng(seed)) for seed in range(20 * count))
    worded = (one for one in made if one.text and len(one.text) > 1)
    latin = (one for one in worded if all(ord(sign) < _LATIN for sign in one.text or ""))
    for one, _ in zip(latin, range(count), strict=False):
        yield one.image, one.text or ""


def measure(name: str, marks: Iterable[tuple[Image.Image, str]]) -> None:
    """Read the marks of one source and print how well."""
    exact = found = worded = bare = invented = 0
    spent: list[float] = []
    for image, text in marks:
        began = time.process_time()
        read = joined(READER.read(image))
        spent.append(1000 * (time.process_time() - began))
        if text:
            worded += 1
            exact += Words.of(read).joined == Words.of(text).joined
            found += match_words(Words.of(text), Words.of(read)) is not None
        else:
            bare += 1
            invented += bool(read)
    print(f"{name}: of {worded} with words {exact / max(1, worded):.1%} read exactly, ", end="")
    print(f"{found / max(1, worded):.1%} found by what was read; ", end="")
    if bare:
        print(f"of {bare} without words {invented / bare:.1%} read as some; ", end="")
    print(f"CPU ms median {np.median(spent):.0f}, mean {np.mean(spent):.0f}")


if __name__ == "__main__":
    main()
