"""What a server does beside answering: a thread that works while a block runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def beside(name: str, work: Callable[[Event], None], last_s: float | None = None) -> Iterator[None]:
    """Run some work in a thread of its own while the block runs.

    Args:
        name: of the thread, after ``marklens-``.
        work: is given an event, which is set at the end of the block: it should return then.
        last_s: seconds that it has for that, before it is left to the end of the process.
    """
    stopping = Event()
    thread = Thread(target=work, args=(stopping,), name=f"marklens-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(last_s)
