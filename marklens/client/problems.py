"""What can go wrong between a program and a server, as exceptions.

::

ClientError
├── Unreachable    no answer came: no connection, or not in time
└── Problem        the server's answer, RFC 9457 problem details
    ├── Refused    400, 406, 413, 415, 422: the request must change
    ├── NotAllowed 401, 403: a key is missing, wrong, or of too narrow a scope
    ├── NotFound   404: no such mark or watch
    ├── Gone       410: a query picture is kept no longer
    └── Busy       429, 503: asking again later may help
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx


class ClientError(Exception):
    """A request that failed."""


class Unreachable(ClientError):
    """No answer came."""


@contextmanager
def sendable() -> Iterator[None]:
    """Make a request, or what makes requests.

    Raises:
        ClientError: it cannot be sent: a picture's file cannot be read, the key or an id holds
            signs that HTTP does not carry, or the address is none.
    """
    try:
        yield
    except (OSError, UnicodeError, httpx.InvalidURL) as error:
        raise ClientError(f"this cannot be sent: {error}") from error


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field."""

    field: str
    detail: str


class Problem(ClientError):
    """An answer that says what is wrong.

    Attributes:
        status: HTTP status.
        type: a URN that names the kind of problem.
        title: the kind in a few words.
        detail: what is wrong here, and what to do about it.
        errors: the fields at fault, where it is fields.
        retry_after_s: seconds after which the server says to ask again; None where it does not.
    """

    def __init__(self, response: httpx.Response) -> None:
        said = _body(response)
        errors = said.get("errors")
        self.status = response.status_code
        self.type = str(said.get("type", "about:blank"))
        self.title = str(said.get("title", response.reason_phrase))
        self.detail = str(said.get("detail", self.title))
        self.errors = tuple(
            FieldProblem(str(one.get("field")), str(one.get("detail")))
            for one in (errors if isinstance(errors, list) else [])
        )
        after = response.headers.get("Retry-After", "")
        self.retry_after_s = float(after) if after.isdecimal() else None
        super().__init__(f"{self.status} {self.title}: {self.detail}")


class Refused(Problem):
    """The request must change."""


class NotAllowed(Problem):
    """A key is missing, wrong, or of too narrow a scope."""


class NotFound(Problem):
    """There is no such mark or watch."""


class Gone(Problem):
    """A query picture is kept no longer."""


class Busy(Problem):
    """Asking again later may help."""


_KINDS: dict[int, type[Problem]] = {
    **dict.fromkeys((400, 406, 413, 415, 422), Refused),
    **dict.fromkeys((401, 403), NotAllowed),
    404: NotFound,
    410: Gone,
    **dict.fromkeys((429, 503), Busy),
}


def problem_of(response: httpx.Response) -> Problem:
    """The exception that an answer stands for."""
    return _KINDS.get(response.status_code, Problem)(response)


def _body(response: httpx.Response) -> dict[str, object]:
    """The problem's details; nothing where something between sent a page of its own."""
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
