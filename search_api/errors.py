"""One table: what each error means over HTTP (status, type) and on the command line (exit code).

Exit code 2 says "your input", 1 says "the set-up or the machine". Errors that only the faces
know are here too::

    MarkLensError
    ├── BadField       a form field or option that cannot be understood
    ├── BadToken       a missing or wrong key
    ├── NotAllowed     what this key or place may not do
    │   └── UnknownHost a host name that is not the server's
    ├── TooMany        more requests than one client may send
    ├── PictureGone    a query picture that is kept no longer
    ├── UnreadablePicture  one of several pictures of a sign
    ├── UnknownBatch   a batch that there is not, or no longer
    ├── BatchUnfinished the results of a batch that has none yet
    ├── TooLarge       a request body over the limit
    ├── TooBusy        every place in the queue is taken
    └── BadSettings    (settings.py)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexer.errors import (
    BadFilter,
    BadKey,
    BadQuery,
    BadRecord,
    BadWatch,
    BrokenSource,
    ChangedMeanwhile,
    DatabaseLost,
    DatabaseUnavailable,
    FingerprintMismatch,
    IndexUnavailable,
    MissingPicture,
    NoRegister,
    NoWeight,
    ReversedDays,
    RunUnderWay,
    SnapshotDamaged,
    SourceError,
    StorageFull,
    UnknownKey,
    UnknownMark,
    UnknownWatch,
    WorkersLost,
)
from models.errors import (
    BadCheckpoint,
    BadLabels,
    BadViennaCode,
    MarkLensError,
    MissingPackage,
    MissingReader,
    OnlyWords,
    UnreadableImage,
)
from search_api.log_records import request_id

TYPE_PREFIX = "urn:marklens:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2


class BadField(MarkLensError):
    """A form field, or a command-line option, that cannot be understood.

    Attributes:
        field: its name.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class NotAllowed(MarkLensError):
    """What this key or place may not do."""


class UnknownHost(NotAllowed):
    """A host name that is not the server's; no key helps."""


class BadToken(MarkLensError):
    """A missing or wrong key."""


class TooMany(MarkLensError):
    """More requests than one client may send.

    Attributes:
        retry_s: seconds after which the next one is answered.
    """

    def __init__(self, retry_s: float) -> None:
        super().__init__("Too many requests: wait as long as Retry-After says.")
        self.retry_s = retry_s


class PictureGone(MarkLensError):
    """A query picture that the server does not keep, or no longer."""

    def __init__(self, handle: str) -> None:
        super().__init__(
            f"The picture {handle} is gone: the server keeps pictures for a limited time. Send it "
            "again."
        )


class UnreadablePicture(UnreadableImage):
    """One of several pictures of a sign that cannot be read.

    Attributes:
        field: where it stands among the pictures of an answer's query: ``pictures.1`` is the
            second.
    """

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(reason)
        self.field = f"pictures.{place}"


