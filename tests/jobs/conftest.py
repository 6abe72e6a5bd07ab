"""The command line, run in this process with a data folder of the test's own."""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image
from typer.testing import CliRunner

from indexer.register import Register
from indexer.register.database import create_engine, parse_url
from search_api.cli import app
from search_api.marklens import MarkLens
from search_api.settings import Settings

Draw = Callable[..., Image.Image]
Result = Any  # of Click or of Typer's copy of it
Run = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path, tiny_checkpoint: Path) -> dict[str, str]:
    """A data folder of the test's own and the tiny network."""
    return {
        "MARKLENS_DATA_DIR": str(tmp_path / "data"),
        "MARKLENS_CHECKPOINT": str(tiny_checkpoint),
        "MARKLENS_RUNTIME": "torch",
        "MARKLENS_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """A function (word, …) → the result of `marklens` with these words."""

    def invoke(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, words, env=environment, prog_name="marklens")

    return invoke


@pytest.fixture
def empty_register(environment: dict[str, str]) -> None:
    """A register without marks, where `run` looks for one."""
    MarkLens.open(Settings(data_dir=Path(environment["MARKLENS_DATA_DIR"]))).close()


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


@pytest.fixture(scope="session")
def parsed() -> Callable[[Result], Any]:
    """A function: the result of a command that succeeded with --json → what it said."""

    def parse(result: Result) -> Any:
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return parse


@pytest.fixture(scope="session")
def complaint() -> Callable[[Result], str]:
    """A function: the result of a command that failed → its one sentence."""

    def sentence(result: Result) -> str:
        assert "Traceback" not in result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("marklens: ")
        return line.removeprefix("marklens: ")

    return sentence


class Held:
    """An indexed register with a snapshot and a watch, which a test damages."""

    def __init__(self, run: Run, data: Path, url: str, source: Path) -> None:
        self.run, self.data, self.url, self.source = run, data, url, source

    def sql(self, *statements: str, **values: Any) -> None:
        """Change the database behind the register's back."""
        engine = create_engine(parse_url(self.url))
        with engine.execution_options(transaction="IMMEDIATE").begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)
        engine.dispose()

    @contextmanager
    def register(self) -> Iterator[Register]:
        register = Register.open(self.url)
        yield register
        register.close()

    def picture(self, mark_id: str) -> Path:
        with self.register() as register:
            digest = register.mark(mark_id).image_digest or ""
        return self.data / "images" / digest[:2] / digest

    def verify(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and what was found by its kind."""
        result = self.run("verify", "--json", *options)
        assert result.stderr == ""
        found = json.loads(result.stdout)
        assert found["sound"] == (result.exit_code == 0)
        return result.exit_code, {one["kind"]: one for one in found["found"]}


Copy = Callable[[Path], str]  # a folder, to which the data go → the register's URL


@pytest.fixture(scope="module")
def sqlite_copy(tiny_checkpoint: Path, source_with_words: Path, tmp_path_factory: Any) -> Copy:
    """A function that copies a register in SQLite, its pictures and its snapshot."""
    made = tmp_path_factory.mktemp("made")
    fill(
        tiny_checkpoint,
        made / "data",
        f"sqlite:///{made / 'data' / 'register.db'}",
        source_with_words,
    )

    def copy(folder: Path) -> str:
        shutil.copytree(made / "data", folder)
        return f"sqlite:///{folder / 'register.db'}"

    return copy


@pytest.fixture(scope="module")
def postgresql_copy(
    tiny_checkpoint: Path, source_with_words: Path, tmp_path_factory: Any, postgres_server: Any
) -> Iterator[Copy]:
    """The same of a register in PostgreSQL."""
    data, template = tmp_path_factory.mktemp("made") / "data", f"made_{uuid.uuid4().hex[:12]}"
    postgres_server.run(f"CREATE DATABASE {template}")
    fill(tiny_checkpoint, data, postgres_server.url(template), source_with_words)
    names: list[str] = [template]

    def copy(folder: Path) -> str:
        shutil.copytree(data, folder)
        names.append(f"copy_{uuid.uuid4().hex[:12]}")
        postgres_server.run(f"CREATE DATABASE {names[-1]} TEMPLATE {template}")
        return str(postgres_server.url(names[-1]))

    yield copy
    for name in names:
        postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


def fill(checkpoint: Path, data: Path, url: str, source: Path) -> None:
    """Index eight marks with pictures and one without, and watch one."""
    environment = {
        "MARKLENS_DATA_DIR": str(data),
        "MARKLENS_DATABASE_URL": url,
        "MARKLENS_CHECKPOINT": str(checkpoint),
        "MARKLENS_RUNTIME": "torch",
        "MARKLENS_DEVICE": "cpu",
    }
    for words in (["index", str(source)], ["watch", "add", "ours", "--mark", "EM-1"], ["rebuild"]):
        result = CliRunner().invoke(app, words, env=environment)
        assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def source_with_words(tmp_path_factory: Any, draw_mark: Callable[..., Image.Image]) -> Path:
    """A table of eight marks with pictures, and one that is a word alone."""
    folder: Path = tmp_path_factory.mktemp("source")
    lines = ["id,image,text,owner,nice,vienna"]
    for n in range(8):
        draw_mark(n).save(folder / f"{n}.png")
        lines.append(f"EM-{n},{n}.png,word {n},Löwe {n},{9 + n},{'03.01.08' if n < 3 else '26.04'}")
    lines.append("EM-W,,words alone,,9,")
    (folder / "marks.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def held(
    request: pytest.FixtureRequest,
    run: Run,
    environment: dict[str, str],
    source_with_words: Path,
) -> Held:
    copy: Copy = request.getfixturevalue(f"{request.param}_copy")
    data = Path(environment["MARKLENS_DATA_DIR"])
    environment["MARKLENS_DATABASE_URL"] = url = copy(data)
    return Held(run, data, url, source_with_words)
