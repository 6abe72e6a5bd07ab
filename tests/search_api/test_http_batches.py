"""`/batches` over real HTTP: what is taken, what comes of it, and that it is kept closed."""

import csv
import io
import json
import stat
import time
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from PIL import Image

from search_api.errors import TooBusy
from search_api.marklens import MarkLens
from search_api.settings import Settings

URL = "/api/v1/batches"
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]
Serving = Callable[[MarkLens], AbstractContextManager[str]]


@pytest.fixture
def pngs(draw_mark: Draw, as_png: AsPng) -> Callable[..., list[tuple[str, bytes]]]:
    """A function: numbers of marks → names and pictures."""
    return lambda *numbers: [(f"{one}.png", as_png(draw_mark(one))) for one in numbers]


def sent(client: httpx.Client, *files: tuple[str, bytes], **form: str) -> dict[str, Any]:
    images = [("images", (name, content)) for name, content in files]
    answer = client.post(URL, data=form, files=images)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{URL}/{answer.json()['id']}"
    return dict(answer.json())


def finished(client: httpx.Client, batch: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (now := client.get(f"{URL}/{batch['id']}").json())["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, now
        time.sleep(0.05)
    return dict(now)


def rows_of(client: httpx.Client, batch: dict[str, Any]) -> list[dict[str, str]]:
    done = finished(client, batch)
    assert done["state"] == "done", done
    table = client.get(done["results"])
    assert table.headers["Content-Disposition"] == 'attachment; filename="results.csv"'
    return [*csv.DictReader(io.StringIO(table.content.decode("utf-8-sig")))]


def packed(*files: tuple[str, bytes]) -> tuple[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return "pictures.zip", stream.getvalue()


def test_each_picture_is_answered_as_if_it_were_searched_alone(
    client: httpx.Client, marklens: MarkLens, pngs: Any
) -> None:
    files = pngs(3, 7)
    form = {"k": "2", "office": "US"}
    batch = sent(client, files[0], ("no.png", b"no picture"), ("in/7.png", files[1][1]), **form)
    assert (batch["done"], batch["total"], batch["results"]) == (0, 3, None)
    rows = rows_of(client, batch)
    assert [(row["query_image"], row["rank"]) for row in rows] == [
        *[("3.png", "1"), ("3.png", "2"), ("in/7.png", "1"), ("in/7.png", "2"), ("no.png", "")]
    ]
    assert {row["report_filters"] for row in rows} == {"Office any of US"}
    done = finished(client, batch)
    assert (done["done"], done["total"], done["seconds_left"]) == (3, 3, None)
    assert done["unreadable"][0]["image"] == "no.png"
    assert "not a picture" in done["unreadable"][0]["reason"]
    for name, content in files:
        alone = client.post("/api/v1/search", data=form, files={"image": content}).json()["hits"]
        found = [row["id"] for row in rows if row["query_image"].endswith(name)]
        assert found == [hit["id"] for hit in alone]
    folder = marklens.settings.batches_dir
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (folder / batch["id"] / "upload").exists()


def test_a_zip_file_gets_a_report_for_each_of_its_pictures(client: httpx.Client, pngs: Any) -> None:
    (_, content), (_, other) = pngs(1, 2)
    batch = sent(client, packed(("in/a.png", content), ("b.png", other)), format="pdf")
    answer = client.get(finished(client, batch)["results"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["b.png.pdf", "in/a.png.pdf"]
        assert archive.read("b.png.pdf").startswith(b"%PDF")


def test_a_table_names_pictures_beside_it_or_in_a_zip_file(client: httpx.Client, pngs: Any) -> None:
    table = ("wanted.csv", b"image,id\n2.png,Case 12\n9.png,P/7\n")
    for pictures in (pngs(2, 4), [packed(*pngs(2, 4))]):
        rows = rows_of(client, sent(client, table, *pictures, k="1"))
        assert [(row["query"], row["id"]) for row in rows] == [("Case 12", "M-2"), ("P/7", "")]
        assert "no such picture" in rows[1]["error"]


def test_names_that_lead_elsewhere_are_no_pictures(
    client: httpx.Client, marklens: MarkLens, pngs: Any
) -> None:
    ((_, content),) = pngs(5)
    evil = ("../../evil.png", content)
    for files in ([packed(evil, ("a.png", content))], [evil, ("a.png", content)]):
        rows = rows_of(client, sent(client, *files, k="1"))
        assert sorted((row["query_image"], row["id"]) for row in rows) == [
            ("../../evil.png", ""),
            ("a.png", "M-5"),
        ]
    assert not [*marklens.settings.data_dir.parent.rglob("evil*")]


@pytest.mark.parametrize(
    ("files", "form", "words"),
    [
        ([], {"k": "3"}, "send pictures"),
        ([("a.png", b"x")], {"mark_id": "M-1"}, "send pictures"),
        ([("a.png", b"x")], {"format": "odt"}, "format"),
        ([("a.png", b"x")], {"weights": "nothing"}, "weights"),
        ([("a.csv", b"image\nx\n"), ("b.csv", b"image\nx\n")], {}, "at most one table"),
        ([packed(("a.png", b"x")), ("b.png", b"x")], {}, "at most one table"),
        ([packed(("notes.txt", b"nothing"))], {}, "holds no picture"),
        ([("broken.zip", b"PK\x03\x04 and no more")], {}, "zip file"),
        ([packed(("big.csv", bytes(65 * 2**20)), ("a.png", b"x"))], {}, "unpacks to more"),
        ([("a.csv", b"id,text\n1,2\n")], {}, "no column 'image'"),
        ([("a.csv", b"image\n" + b"x.png\n" * 10_001)], {}, "send at most 10,000"),
    ],
)
def test_what_is_no_batch_is_refused_in_a_sentence(
    client: httpx.Client,
    marklens: MarkLens,
    files: list[tuple[str, bytes]],
    form: dict[str, str],
    words: str,
) -> None:
    images = [("images", one) for one in files]
    answer = client.post(URL, data=form, files=images or None)
    assert answer.status_code == 422, answer.text
    assert words in answer.text
    assert str(marklens.settings.data_dir) not in answer.text


def test_nobody_sees_a_batch_without_its_id(client: httpx.Client, pngs: Any) -> None:
    batch = sent(client, *pngs(1), k="1")
    assert client.get(URL).status_code == 405
    assert client.get(f"{URL}/{'0' * 32}").status_code == 404
    assert client.get(f"{URL}/..").status_code in (404, 422)
    assert client.delete(f"{URL}/{batch['id']}").status_code == 204
    for path in (f"{URL}/{batch['id']}", f"{URL}/{batch['id']}/results"):
        assert client.get(path).json()["type"] == "urn:marklens:problem:unknown-batch"
    assert client.delete(f"{URL}/{batch['id']}").status_code == 204


@pytest.fixture
def busy(
    client: httpx.Client, marklens: MarkLens, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """A server with no room for any picture, until the patch is undone."""

    def turned_away(_: object) -> None:
        raise TooBusy("Too many pictures wait.")

    monkeypatch.setattr(marklens, "search", turned_away)
    return monkeypatch


def test_a_full_queue_throws_no_batch_away(
    client: httpx.Client, busy: pytest.MonkeyPatch, pngs: Any
) -> None:
    batch = sent(client, *pngs(1, 2), k="1")
    while client.get(f"{URL}/{batch['id']}").json()["state"] != "running":
        time.sleep(0.05)
    unfinished = client.get(f"{URL}/{batch['id']}/results")
    assert (unfinished.status_code, unfinished.json()["detail"]) == (
        409,
        "The batch is running: it has no results.",
    )
    busy.undo()
    assert [row["id"] for row in rows_of(client, batch)] == ["M-1", "M-2"]


def test_a_batch_that_is_forgotten_stops(
    client: httpx.Client, marklens: MarkLens, busy: pytest.MonkeyPatch, pngs: Any
) -> None:
    batch = sent(client, *pngs(1, 2), k="1")
    while client.get(f"{URL}/{batch['id']}").json()["state"] != "running":
        time.sleep(0.05)
    client.delete(f"{URL}/{batch['id']}")
    busy.undo()
    rows_of(client, sent(client, *pngs(3), k="1"))  # which comes after it
    assert not (marklens.settings.batches_dir / batch["id"]).exists()


def test_two_servers_do_a_batch_once_and_old_ones_go(
    marklens: MarkLens, serving: Serving, pngs: Any, tiny_settings: Callable[..., Settings]
) -> None:
    with (
        serving(marklens) as one,
        serving(marklens) as other,
        httpx.Client(base_url=one) as client,
        httpx.Client(base_url=other) as second,
    ):
        batch = sent(client, *pngs(1, 2, 3, 4), k="1", format="jsonl")
        done = finished(second, batch)
        lines = second.get(done["results"]).text.splitlines()
    assert [json.loads(line)["hits"][0]["id"] for line in lines] == ["M-1", "M-2", "M-3", "M-4"]
    settings = tiny_settings(marklens.settings.data_dir, query_days=1e-9)
    with MarkLens.open(settings) as forgetful, serving(forgetful) as address:
        assert httpx.get(f"{address}{URL}/{batch['id']}").status_code == 404
        deadline = time.monotonic() + 30
        while [*marklens.settings.batches_dir.iterdir()]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_server_that_keeps_nothing_takes_no_batch(
    marklens: MarkLens, serving: Serving, pngs: Any, tiny_settings: Callable[..., Settings]
) -> None:
    settings = tiny_settings(marklens.settings.data_dir, query_mb=0)
    with MarkLens.open(settings) as forgetful, serving(forgetful) as address:
        answer = httpx.post(address + URL, files=[("images", one) for one in pngs(1)])
        assert answer.status_code == 403
