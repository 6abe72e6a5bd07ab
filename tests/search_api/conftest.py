"""A real server on a free port over a small register of drawn marks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from models.vienna import ViennaCode
from search_api.marklens import MarkLens
from search_api.settings import Settings

MARKS = 12


@pytest.fixture(scope="module")
def marklens(
    tiny_settings: Callable[..., Settings],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MarkLens]:
    """Marks M-0 … M-11; even ones lions of office EM, odd ones leaves of office US."""
    settings = tiny_settings(tmp_path_factory.mktemp("http"), max_upload_bytes=300_000)
    with MarkLens.open(settings) as opened:
        for number in range(MARKS):
            record = MarkRecord(
                id=f"M-{number}",
                text=f"WORD {number}",
                office="US" if number % 2 else "EM",
                status="registered",
                filed=date(2010 + number, 1, 1),
                nice=(25,) if number % 3 else (9,),
                vienna=(ViennaCode.parse("05.03.11" if number % 2 else "03.01.01"),),
            )
            opened.add(record, as_png(draw_mark(number)))
        yield opened


@pytest.fixture(scope="module")
def client(
    marklens: MarkLens, serving: Callable[[MarkLens], AbstractContextManager[str]]
) -> Iterator[httpx.Client]:
    """HTTP to a real uvicorn server."""
    with serving(marklens) as address, httpx.Client(base_url=address, timeout=30) as http:
        yield http
