"""Offices' files through the bulk loop: amendments, withdrawals, pictures that came before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.image_store import ImageStore
from indexer.ingest import IngestOptions, IngestReport, ingest
from indexer.query import Filter
from indexer.register import Register
from indexer.sources import open_source
from models.encoder import Encoder

Draw = Callable[..., Image.Image]


@dataclass
class Office:
    """A folder of an office's files and pictures, and a register to read them into."""

    folder: Path
    register: Register
    images: ImageStore
    encoder: Encoder
    draw: Draw
    st66: Any

    def publish(self, name: str, *marks: str) -> Path:
        """Write an ST.66 file of marks as `st66.mark` gives them."""
        written: Path = self.st66.write(self.folder / name, marks)
        return written

    def ingest(self, path: Path, options: IngestOptions | None = None) -> IngestReport:
        source = open_source(path, self.folder)
        return ingest(source, self.register, self.images, self.encoder, options)

    def texts(self) -> dict[str, str | None]:
        return {mark.record.id: mark.record.text for mark in self.register.every_mark()}


@pytest.fixture
def office(tmp_path: Path, encoder: Encoder, draw_mark: Draw, st66: Any) -> Iterator[Office]:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    folder = tmp_path / "source"
    folder.mkdir()
    store = ImageStore(tmp_path / "data" / "images")
    yield Office(folder, register, store, encoder, draw_mark, st66)
    register.close()


def _counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    return report.read, report.indexed, report.updated, report.unchanged, report.rejected


def test_a_mark_without_picture_is_kept_counted_and_found_by_its_words(office: Office) -> None:
    office.draw(1).save(office.folder / "1.png")
    file = office.publish(
        "a.xml",
        office.st66.mark(1, "LION", "1.png"),
        office.st66.mark(2, "LION KING"),
        office.st66.mark(3, "CAT"),
    )
    assert _counts(office.ingest(file)) == (3, 3, 0, 0, 0)
    assert office.register.count() == 3
    found, total = office.register.find(Filter(text="lion"), 10)
    assert ([one.record.id for one in found], total) == (["XX-1", "XX-2"], 2)
    embedded = [
        change.id for change in office.register.changes(0, 10) if change.embedding is not None
    ]
    assert embedded == ["XX-1"]
    assert _counts(office.ingest(file)) == (3, 0, 0, 3, 0)


def test_later_files_amend_and_withdraw_what_earlier_ones_brought(office: Office) -> None:
    office.ingest(
        office.publish(
            "1.xml",
            office.st66.mark(1, "old"),
            office.st66.mark(2, "stays"),
            office.st66.mark(3, "goes"),
        )
    )
    report = office.ingest(
        office.publish(
            "2.xml",
            office.st66.mark(1, "new", operation="Update"),
            office.st66.mark(3, operation="Delete"),
            office.st66.mark(4, operation="Delete"),
        )
    )
    assert _counts(report) == (3, 0, 2, 1, 0)
    assert report.withdrawn == 1
    assert office.texts() == {"XX-1": "new", "XX-2": "stays"}


def test_an_amendment_without_its_picture_keeps_the_one_that_came_before(office: Office) -> None:
    office.draw(1).save(office.folder / "1.png")
    office.ingest(office.publish("1.xml", office.st66.mark(1, "old", "1.png")))
    before = office.register.mark("XX-1")
    (office.folder / "1.png").unlink()
    report = office.ingest(office.publish("2.xml", office.st66.mark(1, "new", "1.png", "Update")))
    after = office.register.mark("XX-1")
    assert (report.updated, after.record.text) == (1, "new")
    assert after.image_digest == before.image_digest is not None
    assert after.predicted == before.predicted


def test_a_picture_that_comes_later_completes_its_mark(office: Office) -> None:
    file = office.publish("1.xml", office.st66.mark(1, "one", "1.png"))
    report = office.ingest(file)
    assert report.indexed == 1
    assert "1 marks name a picture that is not there" in report.warnings[-1]
    office.draw(1).save(office.folder / "1.png")
    assert office.ingest(file).updated == 1
    assert office.register.mark("XX-1").image_digest is not None


def test_a_truncated_file_keeps_its_beginning_and_the_run_counts_as_failed(office: Office) -> None:
    file = office.publish("1.xml", *(office.st66.mark(n, f"m{n}") for n in range(40)))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    report = office.ingest(file)
    assert 15 < report.indexed == office.register.count() < 25
    assert len(report.broken) == report.rejected == 1
    assert office.register.last_runs(1)[0].state == "failed"
    assert report.rejects_file is not None
    assert "breaks off at line" in report.rejects_file.read_text("utf-8-sig")
    file.write_bytes(whole)
    assert not office.ingest(file).broken
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
    office: Office, events: list[tuple[str, int, str]], batch: int
) -> None:
    expected: dict[str, str] = {}
    office.register.delete([f"XX-{number}" for number in range(1, 5)])
    for operation, number, text in events:
        if operation == "Delete":
            expected.pop(f"XX-{number}", None)
        else:
            expected[f"XX-{number}"] = text
    marks = [
        office.st66.mark(number, text, operation=operation) for operation, number, text in events
    ]
    file = office.publish("all.xml", *marks, office.st66.mark(9, "last"))
    dry = office.ingest(file, IngestOptions(batch=batch, dry_run=True))
    assert set(office.texts()) <= {"XX-9"}
    wet = office.ingest(file, IngestOptions(batch=batch))
    assert office.texts() == {**expected, "XX-9": "last"}
    assert wet.rejected == 0
    assert _counts(dry) == _counts(wet)
