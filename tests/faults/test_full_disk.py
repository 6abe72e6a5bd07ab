"""A server whose disk is full, or whose register is moved away, refuses and writes nothing half."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.verify import Findings, Place, verify
from search_api.marklens import MarkLens
from search_api.settings import Settings

MARKS = "/api/v1/marks"
Serving = Callable[[MarkLens], AbstractContextManager[str]]
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]


def fill(disk: Path) -> None:
    """Leave not a block."""
    with (disk / "full").open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


@pytest.fixture(params=["data folder", "register", "temporary folder"])
def on_small_disk(
    request: pytest.FixtureRequest,
    tiny_settings: Callable[..., Settings],
    small_disk: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Path, Settings]:
    """A disk of two megabytes, and settings with something on it."""
    disk = small_disk("2m")
    if request.param == "data folder":
        url = f"sqlite:///{tmp_path / 'register.db'}"
        return disk, tiny_settings(disk / "data", database_url=url)
    if request.param == "register":
        return disk, tiny_settings(tmp_path, database_url=f"sqlite:///{disk / 'register.db'}")
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    return disk, tiny_settings(tmp_path)


def test_a_full_disk_is_507_tells_no_path_and_leaves_nothing_half_written(
    on_small_disk: tuple[Path, Settings],
    small_disk: Callable[[str], Path],
    tmp_path: Path,
    serving: Serving,
    draw_mark: Draw,
    as_png: AsPng,
) -> None:
    disk, settings = on_small_disk
    noise = Image.effect_noise((1300, 1300), 90)  # more than a form keeps in memory
    pictures = [as_png(draw_mark(1)), as_png(noise)]
    with (
        MarkLens.open(settings) as marklens,
        serving(marklens) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        held = client.post(MARKS, data={"id": "A"}, files={"image": pictures[0]})
        assert held.status_code == 201
        fill(disk)
        refused = client.post(MARKS, data={"id": "B"}, files={"image": pictures[1]})
        assert refused.status_code == 507, refused.text
        assert refused.json()["type"] == "urn:marklens:problem:storage-full"
        for path in (disk, tmp_path):
            assert str(path) not in refused.text
        assert client.get(f"{MARKS}/B").status_code == 404
        assert client.get(f"{MARKS}/A").status_code == 200
        found = client.post("/api/v1/search", files={"image": pictures[0]})
        assert [hit["id"] for hit in found.json()["hits"]] == ["A"]
        incoming = marklens.images.folder / "incoming"
        assert not incoming.exists() or list(incoming.iterdir()) == []
        (disk / "full").unlink()
        small_disk("60m")
        added = client.post(MARKS, data={"id": "B"}, files={"image": pictures[1]})
        assert added.status_code == 201, added.text


@pytest.fixture
def postgres_disk(own_postgres: Any, small_disk: Callable[[str], Path]) -> Path:
    """A disk of thirty megabytes with the database `marklens` on it."""
    disk = small_disk("30m")
    disk.chmod(0o755)
    (disk / "tables").mkdir()
    shutil.chown(disk / "tables", own_postgres.account)
    own_postgres.run(f"CREATE TABLESPACE small LOCATION '{disk / 'tables'}'")
    own_postgres.run("CREATE DATABASE marklens TABLESPACE small")
    return disk


@pytest.mark.postgres
def test_a_full_disk_of_postgresql_is_507_and_loses_nothing_that_was_acknowledged(
    own_postgres: Any,
    postgres_disk: Path,
    small_disk: Callable[[str], Path],
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    serving: Serving,
    draw_mark: Draw,
    as_png: AsPng,
) -> None:
    settings = tiny_settings(tmp_path, database_url=own_postgres.url("marklens"))
    image = {"image": as_png(draw_mark(1))}
    with (
        MarkLens.open(settings) as marklens,
        serving(marklens) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):

        def write(n: int) -> int:
            words = {"id": f"M-{n}", "owner": secrets.token_hex(500)}  # does not get smaller
            answer = client.post(MARKS, data=words, files=image)
            assert answer.status_code in (201, 507), answer.text
            return answer.status_code

        assert write(0) == 201
        fill(postgres_disk)
        answers = [201]  # some fit into pages that are there
        while answers[-1] == 201 and len(answers) < 400:
            answers.append(write(len(answers)))
        assert answers[-1] == 507
        assert client.get("/readyz").status_code == 200, "searches are answered"
        assert client.post("/api/v1/search", files=image).status_code == 200
        (postgres_disk / "full").unlink()
        small_disk("90m")
        assert write(len(answers) - 1) == 201
        assert marklens.register.count() == len(answers)
    findings = Findings()
    place = Place(own_postgres.url("marklens"), tmp_path / "images", tmp_path / "snapshots")
    verify(place, findings, progress=lambda *_: None)
    assert findings.is_sound, findings.examples


def test_a_register_that_was_moved_away_is_not_written_on(
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    serving: Serving,
    draw_mark: Draw,
    as_png: AsPng,
) -> None:
    image = {"image": as_png(draw_mark(1))}
    with (
        MarkLens.open(tiny_settings(tmp_path, poll_s=3600)) as marklens,
        serving(marklens) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        assert client.post(MARKS, data={"id": "A"}, files=image).status_code == 201
        file, elsewhere = tmp_path / "register.db", tmp_path / "elsewhere.db"
        file.rename(elsewhere)
        for another in (False, True):
            if another:
                file.write_bytes(b"")
            for _ in range(8):  # more than there are open connections
                refused = client.post(MARKS, data={"id": "B"}, files=image)
                assert refused.status_code == 503
                assert str(tmp_path) not in refused.text
            assert client.delete(f"{MARKS}/A").status_code == 503
            assert client.get("/readyz").status_code == 503
            assert file.exists() == another
        assert file.read_bytes() == b""
        elsewhere.rename(file)
        assert client.get("/readyz").json()["marks"] == 1
        assert client.post(MARKS, data={"id": "B"}, files=image).status_code == 201


def test_the_data_folder_and_the_register_are_closed_to_other_accounts(
    tiny_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    before = os.umask(0o022)
    try:
        MarkLens.open(tiny_settings(tmp_path / "data")).close()
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "register.db").stat().st_mode & 0o777 == 0o600
