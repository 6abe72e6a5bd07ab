"""The page of a server that wants a key: a browser sends it as its user's password."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings

pytestmark = pytest.mark.browser
KEY = "key-of-the-desk"


def test_a_browser_that_knows_a_key_searches_and_one_that_does_not_sees_nothing(
    page: Any,
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(as_png(draw_mark(2)))
    settings = tiny_settings(tmp_path / "data", host="0.0.0.0", api_token=KEY)  # noqa: S104
    with MarkLens.open(settings) as marklens:
        for number in range(4):
            marklens.add(MarkRecord(f"K-{number}"), as_png(draw_mark(number)))
        with serving(marklens) as address:
            page.allowed_messages.append("401")
            page.driver.get(f"{address}/")
            assert "K-2" not in page.driver.page_source
            assert page.all("#query-name") == []
            # On a page without scripts, which may not ask while the key is in the address.
            page.driver.get(address.replace("://", f"://desk:{KEY}@") + "/api/v1/openapi.json")
            page.driver.get(f"{address}/")  # as after the browser has asked: no key in the address
            page.upload(logo)
            assert page.hits()[0] == "K-2"
            shown = "return document.querySelector('.hit img').naturalWidth > 0"
            page.until(lambda: page.js(shown), "the mark's picture is not shown")
            page.requested()  # of this server, not the one of other tests
            page.open()  # before the server of this test ends
