"""Sets garbage collection and thread switching of a process so that searches need not wait."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_SWITCH_S = 0.0001  # turns of 0.5 ms still made a search wait for 55 ms in all

_ENTERING = Lock()
_intervals: list[float] = []  # the process' own, once for each that serves


@contextmanager
def prioritise_searches() -> Iterator[None]:
    """Spare searches full garbage collections, and waiting 5 ms for another thread's turn.

    To be entered once the index is loaded. What is there then stays: a full garbage collection
    would walk all of it, 40 to 80 ms in which nothing else runs, whenever many changes come in.
    And a search gives Python's lock away some fifty times, to SQLite and FAISS: beside a thread
    that replays changes it would get it back after 5 ms each time, Python's default.

    How long a search takes at worst beside marks that are followed: `benchmarks.search_follow`.
    """
    with _ENTERING:
        _intervals.append(_intervals[0] if _intervals else sys.getswitchinterval())
        gc.collect()  # what is frozen is garbage for good
        gc.freeze()
        sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        with _ENTERING:  # several may serve in one process, and end in any order
            interval = _intervals.pop()
            if not _intervals:
                sys.setswitchinterval(interval)
                gc.unfreeze()
