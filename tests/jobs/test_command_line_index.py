"""`marklens index` as a user types it, and how it tells its progress."""

import re
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from models.encoder import Encoder
from search_api.cli.index import stop_at_signal
from search_api.cli.progress import Pace, progress
from search_api.watch.watching import Watching

Run = Callable[..., Any]
Parsed = Callable[[Any], Any]
Complaint = Callable[[Any], str]


def test_index_prints_what_it_did_and_running_again_changes_nothing(
    run: Run, source: Path, parsed: Parsed
) -> None:
    first = run("index", source)
    assert first.exit_code == 0
    counted, network = first.stdout.splitlines()
    assert counted == "8 rows read: indexed 8, updated 0, unchanged 0, rejected 0"
    assert network.startswith("the network saw 8 different pictures, ")
    assert re.search(r"and was busy [0-9]+% of the time$", network)
    assert parsed(run("index", source, "--json")) == {
        "read": 8,
        "indexed": 0,
        "updated": 0,
        "withdrawn": 0,
        "unchanged": 8,
        "rejected": 0,
        "rejects_file": None,
        "warnings": [],
        "words_read": 0,
        "without_words": 0,
        "near": {"marks": 0, "watches": {}},
    }


def test_a_folder_of_pictures_that_holds_the_data_folder_is_read_without_it(
    run: Run, source: Path, parsed: Parsed
) -> None:
    (source / "marks.csv").unlink()
    for indexed in (8, 0):
        told = parsed(run("--data-dir", source / "marklens-data", "index", source, "--json"))
        assert (told["read"], told["indexed"], told["warnings"]) == (8, indexed, [])


def test_json_leaves_stderr_empty(run: Run, source: Path) -> None:
    table = source / "marks.csv"
    table.write_text(table.read_text().replace("text", "colour", 1))
    quiet = run("index", source, "--json")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert run("index", source).stderr == "marklens: columns left out: colour\n"


def test_rejected_rows_are_in_the_file_the_summary_names(
    run: Run, source: Path, parsed: Parsed
) -> None:
    (source / "3.png").write_text("no picture")
    kept = parsed(run("index", source, "--json", "--dry-run"))
    assert (kept["indexed"], kept["rejects_file"]) == (8, None)
    assert "EM-3 (3.png" in kept["warnings"][0]
    told = run("index", source, "--strict")
    assert told.exit_code == 0
    assert "rejected 1" in told.stdout
    file = Path(parsed(run("index", source, "--json", "--strict"))["rejects_file"])
    assert "EM-3,3.png," in file.read_text("utf-8-sig")


def test_a_run_that_rejects_everything_fails(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    failed = run("index", source, "--strict", "--images", tmp_path / "elsewhere")
    assert failed.exit_code == 2
    assert "no row could be read; the rejects file says why" in failed.stderr


def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    run: Run, source: Path, parsed: Parsed, tmp_path: Path
) -> None:
    def would(what: str) -> None:
        said = run("index", source, "--dry-run")
        assert said.stdout == f"8 rows read: would be {what}, rejected 0\n"

    before = sorted(tmp_path.rglob("*"))
    would("indexed 8, updated 0, unchanged 0")  # no register is there
    assert sorted(tmp_path.rglob("*")) == before
    run("keys", "create", "somebody")
    would("indexed 8, updated 0, unchanged 0")
    state = parsed(run("status", "--json"))
    assert (state["marks"], state["runs"]) == (0, [])
    run("index", source)
    would("indexed 0, updated 0, unchanged 8")


def test_a_source_that_is_not_there_makes_no_register(
    run: Run, tmp_path: Path, complaint: Complaint
) -> None:
    failed = run("index", tmp_path / "typo.csv")
    assert (failed.exit_code, complaint(failed)) == (2, f"{tmp_path / 'typo.csv'} does not exist")
    assert list(tmp_path.iterdir()) == []


def test_what_is_interrupted_where_it_does_not_look_says_so(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch, complaint: Complaint
) -> None:
    def load(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Encoder, "load", load)
    stopped = run("classify", source / "1.png")
    assert (stopped.exit_code, complaint(stopped)) == (130, "stopped")
    stopped = run("index", source, "--strict")
    assert stopped.exit_code == 130
    assert complaint(stopped) == f"stopped; go on with: marklens index {source} --strict --resume"


def test_an_interrupted_run_ends_without_comparing_with_watches(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_: Watching) -> int:
        raise AssertionError

    monkeypatch.setattr(Watching, "check", check)
    at_once = Event()
    at_once.set()
    monkeypatch.setattr("search_api.cli.index.stop_at_signal", lambda: nullcontext(at_once))
    rows = "".join(f"M-{number},,Lion\n" for number in range(40))  # more than a batch
    (source / "marks.csv").write_text("id,image,text\n" + rows)
    stopped = run("index", source)
    assert stopped.exit_code == 130
    assert stopped.stderr == f"marklens: stopped; go on with: marklens index {source} --resume\n"


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            "name,image\n1,1.png\n",
            "marks.csv has no column 'id' in its header; it has: name, image; known are id, image, "
            "text, owner, office, status, filed, registered, nice, vienna, us_design, image_file, "
            "operation, of which id and one more are needed",
        ),
        ("", "marks.csv is empty; a header line with 'id' and 'image' is needed"),
    ],
)
def test_a_table_that_cannot_be_used_is_exit_code_2(
    run: Run, source: Path, table: str, sentence: str, complaint: Complaint
) -> None:
    (source / "marks.csv").write_text(table)
    failed = run("index", source)
    assert (failed.exit_code, complaint(failed)) == (2, sentence)


def test_progress_of_a_table_counts_marks_and_not_its_header(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search_api.cli.progress._LINE_EVERY_S", 0.0)
    with progress("indexing register") as advance:
        advance(1901, 1901, 1900)
        advance(951, 1901, 950)
        advance(7, 8, 7)
    lines = capsys.readouterr().err.splitlines()
    assert [
        line.removeprefix("marklens: indexing register: ").split(", ")[:2] for line in lines
    ] == [
        ["1,900 marks", "100%"],
        ["950 marks", "50%"],
        ["7 of 8"],
    ]


def test_pace_counts_from_the_first_report() -> None:
    times = iter([100.0, 110.0, 120.0])
    pace = Pace(clock=lambda: next(times))
    pace.note(done=10, total=110, marks=8)
    assert str(pace) == ""
    pace.note(done=30, total=110, marks=24)
    assert str(pace) == "1.6 marks/s, 0:40 left"
    pace.note(done=110, total=110, marks=100)
    assert str(pace) == "4.6 marks/s, 0:00 left"


def test_a_signal_ends_also_what_takes_longer_than_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("search_api.cli.index._PATIENCE_S", 1)
    began = time.monotonic()

    def read_a_line_of_a_gigabyte() -> None:
        with stop_at_signal() as stop:
            signal.raise_signal(signal.SIGTERM)  # to this thread: no other one may take it later
            assert stop.is_set()
            time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        read_a_line_of_a_gigabyte()
    assert time.monotonic() - began < 10
