"""Opening registers, several processes at one, and what is said when it cannot be done."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from indexer.errors import DatabaseUnavailable
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.register.database import create_engine, parse_url
from indexer.register.schema import metadata
from indexer.register.schema_steps import _alembic, migrate
from models.encoder import Embedding

ROOT = Path(__file__).parents[2]


@pytest.fixture
def engine(register_url: str) -> Iterator[sa.Engine]:
    made = create_engine(parse_url(register_url))
    yield made
    made.dispose()


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """A function that runs Python text with arguments in a process of its own."""
    with contextlib.ExitStack() as stack:

        def run(text: str, *arguments: str) -> "subprocess.Popen[str]":
            child = subprocess.Popen(  # noqa: S603 - our own text
                [sys.executable, "-c", text, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            stack.enter_context(child)
            stack.callback(child.kill)
            return child

        yield run


# Opening.


def test_a_register_is_the_same_one_when_opened_again(register_url: str) -> None:
    first = Register.open(register_url)
    first.add([EncodedMark(MarkRecord("a"), "d")])
    identity = first.identity()
    first.close()
    again = Register.open(register_url, create=False)
    assert (again.identity(), again.count(), again.sequence()) == (identity, 1, 1)
    again.close()


def test_two_registers_never_have_the_same_name(tmp_path: Path) -> None:
    names = set()
    for name in ("one", "two"):
        register = Register.open(f"sqlite:///{tmp_path / name / 'register.db'}")
        names.add(register.identity())
        register.close()
    assert len(names) == 2


@pytest.mark.postgres
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_every_spelling_of_a_postgresql_url_is_taken(postgres_url: str, scheme: str) -> None:
    register = Register.open(postgres_url.replace("postgresql", scheme, 1))
    assert register.count() == 0
    register.close()


def test_a_register_that_must_exist_is_not_made(register_url: str, tmp_path: Path) -> None:
    with pytest.raises(
        DatabaseUnavailable, match=r"no register.*: check (--data-dir|MARKLENS_DATABASE_URL)"
    ):
        Register.open(register_url, create=False)
    assert not list(tmp_path.iterdir())


OPEN = """
import sys
from indexer.register import Register
print(Register.open(sys.argv[1]).identity())
"""


def test_processes_that_open_a_new_register_at_once_share_it(
    register_url: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    children = [start(OPEN, register_url) for _ in range(3)]
    answers = [child.communicate(timeout=300)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert len(set(answers)) == 1


def test_threads_that_open_a_new_register_at_once_share_it(register_url: str) -> None:
    gate = threading.Barrier(4)

    def opened(_turn: int) -> str:
        gate.wait()
        register = Register.open(register_url)
        try:
            return register.identity()
        finally:
            register.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(opened, range(4)))) == 1


def test_connections_to_a_new_file_wait_for_each_other(tmp_path: Path) -> None:
    """SQLite refuses the switch to its write-ahead log at once where another connection writes."""
    file = tmp_path / "register.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("CREATE TABLE held (number INTEGER)")
    holder.execute("BEGIN IMMEDIATE")
    engine = create_engine(parse_url(f"sqlite:///{file}"))
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(lambda: engine.connect().close())
        time.sleep(0.2)
        assert not opening.done()
        holder.execute("COMMIT")
        opening.result()
    holder.close()
    engine.dispose()


def test_opening_a_register_does_not_wait_for_its_writer(register_url: str) -> None:
    Register.open(register_url).close()
    engine = create_engine(parse_url(register_url))
    with engine.execution_options(transaction="IMMEDIATE").begin() as writer:
        writer.execute(sa.text("UPDATE counter SET value = value"))
        begun = time.monotonic()
        register = Register.open(register_url)
        assert register.count() == 0
        register.close()
        assert time.monotonic() - begun < 10  # a writer is waited for up to 30 s
    engine.dispose()


# The schema.


def differences(connection: sa.Connection, **options: bool) -> list[object]:
    """What a register has otherwise than the schema says, but for its index of words."""

    def is_in_schema(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (name or "").startswith(("mark_words", "marks_by_words"))

    context = MigrationContext.configure(
        connection, opts={"include_object": is_in_schema, **options}
    )
    return list(compare_metadata(context, metadata))


def test_the_steps_lead_to_the_very_tables_the_code_uses(engine: sa.Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        assert differences(connection, compare_server_default=True) == []


def test_the_steps_lead_back_and_forth(engine: sa.Engine, register_url: str) -> None:
    migrate(engine)
    migrate(engine)
    migrate(engine, "base", "down")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    register = Register.open(register_url)
    assert register.add([EncodedMark(MarkRecord("a"), "d")]) == 1
    register.close()


def test_every_step_up_and_down_keeps_the_marks(engine: sa.Engine, register_url: str) -> None:
    steps = [step.revision for step in ScriptDirectory.from_config(_alembic()).walk_revisions()]
    register = Register.open(register_url)
    vectors = np.arange(8, dtype=np.float16).reshape(2, 4)
    embedding = Embedding.without_boxes(vectors)
    written = EncodedMark(MarkRecord("a", text="Löwe", nice=(9,)), "d", embedding=embedding)
    register.add([written])
    assert len(steps) >= 2
    for below in [*steps[1:], *reversed(steps[:-1])]:  # to the first release's, and back
        migrate(engine, below, "down" if below < _held(engine) else "up")
        assert _held(engine) == below
        with engine.begin() as connection:
            assert connection.scalar(sa.text("SELECT text FROM marks")) == "Löwe"
            assert connection.scalar(sa.text("SELECT nice_class FROM mark_classes")) == 9
            assert connection.scalar(sa.text("SELECT count(*) FROM mark_embeddings")) == 1
    (change,) = register.changes(0, 10)
    assert change.embedding is not None
    # Earlier releases knew the whole sign alone.
    assert change.embedding.tolist() == vectors[:1].tolist()
    assert register.mark("a").record == written.record
    register.close()


def test_a_register_of_the_first_release_is_brought_up_when_opened(
    engine: sa.Engine, register_url: str
) -> None:
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO marks (id, sequence, deleted, digest, image_digest, updated) "
                "VALUES ('a', 1, false, 'd', 'f', '2026-01-31 00:00:00+00:00')"
            )
        )
    register = Register.open(register_url)
    assert register.mark("a").image_digest == "f"
    register.close()
    with engine.begin() as connection:
        assert differences(connection) == []


def _held(engine: sa.Engine) -> str:
    with engine.begin() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def test_a_schema_of_a_later_version_is_refused_untouched(
    engine: sa.Engine, register_url: str
) -> None:
    Register.open(register_url).close()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(sa.text("UPDATE meta SET value = '9999' WHERE key = 'oldest_user'"))
    with pytest.raises(DatabaseUnavailable, match="schema 9999, which this version"):
        Register.open(register_url)
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"


# Several writers.

WRITE = """
import sys
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
register = Register.open(sys.argv[1])
name, turns, size = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for turn in range(turns):
    register.add([EncodedMark(MarkRecord(f"{name}-{turn}-{i}"), "d") for i in range(size)])
    print(turn, flush=True)
