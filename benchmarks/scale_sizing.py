"""What a register takes on Milvus at 10, 60 and 300 million marks: computed, each by its formula.

::

    python -m benchmarks.scale_sizing

prints the tables of docs/scale.md. Nothing here is measured but the two averages of a mark, which
the demo register gives: vectors, and bytes of what filters ask. The rest is arithmetic.
"""

from collections.abc import Callable

from models.network.checkpoint import Checkpoint

MARKS = (10_000_000, 60_000_000, 300_000_000)
VECTORS = 2.1  # a mark, with its parts: decision 0020 (1.84 among the demo's since 0025)
FIELDS = 450  # bytes an entity: 40 of numbers, 60 of codes' arrays, 320 of JSON, 30 of words
LINKS = 64  # M of HNSW: twice as many links of 4 bytes in its lowest layer, one more above
SHARE_IN_MEMORY = 0.125 + 0.1  # of DISKANN: PQCodeBudgetGBRatio and SearchCacheBudgetGBRatio
SECTOR = 4096  # bytes that DISKANN reads at once: a vector with its links, MaxDegree 56
PROBED = 160 / 1024  # of the lists of IVF_SQ8
NODE_GB = 512 * 0.8  # memory of a query node that may be filled
BANDWIDTH_GB = 100  # a second, that a query node's memory gives
# A mark with its picture in PostgreSQL, half of it places: docs/scale-postgresql.md.
SQL_BYTES = 11_200
PICTURE_BYTES = 20_000


def main() -> None:
    """Print the tables."""
    dimension = Checkpoint.open().blocks[-1].stop
    raw = 4 * dimension
    in_memory: dict[str, Callable[[float], float]] = {
        "FLAT": lambda n: n * (raw + FIELDS),
        "IVF_SQ8": lambda n: n * (dimension + 8 + FIELDS),
        "HNSW": lambda n: n * (raw + 3 * LINKS * 4 + FIELDS),
        "DISKANN": lambda n: n * (raw * SHARE_IN_MEMORY + FIELDS),
    }
    on_disk: dict[str, Callable[[float], float]] = {
        "FLAT": lambda n: n * (raw + FIELDS),
        "IVF_SQ8": lambda n: n * (raw + dimension + FIELDS),
        "HNSW": lambda n: n * (2 * raw + 3 * LINKS * 4 + FIELDS),
        "DISKANN": lambda n: n * (raw + SECTOR + FIELDS),
    }
    # Vectors that one vector of a query is compared with, as bytes that are read.
    read: dict[str, Callable[[float], float]] = {
        "FLAT": lambda n: n * raw,
        "IVF_SQ8": lambda n: n * dimension * PROBED,
    }
    print("| marks | vectors | index | memory, GB | disk, GB | nodes | reads, GB | at least, ms |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|")
    for marks in MARKS:
        vectors = VECTORS * marks
        for kind in in_memory:
            memory, disk = (one[kind](vectors) / 1e9 for one in (in_memory, on_disk))
            nodes = -(-memory // NODE_GB)
            moved = read[kind](vectors) / 1e9 if kind in read else None
            told = ("", "")
            if moved is not None:
                told = (f"{moved:,.0f}", f"{1e3 * moved / nodes / BANDWIDTH_GB:,.0f}")
            print(
                f"| {marks / 1e6:,.0f} M | {vectors / 1e6:,.0f} M | {kind} | {memory:,.0f} | "
                f"{disk:,.0f} | {nodes:.0f} | {told[0]} | {told[1]} |"
            )
    print("\n| marks | PostgreSQL, GB | pictures of 20 kB, GB |\n|---:|---:|---:|")
    for marks in MARKS:
        print(
            f"| {marks / 1e6:,.0f} M | {marks * SQL_BYTES / 1e9:,.0f} | {marks * 2e4 / 1e9:,.0f} |"
        )


if __name__ == "__main__":
    main()
