"""The lock on a run: held while its process lives, and telling when that died."""

import subprocess
import sys
from pathlib import Path

import pytest

from indexer.errors import RunUnderWay
from indexer.ingest.run import RunLock, was_killed

HOLD = """
import pathlib, sys, time
from indexer.ingest.run import RunLock
lock = RunLock(pathlib.Path(sys.argv[1]), "register", 7)
print("held", flush=True)
time.sleep(60)
"""


def test_a_run_that_was_killed_is_told_from_one_that_goes_on_or_ended(tmp_path: Path) -> None:
    assert not was_killed(tmp_path, "register", 7)
    with subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert not was_killed(tmp_path, "register", 7)
        with pytest.raises(RunUnderWay, match="run 7"):
            RunLock(tmp_path, "register", 7)
        process.kill()
    assert was_killed(tmp_path, "register", 7)
    assert not was_killed(tmp_path, "register", 8)
    lock = RunLock(tmp_path, "register", 7)
    assert not was_killed(tmp_path, "register", 7)
    lock.release()
    assert not was_killed(tmp_path, "register", 7)
