"""LanceDB for `benchmarks.search`: an embedded columnar store with vector and scalar indexes.

Codes are a list column with a ``LABEL_LIST`` index, its documented way for membership, which is a
bitmap a label underneath; conditions are pre-filters. The vector index is ``IVF_FLAT`` over
float16, its kind that loses nothing; how many lists are probed is tuned.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_data import Case, Dataset, K
from benchmarks.search_peers import Setting

_CHUNK = 1 << 14  # a multiple of 8


class LanceDb:
    """One table in one folder."""

    def __init__(self) -> None:
        import lancedb
        import pyarrow

        self._connect, self._arrow = lancedb.connect, pyarrow
        self._probes = 1

    def build(self, dataset: Dataset, folder: Path) -> None:
        from lancedb.index import IvfFlat, LabelList

        table = self._connect(str(folder)).create_table(
            "marks", self._batches(dataset), schema=self._schema(dataset)
        )
        lists = max(1, round(np.sqrt(len(dataset))))  # its default, said for the settings' sake
        table.create_index("vector", config=IvfFlat(distance_type="dot", num_partitions=lists))
        table.create_index("codes", config=LabelList())

    def _schema(self, dataset: Dataset) -> Any:
        arrow = self._arrow
        return arrow.schema(
            [
                ("row", arrow.int32()),
                ("vector", arrow.list_(arrow.float16(), dataset.dimension)),
                ("codes", arrow.list_(arrow.int32())),
            ]
        )

    def _batches(self, dataset: Dataset) -> Iterator[Any]:
        arrow = self._arrow
        for start in range(0, len(dataset), _CHUNK):
            part = np.ascontiguousarray(dataset.vectors[start : start + _CHUNK])
            vectors = arrow.FixedSizeListArray.from_arrays(
                arrow.array(part.reshape(-1)), dataset.dimension
            )
            rows = arrow.array(np.arange(start, start + len(part), dtype=np.int32))
            codes = arrow.array(
                dataset.codes_of_rows(start, start + len(part)), arrow.list_(arrow.int32())
            )
            yield arrow.record_batch([rows, vectors, codes], schema=self._schema(dataset))

    def open(self, dataset: Dataset, folder: Path) -> None:
        self._lists = max(1, round(np.sqrt(len(dataset))))
        self._table = self._connect(str(folder)).open_table("marks")
        self._probes = 1
        self.search(np.zeros(dataset.dimension, np.float32) + 1, None)  # opening is lazy

    def settings(self, case: Case) -> Sequence[Setting]:
        probes = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768]
        few = [{"nprobes": probe} for probe in probes if probe < self._lists]
        return [*few, {"nprobes": self._lists}]

    def prepare(self, setting: Setting, code: int | None) -> None:
        self._probes = setting["nprobes"]

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        asked = self._table.search(query.astype(np.float16), vector_column_name="vector")
        asked = asked.distance_type("dot").nprobes(self._probes).limit(K)
        if code is not None:
            asked = asked.where(f"array_has_any(codes, [{code}])", prefilter=True)
        found: NDArray[np.int64] = asked.select(["row", "_distance"]).to_arrow()["row"].to_numpy()
        return found.astype(np.int64)

    def memory_elsewhere_mb(self) -> float:
        return 0.0

    def close(self) -> None:
        pass
