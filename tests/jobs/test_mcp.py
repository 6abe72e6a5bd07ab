"""`marklens mcp`: a real client talks to the command over its stdin and stdout."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")

Run = Callable[..., Any]
TOOLS = {"search", "list_marks", "classify", "find_codes", "look_up", "show_mark"}


@pytest.fixture
def ask(run: Run, source: Path, environment: dict[str, str]) -> Callable[..., list[Any]]:
    """A function ((tool, arguments), …) → the results, of a register of EM-0 … EM-7."""
    assert run("index", source).exit_code == 0
    command = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "search_api", "mcp"],
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )

    async def talk(calls: tuple[tuple[str, dict[str, Any]], ...]) -> list[Any]:
        async with mcp.Client(command, read_timeout_seconds=60) as client:
            offered = (await client.list_tools()).tools
            assert {tool.name for tool in offered} == TOOLS
            assert all(tool.annotations.read_only_hint for tool in offered)
            assert all(tool.input_schema["additionalProperties"] is False for tool in offered)
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return lambda *calls: asyncio.run(talk(calls))


def test_an_assistant_searches_classifies_and_looks_up(
    ask: Callable[..., list[Any]], run: Run, source: Path, parsed: Callable[[Any], Any]
) -> None:
    logo = str(source / "1.png")
    search, among, cropped, listed, classes, codes, looked, shown = ask(
        ("search", {"pictures": [logo], "k": 3}),
        ("search", {"mark_id": "EM-1", "vienna_any": ["26.04"], "owner": None, "k": 8}),
        ("search", {"pictures": [logo, str(source / "2.png")], "crop": "20,20,60,60", "offset": 1}),
        ("list_marks", {"text": "word 5", "order": "words"}),
        ("classify", {"picture": logo, "turn": 90}),
        ("find_codes", {"words": "tiara", "k": 2}),
        ("look_up", {"mark_id": "EM-2"}),
        ("show_mark", {"mark_id": "EM-2"}),
    )
    alone = parsed(run("search", logo, "-k", "3", "--json"))
    hits = search.structured_content["hits"]
    assert json.loads(search.content[0].text) == search.structured_content
    assert [hit["id"] for hit in hits] == [hit["id"] for hit in alone["hits"]]
    # Another process sums floating-point numbers in another order.
    scores = [hit["score"] for hit in alone["hits"]]
    assert [hit["score"] for hit in hits] == pytest.approx(scores, abs=1e-3)
    found = {hit["id"] for hit in among.structured_content["hits"]}
    assert found >= {"EM-3", "EM-7"}
    assert among.structured_content["plan"]["matched"] < alone["plan"]["matched"]
    assert not cropped.is_error, cropped.content
    assert len(cropped.structured_content["hits"]) == alone["plan"]["matched"] - 1
    assert listed.structured_content["marks"][0]["id"] == "EM-5"
    assert "vienna" in classes.structured_content
    assert codes.structured_content["codes"][0]["code"].startswith("24.09")
    assert looked.structured_content["text"] == "word 2"
    assert shown.content[0].type == "image"
    assert shown.content[0].mime_type == "image/webp"


def test_an_assistant_reads_a_few_hundred_letters_a_hit(
    ask: Callable[..., list[Any]], source: Path
) -> None:
    search, listed, looked = ask(
        ("search", {"pictures": str(source / "1.png"), "k": 8}),
        ("list_marks", {"k": 8}),
        ("look_up", {"mark_id": "EM-1"}),
    )
    hits, marks = search.structured_content["hits"], listed.structured_content["marks"]
    assert len(hits) == len(marks) == 8
    assert len(search.content[0].text) < 8 * 350
    assert len(listed.content[0].text) < 8 * 250
    assert hits[0].keys() >= {"id", "score", "text", "vienna"}
    assert looked.structured_content.keys() >= {"predicted", "image_digest", "sequence"}


def test_an_error_is_one_sentence(ask: Callable[..., list[Any]]) -> None:
    asked = {
        ("look_up", "mark_id", "NONE"): "holds no mark 'NONE'",
        ("look_up", "words", "crown"): "mark_id: is missing; words: there is no such field",
        ("search", "k", 3): "give either the paths of `pictures`",
        ("search", "mark_id", " "): "give either the paths of `pictures`",
        ("search", "pictures", "/nowhere/logo.png"): "cannot be read",
        ("search", "vienna_any", "soup"): "give either the paths of `pictures`",
        ("search", "filters", "nice"): "filters: there is no such field",
        ("list_marks", "vienna_any", "soup"): "not a Vienna code",
        ("list_marks", "k", 101): "k: Input should be less than or equal to 100",
        ("list_marks", "order", "size"): "order: Input should be 'id', '-id'",
        ("find_marks", "k", 3): "there is no tool 'find_marks'",
    }
    results = ask(*((tool, {name: value}) for tool, name, value in asked))
    for wanted, result in zip(asked.values(), results, strict=True):
        assert result.is_error
        assert wanted in result.content[0].text
        assert "Traceback" not in result.content[0].text
        assert "pydantic" not in result.content[0].text
