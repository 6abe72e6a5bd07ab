"""Rows in chunks that can be looked at together."""

from collections.abc import Callable, Collection, Iterable, Iterator

from indexer.sources.source_rows import Row, SourceRow, Withdrawal


def id_of(row: Row) -> str | None:
    """The mark that a row is about; None for a rejected one."""
    if isinstance(row, SourceRow):
        return row.record.id
    return row.id if isinstance(row, Withdrawal) else None


def in_chunks(
    rows: Iterable[Row], size: int, under_way: Callable[[], Collection[str | None]]
) -> Iterator[tuple[list[Row], bool]]:
    """Rows in order, in chunks that hold each mark at most once.

    Args:
        rows: to divide.
        size: rows a chunk, at most.
        under_way: the marks of earlier chunks that are not committed yet.

    Returns:
        Each chunk, and whether all rows before it must be committed first: it amends one of them,
        and only then can the register say what it changes.
    """
    chunk: list[Row] = []
    ids: set[str | None] = set()
    must_wait = False
    for row in rows:
        mark_id = id_of(row)
        is_amended = mark_id is not None and mark_id in ids
        if is_amended or len(chunk) == size:
            yield chunk, must_wait
            chunk, ids, must_wait = [], set(), False
        if mark_id is not None and mark_id in under_way():
            if chunk:
                yield chunk, must_wait
                chunk, ids = [], set()
            must_wait = True
        chunk.append(row)
        ids.add(mark_id)
    if chunk:
        yield chunk, must_wait
