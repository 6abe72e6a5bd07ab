import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer.main
from PIL import Image
from typer.testing import CliRunner

from search_api.cli import app
from search_api.cli.progress import Pace, progress

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
MEASURES = ("evaluate classify", "evaluate retrieve")
HEAVY = ("torch", "openvino", "faiss", "sqlalchemy", "fastapi", "uvicorn", "numpy", "PIL")

Draw = Callable[..., Image.Image]
Result = Any  # of Click or of Typer's copy of it
Run = Callable[..., Result]


@pytest.fixture
def source(tmp_path: Path, draw_mark: Draw) -> Path:
    """A folder with marks.csv and eight pictures."""
    folder = tmp_path / "source"
    folder.mkdir()
    lines = ["id,image,text,status,nice,filed,vienna"]
    for n in range(8):
        draw_mark(n).save(folder / f"{n}.png")
        lines.append(
            f"EM-{n},{n}.png,word {n},{'expired' if n % 2 else 'registered'},"
            f"{9 + n},202{n}-01-31,{'03.01.08' if n < 3 else '26.04'}"
        )
    (folder / "marks.csv").write_text("\n".join(lines) + "\n")
    return folder


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def _complaint(result: Result) -> str:
    """The one sentence of a failure."""
    assert "Traceback" not in result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("marklens: ")
    return line.removeprefix("marklens: ")


@pytest.mark.parametrize("command", [*COMMANDS, *MEASURES])
def test_every_command_explains_itself_and_each_option(command: str) -> None:
    parameters: Any = typer.main.get_command(app)
    for word in command.split():
        parameters = parameters.commands[word]
    assert parameters.help
    page = PAGE.read_text("utf-8")
    assert f"## marklens {command}\n" in page
    section = page.split(f"## marklens {command}\n")[1].split("\n## ")[0]
    for parameter in parameters.params:
        if parameter.name != "help":
            assert parameter.help, parameter.name
            shown = parameter.opts[0] if parameter.param_type_name == "option" else "`"
            assert shown in section
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert parameters.help.split("\n")[0] in " ".join(shown.stdout.split())


def test_the_commands_are_those_of_the_design() -> None:
    assert {
        *("demo", "index", "search", "classify", "serve", "status", "rebuild", "export"),
        *("compose", "train", "evaluate"),
    } == set(COMMANDS)


def test_the_page_of_the_command_line_is_what_make_docs_would_write() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "write_cli_docs.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from search_api.cli import main\n"
        "sys.argv = ['marklens', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "Usage: marklens" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_index_prints_what_it_did_and_running_again_changes_nothing(run: Run, source: Path) -> None:
    first = run("index", source)
    assert first.exit_code == 0
    counted, network = first.stdout.splitlines()
    assert counted == "8 rows read: indexed 8, updated 0, unchanged 0, rejected 0"
    assert network.startswith("the network saw 8 different pictures, ")
    assert re.search(r"and was busy [0-9]+% of the time$", network)
    assert _json(run("index", source, "--json")) == {
        "read": 8,
        "indexed": 0,
        "updated": 0,
        "unchanged": 8,
        "rejected": 0,
        "rejects_file": None,
    }


def test_json_leaves_stderr_empty(run: Run, source: Path) -> None:
    table = source / "marks.csv"
    table.write_text(table.read_text().replace("text", "colour", 1))
    quiet = run("index", source, "--json")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert run("index", source).stderr == "marklens: columns left out: colour\n"


def test_rejected_rows_are_in_the_file_the_summary_names(run: Run, source: Path) -> None:
    (source / "3.png").write_text("no picture")
    told = run("index", source)
    assert told.exit_code == 0
    assert "rejected 1" in told.stdout
    file = Path(_json(run("index", source, "--json"))["rejects_file"])
    assert "EM-3,3.png," in file.read_text("utf-8-sig")


