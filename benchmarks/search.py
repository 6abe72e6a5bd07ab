"""Search of a register of a million marks: against the memory's speed, and against its peers.

::

    python -m benchmarks.search --work DIR --out DIR [--marks 200000 1000000] [--queries 100]

builds registers of synthetic marks (`search_synthesis`, `search_register`) and prints, for each
size, with and without filters of 50 % to 0.01 %, correlated with the query and not: latency and
recall@50 of exact and IVF search, memory, snapshot, loading, following, and the same of FAISS,
hnswlib, usearch, LanceDB, Qdrant Edge and PostgreSQL with pgvector, each tuned to a recall of 0.95
and 0.99 where it gets there (`search_peers`). The targets are computed at the end
(`search_targets`); all goes to ``search.json`` and ``search.md`` in ``--out`` as it is known.

What is built stays in ``--work`` (about 12 GB at a million with all peers) and is used again while
data, and for MarkLens' own indexes its code, are the same. Real embeddings, whose statistics are
followed, are those of the shipped network on 800 pictures of the demo register and on their parts;
they are made on the first run, or read from ``--sample FILE`` (wholes, parts, owners in an .npz).

Everything is measured on ``--threads`` cores (default 1), to which each process is bound: MarkLens
scans in one thread, and a server has other requests for the others. Building takes all cores.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search_data import FACTS, TRUTH, BlockShape, Dataset, write_truth
from benchmarks.search_peers import PEERS, SHARED
from benchmarks.search_process import ROOT, run_child, write_json
from benchmarks.search_product import INDEXES, register_url
from benchmarks.search_register import write_register
from benchmarks.search_report import report
from benchmarks.search_synthesis import Real, sample_digest, synthesise
from models.network.checkpoint import Checkpoint

Found = dict[str, Any]
SAMPLE_SIZE = 800  # pictures whose embeddings are followed


def main() -> None:
    """Build, measure, write, print."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    real = real_embeddings(options.work, options.sample, SAMPLE_SIZE)
    found: Found = {"machine": _machine(), "threads": options.threads, "sizes": []}

    def save() -> None:
        write_json(options.out / "search.json", found)
        (options.out / "search.md").write_text(report(found), encoding="utf-8")

    for marks in options.marks:
        size: Found = {"marks": marks}
        found["sizes"].append(size)
        Measurement(options, marks, real, size, save).run()
    save()
    print(report(found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="keeps what is built")
    parser.add_argument("--out", type=Path, required=True, help="gets search.json and search.md")
    parser.add_argument("--marks", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100, help="of each kind")
    parser.add_argument(
        "--peers", nargs="*", choices=sorted(PEERS), default=list(PEERS), metavar="PEER",
        help=f"which of {', '.join(PEERS)}; none after --peers for MarkLens alone",
    )  # fmt: skip
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has them")
    parser.add_argument("--threads", type=int, default=1, help="cores while searching")
    parser.add_argument("--sample", type=Path, help="real embeddings, .npz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--follow", type=int, default=20_000, help="marks for the follow rate")
    parser.add_argument(
        "--build-limit", type=float, default=3600, help="seconds a peer may build at each size"
    )
    parser.add_argument(
        "--case-limit", type=float, default=60, help="seconds a peer may be tuned for each filter"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def real_embeddings(work: Path, sample: Path | None, count: int) -> Real:
    """Real embeddings: of `count` pictures of the demo register, encoded once, or of a file."""
    checkpoint = Checkpoint.open()
    blocks = tuple(
        BlockShape(one.name, one.start, one.stop, one.weight) for one in checkpoint.blocks
    )
    file = sample or work / f"sample-{checkpoint.fingerprint[:16]}.npz"
    if not file.exists():
        _say(f"encoding {count} pictures of the demo register")
        embeddings = _encoded(count)
        owners = np.repeat(np.arange(len(embeddings)), [len(one) - 1 for one in embeddings])
        wholes, parts = ([one[at] for one in embeddings] for at in (slice(1), slice(1, None)))
        np.savez(file, wholes=np.concatenate(wholes), parts=np.concatenate(parts), owners=owners)
    with np.load(file) as held:
        wholes, parts = (held[name].astype(np.float32) for name in ("wholes", "parts"))
        owners = held["owners"].astype(np.int64)
    if wholes.shape[1] != blocks[-1].stop:
        sys.exit(f"{file} holds {wholes.shape[1]} numbers a vector, the network {blocks[-1].stop}")
    return Real(wholes, blocks, parts, owners)


def _encoded(count: int) -> list[np.ndarray]:
    from indexer.ingest.encoding import encode_marks
    from indexer.marks import MarkRecord
    from models.encoder import Encoder
    from search_api.demo import demo_register

    encoder = Encoder.load(None, "cpu")
    pictures = sorted((demo_register() / "images").glob("*.png"))
    chosen = [pictures[at] for at in np.linspace(0, len(pictures) - 1, count).astype(int)]
    made = []
    for start in range(0, len(chosen), 16):
        part = [(MarkRecord(path.stem), path.read_bytes()) for path in chosen[start : start + 16]]
        made += [mark.embedding for mark in encode_marks(encoder, part)]
    return [one.vectors for one in made if one is not None]


def _machine() -> Found:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "python": platform.python_version(),
    }


class Measurement:
    """Everything about one size."""

    def __init__(
        self,
        options: argparse.Namespace,
        marks: int,
        real: Real,
        size: Found,
        save: Callable[[], None],
    ) -> None:
        self._options = options
        self._marks = marks
        self._real = real
        self._size = size
        self._save = save
        # Data of other embeddings lie beside these: peers take an hour to build.
        sample = sample_digest(real)[:8]
        name = f"marks-{marks}-queries-{options.queries}-seed-{options.seed}-{sample}"
        self._data = options.work / name

    def run(self) -> None:
        """Build what is missing and measure, saving after each step."""
        self._prepare()
        dataset = Dataset(self._data)
        self._size["statistics"] = dataset.facts.statistics
        self._size["bytes"] = dataset.bytes
        self._size["floors"] = []
        self._size["product"], self._size["peers"] = {}, {}
        self._floor(dataset.bytes)
        for index in INDEXES:
            self._product(index)
            self._floor(dataset.bytes)
        for index in INDEXES:
            self._follow(index)
        for peer in self._options.peers:
            self._peer(peer)

    def _prepare(self) -> None:
        """Data and register, unless they are there."""
        if not (self._data / FACTS).exists():
            shutil.rmtree(self._data, ignore_errors=True)  # what a killed run left
            self._say("drawing vectors, queries and filters")
            options = self._options
            synthesise(self._data, self._real, self._marks, options.queries, options.seed)
        if not (self._data / TRUTH).exists():
            self._say("searching exactly, for the answers to compare with")
            write_truth(Dataset(self._data))
        register = self._data / "register.db"
        if not register.exists():
            self._say("writing the register")
            unfinished = self._data / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            write_register(Dataset(self._data), register_url(unfinished))
            (unfinished / register.name).replace(register)

    def _floor(self, size: int) -> None:
        arguments = {"bytes": size, "threads": self._options.threads}
        read = run_child("benchmarks.search_floor", arguments)
        self._size["floors"].append(read)
        self._say(f"reading {size / 1e6:.0f} MB takes {read.get('best', float('nan')):.2f} ms")

    def _product(self, index: str) -> None:
        """Build, unless the same code has built, then load and search."""
        mine: Found = {}
        self._size["product"][index] = mine
        threads = self._options.threads
        arguments = {"data": self._data, "index": index, "threads": threads}
        built = self._data / f"built-{index}.json"
        code = _product_code()
        known = json.loads(built.read_text()) if built.exists() else {}
        if known.get("code") != code:
            self._say(f"MarkLens, {index}: building")
            shutil.rmtree(self._data / f"index-{index}", ignore_errors=True)
            known = run_child("benchmarks.search_product", {"step": "build", **arguments})
            if "failed" not in known:
                write_json(built, known | {"code": code})
        mine["build"] = known
        self._say(f"MarkLens, {index}: starting and searching")
        mine["start"] = run_child("benchmarks.search_product", {"step": "start", **arguments})
        mine["search"] = run_child(
            "benchmarks.search_product", {"step": "search", **arguments}, threads=threads
        )
        self._note(mine["search"])

    def _follow(self, index: str) -> None:
        self._say(f"MarkLens, {index}: following")
        arguments = {"data": self._data, "index": index, "marks": self._options.follow}
        followed = run_child("benchmarks.search_follow", arguments)
        self._size["product"][index]["follow"] = followed
        self._note(followed)

    def _peer(self, name: str) -> None:
        """Build one peer, unless its index is kept, then tune and measure it."""
        mine: Found = {}
        self._size["peers"][name] = mine
        folder = self._data / "peers" / SHARED.get(name, name)
        options = self._options
        built = folder.with_suffix(".json")
        arguments = {"data": self._data, "index": folder, "threads": options.threads}
        if not built.exists():
            self._say(f"{name}: building")
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
            made = run_child(
                "benchmarks.search_peers",
                {"step": "build", "peer": SHARED.get(name, name), **arguments},
                python=options.peers_python,
                limit_s=options.build_limit,
            )
            if "failed" in made:
                mine["build"] = made
                self._note(made)
                return
            write_json(built, made)
        mine["build"] = json.loads(built.read_text())
        self._say(f"{name}: tuning and searching")
        mine["search"] = run_child(
            "benchmarks.search_peers",
            {"step": "search", "peer": name, "limit": options.case_limit, **arguments},
            python=options.peers_python,
            # Cases end themselves; this is for one that hangs.
            limit_s=20 * options.case_limit + 600,
            threads=options.threads,
        )
        self._note(mine["search"])

    def _note(self, step: Found) -> None:
        """Remember how busy the machine was, tell of a failure, save."""
        step["load_average"] = [round(one, 2) for one in os.getloadavg()]
        if "failed" in step:
            self._say(f"failed: {step['failed']}")
        self._save()

    def _say(self, text: str) -> None:
        _say(f"{self._marks} marks: {text}")


def _product_code(rooms: Sequence[str] = ("indexer",)) -> str:
    """SHA-256 of the code that makes an index and its snapshot."""
    digest = hashlib.sha256()
    for file in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
