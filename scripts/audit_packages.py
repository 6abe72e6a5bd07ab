"""What MarkLens is installed with: may it be passed on, and is a weakness of it known?

``python scripts/audit_packages.py`` lists the licences of the packages that serving, indexing and
the optional extras bring, as each states its own. (PyTorch's extras aside: NVIDIA's libraries come
from PyPI under terms of their own, and are in no image but the GPU's.) It exits with 1 where one is
not in `ALLOWED`, or where a weakness of a version in constraints.txt is known. Weaknesses are asked
of osv.dev; where that is not reached it says so, and fails for nothing that it could not ask.
"""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SHIPPED = ("cpu", "parquet", "words", "mcp", "traces", "client", "milvus", "ray")
# As metadata spells them. All may be passed on and used commercially; MPL and LGPL ask for the
# source of their own files alone (certifi, tqdm, orjson and psycopg, passed on unchanged).
ALLOWED = (
    "3-Clause BSD License",
    "Apache 2.0",  # Ray
    "Apache Software License",
    "Apache-2.0",
    "Apache-2.0 AND BSD-2-Clause",
    "Apache-2.0 OR BSD-2-Clause",
    "Apache-2.0 OR BSD-3-Clause",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",  # NumPy with its parts
    "BSD-3-Clause, Apache-2.0, dependency licenses",  # PDFium with its parts
    "ISC License (ISCL)",
    "LGPL-3.0-only",
    "MIT",
    "MIT License",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0 AND (Apache-2.0 OR MIT)",
    "MPL-2.0 AND MIT",
    "Mozilla Public License 2.0 (MPL 2.0)",
    "PSF-2.0",
)
READ = {"resvg-py"}  # says nothing in its metadata; its licence file was read: MIT


def main() -> None:
    """List, ask, and judge."""
    is_sound = [check_licences(shipped()), check_weaknesses()]
    sys.exit(not all(is_sound))


def shipped() -> set[str]:
    """The packages of an installation without PyTorch, by the metadata of what is installed."""
    found: set[str] = set()
    waiting = [("marklens", extra) for extra in SHIPPED]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        found.add(name)
        try:
            needed = [Requirement(one) for one in requires(name) or ()]
        except PackageNotFoundError:  # of another platform, or an extra that is not installed
            found.discard(name)
            continue
        for one in needed:
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                for further in one.extras or {""}:
                    step = (canonicalize_name(one.name), further)
                    if step not in seen:
                        seen.add(step)
                        waiting.append(step)
    return found


def check_licences(packages: set[str]) -> bool:
    """Print the licences of packages; whether each allows that the package is passed on."""
    if find_spec("piplicenses") is None:
        print("licences: NOT READ, pip-licenses is not installed: make .venv/.installed-dev")
        return False
    command = [
        sys.executable, "-m", "piplicenses", "--python", sys.executable, "--from=mixed",
        "--packages", *sorted(packages - READ),
        f"--allow-only={';'.join(ALLOWED)}",
    ]  # fmt: skip
    done = subprocess.run(command, check=False)  # noqa: S603 - our own interpreter
    print(
        f"licences of {len(packages)} packages:",
        "allowed" if not done.returncode else "NOT ALLOWED",
    )
    return not done.returncode


def check_weaknesses() -> bool:
    """Print the known weaknesses of what constraints.txt names; whether there are none."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "audit.json"
        command = [
            sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", "--disable-pip",
            "--requirement", str(ROOT / "constraints.txt"), "--format=json", f"--output={out}",
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        if not out.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            print(f"weaknesses: NOT ASKED, the service did not answer: {last}")
            return True
        weak = [one for one in json.loads(out.read_text())["dependencies"] if one.get("vulns")]
    for one in weak:
        for known in one["vulns"]:
            print(
                f"{one['name']} {one['version']}: {known['id']}, mended in {known['fix_versions']}"
            )
    print(f"weaknesses: {len(weak)} packages have known ones")
    return not weak


if __name__ == "__main__":
    main()
