"""One collection on a Milvus server: the only place that speaks to it.

What the server has acknowledged is in its log and survives its end. The position, up to which
change the collection holds the register, is an entity of the collection itself, written after what
it tells of: it cannot outlive that, nor run ahead of it.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import IndexUnavailable
from indexer.index.milvus.address import MilvusAddress
from indexer.index.milvus.entities import (
    LAYOUT,
    PARTS,
    POSITION_KEY,
    WHOLES,
    partition_of,
    position_entity,
)
from indexer.query import DAY_COLUMNS, WORD_COLUMNS
from models.errors import MissingPackage

if TYPE_CHECKING:
    from pymilvus import MilvusClient

logger = logging.getLogger(__name__)

MOST_FOUND = 16_384  # that one search of a Milvus server gives
_CONNECT_S = 10.0
_ANSWER_S = 30.0
_BUILD_S = 600.0  # making or dropping a collection
_WRITTEN = 1_000  # entities a request: 2 MB of vectors, the server takes 64 MB
_AT_ONCE = 2  # requests
_LONGEST = 65_535  # bytes of a word, and the most that Milvus takes
_MOST_CODES = 4_096  # numbers of an array, likewise
_IS_GONE, _IS_NOT_LOADED = 100, 101  # Milvus' codes of a collection


@dataclass(frozen=True, slots=True)
class Held:
    """What a collection holds.

    Attributes:
        register: identity of the register.
        fingerprint: of the network that made its vectors.
        layout: of its entities.
        index: kind of its index.
    """

    register: str
    fingerprint: str
    index: str
    layout: int = LAYOUT

    def text(self) -> str:
        """As a collection's description keeps it."""
        return json.dumps({"marklens": [self.register, self.fingerprint, self.index, self.layout]})

    @classmethod
    def of(cls, text: str) -> "Held | None":
        """Read a description; None where MarkLens did not write it."""
        try:
            return cls(*json.loads(text)["marklens"])
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Nearest:
    """Vectors of a collection that are nearest to one vector, the highest inner product first.

    Attributes:
        keys: (m,) int64, see `indexer.index.milvus.entities`.
        sequences: (m,) int64, under which each was written.
        scores: (m,) float32.
    """

    keys: NDArray[np.int64]
    sequences: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def of_hits(cls, hits: Sequence[Any]) -> "Nearest":
        """Read what the client gives."""
        return cls(
            np.array([hit.id for hit in hits], np.int64),
            np.array([hit["entity"]["sequence"] for hit in hits], np.int64),
            np.array([hit["distance"] for hit in hits], np.float32),
        )

    @classmethod
    def of_slices(cls, slices: Sequence["Nearest"], k: int) -> "Nearest":
        """The k nearest of what was found in each slice of a collection."""
        if len(slices) == 1:
            return slices[0]
        scores = np.concatenate([one.scores for one in slices])
        order = np.argsort(-scores, kind="stable")[:k]
        return cls(
            np.concatenate([one.keys for one in slices])[order],
            np.concatenate([one.sequences for one in slices])[order],
            scores[order],
        )


