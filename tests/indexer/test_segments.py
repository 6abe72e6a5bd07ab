import gc
from dataclasses import replace
from types import FunctionType, ModuleType

import numpy as np
import pytest

from indexer.errors import FingerprintMismatch
from indexer.index.drafts import SegmentDraft
from indexer.index.merging import Merge, grown
from indexer.index.segments import LiveSegment, ReadView, Segment, bounds_of
from indexer.index.vectors import CpuBuilder
from indexer.marks import Change
from models.encoder import Block

BLOCKS = (Block("visual", 0, 2, 1.0), Block("colour", 2, 4, 0.5))


def change(mark_id: str, sequence: int, value: float = 1.0, deleted: bool = False) -> Change:
    """A change of the mark a, b, … or m0, m1, …, whose number says which it is."""
    vector = None if deleted else np.array([[value, 0, 0, 1]], np.float16)
    number = int(mark_id[1:]) if mark_id[1:] else ord(mark_id)
    return Change(mark_id, sequence, deleted, vector, number=number)


def marks(ids: str) -> np.ndarray:
    """The numbers of marks a, b, …"""
    return np.array([ord(mark_id) for mark_id in ids])


def segment_of(*changes: Change) -> Segment | None:
    draft = SegmentDraft(4)
    for one in changes:  # as if each were read in another chunk
        draft.add([one])
    return draft.segment(CpuBuilder())


def test_a_mark_changed_again_during_the_replay_counts_once_and_last() -> None:
    segment = segment_of(change("a", 1), change("b", 2), change("a", 3, 0.5), change("c", 4))
    assert segment is not None
    assert segment.numbers.tolist() == marks("bac").tolist()
    assert segment.sequences.tolist() == [2, 3, 4]
    assert segment.vectors.vectors()[1, 0] == 0.5
    assert segment_of(change("a", 1), change("a", 2, deleted=True)) is None


def test_an_embedding_that_is_not_finite_is_left_out_with_a_warning(caplog) -> None:
    segment = segment_of(change("a", 1, np.nan), change("b", 2), change("c", 3, np.inf))
    assert segment is not None
    assert segment.numbers.tolist() == marks("b").tolist()
    assert "mark a has an embedding that is not finite" in caplog.text


def test_rows_are_found_by_their_marks_numbers() -> None:
    segment = segment_of(change("c", 3), change("a", 7), change("d", 9))
    assert segment is not None
    assert segment.rows_of(marks("adz")).tolist() == [1, 2]
    assert segment.rows_of(marks("b")).tolist() == []


def objects_in(root: object) -> int:
    """How many objects a full collection of garbage comes by on its way from one."""
    seen: dict[int, object] = {}
    ahead = [root]
    while ahead:
        one = ahead.pop()
        if id(one) not in seen and not isinstance(one, type | ModuleType | FunctionType):
            seen[id(one)] = one
            ahead += gc.get_referents(one)
    return len(seen)


def test_a_segment_is_few_objects_however_many_rows_it_has() -> None:
    # A full collection looks at each of them, and while it does searches wait.
    def objects_of(rows: int) -> int:
        segment = segment_of(*(change(f"m{at}", at + 1) for at in range(rows)))
        assert segment is not None
        merged = Merge((LiveSegment.of(segment),)).quick_segment(CpuBuilder())
        restored = Segment.from_arrays(dict(merged.arrays()), CpuBuilder())
        return max(objects_in(merged), objects_in(restored))

    assert objects_of(2_000) <= objects_of(5) + 20


def test_a_segment_with_columns_of_different_lengths_is_refused() -> None:
    segment = segment_of(change("a", 3), change("b", 7))
    assert segment is not None
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        replace(segment, numbers=marks("a"))


def test_length_error_bounds_the_lengths_of_blocks_also_after_merging() -> None:
    view = ReadView()
    for at, value in enumerate([1.0, 1.25, 0.0, 0.5]):
        draft = SegmentDraft(4)
        draft.add([change(f"m{at}", at + 1, value)])
        view = grown(view, draft, at + 1, CpuBuilder())
        assert len(view.parts) == 1
        expected = [0.0, 0.25, 0.25, 0.5][at]
        assert view.parts[0].segment.length_error(bounds_of(BLOCKS)) == expected


def test_a_segment_that_is_mostly_dead_is_written_anew() -> None:
    draft = SegmentDraft(4)
    draft.add([change(f"m{at}", at + 1) for at in range(8)])
    view = grown(ReadView(), draft, 8, CpuBuilder())
    sizes = []
    for at in range(4):
        draft = SegmentDraft(4)
        draft.add([change(f"m{at}", 9 + at, deleted=True)])
        view = grown(view, draft, 9 + at, CpuBuilder())
        sizes.append([(len(part.segment), part.count) for part in view.parts])
    assert sizes == [[(8, 7)], [(8, 6)], [(5, 5)], [(5, 4)]]


def test_a_live_segment_without_some_marks_leaves_the_first_as_it_was() -> None:
    segment = segment_of(change("a", 1), change("b", 2))
    assert segment is not None
    whole = LiveSegment.of(segment)
    assert whole.without(marks("x")) is whole
    half = whole.without(marks("ax"))
    assert (half.alive.rows().tolist(), half.count) == ([1], 1)
    assert (whole.alive.rows().tolist(), whole.count) == ([0, 1], 2)


def test_an_embedding_of_another_length_is_refused() -> None:
    with pytest.raises(FingerprintMismatch, match=r"\(1, 4\).*8 numbers"):
        SegmentDraft(8).add([change("a", 1)])
