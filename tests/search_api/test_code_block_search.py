"""A network with the block "codes" is searched by what it sees; page and API say so."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from models.encoder import Encoder
from models.network.checkpoint import Checkpoint, add_code_block, save_checkpoint
from models.network.code_block import CodeBlock
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings


@pytest.fixture
def settings(
    tiny_checkpoint: Path, tiny_settings: Callable[..., Settings], tmp_path: Path
) -> Settings:
    tiny = Checkpoint.open(tiny_checkpoint)
    folder = tmp_path / "network"
    save_checkpoint(
        folder,
        tiny.load_network(),
        preprocess=tiny.preprocess,
        labels=tiny.labels,
        weights={block.name: block.weight for block in tiny.blocks},
        calibration=tiny.calibration,
        metrics={},
    )
    labels = len(tiny.labels)
    add_code_block(folder, CodeBlock.fit(np.eye(labels, dtype=np.float32), np.ones(labels)))
    return tiny_settings(tmp_path / "data", checkpoint=folder)


def test_codes_are_a_block_like_any_other(
    settings: Settings,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
) -> None:
    pictures = [draw_mark(seed) for seed in range(8)]
    with MarkLens.open(settings) as marklens:
        for number, picture in enumerate(pictures):
            marklens.add(MarkRecord(f"M-{number}"), as_png(picture))
        only = {"visual": 0.0, "concept": 0.0, "colour": 0.0, "codes": 1.0}
        answer = marklens.search(SearchRequest(pictures[3], weights=only))
        probabilities = Encoder.load(settings.checkpoint, "cpu", "torch").encode(pictures)
        seen = probabilities.probabilities
        unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
        wanted = unit @ unit[3]
        for hit in answer.hits:
            assert hit.score == pytest.approx(wanted[int(hit.mark.record.id[2:])], abs=4e-3)
        with serving(marklens) as address, httpx.Client(base_url=address, timeout=30) as http:
            found = http.post(
                "/api/v1/search",
                files={"image": as_png(pictures[3])},
                data={"weights": "visual=1,codes=0.3"},
            ).json()
            assert set(found["hits"][0]["scores"]) == {"visual", "concept", "colour", "codes"}
            assert "Vienna codes" in http.get("/").text
