"""The demo register is complete, small, visible and honest about itself."""

import csv
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.vienna import ViennaCode, ViennaTree
from search_api.demo import demo_register

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (demo_register() / "marks.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_holds_enough_marks_with_unique_ids(rows: list[dict[str, str]]) -> None:
    assert 1500 <= len(rows) <= 1900
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(re.fullmatch(r"D\d{5}", row["id"]) for row in rows)


def test_every_row_parses(rows: list[dict[str, str]]) -> None:
    for row in rows:
        assert row["owner"], row["id"]
        assert row["office"] == "DEMO"
        assert row["status"] in {"registered", "filed", "expired", "withdrawn"}
        filed = date.fromisoformat(row["filed"])
        if row["registered"]:
            assert filed < date.fromisoformat(row["registered"]), row["id"]
        classes = [int(text) for text in row["nice"].split(";")]
        assert classes == sorted(set(classes)), row["id"]
        assert all(1 <= number <= 45 for number in classes), row["id"]


def test_every_status_and_many_classes_occur(rows: list[dict[str, str]]) -> None:
    assert {row["status"] for row in rows} == {"registered", "filed", "expired", "withdrawn"}
    assert len({number for row in rows for number in row["nice"].split(";")}) >= 20


def test_every_code_is_in_the_classification(rows: list[dict[str, str]]) -> None:
    tree = ViennaTree.load()
    for row in rows:
        codes = [ViennaCode.parse(text) for text in row["vienna"].split(";") if text]
        assert all(code in tree for code in codes), (row["id"], row["vienna"])
        assert codes == sorted(set(codes)), (row["id"], row["vienna"])


def test_every_mark_carries_codes(rows: list[dict[str, str]]) -> None:
    assert all(row["vienna"] for row in rows)
    assert len({code[:2] for row in rows for code in row["vienna"].split(";")}) >= 25


def test_every_picture_opens_fits_and_shows_something(rows: list[dict[str, str]]) -> None:
    for row in rows:
        with Image.open(demo_register() / row["image"]) as picture:
            assert picture.format == "PNG"
            assert max(picture.size) <= 256, row["id"]
            grey = np.asarray(picture.convert("L"))
        assert (grey < 215).mean() > 0.002, f"{row['id']} is all but invisible"
        assert grey[0].min() > 250, f"{row['id']} has no white margin"


def test_no_picture_lacks_a_row_and_none_is_there_twice(rows: list[dict[str, str]]) -> None:
    files = sorted((demo_register() / "images").iterdir())
    assert [f"images/{file.name}" for file in files] == sorted(row["image"] for row in rows)
    assert len({file.read_bytes() for file in files}) == len(files)


def test_the_register_stays_small() -> None:
    files = [path for path in demo_register().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 11 * MEBIBYTE


def test_the_notice_names_every_collection_and_says_what_is_invented() -> None:
    notice = " ".join((demo_register() / "NOTICE").read_text(encoding="utf-8").split())
    for words in ("simple-icons", "logos", "cib", "CC0-1.0", "not an official register"):
        assert words in notice
    assert "the trademarks belong to their owners" in notice
    readme = Path(demo_register() / "README.md").read_text(encoding="utf-8")
    for column in ("office", "status", "filed", "nice"):
        line = next(line for line in readme.splitlines() if line.startswith(f"| `{column}`"))
        assert "**invented**" in line
