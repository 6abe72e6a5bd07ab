"""What `/readyz` says while a register is encoded again by another network under a server."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from PIL import Image

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings


def test_a_server_whose_register_was_encoded_by_another_network_is_not_ready(
    tiny_settings: Callable[..., Settings],
    checkpoint_with_parts: Path,
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path: Path,
) -> None:
    settings = tiny_settings(tmp_path, poll_s=0.1)
    with MarkLens.open(settings) as marklens:
        marklens.add(MarkRecord(id="M-1"), as_png(draw_mark(1)))
        with serving(marklens) as address, httpx.Client(base_url=address, timeout=30) as client:
            assert client.get("/readyz").status_code == 200
            with MarkLens.open(tiny_settings(tmp_path, checkpoint=checkpoint_with_parts)) as other:
                other.rebuild(encode=True)
            deadline = time.monotonic() + 20
            while client.get("/readyz").status_code == 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert client.get("/healthz").status_code == 200
