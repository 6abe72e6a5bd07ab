"""How answers travel: gzipped where that is accepted, and without body for HEAD."""

import gzip
import json

import httpx
import pytest

PATHS = ("/", "/api/v1/marks", "/api/v1/marks/M-2", "/api/v1/vienna", "/healthz")


@pytest.mark.parametrize(
    "path", [*PATHS, "/api/v1/marks/M-2/image?size=64", "/static/marklens.css"]
)
def test_head_is_get_without_a_body(client: httpx.Client, path: str) -> None:
    plain = {"Accept-Encoding": "identity"}
    got, head = client.get(path, headers=plain), client.head(path, headers=plain)
    assert head.status_code == got.status_code
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "content-security-policy"):
        assert head.headers.get(name) == got.headers.get(name), name


def test_head_of_nothing_is_not_found_and_of_a_post_not_allowed(client: httpx.Client) -> None:
    assert client.head("/api/v1/marks/NONE").status_code == 404
    assert client.head("/api/v1/search").status_code == 405
    assert 'method="HEAD"' in client.get("/metrics").text


def test_large_answers_are_gzipped_and_pictures_are_not(client: httpx.Client) -> None:
    with client.stream("GET", "/api/v1/vienna") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        unpacked = json.loads(gzip.decompress(b"".join(answer.iter_raw())))
    assert unpacked == client.get("/api/v1/vienna", headers={"Accept-Encoding": "identity"}).json()
    for path in ("/api/v1/marks/M-2/image?size=512", "/healthz"):
        assert "content-encoding" not in client.get(path).headers
