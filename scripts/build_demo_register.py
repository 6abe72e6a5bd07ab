"""Build the demo register that ships in ``search_api/demo/register``.

The marks, their ids, words, classes and Vienna codes are chosen and written by hand in
``scripts/demo_labels.csv``; this script draws the pictures from a pack of logos, reads the colours
(division 29.01) off them and adds the invented bibliographic data (office, status, dates). The
same input gives the same bytes.

    .venv/bin/python scripts/build_demo_register.py \
        --pack /path/to/brand_logos.jsonl.gz --labels scripts/demo_labels.csv \
        --out search_api/demo/register

The pack holds one JSON object a line with ``set``, ``name``, ``license`` and ``svg``.
``--table-only`` rewrites ``marks.csv`` without the pack: enough when only labels changed.
"""

import argparse
import csv
import gzip
import io
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

SETS = ("simple-icons", "logos", "cib")
LICENCE = "CC0-1.0"
COLUMNS = (
    "id", "image", "text", "owner", "office", "status", "filed", "registered", "nice", "vienna",
)  # fmt: skip
LONGEST_SIDE = 256
MARGIN = round(LONGEST_SIDE * 0.06)
# Drawn twice as large, then reduced: cleaner edges than the renderer's own at the final size.
DRAWN_SIDE = 2 * (LONGEST_SIDE - 2 * MARGIN)
# Upper ends of hue ranges in degrees with their section of division 29.01.
HUES = (
    (14, "01"), (42, "98"), (68, "02"), (165, "03"),
    (250, "04"), (295, "05"), (342, "99"), (360, "01"),
)  # fmt: skip
BLACK, GREY, BROWN = "08", "96", "07"
FIRST_FILING = date(1996, 1, 2)
LAST_FILING = date(2026, 10, 30)


@dataclass(frozen=True, slots=True)
class Label:
    """One chosen mark: which drawing it is and what was written about it by hand."""

    id: str
    set: str
    name: str
    owner: str
    text: str
    nice: str
    codes: str


def read_labels(path: Path) -> list[Label]:
    """The chosen marks in the file's order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Label(**row) for row in csv.DictReader(file)]


def read_drawings(pack: Path, wanted: set[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield (set, name, svg) of the wanted drawings; refuse any that may not ship."""
    with gzip.open(pack, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if (row["set"], row["name"]) not in wanted:
                continue
            if row["set"] not in SETS or row["license"] != LICENCE:
                sys.exit(f"{row['set']}:{row['name']} is {row['license']}: it may not ship")
            yield row["set"], row["name"], row["svg"]


def render(svg: str) -> Image.Image:
    """Draw a logo on white.

    Returns:
        RGB, longest side ``LONGEST_SIDE`` pixels, trimmed, with a margin of 6 % all round.
    """
    layer = _trim(_draw(svg, DRAWN_SIDE))
    # A drawing with much empty room around it is drawn again, larger.
    if max(layer.size) < 0.8 * DRAWN_SIDE:
        layer = _trim(_draw(svg, round(DRAWN_SIDE * DRAWN_SIDE / max(layer.size))))
    inner = LONGEST_SIDE - 2 * MARGIN
    scale = inner / max(layer.size)
    size = (max(1, round(layer.width * scale)), max(1, round(layer.height * scale)))
    flat = Image.new("RGB", layer.size, "white")
    flat.paste(layer, mask=layer.getchannel("A"))
    flat = flat.resize(size, Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), "white")
    sheet.paste(flat, (MARGIN, MARGIN))
    return sheet


def _draw(svg: str, side: int) -> Image.Image:
    """The SVG as RGBA with the longest side near ``side`` pixels."""
    probe = Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)))
    wide = probe.width >= probe.height
    content = resvg_py.svg_to_bytes(
        svg_string=svg,
        skip_system_fonts=True,
        width=side if wide else None,
        height=None if wide else side,
    )
    return Image.open(io.BytesIO(content)).convert("RGBA")


def _trim(layer: Image.Image) -> Image.Image:
    """Cut away what is fully transparent or opaque white around the drawing."""
    pixels = np.asarray(layer)
    ink = (pixels[..., 3] > 8) & (pixels[..., :3].min(axis=2) < 248)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        raise ValueError("the drawing is invisible on white")
    return layer.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def save_png(image: Image.Image, path: Path) -> None:
    """Write a palette PNG: 16 greys where the picture has no colour, else up to 128 colours."""
    pixels = np.asarray(image).astype(np.int16)
    if int((pixels.max(axis=2) - pixels.min(axis=2)).max()) < 12:
        steps = (np.asarray(image.convert("L")).astype(np.int16) + 8) // 17
        palette = Image.fromarray(steps.astype(np.uint8))
        palette.putpalette([17 * step for step in range(16) for _ in "RGB"])
    else:
        # Without Pillow's k-means: its palette differed between runs for one picture in 600.
        palette = image.quantize(
            128, method=Image.Quantize.MEDIANCUT, kmeans=0, dither=Image.Dither.NONE
        )
    palette.save(path, optimize=True)


