"""The command line as real processes: signals, ports, exit codes as a shell sees them."""

import gzip
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
Draw = Callable[..., Image.Image]
Run = Callable[..., Any]
Parsed = Callable[[Any], Any]
Complaint = Callable[[Any], str]


@contextmanager
def _process(environment: dict[str, str], *words: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "search_api", *(str(word) for word in words)],
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
    for _ in range(6000):  # five minutes
        if is_so():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def _has_run(register: Path) -> bool:
    """Whether a run has begun: what it imports is there by then, and may not be interrupted."""
    if not register.exists():
        return False
    with closing(sqlite3.connect(f"file:{register}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone()
        return bool(tables and connection.execute("SELECT 1 FROM runs").fetchone())


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _ready(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as response:
        state: dict[str, Any] = json.load(response)
    return state


def test_ctrl_c_keeps_whole_batches_says_how_to_go_on_and_resume_does(
    environment: dict[str, str], tmp_path: Path, draw_mark: Draw, run: Run, parsed: Parsed
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
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    read = json.loads(out)["read"]
    assert 0 < read < 2_000
    assert err == f"marklens: stopped; go on with: marklens index {folder} --resume\n"
    state = parsed(run("status", "--json"))
    assert (state["marks"], state["runs"][0]["state"]) == (read, "interrupted")
    resumed = run("index", folder, "--resume")
    assert resumed.stdout.startswith(f"2,000 rows read, resumed after {read + 1:,}: indexed 2,000,")
    assert parsed(run("status", "--json"))["marks"] == 2_000


def test_serve_says_where_when_it_answers_and_ends_cleanly(
    environment: dict[str, str], run: Run, source: Path, port: int, complaint: Complaint
) -> None:
    run("index", source)
    with _process(environment, "serve", "--port", port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "MarkLens is serving 8 marks at\n"
        assert process.stdout.readline() == f"  http://127.0.0.1:{port}/\n"
        assert _answers(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            spent = [client.get("/healthz").elapsed.total_seconds() for _ in range(20)]
        # Without TCP_NODELAY each answer on an open connection waits 40 ms.
        assert min(spent[1:]) < 0.03
        taken = run("serve", "--port", port)
        assert taken.exit_code == 2
        assert f"cannot listen on 127.0.0.1:{port}" in complaint(taken)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, "Traceback" in err) == (0, False)


def _ran(environment: dict[str, str], shell: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command line in which "$@" is `marklens`."""
    return subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", shell, "sh", sys.executable, "-m", "search_api"],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        check=False,
    )


def test_a_terminal_that_cannot_show_a_sign_gets_another_for_it(
    environment: dict[str, str], run: Run
) -> None:
    run("keys", "create", "Łódź")
    shown = _ran({**environment, "PYTHONIOENCODING": "ascii"}, '"$@" keys list')
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"\n??d? " in shown.stdout


def test_output_may_be_closed(environment: dict[str, str], run: Run, empty_register: None) -> None:
    assert _ran(environment, '"$@" keys create first >&-').returncode == 0
    assert _ran(environment, '"$@" keys create second >&- 2>&-').returncode == 0
    assert _ran(environment, '"$@" keys revoke third 2>&-').returncode == 2
    assert run("verify", "--quick").exit_code == 0
    assert [key["name"] for key in json.loads(run("keys", "list", "--json").stdout)["keys"]] == [
        "first",
        "second",
    ]


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback() -> None:
    program = (
        "import sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from search_api.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "marklens: stopped\n")


@pytest.mark.slow
def test_the_demo_serves_while_it_indexes_once_and_leaves_other_registers_alone(
    environment: dict[str, str], tmp_path: Path, port: int
) -> None:
    other = tmp_path / "other.db"
    environment["MARKLENS_DATABASE_URL"] = f"sqlite:///{other}"
    with _process(environment, "demo", "--port", port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "MarkLens is serving 0 marks at\n"
        assert process.stdout.readline() == f"  http://127.0.0.1:{port}/\n"
        _wait_until(lambda: _ready(port)["marks"] > 0, process)
        state = _ready(port)
        assert 0 < state["indexing"]["done"] < state["indexing"]["total"]
        process.send_signal(signal.SIGINT)  # in the middle: the next start goes on
        _, err = process.communicate(timeout=300)
        assert (process.returncode, "stopped; `marklens demo` goes on" in err) == (130, True), err
    for start in range(2):
        with _process(environment, "demo", "--port", port) as process:
            _wait_until(lambda: _answers(port) and _ready(port)["indexing"] is None, process)
            assert _ready(port)["marks"] == 1_900
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=300)
        assert f"MarkLens is serving 1,900 marks at\n  http://127.0.0.1:{port}/" in out
        if start:
            assert err == ""
    assert (tmp_path / "data" / "demo" / "register.db").is_file()
    assert not other.exists()


def test_sigterm_ends_indexing_in_the_middle_of_endless_records(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """5 GB of records that are too large to be marks: half a minute of reading, and exit code 0."""
    record = gzip.compress(b"<TradeMark><a>" + b"x" * (40 * 2**20) + b"</a></TradeMark>\n", 1)
    path = tmp_path / "marks.xml.gz"
    with path.open("wb") as file:
        file.write(gzip.compress(b'<Transaction xmlns="http://euipo.europa.eu/trademark/data">\n'))
        for _ in range(120):
            file.write(record)
    with _process(environment, "index", path, "--json") as process:
        _wait_until(lambda: _has_run(tmp_path / "data" / "register.db"), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