class UnknownBatch(MarkLensError):
    """A batch that was never made, was forgotten, or is kept no longer."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(
            f"There is no batch {batch_id}: it was forgotten, or the server keeps it no longer."
        )


class BatchUnfinished(MarkLensError):
    """The results of a batch that has none yet, or never will."""


class TooLarge(MarkLensError):
    """A request body over the limit."""


class ServerEnds(MarkLensError):
    """A request that was not answered before the server had to end."""


class TooBusy(MarkLensError):
    """More pictures to encode than may wait."""


@dataclass(frozen=True, slots=True)
class Problem:
    """How one kind of error shows.

    Attributes:
        status: HTTP status.
        slug: last part of the problem type.
        title: the kind of problem in a few words, the same for each of its kind.
        exit_code: of the command line.
        public: what HTTP says instead of the error's own text, which may name files, hosts and
            accounts of the server; None where the error is about the request alone.
    """

    status: int
    slug: str
    title: str
    exit_code: int
    public: str | None = None

    @property
    def type(self) -> str:
        """The RFC 9457 problem type."""
        return TYPE_PREFIX + self.slug


PROBLEMS: Mapping[type[MarkLensError], Problem] = {
    UnreadableImage: Problem(422, "unreadable-image", "The picture cannot be read", 2),
    OnlyWords: Problem(422, "only-words", "Nothing is left without the words", 2),
    MissingPicture: Problem(422, "missing-picture", "There is no such picture", 2),
    BadViennaCode: Problem(422, "bad-vienna-code", "Not a Vienna code", 2),
    BadLabels: Problem(422, "bad-labels", "The labels cannot be used", 2),
    BadField: Problem(422, "bad-field", "A field cannot be understood", 2),
    BadFilter: Problem(422, "bad-filter", "The filter cannot be understood", 2),
    ReversedDays: Problem(422, "reversed-days", "The first day is after the last", 2),
    BadQuery: Problem(422, "bad-query", "The query cannot be answered", 2),
    NoWeight: Problem(422, "no-weight", "Nothing has a weight", 2),
    BadWatch: Problem(422, "bad-watch", "The watch cannot be made", 2),
    BadRecord: Problem(422, "bad-record", "The mark breaks a rule of the register", 2),
    SourceError: Problem(422, "bad-source", "The source cannot be read", 2),
    BrokenSource: Problem(422, "broken-source", "The source breaks off in its middle", 2),
    RunUnderWay: Problem(503, "run-under-way", "The run is still going on", 1),
    ChangedMeanwhile: Problem(503, "changed-meanwhile", "Somebody else wrote the marks", 1),
    UnknownWatch: Problem(404, "unknown-watch", "No such watch", 2),
    UnknownMark: Problem(404, "unknown-mark", "No such mark", 2),
    BadToken: Problem(401, "bad-token", "The key is missing or wrong", 2),
    UnknownHost: Problem(403, "unknown-host", "The server does not go by this name", 2),
    NotAllowed: Problem(403, "not-allowed", "Not allowed", 2),
    TooMany: Problem(429, "too-many", "Too many requests", 2),
    BadKey: Problem(422, "bad-key", "The key cannot be made", 2),
    UnknownKey: Problem(404, "unknown-key", "No such key", 2),
    PictureGone: Problem(410, "picture-gone", "The picture is gone", 2),
    UnknownBatch: Problem(404, "unknown-batch", "No such batch", 2),
    BatchUnfinished: Problem(409, "batch-unfinished", "The batch has no results", 2),
    TooLarge: Problem(413, "too-large", "The request is too large", 2),
    TooBusy: Problem(503, "too-busy", "The queue is full", 1),
    ServerEnds: Problem(503, "server-ends", "The server ends", 1),
    DatabaseUnavailable: Problem(
        503,
        "database-unavailable",
        "The register is unavailable",
        1,
        "The register cannot be read or written now.",
    ),
    NoRegister: Problem(
        503, "no-register", "There is no register", 1, "The server has no register."
    ),
    DatabaseLost: Problem(
        503,
        "database-lost",
        "The register is away for now",
        1,
        "The register does not answer now; try again in a few seconds.",
    ),
    StorageFull: Problem(
        507,
        "storage-full",
        "The disk is full",
        1,
        "The server's disk is full: nothing was written.",
    ),
    FingerprintMismatch: Problem(
        503,
        "fingerprint-mismatch",
        "Another network's register",
        1,
        "The register's embeddings come from another network than the server's.",
    ),
    IndexUnavailable: Problem(
        503,
        "index-unavailable",
        "The index is unavailable",
        1,
        "The server that compares pictures does not answer now; try again in a few seconds.",
    ),
    SnapshotDamaged: Problem(
        503,
        "snapshot-damaged",
        "The index snapshot is damaged",
        1,
        "The index is being made again.",
    ),
    BadCheckpoint: Problem(
        503,
        "bad-checkpoint",
        "The network cannot be loaded",
        1,
        "The server has no network that can look at pictures.",
    ),
    WorkersLost: Problem(503, "workers-lost", "No worker encodes pictures", 1),
    MissingReader: Problem(501, "missing-reader", "Words cannot be read here", 1),
    MissingPackage: Problem(
        503,
        "missing-package",
        "A package is not installed",
        1,
        "The server lacks a package that this request needs.",
    ),
    MarkLensError: Problem(500, "error", "MarkLens cannot do this", 1, "MarkLens cannot do this."),
}


def problem_for(error: MarkLensError) -> Problem:
    """Look an error up by its class, or by the nearest class it derives from.

    A field or picture at fault for a reason that has a kind of its own, such as no Vienna code, is
    that kind.
    """
    if isinstance(error, BadField | UnreadablePicture) and isinstance(
        error.__cause__, MarkLensError
    ):
        error = error.__cause__
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def public_detail(error: MarkLensError) -> str:
    """What an anonymous client is told: nothing of the server's files, hosts and accounts."""
    problem = problem_for(error)
    if problem.public is None:
        return str(error)
    return f"{problem.public} {where_logged()}"


def where_logged() -> str:
    """A sentence that leads who keeps the server running to the reason in its log."""
    return f"The server's log says why, under request {request_id.get()}."


def plain_fault(fault: Mapping[str, Any]) -> str:
    """Say a validator's finding without its jargon."""
    detail = str(fault["msg"]).removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden":
            return "there is no such field"
        case "missing":
            return "is missing"
        case "value_error" if "UploadFile" in detail:
            return "send it as a file, not as text"
    return detail
