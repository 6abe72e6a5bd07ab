"""The Python client where a program, or an installation, is not as it should be."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from marklens.client import Client, ClientError, Query

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (("search", Query(picture="/home/logo.png")), "bytes or a Path, not '/home/logo"),  # type: ignore[arg-type]
        (("batch", [None]), "bytes or a Path, not None"),
        (("mark", ""), "one of the marks is meant"),
        (("delete", ""), "one of the marks is meant"),
        (("delete_watch", ""), "one of the watches is meant"),
    ],
)
def test_what_would_ask_for_something_else_is_refused(call: tuple[str, Any], sentence: str) -> None:
    method, argument = call
    with Client("http://127.0.0.1:9") as server, pytest.raises(ClientError, match=sentence):
        getattr(server, method)(argument)


def test_a_closed_client_says_that_it_is() -> None:
    with Client("http://127.0.0.1:9") as server:
        pass
    with pytest.raises(ClientError, match="is closed"):
        server.watches()


def test_the_packages_that_the_documentation_names_are_enough(tmp_path: Path) -> None:
    lines = (ROOT / "docs" / "client.md").read_text("utf-8").splitlines()
    (line,) = (one for one in lines if one.startswith("pip install --no-deps . "))
    for name in line.removeprefix("pip install --no-deps . ").split():
        file = Path(find_spec(name).origin)  # type: ignore[arg-type, union-attr]  # is installed
        file = file.parent if file.stem == "__init__" else file
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "marklens").symlink_to(ROOT / "marklens")
    script = """
import asyncio
from marklens.client import AsyncClient, Unreachable
try:
    asyncio.run(AsyncClient("http://127.0.0.1:9", attempts=1).watches())
except Unreachable:
    print("tried")
"""
    command = [sys.executable, "-S", "-c", script]
    done = subprocess.run(  # noqa: S603
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "tried\n", done.stderr
