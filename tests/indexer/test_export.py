"""The register out as a table, and back."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.export import export
from indexer.ingest import IngestOptions, ingest
from indexer.ingest.encoding import encode_marks, prepare
from indexer.ingest.workers import LocalWorkers
from indexer.marks import MAX_TEXT, MarkRecord
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import open_source
from indexer.texts import is_storable
from models.encoder import Encoder
from models.errors import MarkLensError
from models.vienna import ViennaCode

Draw = Callable[..., Image.Image]
Png = Callable[[Image.Image], bytes]
Filled = tuple[Register, ImageStore]
SUFFIXES = ("csv", "jsonl", "parquet")


def digests(register: Register) -> dict[str, tuple[str, str | None]]:
    """Id → digest of all the register holds of a mark, and its picture."""
    marks = list(register.every_mark(7))
    found = register.digests([mark.record.id for mark in marks])
    return {mark.record.id: (found[mark.record.id], mark.image_digest) for mark in marks}


def fill(register: Register, store: ImageStore, encoder: Encoder, pictures: list[bytes]) -> None:
    """Twenty marks: with and without picture, two with the same one, odd texts, a deleted one."""
    register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    for n in range(20):
        record = MarkRecord(
            id=f"XX-{n:02}",
            text=['Löwe; & "Söhne"', "two\nlines", None, "'=1+1", "漢字"][n % 5],
            owner="A, B|C" if n % 3 else None,
            office="XX",
            status="registered" if n % 2 else None,
            filed=date(2020, 1, 1 + n),
            registered=date(2021, 1, 1) if n % 2 else None,
            nice=tuple(range(1, 1 + n % 4)),
            vienna=tuple(ViennaCode(26, 1 + at) for at in range(n % 3)),
            image_name=f"pics/{n % 7}.png" if n % 4 else None,
            us_design=("26.01.21", "29.01.04") if n % 5 == 0 else (),
        )
        if n % 4 == 0 or n == 3:
            register.add([prepare(encoder, record, None).mark])
        else:
            content = pictures[n % len(pictures)]
            store.put(content)
            register.add(encode_marks(encoder, [(record, content)]))
    register.delete(["XX-19"])


@pytest.fixture
def filled(tmp_path: Path, encoder: Encoder, draw_mark: Draw, as_png: Png) -> Iterator[Filled]:
    """A register of the twenty marks and the store of their one picture."""
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    store = ImageStore(tmp_path / "images")
    fill(register, store, encoder, [as_png(draw_mark(1))])
    yield register, store
    register.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("copied", [False, True])
def test_an_export_reads_back_to_an_identical_register(
    register: Register,
    tmp_path: Path,
    encoder: Encoder,
    draw_mark: Draw,
    as_png: Png,
    suffix: str,
    copied: bool,
) -> None:
    store = ImageStore(tmp_path / "images")
    fill(register, store, encoder, [as_png(draw_mark(seed)) for seed in range(3)])
    table = tmp_path / f"all.{suffix}"
    seen: list[tuple[int, int]] = []
    report = export(
        register,
        store,
        table,
        tmp_path / "copies" if copied else None,
        lambda done, total: seen.append((done, total)),
    )
    assert (report.marks, report.pictures) == (19, 3)
    assert seen == [(19, 19)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    again = Register.open(f"sqlite:///{tmp_path / 'again.db'}")
    again.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    other = ImageStore(tmp_path / "other" / "images")
    result = ingest(open_source(table, report.images), again, other, LocalWorkers(encoder))
    assert (result.indexed, result.rejected) == (19, 0)
    assert digests(again) == digests(register)
    # And into the register itself: nothing to do.
    same = ingest(open_source(table, report.images), register, store, LocalWorkers(encoder))
    assert (same.unchanged, same.read) == (19, 19)
    again.close()


TEXT = st.text(max_size=30).filter(is_storable) | st.none()
RECORDS = st.builds(
    MarkRecord,
    id=st.just("x"),
    text=TEXT,
    owner=TEXT,
    office=TEXT,
    status=TEXT.filter(lambda text: text is None or text.lower() == text.lower().lower()),
    filed=st.dates() | st.none(),
    registered=st.dates() | st.none(),
    nice=st.lists(st.integers(1, 45)).map(tuple),
    vienna=st.lists(
        st.builds(ViennaCode, st.integers(1, 29), st.integers(1, 99), st.integers(0, 99))
    ).map(tuple),
    image_name=TEXT,
    us_design=st.lists(st.from_regex(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}", fullmatch=True)).map(tuple),
)


@pytest.fixture(scope="module")
def empty_register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a register without marks: a copy takes a tenth of the time of making one."""
    path = tmp_path_factory.mktemp("empty") / "register.db"
    Register.open(f"sqlite:///{path}").close()
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=st.lists(RECORDS, min_size=1, max_size=5))
def test_any_record_survives_every_format(
    tmp_path: Path,
    empty_register: Path,
    encoder: Encoder,
    suffix: str,
    records: list[MarkRecord],
) -> None:
    named = [replace(record, id=f"m{n}") for n, record in enumerate(records)]
    path = shutil.copy(empty_register, tmp_path / "register.db")
    register = Register.open(f"sqlite:///{path}")
    register.add([prepare(encoder, record, None).mark for record in named])
    table = tmp_path / f"all.{suffix}"
    export(register, ImageStore(tmp_path / "images"), table)
    register.close()
    rows = list(open_source(table))
    assert [getattr(row, "record", row) for row in rows] == named


