"""`marklens mcp`: a real client talks to the command over its stdin and stdout."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")

Run = Callable[..., Any]


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
            offered = {tool.name for tool in (await client.list_tools()).tools}
            assert offered == {"search", "list_marks", "classify", "look_up", "show_mark"}
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return lambda *calls: asyncio.run(talk(calls))


def test_an_assistant_searches_classifies_and_looks_up(
    ask: Callable[..., list[Any]], run: Run, source: Path, parsed: Callable[[Any], Any]
) -> None:
    logo = str(source / "1.png")
    search, among, listed, classes, looked, shown = ask(
        ("search", {"picture": logo, "k": 3}),
        ("search", {"mark_id": "EM-1", "filters": {"vienna_any": ["26.04"]}, "k": 8}),
        ("list_marks", {"filters": {"text": "word 5"}}),
        ("classify", {"picture": logo}),
        ("look_up", {"mark_id": "EM-2"}),
        ("show_mark", {"mark_id": "EM-2"}),
    )
    alone = parsed(run("search", logo, "-k", "3", "--json"))
    hits = search.structured_content["hits"]
    assert [hit.keys() for hit in hits] == [hit.keys() for hit in alone["hits"]]
    assert [hit["id"] for hit in hits] == [hit["id"] for hit in alone["hits"]]
    # Another process sums floating-point numbers in another order.
    scores = [hit["score"] for hit in alone["hits"]]
    assert [hit["score"] for hit in hits] == pytest.approx(scores, abs=1e-3)
    assert {hit["id"] for hit in among.structured_content["hits"]} >= {"EM-3", "EM-7"}
    assert listed.structured_content["marks"][0]["id"] == "EM-5"
    assert "vienna" in classes.structured_content
    assert looked.structured_content["text"] == "word 2"
    assert shown.content[0].type == "image"
    assert shown.content[0].mime_type == "image/webp"


def test_an_error_is_one_sentence(ask: Callable[..., list[Any]]) -> None:
    results = ask(
        ("look_up", {"mark_id": "NONE"}),
        ("search", {}),
        ("search", {"mark_id": " "}),
        ("search", {"picture": "/nowhere/logo.png"}),
        ("search", {"mark_id": "EM-1", "filters": {"vienna_any": ["soup"]}}),
    )
    sentences = [one.content[0].text for one in results]
    assert all(one.is_error for one in results)
    for wanted, sentence in zip(
        (
            "holds no mark 'NONE'",
            "either the path",
            "either the path",
            "cannot be read",
            "not a Vienna code",
        ),
        sentences,
        strict=True,
    ):
        assert wanted in sentence
        assert "Traceback" not in sentence
