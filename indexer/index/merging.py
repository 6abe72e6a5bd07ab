"""Few segments out of many: which ones to write as one, and the thread that does it.

A merge copies what may be a million rows and may train their inverted lists anew, so it runs beside
searches and the replay of new changes, and its result is swapped in at the end: rows that died
meanwhile are dead in it, and whatever was written meanwhile is in segments of its own.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread

import numpy as np

from indexer.index.drafts import SegmentDraft
from indexer.index.row_sets import RowSet
from indexer.index.segments import Bounds, LiveSegment, ReadView, Segment
from indexer.index.vectors import IndexBuilder, Kept, VectorIndex, kept_vectors

logger = logging.getLogger(__name__)

_AT_ONCE = 4_000  # rows up to which merging costs a few milliseconds and waits for no thread
_GROWTH = 4  # a segment has at least so many times the rows of the next, and each is copied seldom
_GROWTH_LISTED = 50  # the same of a segment with lists: all of the next is scanned in each search
_MOST_DEAD = 0.25  # share of dead rows above which a segment is written anew


class _Interrupted(Exception):
    """The follower stops: the merge under way is given up."""


@dataclass(frozen=True, eq=False)
class Merge:
    """Neighbouring segments of a view that are to be one, as they were when it was planned."""

    parts: tuple[LiveSegment, ...]

    @property
    def count(self) -> int:
        """How many rows it copies."""
        return sum(part.count for part in self.parts)

    def segment(self, build: IndexBuilder, proceed: Callable[[], None]) -> Segment:
        """Write the segment.

        Args:
            build: makes its index.
            proceed: called every fraction of a second; what it raises ends the work.
        """
        return self._segment(build, lambda build, indexes: build.merged(indexes, proceed))

    def quick_segment(self, build: IndexBuilder) -> Segment:
        """Write the segment at once, with an exact index."""
        return self._segment(build, lambda build, indexes: build.quick(kept_vectors(indexes)))

    def _segment(
        self,
        build: IndexBuilder,
        merge: Callable[[IndexBuilder, Sequence[Kept]], VectorIndex],
    ) -> Segment:
        kept = [(part.segment, part.alive.rows()) for part in self.parts]
        return Segment.merged(kept, build, merge)

    def swapped(self, parts: Sequence[LiveSegment], merged: Segment) -> list[LiveSegment] | None:
        """Segments of a later view with the merged one in its place; None if one is gone.

        Rows that died since this merge was planned are dead in it; if all did, it is left out.
        """
        places = {part.segment: at for at, part in enumerate(parts)}
        found = [places.get(part.segment) for part in self.parts]
        first = found[0]
        if first is None or found != list(range(first, first + len(found))):
            return None
        alive = [
            parts[first + at].alive.contains(part.alive.rows())
            for at, part in enumerate(self.parts)
        ]
        new = LiveSegment.of(merged, RowSet.of_mask(np.concatenate(alive)))
        return [*parts[:first], *([new] if new.count else []), *parts[first + len(found) :]]


def next_merge(parts: Sequence[LiveSegment], build: IndexBuilder) -> Merge | None:
    """The merge that segments need most, if any: the one of the fewest rows."""
    due = [
        Merge(tuple(group))
        for group in _groups(parts)
        if len(group) > 1 or _is_worn(group[0]) or not group[0].segment.is_settled(build)
    ]
    return min(due, key=lambda merge: merge.count, default=None)


def tidied(
    parts: Sequence[LiveSegment], build: IndexBuilder, busy: frozenset[Segment]
) -> list[LiveSegment]:
    """Merge small neighbouring segments, and drop segments without a live row.

    Args:
        parts: segments, oldest rows first.
        build: makes their indexes.
        busy: segments that another thread merges already; they stay.
    """
    kept = [part for part in parts if part.count or part.segment in busy]
    groups: list[list[LiveSegment]] = []
    for part in kept:
        group = [part]
        while groups and _is_quick([*groups[-1], *group], busy) and _belong(groups[-1], group):
            group = groups.pop() + group
        groups.append(group)
    tidy = []
    for group in groups:
        worn = _is_worn(group[0]) and _is_quick(group, busy)
        if len(group) > 1 or worn:
            tidy.append(LiveSegment.of(Merge(tuple(group)).quick_segment(build)))
        else:
            tidy.append(group[0])
    return tidy


def grown(
    view: ReadView,
    draft: SegmentDraft,
    sequence: int,
    build: IndexBuilder,
    busy: frozenset[Segment] = frozenset(),
    stamp: int | None = None,
) -> ReadView:
    """Return the view after the changes of a draft, its small segments merged; see `tidied`."""
    found, bare = draft.segment(build), draft.segment_without_vectors()
    view = view.advanced(draft.touched, found, bare, sequence)
    return replace(
        view,
        parts=tuple(tidied(view.parts, build, busy)),
        without_vectors=tuple(tidied(view.without_vectors, build, busy)),
        stamp=stamp,
    )


class LiveView:
    """The view that searches hold now, and the only place that replaces it.

    One thread replays changes, another merges; each computes for itself, and puts its result into
    whatever view there is by then. Reading needs no lock.
    """

    def __init__(self, build: IndexBuilder) -> None:
        self._build = build
        self._lock = Lock()
        self._busy: frozenset[Segment] = frozenset()
        self.now = ReadView()

    def advance(self, draft: SegmentDraft, sequence: int, stamp: int | None = None) -> None:
        """Show the changes of a draft; `stamp` is of the last one's sequence."""
        with self._lock:
            self.now = grown(self.now, draft, sequence, self._build, self._busy, stamp)

    def measure(self, bounds: Bounds) -> None:
        """Compute the length error of every segment; see `ReadView.measured`."""
        self.now.measured(bounds)  # takes seconds and is remembered
        with self._lock:
            self.now = self.now.measured(bounds)

    def set(self, view: ReadView) -> None:
        """Show another view altogether."""
        with self._lock:
            self.now = view

    def plan(self) -> Merge | None:
        """The next merge; until it is put back or dropped its segments stay where they are."""
        with self._lock:
            merge = next_merge(self.now.parts, self._build) or next_merge(
                self.now.without_vectors, self._build
            )
            self._busy = frozenset(part.segment for part in merge.parts) if merge else frozenset()
            return merge

    def put(self, merge: Merge, merged: Segment) -> bool:
        """Swap a merged segment in; false if the view has been replaced meanwhile."""
        with self._lock:
            self._busy = frozenset()
            parts = merge.swapped(self.now.parts, merged)
            bare = merge.swapped(self.now.without_vectors, merged)
            if parts is not None:
                self.now = replace(self.now, parts=tuple(parts)).measured(self.now.bounds)
            elif bare is not None:
                self.now = replace(self.now, without_vectors=tuple(bare))
            return parts is not None or bare is not None

    def drop(self) -> None:
        """Give up the merge that was planned."""
        with self._lock:
            self._busy = frozenset()