REGISTERS = st.lists(
    st.tuples(
        RECORDS,
        st.none() | st.integers(0, 2),  # which of three pictures; None: no picture
        st.booleans(),  # whether it is withdrawn before the export
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(marks=REGISTERS, copied=st.booleans())
def test_any_register_is_the_same_again_after_export_and_index(
    tmp_path: Path,
    empty_register: Path,
    encoder: Encoder,
    draw_mark: Draw,
    as_png: Png,
    suffix: str,
    marks: list[tuple[MarkRecord, int | None, bool]],
    copied: bool,
) -> None:
    with TemporaryDirectory(dir=tmp_path) as name:
        folder = Path(name)
        store = ImageStore(folder / "data" / "images")
        register = Register.open(f"sqlite:///{shutil.copy(empty_register, folder / 'one.db')}")
        register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
        for n, (record, picture, _) in enumerate(marks):
            named = replace(record, id=f"m{n}")
            if picture is None:
                register.add([prepare(LocalWorkers(encoder), named, None).mark])
            else:
                content = as_png(draw_mark(picture))
                store.put(content)
                register.add(encode_marks(encoder, [(named, content)]))
        register.delete([f"m{n}" for n, (_, _, is_withdrawn) in enumerate(marks) if is_withdrawn])
        table = folder / f"all.{suffix}"
        report = export(register, store, table, folder / "copies" if copied else None)
        again = Register.open(f"sqlite:///{shutil.copy(empty_register, folder / 'again.db')}")
        again.bind_fingerprint(encoder.fingerprint, encoder.dimension)
        other = ImageStore(folder / "other" / "images")
        result = ingest(open_source(table, report.images), again, other, LocalWorkers(encoder))
        assert (result.indexed, result.rejected) == (register.count(), 0)
        assert [mark.record for mark in again.every_mark()] == [
            mark.record for mark in register.every_mark()
        ]
        assert digests(again) == digests(register)
        register.close()
        again.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_a_register_without_a_live_mark_is_the_same_again(
    register: Register, tmp_path: Path, encoder: Encoder, suffix: str, is_withdrawn: bool
) -> None:
    if is_withdrawn:
        register.add([prepare(encoder, MarkRecord(id="m", text="gone"), None).mark])
        register.delete(["m"])
    report = export(register, ImageStore(tmp_path / "images"), tmp_path / f"all.{suffix}")
    assert (report.marks, report.pictures) == (0, 0)
    again = Register.open(f"sqlite:///{tmp_path / 'again.db'}")
    again.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    source = open_source(tmp_path / f"all.{suffix}", report.images)
    result = ingest(source, again, ImageStore(tmp_path / "other" / "images"), LocalWorkers(encoder))
    assert (result.read, result.broken) == (0, ())
    assert again.count() == 0
    assert again.last_runs()[0].state == "finished"
    again.close()


def test_the_longest_texts_with_many_lines_survive_a_csv(tmp_path: Path, encoder: Encoder) -> None:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    record = MarkRecord(id="m", text=("line\n" * (MAX_TEXT // 5)).strip())
    register.add([prepare(encoder, record, None).mark])
    export(register, ImageStore(tmp_path / "images"), tmp_path / "all.csv")
    register.close()
    rows = list(open_source(tmp_path / "all.csv"))
    assert [getattr(row, "record", row) for row in rows] == [record]


def test_an_export_that_fails_leaves_the_table_before_as_it_was(
    tmp_path: Path, filled: Filled
) -> None:
    register, store = filled
    table = tmp_path / "all.csv"
    table.write_text("before")
    (picture,) = [path for path in store.folder.rglob("*") if path.is_file()]
    picture.unlink()
    with pytest.raises(MarkLensError, match="is missing"):
        export(register, store, table, tmp_path / "copies")
    assert table.read_text() == "before"
    with pytest.raises(MarkLensError, match=r"name the table \.csv, \.jsonl or \.parquet"):
        export(register, store, tmp_path / "all.xlsx")
    with pytest.raises(MarkLensError, match="cannot write"):
        export(register, store, tmp_path / "nowhere" / "all.csv")


def test_a_dry_run_over_an_export_changes_nothing(
    tmp_path: Path, encoder: Encoder, filled: Filled
) -> None:
    register, store = filled
    export(register, store, tmp_path / "all.csv")
    empty = Register.open(f"sqlite:///{tmp_path / 'empty.db'}")
    source = open_source(tmp_path / "all.csv", store.folder)
    report = ingest(
        source,
        empty,
        ImageStore(tmp_path / "none"),
        LocalWorkers(encoder),
        IngestOptions(dry_run=True),
    )
    assert (report.indexed, empty.count(), empty.last_runs()) == (19, 0, [])
    assert not (tmp_path / "none").exists()
    empty.close()
