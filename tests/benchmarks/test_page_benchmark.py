"""The benchmark of the page measures what it says; how fast things are, no test says."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import page
from search_api.marklens import MarkLens
from search_api.settings import Settings

MARKS = 1010


@pytest.mark.browser
def test_drops_handles_and_scrolls_are_timed_in_chromium(
    tmp_path: Path,
    tiny_settings: Callable[..., Settings],
    draw_mark: Callable[..., Image.Image],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = []
    for number in range(8):
        pictures.append(tmp_path / f"{number}.png")
        draw_mark(number).save(pictures[-1])
    with MarkLens.open(tiny_settings(tmp_path / "data")) as marklens:
        page.fill(marklens, pictures[:6], MARKS)
        assert marklens.register.count() == MARKS
        copies = {marklens.mark(f"EM-{number:07d}").image_digest for number in range(20)}
        assert len(copies) == 6
        with serving(marklens) as address, page.chromium() as driver:
            figures = page.measure(driver, address, pictures[6:])
    for name in ("hits", "encoding", "after", "thumbnails", "handle"):
        assert len(figures[name]) == 2
        assert all(value > 0 for value in figures[name])
    assert figures["after"][0] == pytest.approx(figures["hits"][0] - figures["encoding"][0])
    assert {name: one["drawn"] for name, one in figures["scrolls"].items()} == dict.fromkeys(
        page.DENSITIES, page.SCROLLED
    )
    page.show(figures)
    shown = capsys.readouterr().out
    assert "drop to hits painted: p50" in shown
    assert "scrolling 1000 results as list" in shown
