"""Search results as a picture: a row a query, its nearest marks beside it, to be looked at.

``python -m benchmarks.contact_sheet --data DIR --out sheet.png D00042 logo.png``

Queries are ids of the register or picture files.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.images import decode_image
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings

CELL, CAPTION = 128, 26


def cell(image: Image.Image, caption: str) -> Image.Image:
    """A picture fitted into a cell with a line of words below."""
    tile = Image.new("RGB", (CELL, CELL + CAPTION), "white")
    small = image.copy()
    small.thumbnail((CELL - 12, CELL - 12))
    tile.paste(small, ((CELL - small.width) // 2, (CELL - small.height) // 2))
    pen = ImageDraw.Draw(tile)
    pen.text((4, CELL), caption, "black", ImageFont.load_default(10))
    pen.rectangle((0, 0, CELL - 1, CELL + CAPTION - 1), outline=(210, 210, 210))
    return tile


def row(marklens: MarkLens, query: str, columns: int) -> list[Image.Image]:
    """The query and its nearest marks."""
    path = Path(query)
    if path.is_file():
        picture, request = decode_image(path.read_bytes(), query), SearchRequest(path, k=columns)
    else:
        picture = decode_image(marklens.image(query), query)
        request = SearchRequest(mark_id=query, k=columns)
    answer = marklens.search(request)
    codes = " ".join(str(seen.code) for seen in answer.vienna if seen.code.division)
    cells = [cell(picture, f"{path.stem}\n{codes[:24]}")]
    for hit in answer.hits:
        found = Image.open(io.BytesIO(marklens.images.thumbnail(hit.mark.image_digest or "", 128)))
        parts = " ".join(f"{name[0]}{value:.2f}" for name, value in hit.scores.items())
        cells.append(cell(found.convert("RGB"), f"{hit.score:.2f}  {hit.id}\n{parts}"))
    return cells


def sheet_of(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Cells of one size, row below row."""
    width = max(len(cells) for cells in rows)
    sheet = Image.new("RGB", (CELL * width, (CELL + CAPTION) * len(rows)), "white")
    for y, cells in enumerate(rows):
        for x, tile in enumerate(cells):
            sheet.paste(tile, (x * CELL, y * (CELL + CAPTION)))
    return sheet


def main() -> None:
    """Search and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queries", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("-k", type=int, default=9)
    options = parser.parse_args()
    with MarkLens.open(Settings(data_dir=options.data)) as marklens:
        rows = [row(marklens, query, options.k) for query in options.queries]
    sheet_of(rows).save(options.out)
    print(options.out)


if __name__ == "__main__":
    main()
