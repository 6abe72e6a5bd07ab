"""A source cut off in its middle: what stands before the cut counts, the whole one mends it."""

import csv
import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from indexer.register import Register

Index = Callable[..., list[dict[str, Any]]]
Same = Callable[[Any, Path], None]


def _jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parquet(rows: list[dict[str, str]]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink, row_group_size=5)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _zip(name: str, content: bytes, folder: Path) -> bytes:
    path = folder / "packing.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    packed = path.read_bytes()
    path.unlink()
    return packed


@pytest.fixture
def whole(request: pytest.FixtureRequest, table: Path, office_file: Path) -> tuple[Path, bytes]:
    """A file of the kind that the test is parametrised with: where it belongs and its content."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    plain = {
        "marks.csv": table.read_bytes(),
        "marks.jsonl": _jsonl(rows),
        "marks.parquet": _parquet(rows),
        "marks.xml": office_file.read_bytes(),
    }
    name: str = request.param
    folder = (office_file if "xml" in name else table).parent
    inner = name.removesuffix(".gz").removesuffix(".zip")
    content = plain[inner]
    if name.endswith(".gz"):
        content = gzip.compress(content)
    elif name.endswith(".zip"):
        content = _zip(inner, content, folder)
    return folder / f"cut-{name}", content


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize(
    "whole",
    [
        *("marks.csv", "marks.csv.gz", "marks.csv.zip", "marks.jsonl", "marks.jsonl.gz"),
        *("marks.parquet", "marks.xml", "marks.xml.gz", "marks.xml.zip"),
    ],
    indirect=True,
)
def test_a_source_cut_off_in_its_middle_is_mended_by_the_whole_one(
    index: Index,
    is_as_after_a_clean_run: Same,
    place: Any,
    whole: tuple[Path, bytes],
    table: Path,
    office_file: Path,
    share: float,
) -> None:
    path, content = whole
    path.write_bytes(content[: int(share * len(content))])
    (cut,) = index(place.job(path))
    assert cut["status"] == 0
    # Said in one sentence: as an error where nothing could be read, else with the report.
    (sentence,) = [cut["error"]] if "error" in cut else cut["broken"]
    assert path.name in sentence
    assert "Traceback" not in sentence
    register = Register.open(place.url)
    assert all(run.state == "failed" for run in register.last_runs())
    register.close()
    path.write_bytes(content)
    (answer,) = index(place.job(path, resume=True))
    assert answer["broken"] == []
    assert answer["resumed_after"] == 0  # not behind rows that another file had
    is_as_after_a_clean_run(place, office_file if "xml" in path.name else table)
