"""Later tables amend, withdraw and say nothing of what they leave out, in each format."""

import csv
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from indexer.errors import SourceError
from indexer.ingest import IngestOptions
from indexer.marks import MarkRecord
from indexer.sources import open_source
from models.vienna import ViennaCode

Office = Any  # the fixture `office`
Publish = Callable[..., Path]
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


@pytest.fixture
def office(office: Office) -> Office:
    """With one picture, `1.png`."""
    office.picture("1.png", 1)
    return office


@pytest.fixture
def publish(office: Office) -> Publish:
    """A function (format, row, …) → a new table of these rows."""

    def written(format: str, *rows: dict[str, str]) -> Path:
        path: Path = office.folder / f"{len(list(office.folder.iterdir()))}.{format}"
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

    return written


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_that_leaves_columns_out_changes_only_those_it_has(
    office: Office, format: str, publish: Publish
) -> None:
    office.ingest_file(publish(format, FIRST))
    before = office.register.mark("m1")
    assert before.record == HELD
    (office.folder / "1.png").unlink()  # a list of new states comes without pictures
    states = publish(format, {"id": "m1", "status": "registered"}, {"id": "m2", "status": "filed"})
    assert office.counts(office.ingest_file(states, IngestOptions(dry_run=True))) == (2, 1, 1, 0, 0)
    assert office.register.mark("m1") == before
    assert office.counts(office.ingest_file(states)) == (2, 1, 1, 0, 0)
    after = office.register.mark("m1")
    assert after.record == replace(HELD, status="registered")
    assert after.image_digest == before.image_digest is not None
    assert after.predicted == before.predicted
    new = office.register.mark("m2")
    assert (new.record, new.image_digest) == (MarkRecord("m2", status="filed"), None)
    assert office.counts(office.ingest_file(states)) == (2, 0, 0, 2, 0)


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_cell_clears_what_a_left_out_column_keeps(
    office: Office, format: str, publish: Publish
) -> None:
    office.ingest_file(publish(format, FIRST))
    office.ingest_file(publish(format, {"id": "m1", "image": "", "owner": "", "vienna": ""}))
    mark = office.register.mark("m1")
    assert mark.record == replace(HELD, image_name=None, owner=None, vienna=())
    assert mark.image_digest is None


@pytest.mark.parametrize("format", FORMATS)
def test_a_later_table_withdraws_marks(office: Office, format: str, publish: Publish) -> None:
    office.ingest_file(publish(format, FIRST, FIRST | {"id": "m2"}))
    later = publish(
        format,
        {"id": "m1", "operation": "Delete"},
        {"id": "m2", "operation": "update"},
        {"id": "m3", "operation": "delete"},
        {"id": "m4", "operation": "burn"},
        {"id": "", "operation": "delete"},
    )
    dry = office.ingest_file(later, IngestOptions(dry_run=True))
    assert office.register.count() == 2
    report = office.ingest_file(later)
    assert office.counts(dry) == office.counts(report) == (5, 0, 1, 2, 2)
    assert report.withdrawn == 1
    assert report.warnings == dry.warnings
    assert report.warnings[-1] == (
        "1 rows withdraw marks that the register does not hold, first m3: see whether their ids "
        "are written as in the register"
    )
    assert [mark.record.id for mark in office.register.every_mark()] == ["m2"]
    assert [row["reason"] for row in office.rejects(report)] == [
        "operation 'burn' is none of insert, update and delete",
        "id is empty",
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_with_operations_is_a_journal_whose_last_row_of_a_mark_counts(
    office: Office, format: str, publish: Publish
) -> None:
    office.ingest_file(publish(format, FIRST, FIRST | {"id": "m3"}))
    new = {"text": "NEW", "image": "1.png"}
    journal = publish(
        format,
        {"id": "m1", "operation": "delete"} | dict.fromkeys(new, ""),
        {"id": "m2", "operation": "insert"} | new,
        {"id": "m1", "operation": "insert"} | new,
        {"id": "m2", "operation": "delete"} | new,
        {"id": "m3", "operation": "delete"} | new,
        {"id": "m3", "operation": "insert"} | new,
        {"id": "m3", "operation": "update"} | new | {"text": "NEWER"},
    )
    dry = office.ingest_file(journal, IngestOptions(dry_run=True))
    stopped = office.ingest_file(journal, IngestOptions(batch=1, stop=lambda: True))
    assert stopped.interrupted
    assert stopped.read < 7
    report = office.ingest_file(journal, IngestOptions(batch=2, resume=True))
    assert office.counts(dry) == office.counts(report) == (7, 3, 4, 0, 0)
    assert {one.record.id: one.record.text for one in office.register.every_mark()} == {
        "m1": "NEW",
        "m3": "NEWER",
    }
    assert office.counts(office.ingest_file(journal)) == (7, 3, 4, 0, 0)


@pytest.mark.parametrize("format", FORMATS)
def test_a_word_that_reads_operation_makes_no_journal(
    office: Office, format: str, publish: Publish
) -> None:
    row = FIRST | {"text": '"operation":', "owner": "operation"}
    assert office.counts(office.ingest_file(publish(format, row, row))) == (2, 1, 0, 0, 1)


def test_a_key_that_makes_a_journal_is_seen_wherever_it_stands(office: Office) -> None:
    table = office.folder / "marks.jsonl"
    key = b'"Operation"'
    for cut in range(1, len(key) + 3):
        line = b'{"id": "m1", "text": "' + b"x" * (4096 - cut - 22) + b'", '
        table.write_bytes(line + key + b' : "insert"}\n')
        assert open_source(table).amends, cut


@pytest.mark.parametrize("format", FORMATS)
def test_names_of_columns_and_keys_may_be_in_any_case(
    office: Office, format: str, publish: Publish
) -> None:
    named = {f" {name.title()} ": value for name, value in FIRST.items()}
    report = office.ingest_file(publish(format, named))
    assert not report.warnings
    assert office.register.mark("m1").record == HELD


@pytest.mark.parametrize("format", FORMATS)
def test_a_name_that_stands_twice_is_refused(office: Office, format: str, publish: Publish) -> None:
    table = publish(format, FIRST | {"Text": "TIGER"})
    if format == "jsonl":  # where each line has its own
        (reject,) = office.rejects(office.ingest_file(table))
        assert reject["reason"] == "the line has two keys 'text'; leave one"
    else:
        with pytest.raises(SourceError, match="two columns 'text'; leave one"):
            office.ingest_file(table)


def test_a_mark_that_holds_a_code_of_no_category_from_before_costs_its_row_only(
    office: Office, publish: Publish
) -> None:
    office.ingest_file(publish("csv", FIRST, FIRST | {"id": "m2", "vienna": ""}))
    with closing(sqlite3.connect(office.folder.parent / "register.db")) as database, database:
        database.execute("UPDATE marks SET lists = replace(lists, '03.01.08', '30.01.08')")
    assert office.register.mark("m1").record.vienna == (ViennaCode(30, 1, 8),)
    states = ({"id": one, "status": "registered"} for one in ("m1", "m2"))
    report = office.ingest_file(publish("csv", *states))
    assert office.counts(report) == (2, 0, 1, 0, 1)
    (reject,) = office.rejects(report)
    assert "30.01.08 is in no category" in reject["reason"]