def colour_codes(image: Image.Image) -> list[str]:
    """The sections of 29.01 for a picture's colours and their number; none for black and white.

    A colour counts from 8 % of the drawn surface on, without the outermost pixel, which mixes
    with the white around it.
    """
    hsv = np.asarray(image.convert("HSV")).reshape(-1, 3) * (360 / 255, 1 / 255, 1 / 255)
    ink = np.asarray(image).min(axis=2) < 235
    inside = np.pad(ink, 1)
    inside = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:] & ink
    chosen = inside if inside.sum() > 0.3 * ink.sum() else ink
    hue, saturation, value = hsv[chosen.ravel()].T
    chromatic = (saturation > 0.25) & (value > 0.2)
    names = np.array([code for _, code in HUES])
    section = names[np.searchsorted([end for end, _ in HUES], hue).clip(max=len(HUES) - 1)]
    section[chromatic & (hue > 10) & (hue < 45) & (value < 0.55)] = BROWN
    section[~chromatic] = np.where(value[~chromatic] < 0.35, BLACK, GREY)
    found = {str(code) for code in np.unique(section) if (section == code).mean() >= 0.08}
    if found <= {BLACK, GREY}:
        return []
    number = {1: "11", 2: "12", 3: "13", 4: "14"}.get(len(found), "15")
    return [f"29.01.{code}" for code in sorted({*found, number})]


def invented(label: Label) -> Mapping[str, str]:
    """Office, status and dates nobody should believe, always the same for one id."""
    dice = random.Random(label.id)  # noqa: S311  (sample data, no secret)
    filed = FIRST_FILING + timedelta(days=dice.randrange((LAST_FILING - FIRST_FILING).days))
    granted = filed + timedelta(days=dice.randrange(120, 420))
    lapsed = filed < date(2016, 10, 1) and dice.random() < 0.35
    status = "expired" if lapsed else "registered"
    if granted > LAST_FILING:
        status = "filed"
    elif dice.random() < 0.03:
        status = "withdrawn"
    has_grant = status in {"registered", "expired"}
    return {
        "office": "DEMO",
        "status": status,
        "filed": filed.isoformat(),
        "registered": granted.isoformat() if has_grant else "",
    }


def write_table(labels: Sequence[Label], folder: Path) -> None:
    """Write ``marks.csv``, ordered by id, beside the pictures."""
    with (folder / "marks.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for label in sorted(labels, key=lambda each: each.id):
            picture = Image.open(folder / "images" / f"{label.id}.png").convert("RGB")
            codes = [*label.codes.split(";"), *colour_codes(picture)]
            table.writerow(
                {
                    "id": label.id,
                    "image": f"images/{label.id}.png",
                    "text": label.text,
                    "owner": label.owner,
                    "nice": label.nice,
                    "vienna": ";".join(sorted(filter(None, codes))),
                    **invented(label),
                }
            )


def draw_all(labels: Sequence[Label], pack: Path, folder: Path) -> None:
    """Draw every mark and remove pictures of marks that are no longer listed."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = {(label.set, label.name): label.id for label in labels}
    for collection, name, svg in read_drawings(pack, set(ids)):
        save_png(render(svg), folder / f"{ids.pop((collection, name))}.png")
    if ids:
        sys.exit(f"{pack} lacks {sorted(ids)[:5]}")
    kept = {f"{label.id}.png" for label in labels}
    for stale in folder.glob("*.png"):
        if stale.name not in kept:
            stale.unlink()


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description="Build MarkLens's demo register.")
    parser.add_argument("--pack", type=Path, help="brand_logos.jsonl.gz")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table-only", action="store_true", help="leave the pictures alone")
    arguments = parser.parse_args()
    labels = read_labels(arguments.labels)
    if not arguments.table_only:
        if arguments.pack is None:
            parser.error("--pack is needed to draw the pictures")
        draw_all(labels, arguments.pack, arguments.out / "images")
    write_table(labels, arguments.out)


if __name__ == "__main__":
    main()
