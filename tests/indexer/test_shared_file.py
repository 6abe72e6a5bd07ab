"""One SQLite file that is opened more than once, in one process and in others."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from indexer.marks import EncodedMark
from indexer.register import Register
from indexer.register.database import create_engine, parse_url

ROOT = Path(__file__).parents[2]
COUNT = (
    "import sys; from indexer.register import Register; print(Register.open(sys.argv[1]).count())"
)


def test_a_second_opening_gives_up_no_locks_of_the_first(
    tmp_path: Path, mark: Callable[..., EncodedMark]
) -> None:
    """Else another process takes itself for the last one, and deletes the log that is written."""

    def counted_elsewhere() -> str:
        command = [sys.executable, "-c", COUNT, url]
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, cwd=ROOT, check=True, capture_output=True, text=True
        )
        return done.stdout

    url = f"sqlite:///{tmp_path / 'register.db'}"
    register = Register.open(url)
    register.add([mark("first")])
    create_engine(parse_url(url)).dispose()
    assert counted_elsewhere() == "1\n"
    register.add([mark("second")])
    assert (tmp_path / "register.db-wal").exists()
    assert counted_elsewhere() == "2\n"
    register.close()
