"""`POST /search` and `/classify` over real HTTP."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

SEARCH = "/api/v1/search"


@pytest.fixture
def search(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> Callable[..., dict[str, Any]]:
    def post(seed: int = 3, **fields: Any) -> dict[str, Any]:
        answer = client.post(SEARCH, files={"image": as_png(draw_mark(seed))}, data=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return post


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def test_a_marks_own_picture_finds_it_first(search: Callable[..., dict[str, Any]]) -> None:
    answer = search(3, k=5)
    first = answer["hits"][0]
    assert (first["id"], round(first["score"], 4)) == ("M-3", 1.0)
    assert set(first["scores"]) == {"visual", "concept", "colour"}
    assert len(answer["hits"]) == 5
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_the_answer_names_the_plan_and_its_times(search: Callable[..., dict[str, Any]]) -> None:
    plan = search(3)["plan"]
    assert plan["matched"] == plan["total"] == 12
    assert set(plan["milliseconds"]) == {"decode", "wait", "encode", "filter", "search", "rerank"}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"vienna_any": "03", "vienna_source": "assigned"}, {"M-0", "M-2", "M-4"}),
        ({"vienna_none": "3.1", "vienna_source": "assigned"}, {"M-1", "M-3", "M-5"}),
        ({"vienna_all": ["05", "05.03.11"], "vienna_source": "assigned"}, {"M-1", "M-3", "M-5"}),
        ({"office": "EM"}, {"M-0", "M-2", "M-4"}),
        ({"nice": "9"}, {"M-0", "M-3"}),
        ({"filed_to": "2015-12-31"}, {"M-0", "M-1", "M-2", "M-3", "M-4", "M-5"}),
        ({"number": "m-4"}, {"M-4"}),
        ({"status": "expired"}, set()),
        ({"office": ["EM", "US"]}, {"M-0", "M-1", "M-2", "M-3", "M-4", "M-5"}),
        ({"office": "EM,US"}, set()),  # one office of that name
    ],
)
def test_filters_keep_what_they_say(
    search: Callable[..., dict[str, Any]], fields: dict[str, Any], wanted: set[str]
) -> None:
    found = set(ids(search(3, k=100, **fields)))
    assert {mark for mark in found if int(mark[2:]) < 6} == wanted


def test_a_mark_searches_without_finding_itself(client: httpx.Client) -> None:
    answer = client.post(SEARCH, files={"mark_id": (None, "M-3"), "k": (None, "50")}).json()
    assert "M-3" not in ids(answer)
    assert len(ids(answer)) == 11


def test_pages_of_hits_are_the_whole_ranking(search: Callable[..., dict[str, Any]]) -> None:
    pages = [ids(search(3, k=5, offset=offset)) for offset in (0, 5, 10, 15)]
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    assert [mark for page in pages for mark in page] == ids(search(3, k=12))


def test_a_crop_of_everything_changes_nothing(search: Callable[..., dict[str, Any]]) -> None:
    assert ids(search(3)) == ids(search(3, crop="0,0,96,96"))


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_page_and_a_turn_of_the_picture_are_what_is_searched(
    client: httpx.Client, draw_mark: Callable[..., Image.Image], kind: str
) -> None:
    file = BytesIO()
    marks = [draw_mark(seed) for seed in (1, 3)]
    upside_down = marks[1].transpose(Image.Transpose.ROTATE_180)
    marks[0].save(file, kind, save_all=True, append_images=[marks[1], upside_down])
    files = {"image": file.getvalue()}

    def first(**fields: str) -> tuple[str, int]:
        answer = client.post(SEARCH, files=files, data=fields).json()
        return ids(answer)[0], answer["query"]["pages"]

    assert first() == ("M-1", 3)
    assert first(page="2") == ("M-3", 3)
    assert first(page="3", turn="180") == ("M-3", 3)
    drawn = client.post("/api/v1/preview", files=files, data={"page": "2", "turn": "90"})
    assert drawn.headers["Picture-Pages"] == "3"
    lacking = client.post(SEARCH, files=files, data={"page": "4"})
    assert lacking.status_code == 422
    assert "no page 4" in lacking.json()["detail"]


def test_a_mark_is_searched_from_as_if_it_were_turned(client: httpx.Client) -> None:
    def scores(**fields: str) -> list[float]:
        answer = client.post(SEARCH, data={"mark_id": "M-3", **fields}).json()
        return [hit["score"] for hit in answer["hits"]]

    assert scores(turn="90") != scores()
    assert client.post(SEARCH, data={"mark_id": "M-3", "page": "2"}).status_code == 422


def test_weights_of_one_block_rank_by_it(search: Callable[..., dict[str, Any]]) -> None:
    hits = search(3, weights="visual=0,concept=0,colour=1,same_codes=0")["hits"]
    assert hits
    assert all(abs(hit["score"] - hit["scores"]["colour"]) < 1e-6 for hit in hits)


def test_classify_names_codes_with_titles(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    seen = client.post("/api/v1/classify", files={"image": as_png(draw_mark(1))}).json()
    assert set(seen) == {"vienna", "perhaps"}
    codes = [*seen["vienna"], *seen["perhaps"]]
    assert all({"code", "title", "probability"} <= set(code) for code in codes)


@pytest.mark.parametrize(
    "fields",
    [
        {"k": "-1"},
        {"k": "many"},
        {"k": "1001"},
        {"vienna_any": "03.99"},
        {"vienna_any": "lion"},
        {"vienna_any": "5,3,13"},
        {"nice": "46"},
        {"filed_from": "yesterday"},
        {"filed_from": "2020-01-02", "filed_to": "2020-01-01"},
        {"weights": "visual=-1"},
        {"weights": "visual=1e308,concept=1e308,colour=1e308"},
        {"weights": '{"visual": 1000.1}'},
        {"weights": "visual=1e-300"},
        {"offset": "-1"},
        {"offset": "981"},
        {"weights": "visual=0,concept=0,colour=0"},
        {"weights": "smell=1"},
        {"crop": "0,0,0,0"},
        {"crop": "90,90,50,50"},
        {"page": "0"},
        {"turn": "361"},
        {"viena_any": "03"},
        {"min_probability": "2"},
    ],
)
def test_a_bad_field_is_refused_by_name(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    fields: dict[str, str],
) -> None:
    answer = client.post(SEARCH, files={"image": as_png(draw_mark(1))}, data=fields)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    fields=st.dictionaries(
        st.sampled_from(
            [
                "k",
                "vienna_any",
                "vienna_none",
                "nice",
                "status",
                "filed_from",
                "text",
                "weights",
                "crop",
                "min_probability",
                "vienna_source",
                "office",
            ]
        ),
        st.text(max_size=30),
        max_size=4,
    )
)
def test_no_form_makes_the_server_fail(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    fields: dict[str, str],
) -> None:
    encodable = {name: value.encode("utf-8", "replace") for name, value in fields.items()}
    answer = client.post(SEARCH, files={"image": as_png(draw_mark(1))}, data=encodable)
    assert answer.status_code < 500, (fields, answer.text)
    assert answer.status_code == 200 or answer.json()["detail"]


def test_hits_of_one_sign_name_the_first_of_them(search: Callable[..., dict[str, Any]]) -> None:
    whole = search(3, k=12)["hits"]
    assert whole[0]["group"] == whole[0]["id"] == "M-3"
    assert {hit["group"] for hit in whole} <= {hit["id"] for hit in whole}
    later = search(3, k=6, offset=6)["hits"]
    assert [hit["group"] for hit in later] == [hit["group"] for hit in whole[6:]]
