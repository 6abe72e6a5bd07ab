"""A connection to PostgreSQL that waits for answers only so long.

The server's own ``statement_timeout`` ends nothing where the server itself stands still, and TCP
keepalives find its machine alive.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg

_Result = TypeVar("_Result")


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes too long.

    Attributes:
        answer_s: seconds that the next statements may take each; None for no end.
    """

    answer_s: float | None = 5.0

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Run one exchange with the server.

        Raises:
            psycopg.OperationalError: the answer did not come in time.
        """
        if self.answer_s is not None:
            gen = self._limited(gen, self.answer_s)
        return super().wait(gen, *arguments, **options)

    def _limited(
        self, gen: Generator[Any, Any, _Result], seconds: float
    ) -> Generator[Any, Any, _Result]:
        """The same exchange, which psycopg goes on with at least every tenth of a second."""
        deadline = monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if monotonic() > deadline:
                    break
                wanted = gen.send(ready)
        except StopIteration as done:
            result: _Result = done.value
            return result
        self.pgconn.finish()
        raise psycopg.OperationalError(f"no answer within {seconds:g} seconds, connection closed")