def test_a_run_that_rejects_everything_fails(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    failed = run("index", source, "--images", tmp_path / "elsewhere")
    assert failed.exit_code == 2
    assert "no row could be read; the rejects file says why" in failed.stderr


def test_a_dry_run_says_what_would_happen_and_changes_nothing(run: Run, source: Path) -> None:
    assert run("index", source, "--dry-run").stdout == (
        "8 rows read: would be indexed 8, updated 0, unchanged 0, rejected 0\n"
    )
    state = _json(run("status", "--json"))
    assert (state["marks"], state["runs"]) == (0, [])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            "name,image\n1,1.png\n",
            "marks.csv has no column 'id' in its header; it has: name, image",
        ),
        ("", "marks.csv is empty; a header line with 'id' and 'image' is needed"),
    ],
)
def test_a_table_that_cannot_be_used_is_exit_code_2(
    run: Run, source: Path, table: str, sentence: str
) -> None:
    (source / "marks.csv").write_text(table)
    failed = run("index", source)
    assert (failed.exit_code, _complaint(failed)) == (2, sentence)


def test_search_finds_the_picture_itself_first(run: Run, source: Path) -> None:
    run("index", source)
    found = _json(run("search", source / "5.png", "-k", "3", "--json"))
    assert list(found) == ["query", "plan", "hits"]
    assert len(found["hits"]) == 3
    best = found["hits"][0]
    assert best["id"] == "EM-5"
    assert best["score"] == pytest.approx(1, abs=1e-3)
    assert set(best["scores"]) == {"visual", "concept", "colour"}
    assert best["image"] == "/api/v1/marks/EM-5/image"
    assert (best["text"], best["nice"], best["vienna"]) == ("word 5", [14], ["26.04"])
    assert found["plan"]["total"] == 8
    assert set(found["plan"]["milliseconds"]) == {"decode", "encode", "filter", "search"}
    for seen in found["query"]["vienna"]:
        assert set(seen) == {"code", "title", "probability"}


def test_search_shows_people_a_table(run: Run, source: Path) -> None:
    run("index", source)
    shown = run("search", source / "5.png", "-k", "2")
    assert shown.exit_code == 0
    assert "seen in the query" in shown.stdout
    assert re.search(r"^ +1 +1\.000 .* EM-5 +word 5 +26\.04", shown.stdout, re.MULTILINE)
    assert "8 of 8 marks compared (exact)" in shown.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--vienna", "03"], {0, 1, 2}),
        (["--vienna", "A 3.1.8"], {0, 1, 2}),
        (["--vienna", "03,26.04"], {0, 1, 2, 3, 4, 5, 6, 7}),
        (["--vienna", "03", "--vienna", "26"], {0, 1, 2, 3, 4, 5, 6, 7}),
        (["--all-vienna", "03", "--all-vienna", "26"], set()),
        (["--not-vienna", "03.01"], {3, 4, 5, 6, 7}),
        (["--status", "EXPIRED"], {1, 3, 5, 7}),
        (["--nice", "9;10"], {0, 1}),
        (["--filed-from", "2022-01-31", "--filed-to", "2023-12-31"], {2, 3}),
        (["--text", "WORD 4"], {4}),
        (["--office", "US"], set()),
        (["--status", "registered", "--vienna", "03"], {0, 2}),
    ],
)
def test_filters_restrict_what_is_found(
    run: Run, source: Path, options: list[str], expected: set[int]
) -> None:
    run("index", source)
    found = _json(
        run("search", source / "5.png", "--vienna-source", "assigned", "--json", *options)
    )
    assert {hit["id"] for hit in found["hits"]} == {f"EM-{n}" for n in expected}
    assert found["plan"]["matched"] == len(expected)


def test_a_mark_of_the_register_can_be_the_query(run: Run, source: Path) -> None:
    run("index", source)
    found = _json(run("search", "--mark", "EM-2", "-k", "8", "--json"))
    assert len(found["hits"]) == 7
    assert "EM-2" not in {hit["id"] for hit in found["hits"]}
    failed = run("search", "--mark", "EM-99")
    assert (failed.exit_code, "EM-99" in _complaint(failed)) == (2, True)


