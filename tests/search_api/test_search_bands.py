"""Hits say how probably they are the query's sign or a variant of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from indexer.query import OTHER_WEIGHTS
from models.network.checkpoint import record_scores
from models.network.score_calibration import ScoreCalibration
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings

Draw = Callable[..., Image.Image]
MEANING = ScoreCalibration(offset=-12.0, slope=14.0, curve=1.0)


@pytest.fixture
def marklens(
    tiny_checkpoint: Path,
    tiny_settings: Callable[..., Settings],
    draw_mark: Draw,
    as_png: Callable[[Image.Image], bytes],
    tmp_path: Path,
) -> Iterator[MarkLens]:
    """Ten marks, and a network whose scores have a meaning."""
    folder = tmp_path / "network"
    shutil.copytree(tiny_checkpoint, folder)
    record_scores(folder, MEANING, {})
    with MarkLens.open(tiny_settings(tmp_path / "data", checkpoint=folder)) as opened:
        for number in range(10):
            opened.add(MarkRecord(f"A-{number}"), as_png(draw_mark(number)))
        yield opened


def test_each_hit_has_its_probability_and_band(marklens: MarkLens, draw_mark: Draw) -> None:
    answer = marklens.search(SearchRequest(draw_mark(4)))
    said = [MEANING.probability(hit.score or 0, 10) for hit in answer.hits]
    assert [hit.probability for hit in answer.hits] == said == sorted(said, reverse=True)
    assert (answer.hits[0].id, answer.hits[0].band) == ("A-4", "near-identical")
    assert answer.better_than_chance == sum(one >= 0.1 for one in said)
    assert [hit.band for hit in answer.hits[answer.better_than_chance :]] == ["weak"] * (
        10 - answer.better_than_chance
    )


def test_other_weights_have_no_known_meaning_and_default_ones_given_do(
    marklens: MarkLens, draw_mark: Draw
) -> None:
    default = marklens.search(SearchRequest(draw_mark(4)))
    given = {block.name: block.weight for block in marklens.encoder.blocks} | {
        "parts": 1.0,
        "places": OTHER_WEIGHTS["places"],
    }
    same = marklens.search(SearchRequest(draw_mark(4), weights=given))
    assert [hit.probability for hit in same.hits] == [hit.probability for hit in default.hits]
    others = ({"weights": {"colour": 1.0}}, {"weights": {"parts": 0}}, {"rerank": 0})
    for asked in others:
        other = marklens.search(SearchRequest(draw_mark(4), **asked))
        assert {(hit.probability, hit.band) for hit in other.hits} == {(None, None)}
        assert other.better_than_chance is None


def test_the_answer_over_http_says_so(
    marklens: MarkLens,
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    draw_mark: Draw,
    as_png: Callable[[Image.Image], bytes],
) -> None:
    with serving(marklens) as address:
        files = {"image": as_png(draw_mark(4))}
        came = httpx.post(f"{address}/api/v1/search", files=files, timeout=30).json()
    assert came["hits"][0]["band"] == "near-identical"
    assert came["hits"][0]["probability"] > 0.9
    assert came["better_than_chance"] == sum(hit["band"] != "weak" for hit in came["hits"])