"""


def test_a_follower_misses_nothing_of_writers_in_threads_and_processes(
    register: Register, register_url: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    def write(name: str) -> None:
        for turn in range(30):
            register.add([EncodedMark(MarkRecord(f"{name}-{turn}-{i}"), "d") for i in range(3)])

    children = [start(WRITE, register_url, name, "30", "3") for name in ("p1", "p2")]
    seen: list[int] = []
    end = time.monotonic() + 300
    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, name) for name in ("t1", "t2")]
        while len(seen) < 360 and time.monotonic() < end:
            committed = register.sequence()
            changes = register.changes(seen[-1] if seen else 0, 100)
            seen += [change.sequence for change in changes]
            assert seen == list(range(1, len(seen) + 1))  # no number comes after a later one
            assert len(changes) == 100 or len(seen) >= committed
        for one in writing:
            one.result()
    assert [child.wait(300) for child in children] == [0, 0]
    assert (len(seen), register.sequence(), register.count()) == (360, 360, 360)


def test_a_writer_killed_at_any_moment_leaves_whole_writes_only(
    register: Register, register_url: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    child = start(WRITE, register_url, "p", "100000", "7")
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(10)][-1]
    child.kill()
    told = max([told, *(int(line) for line in child.stdout)])
    child.wait()
    held = register.count()
    assert held % 7 == 0
    assert held >= 7 * (told + 1)  # what was reported written, is
    assert [c.sequence for c in register.changes(0, held + 1)] == list(range(1, held + 1))
    assert register.add([EncodedMark(MarkRecord("after"), "d")]) == held + 1


# Databases that fail.


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "cannot be read"),
        ("register.db", "cannot be read"),
        ("mysql://u:secret@host/db", "'mysql' is not a database MarkLens uses"),
        ("postgresql+psycopg2://u:secret@host/db", "take sqlite or postgresql"),
        ("postgresql://u:secret@host:port/db", "cannot be read"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////dev/null/deep/register.db", "cannot be created"),
        ("sqlite:////tmp", "check the path"),
        ("postgresql://u:secret@127.0.0.1:1/db", "check that the server runs"),
        ("postgresql://u:secret@/db?host=/nowhere", "check that the server runs"),
    ],
)
def test_a_database_that_cannot_be_opened_is_said_in_one_sentence_without_its_password(
    url: str, says: str
) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        Register.open(url)
    text = str(caught.value)
    assert says in text
    assert "secret" not in text
    assert "\n" not in text
    assert text.endswith(".")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100, encoding="utf-8")
    with pytest.raises(DatabaseUnavailable, match=r"notes\.txt failed: file is not a database"):
        Register.open(f"sqlite:///{file}")
    assert file.read_text(encoding="utf-8") == "not a database " * 100


def test_a_damaged_register_is_said_plainly(tmp_path: Path) -> None:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.add([EncodedMark(MarkRecord(f"m{i}"), "d") for i in range(500)])
    register.close()
    file = tmp_path / "register.db"
    file.write_bytes(file.read_bytes()[:8192] + b"\xff" * (file.stat().st_size - 8192))
    with pytest.raises(DatabaseUnavailable, match=r"malformed|corrupt"):
        Register.open(f"sqlite:///{file}").changes(0, 1000)


def test_a_writer_that_waits_too_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.register.database._WAIT_S", 0.1)
    url = f"sqlite:///{tmp_path / 'register.db'}"
    register = Register.open(url)
    engine = create_engine(parse_url(url))
    with (
        engine.execution_options(transaction="IMMEDIATE").begin(),
        pytest.raises(DatabaseUnavailable, match="is locked; another process"),
    ):
        register.add([EncodedMark(MarkRecord("a"), "d")])
    engine.dispose()
    assert register.add([EncodedMark(MarkRecord("a"), "d")]) == 1
    register.close()


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DatabaseUnavailable, match="pip install"):
        Register.open("postgresql://u:secret@host/db")


@pytest.mark.postgres
def test_a_register_outlives_the_loss_of_its_connections(postgres_url: str) -> None:
    register = Register.open(postgres_url)
    register.add([EncodedMark(MarkRecord("a"), "d")])
    engine = create_engine(parse_url(postgres_url))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()
    assert register.count() == 1
    assert register.add([EncodedMark(MarkRecord("b"), "d")]) == 2
    register.close()


def test_the_url_shown_hides_the_password(postgres_url: str) -> None:
    register = Register.open(postgres_url.replace("postgres@", "postgres:secret@", 1))
    assert "secret" not in json.dumps(register.url)
    assert "postgres:***@" in register.url
    register.close()
