"""Handles of query pictures: sent once, encoded once, kept for a while, and then plainly gone."""

import csv
import hashlib
import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from models.encoder import Encoder
from search_api.marklens import MarkLens
from search_api.settings import Settings

SEARCH = "/api/v1/search"
Serving = Callable[[MarkLens], AbstractContextManager[str]]


@pytest.fixture
def settings(
    tiny_settings: Callable[..., Settings], checkpoint_with_parts: Path, tmp_path: Path
) -> Settings:
    return tiny_settings(tmp_path / "data", checkpoint=checkpoint_with_parts)


@pytest.fixture
def marks(
    draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> list[bytes]:
    return [as_png(draw_mark(number)) for number in range(6)]


@pytest.fixture
def marklens(settings: Settings, marks: list[bytes]) -> Iterator[MarkLens]:
    with MarkLens.open(settings) as opened:
        for number, picture in enumerate(marks):
            opened.add(MarkRecord(f"M-{number}", office="US" if number % 2 else "EM"), picture)
        yield opened


@pytest.fixture
def client(marklens: MarkLens, serving: Serving) -> Iterator[httpx.Client]:
    with serving(marklens) as address, httpx.Client(base_url=address, timeout=30) as http:
        yield http


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of a network looked at."""
    calls: list[int] = []
    encode = Encoder.encode_prepared

    def counting(self: Encoder, pictures: Any) -> Any:
        calls.append(len(pictures))
        return encode(self, pictures)

    monkeypatch.setattr(Encoder, "encode_prepared", counting)
    return calls


def search(client: httpx.Client, picture: bytes | None = None, **fields: Any) -> dict[str, Any]:
    files = None if picture is None else {"image": picture}
    answer = client.post(SEARCH, data=fields, files=files)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def handle_of(answer: dict[str, Any]) -> str:
    handle: str = answer["query"]["pictures"][0]["handle"]
    return handle


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "plan": {**answer["plan"], "milliseconds": {}}}


def test_a_handle_finds_what_its_picture_found_and_nothing_is_encoded_again(
    client: httpx.Client, marks: list[bytes], encoded: list[int]
) -> None:
    first = search(client, marks[3])
    assert encoded == [1]
    again = search(client, query=handle_of(first))
    assert without_times(again) == without_times(first)
    assert again["plan"]["milliseconds"]["encode"] == again["plan"]["milliseconds"]["decode"] == 0
    some = search(client, query=handle_of(first), office="EM", weights="visual=0,colour=1", k="2")
    assert [hit["office"] for hit in some["hits"]] == ["EM", "EM"]
    assert encoded == [1]
    codes = client.post("/api/v1/classify", data={"query": handle_of(first)}).json()
    assert codes["vienna"] == first["query"]["vienna"]
    assert codes["perhaps"] == first["query"]["perhaps"]
    assert encoded == [1]


def test_each_part_of_a_kept_picture_is_encoded_once(
    client: httpx.Client, marks: list[bytes], encoded: list[int]
) -> None:
    handle = handle_of(search(client, marks[3]))
    crop = {"query": handle, "crop": "8,8,72,72"}
    once, again = search(client, **crop), search(client, **crop)
    assert without_times(once) == without_times(again)
    assert without_times(once) == without_times(
        search(client, marks[3], crop="8,8,72,72", keep="false")
    ) | {"query": once["query"]}
    assert encoded == [1, 1, 1]


def test_a_handle_outlives_a_restart_and_serves_a_second_server(
    settings: Settings, marklens: MarkLens, marks: list[bytes], serving: Serving, encoded: list[int]
) -> None:
    with serving(marklens) as address, httpx.Client(base_url=address) as client:
        first = search(client, marks[3])
    marklens.close()
    with (
        MarkLens.open(settings) as one,
        MarkLens.open(settings) as other,
        serving(one) as address,
        serving(other) as second,
    ):
        for place in (address, second):
            with httpx.Client(base_url=place) as client:
                assert search(client, query=handle_of(first))["hits"] == first["hits"]
    assert encoded == [1]


@pytest.mark.postgres
def test_servers_of_one_postgresql_and_data_folder_share_handles(
    settings: Settings, marks: list[bytes], postgres_url: str, serving: Serving, encoded: list[int]
) -> None:
    shared = Settings(**settings.model_dump() | {"database_url": postgres_url})
    with MarkLens.open(shared) as one, MarkLens.open(shared) as other:
        one.add(MarkRecord("M-3"), marks[3])
        encoded.clear()
        with serving(one) as address, serving(other) as second:
            sent = httpx.post(address + SEARCH, files={"image": marks[3]}).json()
            asked = httpx.post(second + SEARCH, data={"query": handle_of(sent)}).json()
    assert asked["hits"] == sent["hits"]
    assert encoded == [1]


def test_the_picture_comes_back_as_it_was_sent_and_is_never_run(
    client: httpx.Client, marks: list[bytes]
) -> None:
    handle = handle_of(search(client, marks[3]))
    shown = client.get(f"/api/v1/queries/{handle}/image")
    assert shown.content == marks[3]
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"] == "attachment"
    assert "no-store" in shown.headers["cache-control"]
    assert "sandbox" in shown.headers["content-security-policy"]
    drawn = client.post("/api/v1/preview", data={"query": handle, "turn": "90"})
    assert drawn.headers["Picture-Size"] == "96x96"
    report = client.post("/api/v1/search/report", data={"query": handle, "format": "csv"})
    assert "SHA-256" in report.text


def gone(client: httpx.Client, handle: str) -> None:
    for answer in (
        client.post(SEARCH, data={"query": handle}),
        client.get(f"/api/v1/queries/{handle}/image"),
        client.post("/api/v1/classify", data={"query": handle}),
    ):
        assert answer.status_code == 410, answer.text
        problem = answer.json()
        assert problem["type"] == "urn:marklens:problem:picture-gone"
        assert "Send it again" in problem["detail"]


def test_what_is_old_unknown_or_forgotten_is_gone(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes]
) -> None:
    old, forgotten = (handle_of(search(client, marks[one])) for one in (3, 4))
    picture = marklens.settings.queries_dir / old / "picture"
    week_ago = time.time() - 7 * 86_400 - 60
    os.utime(picture, (week_ago, week_ago))
    gone(client, old)
    gone(client, "0" * 32)
    assert client.delete(f"/api/v1/queries/{forgotten}").status_code == 204
    gone(client, forgotten)
    for wrong in ("x", "../../register.db", "0" * 31 + "g"):
        assert client.post(SEARCH, data={"query": wrong}).status_code == 422
    marklens.queries.kept.purge()
    assert not picture.parent.exists()


def test_what_is_forgotten_is_gone_from_the_disk_whatever_is_found_out_of_it_later(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes]
) -> None:
    handle, folder = handle_of(search(client, marks[3])), marklens.settings.queries_dir
    client.delete(f"/api/v1/queries/{handle}")
    assert list((folder / "pictures").iterdir()) == []
    kept = marklens.queries.kept
    kept.note(handle, "a crop", b"which was still being encoded")
    assert not (folder / handle).exists()
    late, young = folder / handle, folder / ("a" * 32)  # as two servers leave them
    for one in (late, young):
        one.mkdir()
        (one / "a crop").touch()
    os.utime(late, (time.time() - 100,) * 2)
    kept.purge()
    assert (late.exists(), young.exists()) == (False, True)


def test_nothing_is_looked_through_for_a_handle_that_is_none(
    client: httpx.Client, marklens: MarkLens
) -> None:
    unnamed = marklens.settings.queries_dir / "pictures" / ("c" * 64)
    unnamed.parent.mkdir(parents=True, exist_ok=True)
    unnamed.touch()
    os.utime(unnamed, (time.time() - 100,) * 2)
    assert client.delete(f"/api/v1/queries/{'0' * 32}").status_code == 204
    assert unnamed.exists()
    marklens.queries.kept.purge()
    assert not unnamed.exists()


def test_what_is_removed_while_it_is_looked_at_fails_nothing(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes]
) -> None:
    one, two = (handle_of(search(client, marks[number])) for number in (3, 4))
    folder = marklens.settings.queries_dir
    for place in (folder, folder / "pictures", folder / two):
        (place / ("b" * 32)).symlink_to("gone")  # listed, and not there
    assert client.delete(f"/api/v1/queries/{one}").status_code == 204
    assert client.get(f"/api/v1/queries/{two}/image").content == marks[4]


def test_equal_pictures_are_one_file_under_handles_that_tell_nothing(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes], encoded: list[int]
) -> None:
    one, two = search(client, marks[3]), search(client, marks[3])
    assert handle_of(one) != handle_of(two)
    assert without_times(one) | {"query": 0} == without_times(two) | {"query": 0}
    assert encoded == [1, 1]  # or the time would tell that somebody sent it before
    folder = marklens.settings.queries_dir
    assert len(list((folder / "pictures").iterdir())) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    client.delete(f"/api/v1/queries/{handle_of(one)}")
    assert client.get(f"/api/v1/queries/{handle_of(two)}/image").content == marks[3]


def test_the_oldest_make_room(
    marklens: MarkLens,
) -> None:
    kept = marklens.queries.kept
    pictures = [os.urandom(400_000) for _ in range(3)]
    small = type(kept)(kept.folder, 1000.0, 1_000_000)
    handles = []
    for age, picture in enumerate(pictures):
        handles.append(small.keep(picture))
        made = time.time() - 100 + age
        os.utime(kept.folder / handles[-1] / "picture", (made, made))
    small.purge()
    assert [(kept.folder / handle).exists() for handle in handles] == [False, True, True]
    long_ago = time.time() - 1000
    for file in (kept.folder / "pictures").iterdir():
        os.utime(file, (long_ago, long_ago))
    small.purge()
    assert len(list((kept.folder / "pictures").iterdir())) == 2


@pytest.mark.parametrize("off", [{"query_days": 0}, {"query_mb": 0}])
def test_nothing_is_kept_where_that_is_turned_off(
    settings: Settings, marks: list[bytes], serving: Serving, off: dict[str, int]
) -> None:
    with MarkLens.open(settings.model_copy(update=off)) as marklens, serving(marklens) as address:
        marklens.add(MarkRecord("M-3"), marks[3])
        found = httpx.post(address + SEARCH, files={"image": marks[3]}).json()
    assert found["hits"][0]["id"] == "M-3"
    assert handle_of(found) is None
    assert not settings.queries_dir.exists()


def test_a_program_may_ask_that_its_picture_is_not_kept(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes]
) -> None:
    assert handle_of(search(client, marks[3], keep="false")) is None
    assert not marklens.settings.queries_dir.exists()


def test_a_disk_that_refuses_leaves_the_search_without_handle(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes]
) -> None:
    marklens.settings.queries_dir.write_text("in the way")
    found = search(client, marks[3])
    assert found["hits"][0]["id"] == "M-3"
    assert handle_of(found) is None


def test_a_damaged_embedding_is_made_again(
    client: httpx.Client, marklens: MarkLens, marks: list[bytes], encoded: list[int]
) -> None:
    first = search(client, marks[3])
    folder = marklens.settings.queries_dir / handle_of(first)
    for file in folder.glob("*whole"):
        file.write_bytes(b"")
    assert search(client, query=handle_of(first))["hits"] == first["hits"]
    assert encoded == [1, 1]


def test_several_pictures_of_a_sign_score_a_mark_by_the_nearest(
    client: httpx.Client, marks: list[bytes], encoded: list[int]
) -> None:
    alone = [search(client, marks[one]) for one in (1, 4)]
    files = {"image": marks[1], "other_images": marks[4]}
    together = client.post(SEARCH, files=files).json()
    best: dict[str, tuple[float, int]] = {}
    for number, answer in enumerate(alone):
        for hit in answer["hits"]:
            best[hit["id"]] = max(best.get(hit["id"], (-2.0, 0)), (hit["score"], -number))
    assert {hit["id"]: hit["score"] for hit in together["hits"]} == {
        mark_id: score for mark_id, (score, _) in best.items()
    }
    assert [(hit["id"], hit["pair"]["picture"]) for hit in together["hits"][:2]] == [
        ("M-1", 0),
        ("M-4", 1),
    ]
    assert len(together["query"]["pictures"]) == 2
    encoded.clear()
    handles = [one["handle"] for one in together["query"]["pictures"]]
    again = search(client, query=handles)
    assert again["hits"] == together["hits"]
    more = client.post(SEARCH, data={"query": handles[:1]}, files={"other_images": marks[4]})
    assert more.json()["hits"] == together["hits"]
    assert encoded == [1]
    too_many = client.post(SEARCH, data={"query": handles * 5})
    assert too_many.status_code == 422
    assert "at most 8" in too_many.json()["detail"]
    assert client.post(SEARCH, files={"other_images": marks[4]}).status_code == 422


def test_a_report_names_the_pictures_and_which_of_them_each_mark_is_near(
    client: httpx.Client, marks: list[bytes]
) -> None:
    files = {"image": marks[1], "other_images": marks[4]}
    form = {"format": "csv", "k": "2"}
    report = client.post("/api/v1/search/report", data=form, files=files).text
    rows = list(csv.DictReader(io.StringIO(report.removeprefix("\ufeff"))))
    assert {(row["id"], row["picture"]) for row in rows} == {("M-1", "1"), ("M-4", "2")}
    assert hashlib.sha256(marks[4]).hexdigest() in report
    alone = client.post("/api/v1/search/report", data=form, files={"image": marks[1]}).text
    assert "picture" not in alone.splitlines()[0].split(",")


def test_the_link_opens_without_scripts_too(client: httpx.Client, marks: list[bytes]) -> None:
    handle = handle_of(search(client, marks[3]))
    page = client.get("/results", params={"query": handle, "office": "US"})
    assert page.status_code == 200
    assert "M-3" in page.text
    assert "M-2" not in page.text
    lost = client.get("/results", params={"query": "0" * 32})
    assert "is gone" in lost.text


def test_a_pdf_is_a_picture_of_a_mark_and_shown_as_one(
    client: httpx.Client, marklens: MarkLens, draw_mark: Callable[..., Image.Image]
) -> None:
    file = io.BytesIO()
    draw_mark(9).save(file, "PDF")
    made = client.post("/api/v1/marks", data={"id": "PDF"}, files={"image": file.getvalue()})
    assert made.status_code == 201, made.text
    assert made.json()["media_type"] == "application/pdf"
    shown = client.get("/api/v1/marks/PDF/image")
    assert shown.headers["content-type"] == "image/webp"
    assert search(client, file.getvalue())["hits"][0]["id"] == "PDF"
