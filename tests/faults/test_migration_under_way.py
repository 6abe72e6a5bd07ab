"""A newer version changes the schema while a server of the version before searches and writes."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from PIL import Image

from indexer.errors import DatabaseUnavailable
from indexer.marks import MarkRecord
from indexer.register import Register, schema_steps
from indexer.register.database import create_engine, parse_url
from search_api.marklens import MarkLens
from search_api.settings import Settings

FIRST_THAT_ONLY_ADDS = "0006"
# What a step of the next version may do: see docs/decisions/0027.
NEXT = '''
"""A step that only adds."""
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9000", "{head}", None, None

def upgrade():
    op.add_column("marks", sa.Column("country", sa.Text))
    op.add_column("runs", sa.Column("tries", sa.Integer, nullable=False, server_default="1"))
    op.create_table("countries", sa.Column("name", sa.Text, primary_key=True))
    op.execute("UPDATE meta SET value = '{head}' WHERE key = 'oldest_user'")
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("marks_by_country", "marks", ["country"])
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for transactions, and nobody waits for it
        op.drop_index("marks_by_country", if_exists=True, postgresql_concurrently=True)
        op.create_index("marks_by_country", "marks", ["country"], postgresql_concurrently=True)
'''


@pytest.fixture
def engine(register_url: str) -> Iterator[sa.Engine]:
    made = create_engine(parse_url(register_url))
    yield made
    made.dispose()


@pytest.fixture
def steps() -> list[str]:
    return sorted(schema_steps._known())


@pytest.fixture
def next_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: list[str]
) -> Callable[[sa.Engine], None]:
    """A function that does what the next version does when it opens a register."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema_steps._MIGRATIONS, folder)
    (folder / "versions" / "9000_next.py").write_text(NEXT.format(head=steps[-1]))

    def open_by_next(engine: sa.Engine) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(schema_steps, "_MIGRATIONS", folder)
            schema_steps.prepare(engine)

    return open_by_next


def ask(
    address: str, over: threading.Event, send: Callable[[httpx.Client, int], httpx.Response]
) -> int:
    """Send one request after the other, of which none may fail; how many."""
    n = 0
    with httpx.Client(base_url=address, timeout=60) as client:
        while not over.is_set():
            answer = send(client, n)
            assert answer.is_success, answer.text
            n += 1
    return n


def senders(
    picture: dict[str, bytes], searched: list[int]
) -> list[Callable[[httpx.Client, int], httpx.Response]]:
    """What searches, and notes each answer, and what writes marks."""

    def search(client: httpx.Client, _: int) -> httpx.Response:
        answer = client.post("/api/v1/search", files=picture)
        searched.append(answer.status_code)
        return answer

    def write(client: httpx.Client, n: int) -> httpx.Response:
        return client.post("/api/v1/marks", data={"id": f"W-{n}"}, files=picture)

    return [search, write]


def hold_a_lock(engine: sa.Engine, held: threading.Event, done: list[int]) -> bool:
    """A long report: its transaction holds a lock that a change of the table must wait for.

    It ends when searches go on while the change waits; whether they do.
    """
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT count(*) FROM marks"))
        held.set()
        time.sleep(1.5)  # the change waits by now
        before, deadline = len(done), time.monotonic() + 25
        while len(done) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(done) >= before + 3


def test_a_step_that_only_adds_fails_no_request_of_the_version_before_and_loses_nothing(
    register_url: str,
    engine: sa.Engine,
    next_version: Callable[[sa.Engine], None],
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
) -> None:
    settings = tiny_settings(tmp_path / "data", database_url=register_url, poll_s=0.1)
    over, begun = threading.Event(), threading.Event()
    searched: list[int] = []
    picture = {"image": as_png(draw_mark(1, 64))}

    with (
        MarkLens.open(settings) as old,
        serving(old) as address,
        ThreadPoolExecutor(4) as pool,
    ):
        old.add(MarkRecord("first"), picture["image"])
        old.start_following()

        asking = [pool.submit(ask, address, over, send) for send in senders(picture, searched)]
        holding = pool.submit(hold_a_lock, engine, begun, searched)
        try:
            begun.wait(20)
            next_version(engine)
            assert holding.result(), "searches waited behind the migration"
        finally:
            over.set()
        searches, writes = (one.result() for one in asking)
        assert min(searches, writes) > 0
        held = old.register.marks([f"W-{n}" for n in range(writes)])
        assert len(held) == writes
        assert httpx.get(f"{address}/readyz").status_code == 200
    assert "country" in {one["name"] for one in sa.inspect(engine).get_columns("marks")}
    assert "marks_by_country" in {one["name"] for one in sa.inspect(engine).get_indexes("marks")}


def test_the_version_before_opens_a_register_that_the_next_lets_it_use(
    register_url: str,
    engine: sa.Engine,
    next_version: Callable[[sa.Engine], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    Register.open(register_url).close()
    next_version(engine)
    register = Register.open(register_url)
    assert "later schema 9000, which this version can use" in caplog.text
    assert register.count() == 0
    register.close()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE meta SET value = '9000' WHERE key = 'oldest_user'"))
    with pytest.raises(DatabaseUnavailable, match="schema 9000, which this version"):
        Register.open(register_url)


def test_steps_since_the_rule_only_add(engine: sa.Engine, steps: list[str]) -> None:
    """What code of the step before reads and writes goes on working."""
    first = steps.index(FIRST_THAT_ONLY_ADDS)
    schema_steps.migrate(engine, steps[first - 1])
    before = described(engine)
    for step in steps[first:]:
        schema_steps.migrate(engine, step)
        after = described(engine)
        for table, columns in before.items():
            assert columns.items() <= after[table].items(), f"step {step} changes {table}"
            for name in after[table].keys() - columns.keys():
                kind, is_required, default = after[table][name]
                assert default or not is_required, f"step {step}: {table}.{name} {kind}"
        before = after


def described(engine: sa.Engine) -> dict[str, dict[str, tuple[str, bool, bool]]]:
    """Table → column → type, whether a value is required, whether there is a default."""
    seen: Any = sa.inspect(engine)
    return {
        table: {
            one["name"]: (str(one["type"]), not one["nullable"], one["default"] is not None)
            for one in seen.get_columns(table)
        }
        for table in seen.get_table_names()
        if not table.startswith("mark_words")
    }
