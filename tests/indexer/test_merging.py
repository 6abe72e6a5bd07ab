"""Merging beside writers: whatever is written meanwhile, a view shows what a fresh one would."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.drafts import SegmentDraft
from indexer.index.merging import LiveView, Merge, Merger, grown
from indexer.index.segments import LiveSegment, ReadView, Segment
from indexer.index.vectors import CpuBuilder, Kept, VectorIndex
from indexer.marks import Change
from indexer.search.ranking import AllowedRows, Ranked, rank
from indexer.search.scoring import Query
from models.encoder import Block

BLOCKS = (Block("visual", 0, 4, 1.0), Block("colour", 4, 6, 0.5))
DIMENSION = 6
LISTS = CpuBuilder(most_exact=8)  # so that a few rows are enough to be merged in the background


def embedding(seed: int) -> np.ndarray:
    """Vectors of a whole sign and of up to three parts."""
    vectors = np.random.default_rng(seed).standard_normal((1 + seed % 4, DIMENSION))
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors.astype(np.float16)


def draft_of(changes: Sequence[Change]) -> SegmentDraft:
    draft = SegmentDraft(DIMENSION)
    draft.add(changes)
    return draft


def added(first: int, n: int, seed: int = 0) -> list[Change]:
    """New marks numbered like their changes."""
    return [
        Change(f"m{at}", at, False, embedding(seed + at), number=at)
        for at in range(first, first + n)
    ]


def shown(parts: Sequence[LiveSegment]) -> dict[str, list[list[float]]]:
    marks: dict[str, list[list[float]]] = {}
    for part in parts:
        for row in part.alive.rows():
            mark_id = f"m{part.segment.numbers[row]}"
            assert mark_id not in marks, "a mark is shown twice"
            segment, rows = part.segment, np.array([row])
            of_parts = segment.part_vectors.of_rows(rows)
            vectors = (
                segment.vectors.vectors(rows),
                segment.part_vectors.vectors.vectors(of_parts),
            )
            marks[mark_id] = [one.tolist() for each in vectors for one in each]
    return marks


def ranking(view: ReadView, seed: int) -> list[Ranked]:
    """All marks in order: fewer than are wanted, so that inverted lists leave none out."""
    allowed = [AllowedRows(part.segment, part.alive, part.count) for part in view.parts]
    return rank(allowed, Query(BLOCKS, embedding(seed), None), 64).best


def until(claim: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not claim():
        time.sleep(0.005)
    return claim()


# One step of a history: marks to write (seed; -1 without picture, -2 withdrawn), or a merge that
# begins or ends there.
ids = st.integers(0, 60)
writes = st.lists(st.tuples(ids, st.integers(-2, 9)), min_size=1, max_size=25)
steps = st.one_of(writes, st.sampled_from(["begin", "end", "anew"]))


def changes_of(written: list[tuple[int, int]], sequence: int) -> list[Change]:
    return [
        Change(
            f"m{number}",
            sequence + at,
            deleted=seed == -2,
            embedding=embedding(seed) if seed >= 0 else None,
            number=number,
        )
        for at, (number, seed) in enumerate(written, 1)
    ]


@settings(max_examples=150, deadline=None)
@given(history=st.lists(steps, min_size=4, max_size=40), seed=st.integers(0, 9))
def test_merges_interleaved_with_any_writes_leave_what_a_fresh_view_shows(
    history: list, seed: int
) -> None:
    live, everything = LiveView(LISTS), []
    under_way: tuple[Merge, Segment] | None = None
    for step in history:
        if isinstance(step, list):
            everything += changes_of(step, len(everything))
            live.advance(draft_of(everything[-len(step) :]), len(everything))
        elif step == "begin" and under_way is None:
            merge = live.plan()
            if merge is not None:
                under_way = merge, merge.segment(LISTS, lambda: None)
        elif step == "end" and under_way is not None:
            live.put(*under_way)
            under_way = None
        elif step == "anew":
            live.set(grown(ReadView(), draft_of(everything), len(everything), LISTS))
        fresh = grown(ReadView(), draft_of(everything), len(everything), LISTS)
        assert shown(live.now.parts) == shown(fresh.parts)
        assert shown(live.now.without_vectors) == shown(fresh.without_vectors)
        assert (live.now.total, live.now.sequence) == (fresh.total, fresh.sequence)
    assert ranking(live.now, seed) == ranking(fresh, seed)
    Merger(live, LISTS, lambda rows: None).settle()
    assert ranking(live.now, seed) == ranking(fresh, seed)
    assert live.plan() is None, "a view that was settled needs nothing more"


def merge_under_way() -> tuple[LiveView, Merge, Segment]:
    """A view of the marks m1 to m20, and a merge of it that is made but not yet in its place."""
    live = LiveView(LISTS)
    live.advance(draft_of(added(1, 20)), 20)
    merge = live.plan()
    assert merge is not None
    return live, merge, merge.segment(LISTS, lambda: None)


def test_a_mark_withdrawn_during_a_merge_is_dead_in_the_merged_segment() -> None:
    live, merge, merged = merge_under_way()
    live.advance(
        draft_of(
            [Change("m3", 21, True, number=3), Change("m4", 22, False, embedding(99), number=4)]
        ),
        22,
    )
    assert live.put(merge, merged)
    assert not live.now.parts[0].segment.vectors.is_exact, "the merged segment is in place"
    assert shown(live.now.parts).keys() == {f"m{at}" for at in range(1, 21)} - {"m3"}
    assert shown(live.now.parts)["m4"] == embedding(99).tolist()


def test_a_merge_whose_rows_have_all_died_leaves_no_segment() -> None:
    live, merge, merged = merge_under_way()
    live.advance(draft_of([Change(f"m{at}", 20 + at, True, number=at) for at in range(1, 21)]), 40)
    assert live.put(merge, merged)
    while planned := live.plan():
        live.put(planned, planned.segment(LISTS, lambda: None))
    assert list(live.now.whole_vectors(np.array([1, 2]))) == []
    assert live.now.parts == ()


def test_many_marks_without_picture_are_merged_once_and_then_left_alone() -> None:
    live = LiveView(CpuBuilder(most_exact=8, most_plain=4))
    changes = [Change(f"m{at}", at, False, None, number=at) for at in range(1, 31)]
    live.advance(draft_of(changes), 30)
    assert live.plan() is None


@dataclass(frozen=True)
class Slow(CpuBuilder):
    """A builder that waits in each merge, as seeking lists among a million rows does."""

    begun: Event = field(default_factory=Event)
    may_end: Event = field(default_factory=Event)

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        self.begun.set()
        while not self.may_end.wait(0.005):
            proceed()
        return super().merged(parts, proceed)


def test_new_marks_are_shown_and_old_ones_withdrawn_while_a_merge_takes_its_time() -> None:
    slow = Slow(most_exact=8)
    live = LiveView(slow)
    merger = Merger(live, slow, lambda rows: None)
    live.advance(draft_of(added(1, 30)), 30)
    merger.start()
    try:
        assert slow.begun.wait(10)
        live.advance(draft_of([*added(31, 2), Change("m7", 33, True, number=7)]), 33)
        expected = {f"m{at}" for at in range(1, 33)} - {"m7"}
        assert shown(live.now.parts).keys() == expected
        assert all(part.segment.vectors.is_exact for part in live.now.parts)
        slow.may_end.set()
        assert until(lambda: not live.now.parts[0].segment.vectors.is_exact)
        assert shown(live.now.parts).keys() == expected
    finally:
        merger.stop()


def test_stopping_gives_a_merge_up_and_joins_the_thread() -> None:
    slow = Slow(most_exact=8)
    live = LiveView(slow)
    merger = Merger(live, slow, lambda rows: None)
    live.advance(draft_of(added(1, 30)), 30)
    merger.start()
    assert slow.begun.wait(10)
    merger.stop()
    assert not merger.is_running
    assert merger.error is None, "giving up is no failure"
    assert len(shown(live.now.parts)) == 30
    assert live.plan() is not None, "the next start finds the merge due again"


@dataclass(frozen=True)
class Failing(CpuBuilder):
    """A builder whose first merges fail, as for want of memory."""

    failures: list[str] = field(default_factory=list)

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        if self.failures:
            raise MemoryError(self.failures.pop())
        return super().merged(parts, proceed)


def test_a_merge_that_fails_is_logged_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = Failing(most_exact=8, failures=["no room"] * 3)
    live, sizes = LiveView(failing), list[int]()
    merger = Merger(live, failing, sizes.append, retry_s=(0.01, 0.02))
    live.advance(draft_of(added(1, 30)), 30)
    merger.start()
    try:
        assert until(lambda: sizes == [30])
        assert until(lambda: merger.error is None)
    finally:
        merger.stop()
    assert caplog.text.count("merging segments failed, trying again") == 1
    assert "no room" in caplog.text
    assert len(shown(live.now.parts)) == 30


def test_large_segments_are_not_merged_by_whoever_refreshes() -> None:
    build = CpuBuilder()
    live = LiveView(build)
    for first in (1, 5_001):
        live.advance(draft_of(added(first, 5_000)), first + 4_999)
    assert [part.count for part in live.now.parts] == [5_000, 5_000]
    live.advance(draft_of(added(10_001, 3)), 10_003)
    assert [part.count for part in live.now.parts] == [5_000, 5_000, 3]
    Merger(live, build, lambda rows: None).settle()
    assert [part.count for part in live.now.parts] == [10_000, 3]
