"""Later tables amend, withdraw and say nothing of what they leave out, in each format."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from indexer.image_store import ImageStore
from indexer.ingest import IngestOptions, IngestReport, ingest
from indexer.marks import MarkRecord
from indexer.register import Register
from indexer.sources import open_source
from models.encoder import Encoder
from models.vienna import ViennaCode

Draw = Callable[..., Image.Image]
FORMATS = ("csv", "jsonl", "parquet")
FIRST = {
    "id": "m1",
    "image": "1.png",
    "text": "LION",
    "owner": "Lion Ltd",
    "status": "filed",
    "filed": "2024-01-31",
    "nice": "9;25",
    "vienna": "03.01.08",
}
HELD = MarkRecord(
    id="m1",
    image_name="1.png",
    text="LION",
    owner="Lion Ltd",
    status="filed",
    filed=date(2024, 1, 31),
    nice=(9, 25),
    vienna=(ViennaCode(3, 1, 8),),
)


@dataclass
class Office:
    """A folder of tables and one picture, and a register to read them into."""

    folder: Path
    register: Register
    images: ImageStore
    encoder: Encoder

    def publish(self, format: str, *rows: dict[str, str]) -> Path:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.{format}"
        if format == "csv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        elif format == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        return path

    def ingest(self, path: Path, **options: Any) -> IngestReport:
        source = open_source(path)
        return ingest(source, self.register, self.images, self.encoder, IngestOptions(**options))


@pytest.fixture
def office(tmp_path: Path, encoder: Encoder, draw_mark: Draw) -> Iterator[Office]:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    folder = tmp_path / "source"
    folder.mkdir()
    draw_mark(1).save(folder / "1.png")
    yield Office(folder, register, ImageStore(tmp_path / "data" / "images"), encoder)
    register.close()


def _counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    return report.read, report.indexed, report.updated, report.unchanged, report.rejected


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_that_leaves_columns_out_changes_only_those_it_has(
    office: Office, format: str
) -> None:
    office.ingest(office.publish(format, FIRST))
    before = office.register.mark("m1")
    assert before.record == HELD
    (office.folder / "1.png").unlink()  # a list of new states comes without pictures
    states = office.publish(
        format, {"id": "m1", "status": "registered"}, {"id": "m2", "status": "filed"}
    )
    assert _counts(office.ingest(states, dry_run=True)) == (2, 1, 1, 0, 0)
    assert office.register.mark("m1") == before
    assert _counts(office.ingest(states)) == (2, 1, 1, 0, 0)
    after = office.register.mark("m1")
    assert after.record == replace(HELD, status="registered")
    assert after.image_digest == before.image_digest is not None
    assert after.predicted == before.predicted
    new = office.register.mark("m2")
    assert (new.record, new.image_digest) == (MarkRecord("m2", status="filed"), None)
    assert _counts(office.ingest(states)) == (2, 0, 0, 2, 0)


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_cell_clears_what_a_left_out_column_keeps(office: Office, format: str) -> None:
    office.ingest(office.publish(format, FIRST))
    office.ingest(office.publish(format, {"id": "m1", "image": "", "owner": "", "vienna": ""}))
    mark = office.register.mark("m1")
    assert mark.record == replace(HELD, image_name=None, owner=None, vienna=())
    assert mark.image_digest is None


@pytest.mark.parametrize("format", FORMATS)
def test_a_later_table_withdraws_marks(office: Office, format: str) -> None:
    office.ingest(office.publish(format, FIRST, FIRST | {"id": "m2"}))
    later = office.publish(
        format,
        {"id": "m1", "operation": "Delete"},
        {"id": "m2", "operation": "update"},
        {"id": "m3", "operation": "delete"},
        {"id": "m4", "operation": "burn"},
        {"id": "m1", "operation": "insert"},
        {"id": "", "operation": "delete"},
    )
    dry = office.ingest(later, dry_run=True)
    assert office.register.count() == 2
    report = office.ingest(later)
    assert _counts(dry) == _counts(report) == (6, 0, 1, 2, 3)
    assert report.withdrawn == 1
    assert [mark.record.id for mark in office.register.every_mark()] == ["m2"]
    assert report.rejects_file is not None
    with report.rejects_file.open(encoding="utf-8-sig", newline="") as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert reasons == [
        "operation 'burn' is none of insert, update and delete",
        "id appears twice; the first row with it counts",
        "id is empty",
    ]
