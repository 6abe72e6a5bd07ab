"""What can go wrong with a register, its sources and its index.

::

    MarkLensError (models.errors)
    ├── UnknownMark           no live mark of that id
    ├── BadRecord             a mark that breaks a rule of the register
    ├── BadFilter             a filter that contradicts itself or is out of range
    │   └── ReversedDays      one whose first day is after its last
    ├── BadQuery              a search that is out of range
    │   └── NoWeight          one in which nothing counts
    ├── BadWatch              a watch that cannot be made
    ├── UnknownWatch          no watch of that name
    ├── BadKey                a key that cannot be made
    ├── UnknownKey            no key of that name
    ├── SourceError           a table or folder that cannot be read at all
    │   └── BrokenSource      one that ends or breaks in its middle
    ├── RunUnderWay           a run that another process goes on with
    ├── ChangedMeanwhile      marks that somebody else wrote since they were looked at
    ├── WorkersLost           no worker can decode and encode pictures
    ├── DatabaseUnavailable   the database cannot be opened, reached or written
    │   ├── NoRegister        it holds none, and none may be made
    │   └── DatabaseLost      its connection broke; it may come back
    ├── StorageFull           the disk, or the account's share of it, is full
    ├── FingerprintMismatch   embeddings of two networks would meet
    ├── IndexUnavailable      the server that compares vectors cannot be reached or used
    ├── SnapshotDamaged       an index file that does not hold what it should
    └── UnreadableImage (models.errors)
        └── MissingPicture    a picture that a source names and that is not there
"""

import errno

from models.errors import MarkLensError, UnreadableImage


class UnknownMark(MarkLensError):
    """No live mark has this id, or the one that has it lacks what was asked for: the text says."""

    def __init__(self, mark_id: str, text: str | None = None) -> None:
        super().__init__(text or f"The register holds no mark {mark_id!r}.")


class BadRecord(MarkLensError):
    """A mark that breaks a rule of the register; the text names the field."""


class BadFilter(MarkLensError):
    """A filter that contradicts itself or is out of range."""


class ReversedDays(BadFilter):
    """A filter whose first day is after its last."""


class BadQuery(MarkLensError):
    """A search that is out of range."""


class NoWeight(BadQuery):
    """A search in which nothing counts."""


class BadWatch(MarkLensError):
    """A watch that cannot be made; the text says why."""


class UnknownWatch(MarkLensError):
    """No watch has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no watch {name!r}.")


class BadKey(MarkLensError):
    """A key that cannot be made; the text says why."""


class UnknownKey(MarkLensError):
    """No key that is not revoked has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no key {name!r} that is not revoked.")


class SourceError(MarkLensError):
    """A table or folder that cannot be read at all."""


class BrokenSource(SourceError):
    """A file that ends or breaks in its middle; what was read of it before stays good."""


class RunUnderWay(MarkLensError):
    """A run that is to be resumed goes on in another process."""


class ChangedMeanwhile(MarkLensError):
    """Marks are not written, as somebody else has written some of them since they were looked at.

    Attributes:
        ids: of those marks.
    """

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(f"Somebody else has written {len(ids)} of these marks meanwhile.")
        self.ids = ids


class WorkersLost(MarkLensError):
    """No other process decodes and encodes pictures for a run, or one of another network would."""


class DatabaseUnavailable(MarkLensError):
    """The database cannot be opened, reached or written."""


class NoRegister(DatabaseUnavailable):
    """There is no register where one is looked for."""


class DatabaseLost(DatabaseUnavailable):
    """The connection to the database broke or is refused for now; it may come back."""


class StorageFull(MarkLensError):
    """The disk, or the share of it that this account may use, is full."""

    @staticmethod
    def is_told_by(error: BaseException | None) -> bool:
        """Whether an error of the system says so."""
        return isinstance(error, OSError) and error.errno in _FULL


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FingerprintMismatch(MarkLensError):
    """The register's embeddings come from another network than the one in use."""


class IndexUnavailable(MarkLensError):
    """The server that keeps the vectors cannot be reached, or does not do what it is asked.

    Attributes:
        is_gone: because it has no such collection, or an empty one.
        is_unloaded: because the collection is on its disk and not in its memory.
    """

    def __init__(self, text: str, *, is_gone: bool = False, is_unloaded: bool = False) -> None:
        super().__init__(text)
        self.is_gone = is_gone
        self.is_unloaded = is_unloaded


class SnapshotDamaged(MarkLensError):
    """An index file on disk that does not hold what its manifest says; it is rebuilt from SQL."""


class MissingPicture(UnreadableImage):
    """A picture that a source names and that is not there."""
