"""Every example of README and docs runs as it is written there, or says why it does not.

A block of ``sh`` or ``python`` is run in a folder with pictures, tables and a register, beside a
server; one that begins with ```` ```sh no-run: REASON ```` is not. Only the address of the server,
``/tmp`` and the word HANDLE are put in.
"""

import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.register.database import sqlite_url
from search_api.marklens import MarkLens
from search_api.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
KINDS = ("sh", "bash", "console", "python")
MARKS = 40
MOST_NOT_RUN = 17
# What a shell does not do by itself: tell of an HTTP error.
_SHELL = 'set -euo pipefail\ncurl() { command curl --fail-with-body -sS "$@"; }\n'
_BLOCK = re.compile(r"^ *```(\S*)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:marklens|curl|pip|make|python) [a-z-]", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A block of code of a page."""

    where: str
    kind: str
    said: str  # after the kind
    code: str

    @property
    def page(self) -> str:
        """The page it stands on."""
        return self.where.rpartition(":")[0]

    @property
    def reason(self) -> str:
        """Why it is not run; nothing where it is."""
        return self.said.partition("no-run:")[2].strip()


def examples() -> Iterator[Example]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in _BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Example(f"{page.relative_to(ROOT)}:{line}", found[1], found[2].strip(), found[3])


EXAMPLES = list(examples())
RUN = [one for one in EXAMPLES if one.kind in KINDS and not one.reason]


def test_an_example_runs_or_says_why_it_does_not():
    unclear = [one.where for one in EXAMPLES if one.kind in KINDS and one.said and not one.reason]
    assert unclear == [], "write ```sh, or ```sh no-run: REASON"
    # Synopses ("marklens index [OPTIONS] SOURCE") are none.
    unnamed = [
        one.where
        for one in EXAMPLES
        if one.kind not in KINDS and _COMMAND.search(one.code) and "[" not in one.code
        if not re.search(r"\w\|\w", one.code)
    ]
    assert unnamed == [], "blocks of commands are ```sh"
    assert len(RUN) > 10
    assert sum(bool(one.reason) for one in EXAMPLES) <= MOST_NOT_RUN


@dataclass(frozen=True)
class Place:
    """Where examples run: a folder, its environment, and what is put into them."""

    folder: Path
    environment: dict[str, str]
    put_in: dict[str, str]

    def run(self, example: Example) -> "subprocess.CompletedProcess[str]":
        code = example.code
        for word, value in self.put_in.items():
            code = code.replace(word, value)
        command = [sys.executable, "-c", code]
        if example.kind != "python":
            command = ["bash", "-c", _SHELL + code]
        return subprocess.run(  # noqa: S603 - our own documentation
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def place(
    tiny_checkpoint: Path,
    tiny_settings: Callable[..., Settings],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("examples")
    _write_files(folder, draw_mark)
    picture = (folder / "logo.png").read_bytes()
    with MarkLens.open(tiny_settings(folder / "data")) as marklens:
        for number in range(1, 5):
            record = MarkRecord(id=f"EM-01800000{number}", text="Google", nice=(9, 25))
            marklens.add(record, as_png(draw_mark(number)))
        with serving(marklens) as address:
            answer = httpx.post(f"{address}/api/v1/search", files={"image": picture}, timeout=60)
            yield Place(
                folder,
                {
                    "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                    "HOME": str(folder),
                    "PYTHONPATH": str(ROOT),
                    "MARKLENS_DATA_DIR": str(folder / "data"),
                    "MARKLENS_CHECKPOINT": str(tiny_checkpoint),
                    "MARKLENS_RUNTIME": "torch",
                    "MARKLENS_DEVICE": "cpu",
                    "OMP_NUM_THREADS": "1",
                },
                {
                    "http://127.0.0.1:8000": address,
                    "http://localhost:8000": address,
                    "HANDLE": answer.json()["query"]["pictures"][0]["handle"],
                    "/tmp/": f"{folder}/tmp/",  # noqa: S108 - to be replaced
                },
            )


def _write_files(folder: Path, draw_mark: Callable[..., Image.Image]) -> None:
    """The files that examples speak of."""
    for name in ("tmp", "pictures"):
        (folder / name).mkdir()
    draw_mark(1).save(folder / "logo.png")
    draw_mark(2).save(folder / "second.png")
    rows = ["id,image,text,nice,vienna"]
    labels = ["filename,03,26"]
    for number in range(MARKS):
        draw_mark(number).save(folder / "pictures" / f"{number}.png")
        mark_id = "EM-018228800" if number == 0 else f"M-{number}"  # README's, and others
        rows.append(f"{mark_id},{number}.png,Lion {number},25,03.01")
        labels.append(f"{number}.png,{number % 2},{int(number % 3 == 0)}")
    (folder / "marks.csv").write_text("\n".join(rows) + "\n")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    with zipfile.ZipFile(folder / "delivery.zip", "w") as delivery:
        delivery.writestr("marks.csv", "id,image\nD-1,1.png\n")
        delivery.write(folder / "pictures" / "1.png", "1.png")
    (folder / ".venv").symlink_to(Path(sys.prefix))


@pytest.mark.slow
def test_the_backup_of_every_night_replaces_the_one_before_and_is_its_owners_alone(
    place: Place,
) -> None:
    (backup,) = (one for one in RUN if "VACUUM INTO" in one.code)
    for _ in range(2):
        done: Any = place.run(backup)
        assert done.returncode == 0, done.stdout + done.stderr
        files = list((place.folder / "backup").iterdir())
        assert {one.name for one in files} == {"register.db", "images.tar"}
        assert not any(one.stat().st_mode & 0o077 for one in [*files, place.folder / "backup"])
        for one in files:
            one.write_bytes(b"")  # the second night's copy is seen to be new
    done = place.run(backup)
    assert (place.folder / "backup/register.db").stat().st_size > 0
    nowhere = {**place.environment, "MARKLENS_DATA_DIR": "nowhere"}
    assert replace(place, environment=nowhere).run(backup).returncode != 0
    assert not (place.folder / "nowhere").exists()


@pytest.mark.slow
def test_the_backup_of_every_night_holds_the_marks_whatever_the_folders_name(
    place: Place, tmp_path: Path
) -> None:
    (backup,) = (one for one in RUN if "VACUUM INTO" in one.code)
    data, kept = tmp_path / "O'Brien #2?mode=%20", tmp_path / "backup/register.db"
    at_night = replace(
        place, folder=tmp_path, environment={**place.environment, "MARKLENS_DATA_DIR": str(data)}
    )
    with closing(Register.open(sqlite_url(data / "register.db"))) as register:
        register.add([EncodedMark(MarkRecord("EM-1", text="Google"), "d")])
        (data / "images").mkdir()
        done: Any = at_night.run(backup)
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(kept)) as copy:
        assert copy.execute("SELECT id FROM marks").fetchall() == [("EM-1",)]
    copied = kept.read_bytes()
    for file in data.glob("register.db*"):
        file.unlink()
    (data / "register.db").touch()  # what is no register does not take the last good copy's place
    assert at_night.run(backup).returncode != 0
    assert kept.read_bytes() == copied


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({one.page for one in RUN}))
def test_the_examples_of_a_page_run_one_after_the_other(place: Place, page: str) -> None:
    for example in RUN:
        if example.page == page:  # a later one uses what an earlier one left, such as a backup
            done: Any = place.run(example)
            assert done.returncode == 0, f"{example.where}\n{done.stdout}{done.stderr}"