def test_an_empty_register_says_what_to_do(run: Run, source: Path) -> None:
    searched = run("search", source / "1.png")
    assert searched.exit_code == 0
    assert "the register is empty: read marks into it with `marklens index`" in searched.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-k", "0"], "1"),
        (["-k", "-5"], "1"),
        (["-k", "many"], "-k"),
        (["--vienna", "lion"], "lion"),
        (["--vienna", "03.99"], "03.99"),
        (["--nice", "46"], "46"),
        (["--nice", "x"], "Nice class"),
        (["--weights", "visual"], "visual"),
        (["--weights", "shape=1"], "shape"),
        (["--weights", "visual=0,concept=0,colour=0"], "0"),
        (["--crop", "1,2,3"], "x,y,width,height"),
        (["--crop", "0,0,9999,9999"], "9999"),
        (["--filed-from", "31.1.2024"], "31.1.2024"),
        (["--filed-from", "2024-01-01", "--filed-to", "2020-01-01"], "2024-01-01"),
        (["--min-probability", "2"], "2"),
        (["--mark", "EM-1"], "--mark"),
        (["--unknown"], "--unknown"),
    ],
)
def test_bad_options_are_one_sentence_and_exit_code_2(
    run: Run, source: Path, options: list[str], words: str
) -> None:
    failed = run("search", source / "1.png", *options)
    assert failed.exit_code == 2
    assert words in _complaint(failed)


@pytest.mark.parametrize("name", ["missing.png", "marks.csv", "", "cut.png"])
def test_bad_pictures_are_one_sentence_and_exit_code_2(run: Run, source: Path, name: str) -> None:
    (source / "cut.png").write_bytes((source / "1.png").read_bytes()[:80])
    for command in ("search", "classify"):
        failed = run(command, source / name)
        assert failed.exit_code == 2
        assert (name or "source") in _complaint(failed)


def test_classify_goes_on_after_a_bad_picture(run: Run, source: Path) -> None:
    (source / "bad.png").write_text("no picture")
    pictures = [source / "1.png", source / "bad.png", source / "2.png"]
    seen = run("classify", *pictures, "--json")
    assert seen.exit_code == 2
    first, bad, second = json.loads(seen.stdout)["images"]
    assert [one["image"] for one in (first, bad, second)] == [str(path) for path in pictures]
    assert "error" in bad
    for one in (first, second):
        probabilities = [code["probability"] for code in one["vienna"]]
        assert probabilities == sorted(probabilities, reverse=True)
    assert str(source / "2.png") in run("classify", source / "2.png").stdout


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


def test_status_tells_what_is_there(run: Run, source: Path) -> None:
    empty = _json(run("status", "--json"))
    assert (empty["marks"], empty["index"]["lag"], empty["runs"]) == (0, 0, [])
    run("index", source)
    behind = _json(run("status", "--json"))
    assert (behind["marks"], behind["sequence"], behind["index"]["lag"]) == (8, 8, 8)
    # A server may hold one in memory all the same: no word may deny that.
    assert behind["index"]["state"].startswith("none saved yet; a server that runs holds a newer")
    run("rebuild")
    state = _json(run("status", "--json"))
    assert state["index"] == {"state": "up to date", "sequence": 8, "lag": 0}
    assert (state["network"]["device"], state["network"]["runtime"]) == ("cpu", "torch")
    assert state["network"]["state"] == "ready"
    (last,) = state["runs"]
    assert (last["state"], last["read"], last["indexed"]) == ("finished", 8, 8)
    shown = run("status").stdout
    assert re.search(r"^marks: +8$", shown, re.MULTILINE)
    assert "torch on cpu" in shown


def test_rebuild_makes_the_index_and_encode_every_embedding(run: Run, source: Path) -> None:
    run("index", source)
    assert run("rebuild").stdout == "8 marks in the index, up to change 8\n"
    assert _json(run("rebuild", "--json"))["encoded"] == 0
    again = _json(run("rebuild", "--encode", "--json"))
    assert (again["marks"], again["skipped"]) == (8, [])


