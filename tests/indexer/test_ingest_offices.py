"""Offices' files through the bulk loop: amendments, withdrawals, pictures that came before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.ingest import IngestOptions
from indexer.pages import Page
from indexer.query import Filter

Office = Any  # the fixture `office`
Publish = Callable[..., Path]


@pytest.fixture
def publish(office: Office, st66: Any) -> Publish:
    """A function (name, mark, …) → an ST.66 file of marks as `st66.mark` gives them."""
    return lambda name, *marks: st66.write(office.folder / name, marks)


def _texts(office: Office) -> dict[str, str | None]:
    return {mark.record.id: mark.record.text for mark in office.register.every_mark()}


def test_a_mark_without_picture_is_kept_counted_and_found_by_its_words(
    office: Office, st66: Any, publish: Publish
) -> None:
    office.draw(1).save(office.folder / "1.png")
    file = publish(
        "a.xml",
        st66.mark(1, "LION", "1.png"),
        st66.mark(2, "LION KING"),
        st66.mark(3, "CAT"),
    )
    assert office.counts(office.ingest_file(file)) == (3, 3, 0, 0, 0)
    assert office.register.count() == 3
    found, total = office.register.find(Filter(text="lion"), Page(10))
    assert ([one.record.id for one in found], total) == (["XX-1", "XX-2"], 2)
    embedded = [
        change.id for change in office.register.changes(0, 10) if change.embedding is not None
    ]
    assert embedded == ["XX-1"]
    assert office.counts(office.ingest_file(file)) == (3, 0, 0, 3, 0)


def test_later_files_amend_and_withdraw_what_earlier_ones_brought(
    office: Office, st66: Any, publish: Publish
) -> None:
    office.ingest_file(
        publish(
            "1.xml",
            st66.mark(1, "old"),
            st66.mark(2, "stays"),
            st66.mark(3, "goes"),
        )
    )
    report = office.ingest_file(
        publish(
            "2.xml",
            st66.mark(1, "new", operation="Update"),
            st66.mark(3, operation="Delete"),
            st66.mark(4, operation="Delete"),
        )
    )
    assert office.counts(report) == (3, 0, 2, 1, 0)
    assert report.withdrawn == 1
    assert _texts(office) == {"XX-1": "new", "XX-2": "stays"}


def test_an_amendment_without_its_picture_keeps_the_one_that_came_before(
    office: Office, st66: Any, publish: Publish
) -> None:
    office.draw(1).save(office.folder / "1.png")
    office.ingest_file(publish("1.xml", st66.mark(1, "old", "1.png")))
    before = office.register.mark("XX-1")
    (office.folder / "1.png").unlink()
    report = office.ingest_file(publish("2.xml", st66.mark(1, "new", "1.png", "Update")))
    after = office.register.mark("XX-1")
    assert (report.updated, after.record.text) == (1, "new")
    assert after.image_digest == before.image_digest is not None
    assert after.predicted == before.predicted


STATUS = """<TradeMark operationCode="{operation}">
  <RegistrationOfficeCode>XX</RegistrationOfficeCode>
  <ApplicationNumber>1</ApplicationNumber>
  <MarkCurrentStatusCode>Registered</MarkCurrentStatusCode>
  <RegistrationDate>2020-01-01</RegistrationDate>
</TradeMark>"""


@pytest.mark.parametrize("dry", [False, True])
def test_an_update_that_brings_a_status_alone_leaves_the_rest_of_the_mark(
    office: Office, st66: Any, publish: Publish, dry: bool
) -> None:
    office.draw(1).save(office.folder / "1.png")
    office.ingest_file(publish("1.xml", st66.mark(1, "LION", "1.png")))
    before = office.register.mark("XX-1")
    file = publish("2.xml", STATUS.format(operation="Update"))
    report = office.ingest_file(file, IngestOptions(dry_run=dry))
    assert office.counts(report) == (1, 0, 1, 0, 0)
    after = office.register.mark("XX-1")
    if dry:
        assert after == before
        return
    assert (after.record.status, str(after.record.registered)) == ("registered", "2020-01-01")
    assert after.image_digest == before.image_digest is not None
    kept = replace(after.record, status=before.record.status, registered=before.record.registered)
    assert kept == before.record
    assert office.counts(office.ingest_file(file)) == (1, 0, 0, 1, 0)


def test_a_mark_that_is_sent_whole_again_loses_what_it_no_longer_has(
    office: Office, st66: Any, publish: Publish
) -> None:
    office.ingest_file(publish("1.xml", st66.mark(1, "LION")))
    office.ingest_file(publish("2.xml", STATUS.format(operation="Insert")))
    assert office.register.mark("XX-1").record.text is None


def test_a_picture_that_comes_later_completes_its_mark(
    office: Office, st66: Any, publish: Publish
) -> None:
    file = publish("1.xml", st66.mark(1, "one", "1.png"))
    report = office.ingest_file(file)
    assert report.indexed == 1
    assert "1 marks name a picture that is not there, first XX-1:" in report.warnings[-1]
    office.draw(1).save(office.folder / "1.png")
    assert office.ingest_file(file).updated == 1
    assert office.register.mark("XX-1").image_digest is not None


def test_a_truncated_file_keeps_its_beginning_and_the_run_counts_as_failed(
    office: Office, st66: Any, publish: Publish
) -> None:
    file = publish("1.xml", *(st66.mark(n, f"m{n}") for n in range(40)))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    report = office.ingest_file(file)
    assert 15 < report.indexed == office.register.count() < 25
    assert len(report.broken) == report.rejected == 1
    assert office.register.last_runs(1)[0].state == "failed"
    assert report.rejects_file is not None
    assert "breaks off at line" in report.rejects_file.read_text("utf-8-sig")
    file.write_bytes(whole)
    assert not office.ingest_file(file).broken
    assert office.register.count() == 40


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["Insert", "Update", "Delete"]),
        st.integers(1, 4),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=EVENTS, batch=st.integers(1, 5))
def test_any_sequence_of_transactions_ends_where_a_dictionary_ends(
    office: Office, events: list[tuple[str, int, str]], batch: int, st66: Any, publish: Publish
) -> None:
    expected: dict[str, str] = {}
    office.register.delete([f"XX-{number}" for number in range(1, 5)])
    for operation, number, text in events:
        if operation == "Delete":
            expected.pop(f"XX-{number}", None)
        else:
            expected[f"XX-{number}"] = text
    marks = [st66.mark(number, text, operation=operation) for operation, number, text in events]
    file = publish("all.xml", *marks, st66.mark(9, "last"))
    dry = office.ingest_file(file, IngestOptions(batch=batch, dry_run=True))
    assert set(_texts(office)) <= {"XX-9"}
    wet = office.ingest_file(file, IngestOptions(batch=batch))
    assert _texts(office) == {**expected, "XX-9": "last"}
    assert wet.rejected == 0
    assert office.counts(dry) == office.counts(wet)
