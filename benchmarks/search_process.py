"""What the child processes of `benchmarks.search` share: cores, memory, and handing over figures.

Each engine is measured in a process of its own, so that its memory is its own and its crash ends
nothing else. NumPy and the standard library only.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


def use_cores(count: int) -> None:
    """Bind this process, and what it starts, to `count` cores.

    Engines have pools of threads of their own and settings of their own for them; this holds for
    all of them alike. Called before an engine is imported.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def memory_mb(process: int | str = "self") -> dict[str, float]:
    """Resident memory of a process, now and at most so far: MB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    held = dict(line.split(":", 1) for line in lines if ":" in line)
    return {
        name: round(int(held[key].split()[0]) * 1024 / 1e6, 1)
        for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))
    }


def disk_mb(folder: Path) -> float:
    """Bytes of all files below a folder, MB."""
    sizes = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return round(sum(sizes) / 1e6, 1)


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95, milliseconds."""
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def write_json(path: Path, found: object) -> None:
    """Write in one step: the parent may read what a process that it ended had found."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
        json.dump(found, file, indent=1)
    Path(file.name).replace(path)


def run_child(
    module: str,
    arguments: Mapping[str, object],
    python: str = sys.executable,
    limit_s: float | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Run ``python -m module --name value ... --out FILE`` and return what it wrote.

    Args:
        module: to run.
        arguments: by name, without dashes.
        python: interpreter.
        limit_s: seconds after which it is ended; None for no limit.
        threads: for libraries that read OMP_NUM_THREADS; None lets them take all cores.

    Returns:
        The JSON object it wrote, with ``wall_s``, and ``failed`` if it did not end well.
    """
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "found.json"
        words = [str(word) for name, value in arguments.items() for word in (f"--{name}", value)]
        command = [python, "-m", module, *words, "--out", str(out)]
        environment = _environment(threads)
        started = time.perf_counter()
        failed = _failure(command, environment, limit_s)
        found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
        found["wall_s"] = round(time.perf_counter() - started, 2)
        if failed:
            found["failed"] = failed
        return found


def _failure(
    command: Sequence[str], environment: Mapping[str, str], limit_s: float | None
) -> str | None:
    """Run a command to its end; say in one line how it failed, if it did."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            _, errors = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            child.terminate()  # a database's child ends its server first
            try:
                child.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
            return f"ended at the limit of {limit_s:.0f} s"
    if child.returncode == 0:
        return None
    lines = [line for line in errors.splitlines() if line.strip()]
    return (lines[-1] if lines else f"exit status {child.returncode}")[:300]


def _environment(threads: int | None) -> dict[str, str]:
    inherited = dict(os.environ)  # noqa: TID251 - handed on whole, nothing in it is a setting
    inherited["PYTHONPATH"] = str(ROOT)
    inherited.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        inherited["OMP_NUM_THREADS"] = str(threads)
    return inherited
