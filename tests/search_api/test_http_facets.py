"""Codes by subject, and live counts by facet, over HTTP."""

from typing import Any

import httpx
import pytest


def facets(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/facets", params=asked)
    assert answer.status_code == 200, answer.text
    counted: dict[str, Any] = answer.json()
    return counted


def listed(client: httpx.Client, **asked: Any) -> int:
    total: int = client.get("/api/v1/marks", params=asked).json()["total"]
    return total


def test_an_everyday_word_finds_codes_with_their_marks(client: httpx.Client) -> None:
    asked = {"q": "lioness", "source": "assigned"}
    answer = client.get("/api/v1/vienna", params=asked).json()
    assert answer["categories"] == []
    assert answer["found"][0] == {
        "code": "03.01.01",
        "title": "Lions",
        "marks": 6,
        "fit": 0,
        "by": "lioness",
    }
    assert client.get("/api/v1/vienna").json()["found"] == []
    assert client.get("/api/v1/vienna", params={"q": "xyzzy"}).json()["found"] == []
    near = client.get("/api/v1/vienna", params={"q": "crwon"}).json()["found"]
    assert (near[0]["code"], near[0]["fit"]) == ("24.09", 3), "the thing itself comes first"


def test_codes_that_fit_alike_come_by_how_many_marks_have_them(client: httpx.Client) -> None:
    found = client.get("/api/v1/vienna", params={"q": "leaves", "source": "assigned"}).json()
    counts = [one["marks"] for one in found["found"] if one["title"] == "Other leaves"]
    assert counts == [6]
    whole = [one for one in found["found"] if "leaves" in one["title"].lower()]
    assert [one["code"] for one in whole].index("05.03.11") <= 1


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"office": "EM"},
        {"nice": "9"},
        {"vienna_any": "05", "vienna_source": "assigned"},
        {"vienna_none": "05", "vienna_source": "assigned", "filed_from": "2015-01-01"},
        {"text": "WORD 3"},
        {"number": "M-1", "office": "US"},
    ],
)
def test_counts_are_those_of_the_lists_they_lead_to(
    client: httpx.Client, asked: dict[str, str]
) -> None:
    counted = facets(client, **asked)
    assert counted["matched"] == listed(client, **asked)
    for facet, field, values in (
        ("office", "office", ("EM", "US")),
        ("nice", "nice", ("9", "25")),
        ("status", "status", ("registered", "expired")),
        ("vienna", "vienna_any", ("03", "03.01.01", "05")),
    ):
        for value in values:
            expected = listed(client, **{**asked, field: value})
            assert counted[facet].get(value, 0) == expected, (facet, value)


@pytest.mark.parametrize("text", ["word 3", "wrod 3"])
def test_beside_a_picture_the_same_words_are_alike_as_in_a_list(
    client: httpx.Client, text: str
) -> None:
    asked = {"mark_id": "M-0", "text": text, "weights": "words=0"}
    plan = client.post("/api/v1/search", data=asked).json()["plan"]
    counted = facets(client, text=text, compared=True)["matched"]
    assert counted == plan["matched"] + 1 == listed(client, text=text) > 1  # without M-0 itself
    assert facets(client, compared=True)["matched"] == 12


def test_what_cannot_be_counted_is_refused(client: httpx.Client) -> None:
    assert client.get("/api/v1/facets", params={"nice": "77"}).status_code == 422
    assert client.get("/api/v1/facets", params={"vienna_any": "03.77"}).status_code == 422
    assert client.get("/api/v1/facets", params={"k": "3"}).status_code == 422