class Collection:
    """See the module; safe to share by threads."""

    def __init__(self, address: MilvusAddress, name: str, held: Held, dimension: int) -> None:
        """Prepare; nothing is asked of the server.

        Args:
            address: of the server.
            name: of the collection.
            held: what it is to hold.
            dimension: numbers of a vector.

        Raises:
            MissingPackage: pymilvus is not installed.
        """
        MissingPackage.check("pymilvus", "milvus", "An index on a Milvus server")
        self.address = address
        self.name = name
        self._held = held
        self._dimension = dimension
        self._opened: MilvusClient | None = None

    def held(self) -> Held | None:
        """What the collection on the server holds; None where there is none.

        Raises:
            IndexUnavailable: the server cannot be reached, or MarkLens did not make the collection.
        """
        with self._plain_errors():
            client = self._client()
            if not client.has_collection(self.name, timeout=_ANSWER_S):
                return None
            text = client.describe_collection(self.name, timeout=_ANSWER_S)["description"]
        held = Held.of(text)
        if held is None:
            raise IndexUnavailable(
                f"{self} was not made by MarkLens: name another collection in MARKLENS_INDEX"
            )
        return held

    def make(self) -> None:
        """Make the collection anew, empty, in place of one that is there."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, description=self._held.text())
        schema.add_field("key", DataType.INT64, is_primary=True)
        schema.add_field("mark", DataType.INT64)
        schema.add_field("sequence", DataType.INT64)
        for name, kind in (
            ("assigned", DataType.INT32),
            ("predicted", DataType.INT32),
            ("nice", DataType.INT8),
        ):
            schema.add_field(name, DataType.ARRAY, element_type=kind, max_capacity=_MOST_CODES)
        schema.add_field("seen", DataType.JSON)
        for name in WORD_COLUMNS:
            schema.add_field(name, DataType.VARCHAR, max_length=_LONGEST)
        for name in DAY_COLUMNS:
            schema.add_field(name, DataType.INT32)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dimension)
        index = MilvusClient.prepare_index_params()
        index.add_index(
            "vector",
            index_type=self.address.index,
            metric_type="IP",
            params=self.address.building,
        )
        self.drop()
        with self._plain_errors():
            self._client().create_collection(
                self.name,
                schema=schema,
                index_params=index,
                consistency_level=self.address.consistency,
                timeout=_BUILD_S,
            )
            for partition in (WHOLES, PARTS):
                self._client().create_partition(self.name, partition, timeout=_BUILD_S)
        self.write([], [], 0)

    def drop(self) -> None:
        """Remove the collection, if it is there."""
        with self._plain_errors():
            self._client().drop_collection(self.name, timeout=_BUILD_S)

    def position(self, *, surely: bool = True) -> int:
        """Up to which change the collection holds the register.

        Args:
            surely: wait until the server shows all that was written before this call; what is
                searched afterwards shows at least as much. Else it may lag by seconds.

        Raises:
            IndexUnavailable: the server does not answer, or the collection is gone, or empty.
        """
        try:
            found = self._query(f"key == {POSITION_KEY}", ["sequence"], surely=surely)
        except IndexUnavailable as error:
            if not error.is_unloaded:
                raise
            self._load()
            found = self._query(f"key == {POSITION_KEY}", ["sequence"], surely=surely)
        if not found:
            raise IndexUnavailable(f"{self} has lost its contents", is_gone=True)
        return int(found[0]["sequence"])

    def sequences_of(self, keys: Sequence[int]) -> dict[int, int]:
        """Under which sequence each of some keys was written; of those that are there."""
        if not keys:
            return {}
        found = self._query(f"key in {list(keys)}", ["key", "sequence"], surely=True)
        return {int(one["key"]): int(one["sequence"]) for one in found}

    def count(self, expression: str) -> int:
        """Count the whole signs that pass an expression; an empty one lets all pass."""
        found = self._query(expression, ["count(*)"], surely=False, partitions=[WHOLES])
        return int(found[0]["count(*)"])

    def write(self, entities: list[dict[str, Any]], deleted: list[int], position: int) -> None:
        """Write and delete entities, and then the position that is reached with them.

        Whatever is interrupted can be done again: entities replace those with their keys.

        Raises:
            IndexUnavailable: the server does not answer, or refuses.
        """
        with self._plain_errors():
            client = self._client()
            # While the server writes some, others are prepared, which takes as long.
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for partition in (WHOLES, PARTS):
                    some = [one for one in entities if partition_of(one["key"]) == partition]
                    parts = [some[at : at + _WRITTEN] for at in range(0, len(some), _WRITTEN)]
                    list(pool.map(partial(self._upsert, partition=partition), parts))
            if deleted:
                client.delete(self.name, ids=deleted, timeout=_ANSWER_S)
            self._upsert([position_entity(position, self._dimension)])

    def search(
        self,
        vectors: NDArray[np.float32],
        expression: str,
        k: int,
        params: dict[str, Any],
        partition: str,
    ) -> list[Nearest]:
        """The k nearest, for each of some vectors (v, d), of those that pass an expression.

        Args:
            vectors: of a query.
            expression: that entities are to pass.
            k: how many.
            params: of the search, see `MilvusAddress.searching`.
            partition: that is searched.

        Raises:
            IndexUnavailable: the server does not answer, or refuses.
        """
        with self._plain_errors():
            found = self._client().search(
                self.name,
                data=list(vectors),
                filter=expression,
                limit=k,
                output_fields=["sequence"],
                search_params={"metric_type": "IP", "params": params},
                consistency_level=self.address.consistency,  # else the collection's own
                partition_names=[partition],
                timeout=_ANSWER_S,
            )
            return [Nearest.of_hits(hits) for hits in found]

    def settle(self) -> None:
        """Wait until the server has written what it holds to its storage, and has indexed it.

        It does so by itself in time; searches before scan what is not indexed yet.
        """
        with self._plain_errors():
            client = self._client()
            client.flush(self.name, timeout=_BUILD_S)
            deadline = monotonic() + _BUILD_S
            while monotonic() < deadline:
                told = client.describe_index(self.name, "vector", timeout=_ANSWER_S)
                if int(told["pending_index_rows"]) == 0:
                    break
                sleep(0.2)
            client.refresh_load(self.name, timeout=_BUILD_S)

    def close(self) -> None:
        """End the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __str__(self) -> str:
        """Name it for people: no account."""
        return f"the collection {self.name} on {self.address.uri}"

    def _upsert(self, entities: list[dict[str, Any]], partition: str = "") -> None:
        self._client().upsert(self.name, entities, partition_name=partition, timeout=_ANSWER_S)

    def _load(self) -> None:
        with self._plain_errors():
            self._client().load_collection(self.name, timeout=_BUILD_S)

    def _query(
        self,
        expression: str,
        fields: list[str],
        *,
        surely: bool,
        partitions: list[str] | None = None,
    ) -> list[dict[str, Any]]:
        level = "Strong" if surely else self.address.consistency
        with self._plain_errors():
            found: list[dict[str, Any]] = self._client().query(
                self.name,
                filter=expression,
                output_fields=fields,
                consistency_level=level,
                partition_names=partitions,
                timeout=_ANSWER_S,
            )
            return found

    def _client(self) -> "MilvusClient":
        from pymilvus import MilvusClient

        if self._opened is None:
            logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # each error is raised, too
            self._opened = MilvusClient(
                uri=self.address.uri, token=self.address.token, timeout=_CONNECT_S
            )
        return self._opened

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn the client's errors into one sentence.

        Raises:
            IndexUnavailable: what went wrong.
        """
        from pymilvus import MilvusException

        try:
            yield
        except MilvusException as error:
            lines = str(error.message).strip().splitlines() or [f"error {error.code}"]
            reason = lines[0].rstrip(".")
            if error.code == _IS_GONE:
                raise IndexUnavailable(f"{self} is not there: {reason}", is_gone=True) from error
            if error.code == _IS_NOT_LOADED:
                raise IndexUnavailable(
                    f"{self} is not loaded: {reason}", is_unloaded=True
                ) from error
            if self._opened is None:
                raise IndexUnavailable(
                    f"The Milvus server {self.address.uri} cannot be reached: {reason}; check that "
                    "it runs and that MARKLENS_INDEX names it."
                ) from error
            raise IndexUnavailable(f"{self} failed: {reason}") from error
