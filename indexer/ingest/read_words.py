"""Reads the words in the pictures of marks that came without any, in a register that exists."""

from collections.abc import Callable
from dataclasses import dataclass

from indexer.register import Register
from indexer.register.image_store import ImageStore
from models.errors import MarkLensError
from models.images import decode_image
from models.reading import READER, joined

_BATCH = 32


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """What was read.

    Attributes:
        read: pictures that were looked at.
        with_words: those of them in which words were read.
        skipped: (id, reason) of marks whose picture cannot be looked at.
        interrupted: whether it was stopped before the last mark.
    """

    read: int
    with_words: int
    skipped: tuple[tuple[str, str], ...]
    interrupted: bool


def read_words(
    register: Register,
    images: ImageStore,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> ReadingReport:
    """Read the pictures of all marks without words that nobody has read yet.

    Each batch is kept in one transaction, so that another call goes on where one was stopped or
    killed.

    Args:
        register: may be searched and written meanwhile.
        images: where its pictures are.
        on_progress: called with (marks done, marks due at the start) after each batch.
        stop: asked between batches.

    Raises:
        MissingReader: the extra `words` is not installed.
        DatabaseUnavailable: the register cannot be read or written.
    """
    READER.require()
    total, done, with_words, last = register.words_read.count_due(), 0, 0, ""
    skipped: list[tuple[str, str]] = []
    interrupted = False
    while batch := register.words_read.due(last, _BATCH):
        if stop():
            interrupted = True
            break
        read = []
        for unread in batch:
            try:
                image = decode_image(images.get(unread.image_digest), unread.id)
            except MarkLensError as error:
                skipped.append((unread.id, str(error)))
                continue
            read.append((unread, joined(READER.read(image))))
        register.words_read.save(read)
        last, done = batch[-1].id, done + len(batch)
        with_words += sum(1 for _, text in read if text)
        on_progress(done, max(done, total))
    return ReadingReport(done - len(skipped), with_words, tuple(skipped), interrupted)