class Merger:
    """Merges the segments of a view, in a background thread or while the caller waits."""

    def __init__(
        self,
        view: LiveView,
        build: IndexBuilder,
        on_merged: Callable[[int], None],
        retry_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        """Prepare.

        Args:
            view: where segments come from and go to.
            build: makes indexes.
            on_merged: called in the thread with the number of rows after each merge.
            retry_s: pause after a merge that failed, at first and at most.
        """
        self._view = view
        self._build = build
        self._on_merged = on_merged
        self._retry_s = retry_s
        self._thread: Thread | None = None
        self._stopping, self._wanted = Event(), Event()
        self.error: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None

    def start(self) -> None:
        """Merge in the background whenever `wake` says that there may be something to merge."""
        self._stopping.clear()
        self._wanted.set()
        self._thread = Thread(target=self._work, name="marklens-merger", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that the view has changed."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread: what it is merging is given up within a second, and nothing is lost."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def settle(self) -> None:
        """Merge all that needs it before returning."""
        while self._merge_one(lambda: None):
            pass

    def _work(self) -> None:
        pause = self._retry_s[0]
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            try:
                while self._merge_one(self._proceed):
                    pause, self.error = self._retry_s[0], None
                self.error = None
            except _Interrupted:
                return
            except Exception as error:
                # The segments stay as they are, and searches right, only slower; said once.
                if self.error != str(error):
                    logger.exception("merging segments failed, trying again")
                self.error = str(error)
                self._stopping.wait(pause)
                pause = min(2 * pause, self._retry_s[1])
                self._wanted.set()

    def _proceed(self) -> None:
        if self._stopping.is_set():
            raise _Interrupted

    def _merge_one(self, proceed: Callable[[], None]) -> bool:
        merge = self._view.plan()
        if merge is None:
            return False
        try:
            proceed()
            merged = merge.segment(self._build, proceed)
        except BaseException:
            self._view.drop()
            raise
        if self._view.put(merge, merged):
            self._on_merged(len(merged))
        return True


def _groups(parts: Sequence[LiveSegment]) -> list[list[LiveSegment]]:
    """Neighbours that belong together, so that each group is much larger than the next."""
    groups: list[list[LiveSegment]] = []
    for part in parts:
        group = [part]
        while groups and _belong(groups[-1], group):
            group = groups.pop() + group
        groups.append(group)
    return groups


def _belong(group: Sequence[LiveSegment], after: Sequence[LiveSegment]) -> bool:
    """Whether a group of segments is too small beside the one after it to stay apart."""
    has_lists = any(not part.segment.vectors.is_exact for part in group)
    return _count(group) < (_GROWTH_LISTED if has_lists else _GROWTH) * _count(after)


def _is_quick(group: Sequence[LiveSegment], busy: frozenset[Segment]) -> bool:
    """Whether a group can be merged without letting anybody wait."""
    return _count(group) <= _AT_ONCE and all(
        part.segment.vectors.is_exact and part.segment not in busy for part in group
    )


def _is_worn(part: LiveSegment) -> bool:
    return len(part.segment) - part.count > _MOST_DEAD * len(part.segment)


def _count(group: Sequence[LiveSegment]) -> int:
    return sum(part.count for part in group)
