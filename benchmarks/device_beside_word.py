"""A device beside a word looks for marks that show the same thing: at which rank is the first?

``python -m benchmarks.device_beside_word --shared ../shared/data --out sheet.png`` takes real logos
of the test side that show one thing, sets each beside an invented word as registers hold devices,
and searches the demo register, in which no other drawing of these brands is. It prints the rank of
the first mark that bears the thing's code when whole signs alone are compared and as search ranks
by default, and where chance would put it. The contact sheet has two rows a query: before, after.
"""

import argparse
import io
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.contact_sheet import cell, sheet_of
from benchmarks.demo import index
from indexer.query import MAX_K, Hit
from models.marknet.real_logos import Letterer
from models.marknet.training_pictures import SharedPack, on_paper
from models.network.parts import is_thing
from models.synthesis.composed_folder import SYSTEM_FONTS
from models.synthesis.fonts import FontBook
from models.vienna import ViennaCode
from search_api.demo import demo_register
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings

WHOLE_ONLY: Mapping[str, float] = {"parts": 0, "codes": 0, "places": 0, "same_codes": 0}
_FEWEST, _MOST = 3, 20  # marks that bear the code: so many that one can be found, not by chance
_SHOWN = 9


@dataclass(frozen=True)
class Device:
    """A logo of the test side.

    Attributes:
        key: its set and name.
        thing: what it shows, in a word.
        code: of that.
        bearers: marks of the register that bear the code.
    """

    key: tuple[str, str]
    thing: str
    code: ViennaCode
    bearers: int


def devices(pack: SharedPack, borne: Sequence[Sequence[ViennaCode]], number: int) -> list[Device]:
    """Draw logos of the test side, no two of one division, which some marks bear the code of.

    Args:
        pack: the shared data.
        borne: codes of each mark of the register.
        number: how many at most.
    """
    counts = Counter(code for codes in borne for code in {a for c in codes for a in _upwards(c)})
    keys = [key for key in sorted(pack.readings) if key in pack.logos]
    drawn: dict[ViennaCode, Device] = {}
    for at in np.random.default_rng(0).permutation(len(keys)):
        key, reading = keys[at], pack.readings[keys[at]]
        shown = [code for code in reading.codes if is_thing(code)]
        if pack.side_of_logo(key) != "test" or len(shown) != 1 or not reading.things:
            continue
        fits = [code for code in _upwards(shown[0]) if _FEWEST <= counts[code] <= _MOST]
        if fits and (division := _upwards(shown[0])[-2]) not in drawn:
            drawn[division] = Device(key, reading.things[0], fits[0], counts[fits[0]])
        if len(drawn) == number:
            break
    return list(drawn.values())


def _upwards(code: ViennaCode) -> list[ViennaCode]:
    """The code and all above it, the finest first."""
    return [code, *reversed(code.ancestors())]


def first_bearing(hits: Sequence[Hit], code: ViennaCode) -> int | None:
    """Rank of the first mark that bears a code or one below it; None if no hit does."""
    return next((rank for rank, hit in enumerate(hits, 1) if _bears(hit, code)), None)


def _bears(hit: Hit, code: ViennaCode) -> bool:
    return any(code in _upwards(own) for own in hit.mark.record.vienna)


def measure(
    marklens: MarkLens, pack: SharedPack, letterer: Letterer, found: Sequence[Device]
) -> Iterator[list[Image.Image]]:
    """Search with each device beside a word; print the ranks, give two rows of a contact sheet."""
    print("| thing | code | marks that bear it | by chance | whole signs | as search ranks |")
    print("|---|---|---:|---:|---:|---:|")
    ranks: list[tuple[int, int]] = []
    for device in found:
        seed = zlib.crc32("/".join(device.key).encode())
        logo = on_paper(pack.logos[device.key].svg, device.key[1])
        picture = letterer.compose(np.random.default_rng(seed), logo)
        both = []
        for name, weights in (("whole signs", WHOLE_ONLY), ("as search ranks", None)):
            hits = marklens.search(SearchRequest(picture, weights=weights, k=MAX_K)).hits
            both.append(first_bearing(hits, device.code) or MAX_K + 1)
            words = f"{device.thing} {device.code}\n{name}: {both[-1]}"
            yield [cell(picture, words), *_cells(marklens, hits, device.code)]
        chance = (marklens.register.count() + 1) / (device.bearers + 1)
        cells = (device.thing, device.code, device.bearers, round(chance), *both)
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        ranks.append((both[0], both[1]))
    for at, name in enumerate(("whole signs", "as search ranks")):
        ten = sum(pair[at] <= 10 for pair in ranks)
        middle = np.median([pair[at] for pair in ranks])
        print(f"{name}: rank at most 10 for {ten} of {len(ranks)}, median {middle:g}")


def _cells(marklens: MarkLens, hits: Sequence[Hit], code: ViennaCode) -> Iterator[Image.Image]:
    for hit in hits[:_SHOWN]:
        small = marklens.images.thumbnail(hit.mark.image_digest or "", 128)
        bears = "bears it" if _bears(hit, code) else ""
        yield cell(
            Image.open(io.BytesIO(small)).convert("RGB"), f"{hit.score:.2f}  {hit.id}\n{bears}"
        )


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="PNG file of the contact sheet")
    parser.add_argument("--data", type=Path, help="folder that keeps the indexed demo register")
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--fonts", type=Path, nargs="+", default=list(SYSTEM_FONTS))
    parser.add_argument("--queries", type=int, default=10)
    options = parser.parse_args()
    pack = SharedPack.read(options.shared, options.logo_codes)
    letterer = Letterer(FontBook(options.fonts, side="test"))
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(data_dir=options.data or Path(temporary))
        with MarkLens.open(settings) as marklens:
            index(marklens)
            marks = [marklens.mark(path.stem) for path in _pictures()]
            found = devices(pack, [mark.record.vienna for mark in marks], options.queries)
            sheet_of(list(measure(marklens, pack, letterer, found))).save(options.out)
    print(options.out)


def _pictures() -> list[Path]:
    return sorted((demo_register() / "images").glob("*.png"))


if __name__ == "__main__":
    main()
