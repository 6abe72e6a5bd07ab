"""README's pictures, taken anew of the demo register: a search, a comparison, a report.

``python -m benchmarks.screenshots --data DIR [--out docs/images]`` serves DIR, a finished register
of `make demo`, to itself and to Chromium, and writes search.png, compare.png and report.png.
"""

import argparse
import io
import time
from pathlib import Path

import pypdfium2
from PIL import Image
from selenium import webdriver

from benchmarks.page import chromium, server
from marklens.client import Client, Query
from search_api.settings import Settings

_QUERY = "D00322"  # a flame beside a word
_NOTES = {
    "D00230": "Same device without the word; the classes overlap.",
    "D00745": "A flame, too, but one colour and no inner leaf.",
}
_SIZE = {"width": 1280, "height": 860, "deviceScaleFactor": 1, "mobile": False}
_REPORT_SCALE, _REPORT_BOX = 1.7, (55, 65, 957, 1210)  # two marks of the first page, less margins
_PATIENCE_S = 120
# The hits, their pictures in sight and the words that were read are there.
_SEARCHED = """
const seen = [...document.querySelectorAll('#hits img')].filter((img) => img.loading !== 'lazy')
const isRead = !document.getElementById('use-words').hidden
return seen.length > 0 && seen.every((img) => img.naturalWidth) && isRead
"""
_COMPARED = "return document.querySelectorAll('.comparison-side .place').length > 0"


def _save(driver: webdriver.Chrome, when: str, path: Path) -> None:
    """Take a picture of the window once a script says that it is ready."""
    deadline = time.monotonic() + _PATIENCE_S
    while not driver.execute_script(when):
        if time.monotonic() > deadline:
            raise SystemExit(f"{path.name}: the page is not ready after {_PATIENCE_S} s")
        time.sleep(0.2)
    with Image.open(io.BytesIO(driver.get_screenshot_as_png())) as taken:
        taken.convert("RGB").quantize().save(path, optimize=True)


def _report(address: str, path: Path) -> None:
    with Client(address) as client:
        content = client.report(Query(mark_id=_QUERY, k=12), notes=_NOTES)
    page = pypdfium2.PdfDocument(content)[0].render(scale=_REPORT_SCALE).to_pil()
    page.crop(_REPORT_BOX).quantize().save(path, optimize=True)


def main() -> None:
    """Serve, take, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    with server(Settings.read(data_dir=options.data)) as address, chromium() as driver:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _SIZE)
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        # Twice: the first search of a server takes longer, which its line would say.
        for _ in range(2):
            driver.get(f"{address}/?mark_id={_QUERY}")
            _save(driver, _SEARCHED, options.out / "search.png")
        driver.find_element("css selector", "#hits .hit-picture").click()
        _save(driver, _COMPARED, options.out / "compare.png")
        _report(address, options.out / "report.png")


if __name__ == "__main__":
    main()
