"""Who may write, what browsers are told, and how pictures are sent."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from PIL import Image

from search_api.marklens import MarkLens

MARKS = "/api/v1/marks"
TOKEN = "a token that nobody guesses"  # noqa: S105
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><script>alert(1)</script>'
    b'<circle cx="45" cy="30" r="20" fill="teal"/></svg>'
)

Serve = Callable[..., Any]
AsPng = Callable[[Image.Image], bytes]
Draw = Callable[..., Image.Image]


@pytest.fixture
def with_settings(marklens: MarkLens) -> Callable[..., Any]:
    """Changes settings of the running server for the body of a `with`."""

    @contextmanager
    def changed(**settings: object) -> Iterator[None]:
        before = marklens.settings
        marklens.settings = before.model_validate({**before.model_dump(), **settings})
        yield
        marklens.settings = before

    return changed


@pytest.fixture
def picture(draw_mark: Draw, as_png: AsPng) -> bytes:
    return as_png(draw_mark(55))


def test_where_reading_is_public_a_set_token_is_needed_for_writing_and_for_nothing_else(
    client: httpx.Client, with_settings: Serve, picture: bytes
) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    with with_settings(api_token=TOKEN, host="0.0.0.0", public_reading=True):  # noqa: S104
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
            answers = [
                client.post(MARKS, data={"id": "T-1"}, files={"image": picture}, headers=headers),
                client.delete(f"{MARKS}/M-1", headers=headers),
            ]
            for answer in answers:
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["type"] == "urn:marklens:problem:bad-token"
        added = client.post(MARKS, data={"id": "T-1"}, files={"image": picture}, headers=right)
        assert added.status_code == 201
        assert client.delete(f"{MARKS}/T-1", headers=right).status_code == 204
        assert client.get(f"{MARKS}/M-1").status_code == 200
        assert client.post("/api/v1/search", data={"mark_id": "M-1"}).status_code == 200


def test_without_a_token_an_open_address_is_not_written_through(
    client: httpx.Client, with_settings: Serve
) -> None:
    with with_settings(host="0.0.0.0"):  # noqa: S104
        answer = client.delete(f"{MARKS}/M-1")
    assert answer.status_code == 403
    assert "MARKLENS_API_TOKEN" in answer.json()["detail"]
    assert client.get(f"{MARKS}/M-1").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Host": "rebound.example"},
        {"Host": "[::"},
        {"Host": "192.168.1.7:8000"},
    ],
)
def test_a_foreign_page_cannot_write_through_the_users_browser(
    client: httpx.Client, picture: bytes, headers: dict[str, str]
) -> None:
    posted = client.post(MARKS, data={"id": "F-1"}, files={"image": picture}, headers=headers)
    deleted = client.delete(f"{MARKS}/M-1", headers=headers)
    assert (posted.status_code, deleted.status_code) == (403, 403)
    assert client.get(f"{MARKS}/F-1").status_code == 404


def test_the_servers_own_page_may_write(client: httpx.Client, picture: bytes) -> None:
    origin = {"Origin": str(client.base_url).rstrip("/")}
    posted = client.post(MARKS, data={"id": "O-1"}, files={"image": picture}, headers=origin)
    assert posted.status_code == 201
    assert client.delete(f"{MARKS}/O-1", headers=origin).status_code == 204


@pytest.mark.parametrize("path", ["/", "/healthz", f"{MARKS}/M-1", f"{MARKS}/nobody", "/nowhere"])
def test_every_answer_tells_browsers_to_be_careful(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def test_a_drawing_is_never_sent_as_a_document_that_could_run(client: httpx.Client) -> None:
    assert client.post(MARKS, data={"id": "S-1"}, files={"image": SVG}).status_code == 201
    answer = client.get(f"{MARKS}/S-1/image")
    assert answer.headers["content-type"] == "image/webp"
    assert b"script" not in answer.content
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    width, height = Image.open(io.BytesIO(answer.content)).size
    assert width / height == pytest.approx(1.5, abs=0.01)
    assert client.delete(f"{MARKS}/S-1").status_code == 204


def test_only_a_digest_makes_a_picture_cacheable_for_ever(client: httpx.Client) -> None:
    digest = client.get(f"{MARKS}/M-2").json()["image_digest"]
    where = f"{MARKS}/M-2/image"
    plain = client.get(where)
    named = client.get(where, params={"digest": digest, "size": 64})
    stale = client.get(where, params={"digest": "0" * 64})
    assert plain.headers["cache-control"] == stale.headers["cache-control"] == "no-cache"
    assert named.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert plain.headers["etag"] != named.headers["etag"]
    again = client.get(where, headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(where, params={"digest": "x"}).status_code == 422


@pytest.mark.parametrize("size", ["15", "1025", "-1", "big"])
def test_a_thumbnail_size_out_of_range_is_refused(client: httpx.Client, size: str) -> None:
    answer = client.get(f"{MARKS}/M-2/image", params={"size": size})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "size"


def test_ids_of_any_printable_signs_work_in_addresses(client: httpx.Client, picture: bytes) -> None:
    for mark_id in ("A?b=1", "50%25", "a#b", "ü+&", "日本", "..a", "x" * 128):
        posted = client.post(MARKS, data={"id": mark_id}, files={"image": picture})
        assert posted.status_code == 201, (mark_id, posted.text)
        mark = client.get(posted.headers["location"]).json()
        assert mark["id"] == mark_id
        assert client.get(mark["image"]).content == picture
        assert client.delete(posted.headers["location"]).status_code == 204


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "a/b"}, None),
        ({"id": "a b"}, None),
        ({"id": ".."}, None),
        ({"id": "x" * 129}, "id"),
        ({}, "id"),
        ({"id": "B-1", "nice": "46"}, "nice"),
        ({"id": "B-1", "vienna": "45.01"}, "vienna"),
        ({"id": "B-1", "vienna": "lion"}, "vienna"),
        ({"id": "B-1", "filed": "31.12.2020"}, "filed"),
        ({"id": "B-1", "filed": "0"}, "filed"),
        ({"id": "B-1", "owner": "a\0b"}, "owner"),
        ({"id": "B-1", "colour": "red"}, "colour"),
    ],
)
def test_a_mark_that_breaks_a_rule_is_refused_by_field(
    client: httpx.Client, picture: bytes, fields: dict[str, str], field: str | None
) -> None:
    answer = client.post(MARKS, data=fields, files={"image": picture})
    assert answer.status_code == 422, answer.text
    if field is not None:
        assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert client.get(f"{MARKS}/B-1").status_code == 404


def test_a_marks_texts_come_without_blanks_around_them(
    client: httpx.Client, picture: bytes
) -> None:
    fields = {"id": "B-3", "text": "  lead ", "owner": "\u3000x", "vienna": "99.01"}
    posted = client.post(MARKS, data=fields, files={"image": picture})
    assert posted.status_code == 201, posted.text
    mark = client.get(posted.headers["location"]).json()
    assert (mark["text"], mark["owner"], mark["vienna"]) == ("lead", "x", ["99.01"])
    assert client.delete(posted.headers["location"]).status_code == 204


def test_a_mark_needs_a_picture_that_is_a_file(client: httpx.Client) -> None:
    missing = client.post(MARKS, data={"id": "B-2"})
    text = client.post(MARKS, data={"id": "B-2", "image": "logo.png"})
    empty = client.post(MARKS, data={"id": "B-2"}, files={"image": ("logo.png", b"")})
    assert [answer.status_code for answer in (missing, text, empty)] == [422, 422, 422]
    assert text.json()["errors"] == [{"field": "image", "detail": "send it as a file, not as text"}]
    assert "empty" in empty.json()["detail"]


def test_problems_name_the_fault_the_field_and_the_near_codes(
    client: httpx.Client, picture: bytes
) -> None:
    answer = client.post(
        "/api/v1/search", data={"vienna_any": "03.99"}, files={"image": picture}
    ).json()
    assert answer["type"] == "urn:marklens:problem:bad-vienna-code"
    assert answer["instance"] == "/api/v1/search"
    assert re.search(r"03\.99.*03\.\d\d", answer["detail"])
    answer = client.post(
        "/api/v1/search", data={"k": "-1", "viena": "03"}, files={"image": picture}
    ).json()
    assert {one["field"] for one in answer["errors"]} == {"k", "viena"}


def test_empty_fields_of_a_web_form_are_not_given(client: httpx.Client, picture: bytes) -> None:
    names = [
        "k",
        "weights",
        "crop",
        "vienna_any",
        "nice",
        "status",
        "filed_from",
        "text",
        "min_probability",
        "mark_id",
    ]
    answer = client.post("/api/v1/search", data=dict.fromkeys(names, ""), files={"image": picture})
    assert answer.status_code == 200
    assert len(answer.json()["hits"]) == 12
    answer = client.post("/api/v1/search", data={"mark_id": "M-3"}, files={"image": ("", b"")})
    assert answer.status_code == 200, answer.text
