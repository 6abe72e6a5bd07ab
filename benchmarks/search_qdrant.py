"""Qdrant Edge for `benchmarks.search`: Qdrant's engine in the process, one shard in one folder.

Codes are an integer payload with an index made before the graph is, so that the optimiser adds the
links that make the graph filterable. Vectors are float16 in one segment, since a search runs on one
core. hnsw_ef is tuned, without and with ACORN, its documented help for strict filters.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from benchmarks.search_data import Case, Dataset, K
from benchmarks.search_peers import CANDIDATES, EFFORTS, LINKS, Setting

_CHUNK = 2_000  # a multiple of 8
_UNLIMITED_KB = 1 << 30


class Qdrant:
    """One shard."""

    def build(self, dataset: Dataset, folder: Path) -> None:
        graph = edge.HnswIndexConfig(
            m=LINKS,
            ef_construct=CANDIDATES,
            full_scan_threshold=10_000,  # KB, its default: below, few matches are scanned
        )
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=dataset.dimension,
                distance=edge.Distance.Dot,
                datatype=edge.VectorStorageDatatype.Float16,
            ),
            hnsw_config=graph,
            optimizers=edge.EdgeOptimizersConfig(
                default_segment_number=1,
                max_segment_size=_UNLIMITED_KB,
                indexing_threshold=1_000,
            ),
        )
        shard = edge.EdgeShard.create(str(folder), config)
        lookup = edge.IntegerIndexParams(lookup=True, range=False)
        shard.update(edge.UpdateOperation.create_field_index("codes", lookup))
        for start in range(0, len(dataset), _CHUNK):
            part = dataset.vectors[start : start + _CHUNK].astype(np.float32)
            codes = dataset.codes_of_rows(start, start + len(part))
            points = [
                edge.Point(start + at, vector.tolist(), {"codes": codes[at]})
                for at, vector in enumerate(part)
            ]
            shard.update(edge.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        shard.close()

    def open(self, dataset: Dataset, folder: Path) -> None:
        self._shard = edge.EdgeShard.load(str(folder))

    def settings(self, case: Case) -> Sequence[Setting]:
        plain = [{"hnsw_ef": effort} for effort in EFFORTS]
        if case.kind == "all":
            return plain
        return [one | {"acorn": acorn} for one in plain for acorn in (0, 1)]

    def prepare(self, setting: Setting, code: int | None) -> None:
        acorn = edge.AcornSearchParams(enable=True, max_selectivity=1.0)
        self._params = edge.SearchParams(
            hnsw_ef=setting["hnsw_ef"], acorn=acorn if setting.get("acorn") else None
        )
        self._filter = None
        if code is not None:
            condition = edge.FieldCondition(key="codes", match=edge.MatchValue(code))
            self._filter = edge.Filter(must=[condition])

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        asked = edge.SearchRequest(
            query=edge.Query.Nearest(query.tolist()),
            limit=K,
            filter=self._filter,
            params=self._params,
            with_payload=False,
            with_vector=False,
        )
        return np.array([point.id for point in self._shard.search(asked)], np.int64)

    def memory_elsewhere_mb(self) -> float:
        return 0.0

    def close(self) -> None:
        if hasattr(self, "_shard"):
            self._shard.close()
