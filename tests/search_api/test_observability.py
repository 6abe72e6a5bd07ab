"""Metrics, the dashboard that shows them, and logs that machines read."""

import io
import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from search_api.lanes import Patience
from search_api.log_records import JsonLines, SafeRecord, json_logging, request_id
from search_api.marklens import MarkLens

DASHBOARD = Path(__file__).parents[2] / "docs/monitoring/grafana.json"
SEARCH = "/api/v1/search"


def samples(client: httpx.Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Each sample's name → its labels' values → its value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for one in family.samples:
            found.setdefault(one.name, {})[tuple(one.labels.values())] = one.value
    return found


def test_every_query_of_the_dashboard_asks_for_metrics_that_there_are(
    client: httpx.Client, draw_mark: Callable[..., Image.Image], as_png: Callable[..., bytes]
) -> None:
    client.post(SEARCH, files={"image": as_png(draw_mark(3))})
    known = samples(client)
    labels = {
        name: {one for sample in family.samples for one in sample.labels}
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for name in {sample.name for sample in family.samples}
    }
    asked = [
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    ]
    assert len(asked) >= 18
    for query in asked:
        names = set(re.findall(r"\b(?:marklens|process)_\w+", query))
        assert names, query
        assert names <= known.keys(), query
        for grouping in re.findall(r"by \(([^)]*)\)", query):
            for label in re.split(r",\s*", grouping):
                assert all(label in labels[name] for name in names), query
    shown = {name for query in asked for name in re.findall(r"\bmarklens_\w+", query)}
    stems = {re.sub(r"_(bucket|sum|count|created)$", "", one) for one in known if "marklens" in one}
    stems = {one for one in stems if f"{one}_total" not in known}
    assert {re.sub(r"_bucket$", "", one) for one in shown} == stems  # and shows all that there are


def test_a_search_shows_in_its_stages_plan_sql_and_lanes(
    client: httpx.Client, marklens: MarkLens, draw_mark: Callable[..., Image.Image], as_png
) -> None:
    before = samples(client)
    assert client.post(SEARCH, files={"image": as_png(draw_mark(3))}).status_code == 200
    lane = marklens.queries.admission.lanes["draw"]
    with lane.turn(Patience(1)):
        after = samples(client)
    stages = after["marklens_search_stage_seconds_count"]
    assert {"decode", "wait", "encode", "filter", "search", "rerank"} <= {one for (one,) in stages}
    assert after["marklens_searches_total"] != before.get("marklens_searches_total")
    assert after["marklens_sql_seconds_count"][()] > before["marklens_sql_seconds_count"][()]
    assert after["marklens_lane_running"][("draw",)] == 1
    assert after["marklens_decoders"][()] >= 1
    assert (after["marklens_ready"][()], after["marklens_sequence_lag"][()]) == (1, 0)
    assert after["marklens_requests_in_flight"][()] == 1  # the one that asks
    client.get("/api/v1/marks/M-3/image", params={"size": 64})
    client.get("/api/v1/marks/M-3/image", params={"size": 64})
    thumbnails = samples(client)["marklens_thumbnails_total"]
    assert thumbnails[("hit",)] >= 1
    assert thumbnails[("miss",)] >= 1


@pytest.fixture
def logged() -> io.StringIO:
    """What is logged as JSON meanwhile."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("search_api")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_each_request_is_a_json_line_with_its_id(client: httpx.Client, logged: io.StringIO) -> None:
    answer = client.get("/api/v1/marks/M-3", headers={"X-Request-Id": "request-0001"})
    assert answer.headers["x-request-id"] == "request-0001"
    deadline = time.monotonic() + 10
    while "request-0001" not in logged.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)  # it is written after the answer
    lines = map(json.loads, logged.getvalue().splitlines())
    (line,) = (one for one in lines if one["request_id"] == "request-0001")
    said = {name: line[name] for name in ("level", "method", "route", "status", "client")}
    assert said == {
        "level": "info",
        "method": "GET",
        "route": "/api/v1/marks/{mark_id}",
        "status": 200,
        "client": "this machine",
    }
    assert line["ms"] > 0


def test_an_error_is_one_json_line_without_secrets() -> None:
    error = ValueError("postgresql://me:secret@host/db")
    raised = (ValueError, error, None)
    token = request_id.set("request-0002")
    try:
        record = SafeRecord("a", logging.ERROR, "f", 1, "at %s", ("x://me:pw@h",), raised)
    finally:
        request_id.reset(token)
    line = JsonLines().format(record)
    said = json.loads(line)
    assert "\n" not in line
    assert (said["level"], said["request_id"]) == ("error", "request-0002")
    assert "ValueError" in said["exception"]
    assert "secret" not in line
    assert "pw" not in line
    assert json_logging("info")["root"]["level"] == "INFO"