def test_another_network_is_refused_until_rebuilt(
    run: Run, source: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    run("index", source)
    environment["MARKLENS_CHECKPOINT"] = str(tmp_path / "nowhere")
    failed = run("search", source / "1.png")
    assert failed.exit_code == 1
    assert "nowhere" in _complaint(failed)
    assert "cannot be loaded" in _json(run("status", "--json"))["network"]["state"]


def test_a_setting_that_cannot_be_used_is_named(run: Run, environment: dict[str, str]) -> None:
    environment["MARKLENS_PORT"] = "http"
    failed = run("status")
    assert failed.exit_code != 0
    assert "MARKLENS_PORT" in _complaint(failed)


def test_the_data_folder_can_be_given_before_the_command(
    run: Run, source: Path, tmp_path: Path
) -> None:
    run("--data-dir", tmp_path / "other", "index", source)
    assert _json(run("--data-dir", tmp_path / "other", "status", "--json"))["marks"] == 8
    assert _json(run("status", "--json"))["marks"] == 0


def test_no_command_shows_the_help_and_a_misspelt_one_is_guessed(run: Run) -> None:
    assert "Commands:" in run().stdout
    failed = run("serch")
    assert failed.exit_code == 2
    assert "Did you mean" in _complaint(failed)
    assert run("--version").stdout.startswith("marklens ")


def test_hostile_words_do_not_reach_the_terminal(run: Run, source: Path) -> None:
    table = source / "marks.csv"
    table.write_text(table.read_text().replace("word 5", "\x1b[2J[red]boo[/nope]"))
    run("index", source)
    shown = run("search", source / "5.png", "-k", "1").stdout
    assert "[red]boo[/nope]" in shown
    assert "\x1b" not in shown


def test_pace_counts_from_the_first_report() -> None:
    times = iter([100.0, 110.0, 120.0])
    pace = Pace(clock=lambda: next(times))
    pace.note(done=10, total=110, marks=8)
    assert str(pace) == ""
    pace.note(done=30, total=110, marks=24)
    assert str(pace) == "1.6 marks/s, 0:40 left"
    pace.note(done=110, total=110, marks=100)
    assert str(pace) == "4.6 marks/s, 0:00 left"


# From here on with real processes: signals, ports, exit codes as a shell sees them.


@contextmanager
def _process(environment: dict[str, str], *words: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "search_api.cli", *(str(word) for word in words)],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if is_so():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it never came to be")


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_ctrl_c_keeps_whole_batches_says_how_to_go_on_and_resume_does(
    environment: dict[str, str], tmp_path: Path, draw_mark: Draw, run: Run
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(16):
        draw_mark(n).save(folder / f"{n}.png")
    rows = "".join(f"m{n},{n % 16}.png\n" for n in range(2_000))
    (folder / "marks.csv").write_text("id,image\n" + rows)
    store = tmp_path / "data" / "images"
    with _process(environment, "index", folder, "--json") as process:
        _wait_until(store.is_dir, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    read = json.loads(out)["read"]
    assert 0 < read < 2_000
    assert err == f"marklens: stopped; go on with: marklens index {folder} --resume\n"
    state = _json(run("status", "--json"))
    assert (state["marks"], state["runs"][0]["state"]) == (read, "interrupted")
    resumed = run("index", folder, "--resume")
    assert resumed.stdout.startswith(f"2,000 rows read, resumed after {read + 1:,}: indexed 2,000,")
    assert _json(run("status", "--json"))["marks"] == 2_000


def test_serve_says_where_when_it_answers_and_ends_cleanly(
    environment: dict[str, str], run: Run, source: Path, port: int
) -> None:
    run("index", source)
    with _process(environment, "serve", "--port", port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "MarkLens is serving 8 marks at\n"
        assert process.stdout.readline() == f"  http://127.0.0.1:{port}/\n"
        assert _answers(port)
        taken = run("serve", "--port", port)
        assert taken.exit_code == 2
        assert f"cannot listen on 127.0.0.1:{port}" in _complaint(taken)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (0, False)


@pytest.mark.slow
def test_the_demo_indexes_once_serves_and_leaves_other_registers_alone(
    environment: dict[str, str], tmp_path: Path, port: int
) -> None:
    other = tmp_path / "other.db"
    environment["MARKLENS_DATABASE_URL"] = f"sqlite:///{other}"
    for start in range(2):
        with _process(environment, "demo", "--port", port) as process:
            _wait_until(lambda: _answers(port), process)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        assert f"http://127.0.0.1:{port}/" in out
        assert re.search(r"serving 1,\d\d\d marks", out)
        if start:
            assert err == ""
    assert (tmp_path / "data" / "demo" / "register.db").is_file()
    assert not other.exists()
