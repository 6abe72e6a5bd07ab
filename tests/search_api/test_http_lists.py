"""Lists of marks over real HTTP: by words, number, owner, codes, classes and dates alone."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from search_api.errors import BadField
from search_api.marklens import MarkLens
from search_api.request import SearchRequest

MARKS = "/api/v1/marks"


@pytest.fixture(scope="module")
def named(
    marklens: MarkLens,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> Iterator[None]:
    """Marks with words and owners beside M-0 … M-11."""
    for at, (text, owner) in enumerate(
        (
            ("Google", "Alphabet Inc."),
            ("GOOGLE MAPS", "Alphabet Inc."),
            ("Café Löwe", "Müller & Co"),
        )
    ):
        record = MarkRecord(f"EM-01800000{at}", text=text, owner=owner)
        marklens.add(record, as_png(draw_mark(100 + at)))
    yield
    for at in range(3):
        marklens.delete(f"EM-01800000{at}")


@pytest.mark.usefixtures("named")
def test_given_marks_are_listed_in_one_request_and_those_withdrawn_are_missing(
    client: httpx.Client,
) -> None:
    ids = ["M-3", "GONE", "EM-018000001", "M-4"]
    found = listed(client, ids=ids)
    assert [one["id"] for one in found["marks"]] == ["EM-018000001", "M-3", "M-4"]
    assert (found["total"], found["next"]) == (3, None)
    first = listed(client, ids=ids, k=2)
    assert first["total"] == 3
    rest = listed(client, ids=ids, k=2, after=first["next"])
    assert [one["id"] for one in rest["marks"]] == ["M-4"]
    assert [one["id"] for one in listed(client, ids=ids, office="EM")["marks"]] == ["M-4"]
    assert [one["id"] for one in listed(client, ids=ids, text="gogle")["marks"]] == ["EM-018000001"]


def listed(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.get(MARKS, params=fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.usefixtures("named")
def test_words_alone_find_marks_and_say_how_they_match(client: httpx.Client) -> None:
    found = listed(client, text="gogle")
    assert [mark["id"] for mark in found["marks"]] == ["EM-018000000", "EM-018000001"]
    assert (found["total"], found["next"]) == (2, None)
    match = found["marks"][0]["match"]
    assert (match["kind"], match["said"]) == ("sounds", "sounds alike")
    assert match["score"] == pytest.approx(11 / 12)
    assert [mark["id"] for mark in listed(client, text="cafe lowe")["marks"]] == ["EM-018000002"]


@pytest.mark.usefixtures("named")
def test_number_and_owner_are_found_by_part(client: httpx.Client) -> None:
    assert listed(client, number="018000001")["marks"][0]["id"] == "EM-018000001"
    assert listed(client, owner="muller")["marks"][0]["text"] == "Café Löwe"
    assert listed(client, owner="ALPHABET", text="map")["total"] == 1
    found = client.post("/api/v1/search", data={"mark_id": "M-0", "owner": "alphabet"}).json()
    assert {hit["id"] for hit in found["hits"]} == {"EM-018000000", "EM-018000001"}


def test_the_next_page_begins_where_the_last_ended(client: httpx.Client) -> None:
    for order, first in (("id", "M-0"), ("-filed", "M-11"), ("registered", "M-0")):
        fields: dict[str, Any] = {"office": ["EM", "US"], "k": 5, "order": order}
        seen, pages = [], 0
        while True:
            page = listed(client, **fields)
            assert page["total"] == 12
            seen += [mark["id"] for mark in page["marks"]]
            pages += 1
            if page["next"] is None:
                break
            fields["after"] = page["next"]
        assert (pages, len(set(seen)), seen[0]) == (3, 12, first)
        assert all(mark["match"] is None for mark in page["marks"])


def test_codes_classes_and_dates_alone_list_marks(client: httpx.Client) -> None:
    found = listed(client, vienna_any="03", vienna_source="assigned", filed_from="2014-01-01")
    assert [mark["id"] for mark in found["marks"]] == ["M-10", "M-4", "M-6", "M-8"]
    page = listed(client, nice="9", k=2)
    assert (page["total"], len(page["marks"])) == (4, 2)
    assert [mark["id"] for mark in listed(client, office="US", offset=4)["marks"]] == ["M-7", "M-9"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"k": 0}, "k"),
        ({"offset": 2**63 - 1}, "offset"),
        ({"order": "colour"}, "order"),
        ({"unknown": "x"}, "unknown"),
        ({"after": "x"}, "after"),
        ({"after": "W10"}, "after"),
        ({"after": "WyJpZCIsbnVsbCwiYSJd", "order": "-id"}, "after"),  # a cursor of order id
        ({"after": "WyJpZCIsbnVsbCwiXHVkODAwIl0"}, "after"),  # of an id of half a character
        ({"after": "WyJpZCIsbnVsbCwiXHUwMDAwIl0"}, "after"),  # of an id with a NUL
        ({"vienna_any": "lion"}, "vienna_any"),
    ],
)
def test_a_bad_field_is_named(client: httpx.Client, fields: dict[str, Any], field: str) -> None:
    answer = client.get(MARKS, params=fields)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_an_order_by_words_needs_words(client: httpx.Client) -> None:
    answer = client.get(MARKS, params={"order": "words"})
    assert (answer.status_code, "give text" in answer.json()["detail"]) == (422, True)


def test_words_count_beside_the_picture_as_much_as_they_weigh(client: httpx.Client) -> None:
    asked = {"mark_id": "M-0", "text": "word 5", "k": "5"}

    def answered(**more: str) -> dict[str, Any]:
        answer = client.post("/api/v1/search", data=asked | more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    ranked = answered()
    assert answered(weights="words=1")["hits"] == ranked["hits"]
    best = ranked["hits"][0]
    assert (best["id"], len(ranked["hits"])) == ("M-5", 5)
    assert ranked["plan"]["matched"] >= 11
    assert best["match"]["said"] == "same words"
    assert best["scores"]["words"] == 1.0
    total = 1.0 + 0.5 + 0.25  # the weights of the network's blocks
    assert best["score"] == pytest.approx((total * best["picture"] + 1) / (total + 1))
    assert best["probability"] is None  # which is known of scores by picture
    by_words = answered(weights="visual=0,concept=0,colour=0")["hits"]
    assert [hit["score"] for hit in by_words] == [hit["scores"]["words"] for hit in by_words]
    assert by_words[0]["id"] == "M-5"
    only = answered(weights="words=0", text="wrod 5", k="12")["hits"]
    assert only[0]["picture"] is None
    alike = client.get(MARKS, params={"text": "wrod 5"}).json()["marks"]
    assert {hit["id"] for hit in only} == {mark["id"] for mark in alike} - {"M-0"}


def test_the_weight_of_words_counts_nowhere_without_words(client: httpx.Client) -> None:
    asked = {"mark_id": "M-0", "k": "5"}
    plain, weighed = (
        client.post("/api/v1/search", data=asked | more).json()["hits"]
        for more in ({}, {"weights": "words=3"})
    )
    assert plain == weighed


def test_a_list_is_of_no_later_state_than_it_says(
    marklens: MarkLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, state = marklens.register.find, marklens.register.sequence()

    def found_and_changed(*asked: Any) -> Any:
        found = find(*asked)
        monkeypatch.setattr(marklens.register, "sequence", lambda: state + 1)
        return found

    monkeypatch.setattr(marklens.register, "find", found_and_changed)
    assert marklens.search(SearchRequest()).plan.sequence == state


def test_python_refuses_a_cursor_that_is_none(marklens: MarkLens) -> None:
    for cursor in ("", "é", "x" * 600, "WyJpZCIsbnVsbCwxXQ", "WyJpZCJd"):
        with pytest.raises(BadField):
            marklens.search(SearchRequest(after=cursor))
